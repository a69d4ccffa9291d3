"""`laurel up` as a person runs it: in a process, in a directory and on ports of its own."""

import fcntl
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import psutil

from cli.embedded.ports import is_taken
from cli.embedded.stack import Ports

READY_SECONDS = 300
STOP_SECONDS = 60
RUNS = "Ctrl-C stops everything"
LAUREL = (sys.executable, "-c", "import cli; cli.main()")


@contextmanager
def state_directory() -> Iterator[Path]:
    """A state directory that the embedded PostgreSQL's own user can walk to, unlike pytest's when run as root."""
    path = Path(tempfile.mkdtemp(prefix="laurel-up-"))
    yield path
    shutil.rmtree(path)


def free_ports() -> Ports:
    """Nine free ports in a row, below those that the system gives to outgoing connections, for this process alone.

    Who else runs tests on this machine cannot be given them before this process ends.
    """
    candidates = (Ports(first) for first in random.sample(range(20_000, 32_000, 10), 100))
    return next(one for one in candidates if _reserve(one) and not any(is_taken(port) for port in one.names()))


_reserved: list[IO[str]] = []  # open, because closing one gives up its lock


def _reserve(ports: Ports) -> bool:
    file = (Path(tempfile.gettempdir()) / f"laurel-test-ports-{ports.api}.lock").open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return False
    _reserved.append(file)
    return True


class Up:
    """One `laurel up` in a process of its own."""

    def __init__(self, directory: Path, ports: Ports, **changes: str) -> None:
        self.output = directory / "output"
        environment = {**os.environ, "LAUREL_STATE_DIR": str(directory), "LAUREL_PORT": str(ports.api - 100)}
        command = [*LAUREL, "up", "--port-offset", "100"]
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                command, stdout=output, stderr=output, env=environment | changes, cwd=directory
            )

    def wait_for(self, text: str) -> str:
        deadline = time.monotonic() + READY_SECONDS
        while text not in self.output.read_text():
            assert self.process.poll() is None, self.output.read_text()
            assert time.monotonic() < deadline, self.output.read_text()
            time.sleep(0.1)
        return self.output.read_text()

    def children(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def end(self, number: signal.Signals = signal.SIGINT) -> tuple[int, str]:
        """Send the signal; the exit status and all that was said."""
        self.process.send_signal(number)
        return self.process.wait(STOP_SECONDS), self.output.read_text()
