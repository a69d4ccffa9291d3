"""A fault test can have a process die at a named point, and nobody else can."""

import signal
import subprocess
import sys

import pytest

from activities import failpoints

PROGRAM = """
import asyncio, sys
from activities import failpoints
failpoints.arm(sys.argv[1])
asyncio.run(failpoints.reached("before_settle"))
print("passed")
"""


def run(armed: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", PROGRAM, armed], capture_output=True, text=True, check=False)


def test_a_process_dies_without_a_word_at_a_point_armed_to_kill() -> None:
    died = run("before_place:hang,before_settle:kill")

    assert (died.returncode, died.stdout) == (-signal.SIGKILL, "")


@pytest.mark.parametrize("armed", ["", "before_place:kill"])
def test_a_process_passes_points_that_are_not_armed(armed: str) -> None:
    assert run(armed).stdout == "passed\n"


@pytest.mark.parametrize("armed", ["nowhere:kill", "before_place:explode", "before_place"])
def test_what_is_not_known_is_not_armed(armed: str) -> None:
    with pytest.raises(ValueError, match=r"nowhere|explode|''"):
        failpoints.arm(armed)
