"""The real servers that the tests share: each is started once, by the first test that asks, and ends with the run.

The servers belong to the whole run and not to one worker of it: whoever first needs one starts it under a lock and
writes down how it is reached. A guard process ends them all when the run ends, however it ends: it waits for the pipe.
"""

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from cli.embedded.ports import free_port
from cli.embedded.postgres import SUPERUSER, Cluster
from cli.embedded.processes import Child, Program, remember, stop_left_over
from cli.embedded.redis import Redis
from cli.embedded.temporal import DevelopmentServer, find_binary

# A crash of the machine loses the tests' databases, which nobody would miss.
FAST_AND_LOSSY = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
}
MEMORY = Path("/dev/shm")
MEMORY_NEEDED_BYTES = 4 * 1024**3
FOR_TEMPORAL = {
    "frontend.WorkflowTimeSkippingEnabled": "true",
    "frontend.WorkflowTimeSkippingMaxSkipPerSession": "100000",
    "history.timerProcessorMaxTimeShift": '"10ms"',  # each skip takes this long; by default a second
    # A queue of Temporal's is read at most 20 times a second to spare databases: each step would wait for that.
    "history.timerProcessorMaxPollRPS": "2000",
    "history.transferProcessorMaxPollRPS": "2000",
}


class Run:
    """The whole test run's own directory and guard; made by the process that runs, or hands out, the tests."""

    def __init__(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="laurel-tests-", dir=_roomy_memory()))
        self.directory.chmod(0o711)  # the PostgreSQL of a run as root belongs to another user
        command = [sys.executable, "-m", "tests.servers", str(self.directory)]
        root = Path(__file__).parents[1]
        self._guard = subprocess.Popen(command, stdin=subprocess.PIPE, cwd=root, start_new_session=True)

    def end(self) -> None:
        """Stop every server and delete the directory."""
        assert self._guard.stdin
        self._guard.stdin.close()
        self._guard.wait()


class Servers:
    """What one process needs to reach, or to start, the run's servers."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._children: list[Child] = []

    def postgres(self) -> str:
        """The superuser's URL of the run's PostgreSQL."""
        return self.once("postgres", self._start_postgres)

    def redis(self) -> str:
        """The URL of the run's Redis, without a database number."""
        return self.once("redis", self._start_redis)

    def temporal(self) -> DevelopmentServer:
        """The run's Temporal server, in which time can be skipped."""
        binary, port, ui_port = self.once("temporal", self._start_temporal).split(" ")
        return DevelopmentServer(Path(binary), int(port), int(ui_port))

    def once(self, name: str, make: Callable[[], str]) -> str:
        """Make something once in the run; every later caller, in any process, gets what the first one made."""
        answer = self._directory / f"{name}.answer"
        with _locked(self._directory / f"{name}.lock"):
            if not answer.exists():
                answer.write_text(make())
            return answer.read_text()

    def _start(self, program: Program) -> None:
        child = Child.start(program)
        self._children.append(child)
        remember(self._directory / f"{program.name}.pids", [child])

    def _start_postgres(self) -> str:
        if given := os.environ.get("TEST_DATABASE_URL"):
            return given
        cluster = Cluster(self._directory / "postgres")
        cluster.initialise()
        self._start(cluster.program(self._directory / "postgres.log", FAST_AND_LOSSY))
        return cluster.url(SUPERUSER, "postgres")

    def _start_redis(self) -> str:
        redis = Redis(free_port())
        self._start(redis.program(self._directory / "redis.log"))
        return f"redis://127.0.0.1:{redis.port}"

    def _start_temporal(self) -> str:
        binary = find_binary(progress=lambda _: None)
        database = self._directory / "temporal.db"
        server = DevelopmentServer(binary, free_port(), free_port(), database, dynamic_configuration=FOR_TEMPORAL)
        self._start(server.program(self._directory / "temporal.log"))
        return f"{binary} {server.port} {server.ui_port}"


def _roomy_memory() -> Path | None:
    """A file system in memory, where making a database for each test does not wait for a disk; None without room."""
    return MEMORY if MEMORY.exists() and shutil.disk_usage(MEMORY).free > MEMORY_NEEDED_BYTES else None


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def guard(directory: Path) -> None:
    """Wait until the run is over, then stop what it started and delete its directory."""
    sys.stdin.read()
    for pids in directory.glob("*.pids"):
        stop_left_over(pids)
    shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    guard(Path(sys.argv[1]))
