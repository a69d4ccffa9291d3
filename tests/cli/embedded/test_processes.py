"""Child processes start when ready, end when told, and leave nothing behind."""

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from cli.embedded.processes import Child, Program, ProgramFailed, log_tail, remember, stop_left_over

DEADLINE_SECONDS = 20
STUBBORN = """
import signal, subprocess, sys, pathlib, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
pathlib.Path(sys.argv[1]).write_text(str(child.pid))
time.sleep(600)
"""


@pytest.fixture
def started() -> Iterator[list[Child]]:
    """Children that the test leaves to us to stop."""
    children: list[Child] = []
    yield children
    for child in children:
        child.stop()


def program(tmp_path: Path, code: str, *arguments: str, ready: Callable[[], bool], seconds: float = 20) -> Program:
    argv = [sys.executable, "-c", code, *arguments]
    return Program("example", argv, tmp_path / "logs" / "example.log", ready, ready_seconds=seconds, stop_seconds=0.2)


def is_gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def eventually(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


def test_a_started_child_is_ready_and_out_of_reach_of_our_terminal(tmp_path: Path, started: list[Child]) -> None:
    mark = tmp_path / "ready"
    code = "import pathlib, sys, time; time.sleep(0.1); pathlib.Path(sys.argv[1]).touch(); time.sleep(600)"

    child = Child.start(program(tmp_path, code, str(mark), ready=mark.exists))
    started.append(child)

    assert mark.exists()
    assert child.alive
    assert os.getsid(child.pid) == child.pid


def test_a_child_that_dies_before_it_is_ready_is_reported_with_the_end_of_its_log(tmp_path: Path) -> None:
    code = "import sys; [print(n) for n in range(1000)]; sys.exit('no such port')"

    with pytest.raises(ProgramFailed, match=r"example ended with status 1\n(?s:.*)999\nno such port"):
        Child.start(program(tmp_path, code, ready=lambda: False))


def test_a_child_that_is_never_ready_is_stopped_and_reported(tmp_path: Path) -> None:
    pids: list[int] = []
    code = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"
    slow = program(tmp_path, code, ready=lambda: False, seconds=1)

    with pytest.raises(ProgramFailed, match="example was not ready after 1 s"):
        Child.start(slow)
    pids = [int(line) for line in slow.log.read_text().split()]

    assert all(is_gone(pid) for pid in pids)


def test_an_interrupt_ends_the_wait_and_the_child(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        Child.start(program(tmp_path, "import time; time.sleep(600)", ready=lambda: False), interrupted=lambda: True)


def test_a_child_that_ignores_its_signal_is_killed_with_what_it_started(tmp_path: Path) -> None:
    mark = tmp_path / "grandchild"
    child = Child.start(program(tmp_path, STUBBORN, str(mark), ready=lambda: mark.exists() and mark.read_text() != ""))
    grandchild = int(mark.read_text())

    child.stop()

    assert not child.alive
    assert eventually(lambda: is_gone(grandchild))


def test_what_a_killed_run_left_behind_is_ended(tmp_path: Path, started: list[Child]) -> None:
    child = Child.start(program(tmp_path, "import time; time.sleep(600)", ready=lambda: True))
    started.append(child)
    remember(tmp_path / "children.json", [child])

    count = stop_left_over(tmp_path / "children.json")

    assert count == 1
    assert is_gone(child.pid)
    assert stop_left_over(tmp_path / "children.json") == 0


def test_another_process_that_got_the_same_number_is_left_alone(tmp_path: Path, started: list[Child]) -> None:
    child = Child.start(program(tmp_path, "import time; time.sleep(600)", ready=lambda: True))
    started.append(child)
    record = {"pid": child.pid, "created": 1.0, "signal": int(signal.SIGTERM)}
    (tmp_path / "children.json").write_text(json.dumps([record]))

    count = stop_left_over(tmp_path / "children.json")

    assert count == 0
    assert child.alive


def test_the_end_of_a_log_is_bounded_and_of_none_is_empty(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("x" * 100_000 + "\nlast\n")

    assert log_tail(tmp_path / "log").endswith("\nlast")
    assert len(log_tail(tmp_path / "log")) < 10_000
    assert log_tail(tmp_path / "none") == ""
