"""Child processes: started in a session of their own, so that Ctrl-C reaches only us and they stop in our order.

A child is ready, or the error carries the end of its log; a child that ignores its stop signal is killed with all that
it started. What a killed parent left behind is found again by pid and start time.
"""

import json
import os
import pwd
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self, TypedDict

import psutil

POLL_SECONDS = 0.05
LEFT_OVER_SECONDS = 10
LOG_TAIL_LINES = 20
LOG_TAIL_BYTES = 8 * 1024
LOG_KEPT_BYTES = 32 * 1024 * 1024


class ProgramFailed(Exception):
    """A program died, or was not ready in time; the message carries the end of its log."""


@dataclass(frozen=True, slots=True)
class Program:
    """What to run, as whom, how to see that it is ready and how to stop it."""

    name: str
    argv: Sequence[str]
    log: Path
    ready: Callable[[], bool]
    environment: Mapping[str, str] = field(default_factory=dict)
    directory: Path | None = None
    user: str | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    ready_seconds: float = 120
    stop_seconds: float = 25


class Child:
    """A running program of ours."""

    def __init__(self, program: Program, process: "subprocess.Popen[bytes]") -> None:
        self.program = program
        self._process = process

    @classmethod
    def start(cls, program: Program, interrupted: Callable[[], bool] = lambda: False) -> Self:
        """Start it and wait until it is ready; raises ProgramFailed, or KeyboardInterrupt if interrupted."""
        program.log.parent.mkdir(parents=True, exist_ok=True)
        _rotate(program.log)
        with program.log.open("ab") as log:
            child = cls(program, _spawn(program, log.fileno()))
        try:
            child._wait_until_ready(interrupted)
        except BaseException:
            child.stop()
            raise
        return child

    def _wait_until_ready(self, interrupted: Callable[[], bool]) -> None:
        deadline = time.monotonic() + self.program.ready_seconds
        while not self.program.ready():
            if interrupted():
                raise KeyboardInterrupt
            if not self.alive:
                raise ProgramFailed(self.obituary())
            if time.monotonic() > deadline:
                tail = log_tail(self.program.log)
                raise ProgramFailed(
                    f"{self.program.name} was not ready after {self.program.ready_seconds:.0f} s\n{tail}"
                )
            time.sleep(POLL_SECONDS)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    @property
    def status(self) -> int | None:
        """How it ended: its exit status, or a signal's number below zero; None while it runs."""
        return self._process.poll()

    def wait(self, seconds: float) -> None:
        """Returns when it has ended by itself, or after so long."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)

    def obituary(self) -> str:
        """How it ended, with the last lines of its log."""
        return f"{self.program.name} ended with status {self.status}\n{log_tail(self.program.log)}"

    def stop(self) -> None:
        """End it and everything that it started; returns when it is gone."""
        if self.alive:
            self._process.send_signal(self.program.stop_signal)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(self.program.stop_seconds)
        kill_group(self.pid)
        self._process.wait()


def _spawn(program: Program, log: int) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        program.argv,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        cwd=program.directory,
        env={**os.environ, **program.environment},
        start_new_session=True,
        umask=0o077,
        **identity(program.user),
    )


class Identity(TypedDict, total=False):
    """As whom a subprocess runs; empty for ourselves."""

    user: int
    group: int
    extra_groups: list[int]


def identity(user: str | None) -> Identity:
    """All of another user's identity: one that keeps our group is denied where our group is."""
    if user is None:
        return {}
    entry = pwd.getpwnam(user)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def kill_group(leader: int) -> None:
    """End every process of the group that this one leads."""
    try:
        os.killpg(leader, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return


def _rotate(log: Path) -> None:
    if log.exists() and log.stat().st_size > LOG_KEPT_BYTES:
        log.replace(log.with_name(f"{log.name}.1"))


def log_tail(log: Path) -> str:
    """The last lines of a log file, bounded; empty if there is none."""
    if not log.exists():
        return ""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - LOG_TAIL_BYTES))
        return "\n".join(file.read().decode(errors="replace").splitlines()[-LOG_TAIL_LINES:])


def remember(path: Path, children: Iterable[Child]) -> None:
    """Write down which processes are ours and how they stop, for `stop_left_over` of a later run."""
    records = [
        {"pid": child.pid, "created": psutil.Process(child.pid).create_time(), "signal": int(child.program.stop_signal)}
        for child in children
        if child.alive
    ]
    path.write_text(json.dumps(records))


def stop_left_over(path: Path) -> int:
    """End what a killed run left behind, newest first; returns how many were still running."""
    if not path.exists():
        return 0
    records = [record for record in json.loads(path.read_text()) if _runs(record)]
    for record in reversed(records):
        os.kill(record["pid"], record["signal"])
        _wait_until_gone(record)
        kill_group(record["pid"])
    path.unlink()
    return len(records)


def _wait_until_gone(record: Mapping[str, float]) -> None:
    deadline = time.monotonic() + LEFT_OVER_SECONDS
    while _runs(record) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)


def _runs(record: Mapping[str, float]) -> bool:
    """Whether this very process, not a later one of the same number, still runs; one that nobody reaped does not."""
    try:
        process = psutil.Process(int(record["pid"]))
        same = process.create_time() == record["created"]
        return same and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
