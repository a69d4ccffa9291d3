"""`laurel up` runs everything, says where, ends in order at one signal, and finds its state again."""

import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import psycopg
import pytest

from cli.embedded.postgres import OWNER, Cluster
from cli.embedded.stack import Ports, is_taken
from settings import RUNNING_STACK_FILE, Settings

READY_SECONDS = 120
STOP_SECONDS = 60


@pytest.fixture
def directory() -> Iterator[Path]:
    """A state directory that the embedded PostgreSQL's own user can walk to."""
    path = Path(tempfile.mkdtemp(prefix="laurel-up-"))
    yield path
    shutil.rmtree(path)


@pytest.fixture
def ports() -> Ports:
    """Seven free ports in a row, below those that the system gives to outgoing connections."""
    candidates = (Ports(first) for first in random.sample(range(20_000, 32_000, 10), 100))
    return next(candidate for candidate in candidates if not any(is_taken(port) for port in candidate.names()))


class Up:
    """One `laurel up` in a process of its own."""

    def __init__(self, directory: Path, ports: Ports, **changes: str) -> None:
        self.output = directory / "output"
        environment = {**os.environ, "LAUREL_STATE_DIR": str(directory), "LAUREL_PORT": str(ports.api - 100)}
        command = [sys.executable, "-c", "import cli; cli.main()", "up", "--port-offset", "100"]
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


def running(processes: list[psutil.Process]) -> list[psutil.Process]:
    return [one for one in processes if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]


def revision(directory: Path) -> object:
    with psycopg.connect(Cluster(directory / "postgres").url(OWNER)) as connection:
        return connection.execute("SELECT version_num FROM alembic_version").fetchone()


def test_everything_starts_answers_ends_at_one_signal_and_starts_again_on_its_state(
    directory: Path, ports: Ports
) -> None:
    up = Up(directory, ports)
    try:
        screen = up.wait_for("Ctrl-C stops everything")
        children = up.children()

        assert httpx.get(f"http://127.0.0.1:{ports.api}/readyz").status_code == 200
        assert httpx.get(f"http://127.0.0.1:{ports.temporal_ui}/").status_code == 200
        assert "lrl_test_" in screen
        assert (directory / RUNNING_STACK_FILE).stat().st_mode & 0o077 == 0
        first = revision(directory)
    finally:
        status, output = up.end()

    assert status == 0
    assert re.findall("stopping (.+)", output) == [
        "worker",
        "API",
        "HubSpot sandbox",
        "Tremendous sandbox",
        "Temporal",
        "Redis",
        "PostgreSQL",
    ]
    assert running(children) == []
    assert not (directory / RUNNING_STACK_FILE).exists()

    again = Up(directory, ports)
    try:
        again.wait_for("Ctrl-C stops everything")
        assert revision(directory) == first
    finally:
        status, _ = again.end(signal.SIGTERM)
    assert status == 0


def test_servers_that_the_settings_name_are_used_and_not_started(
    directory: Path, ports: Ports, settings: Settings
) -> None:
    names = ("database_url", "database_owner_url", "redis_url", "temporal_address", "temporal_namespace")
    up = Up(directory, ports, **{name.upper(): getattr(settings, name) for name in names})
    try:
        up.wait_for("Ctrl-C stops everything")
        commands = [" ".join(child.cmdline()) for child in up.children()]

        assert httpx.get(f"http://127.0.0.1:{ports.api}/readyz").json()["status"] == "ready"
        assert not [one for one in commands if re.search("postgres|redis-server|cli.embedded.redis|start-dev", one)]
        assert not (directory / "postgres").exists()
    finally:
        status, _ = up.end()
    assert status == 0


def test_a_part_that_dies_is_reported_and_ends_the_rest(directory: Path, ports: Ports) -> None:
    up = Up(directory, ports)
    try:
        up.wait_for("Ctrl-C stops everything")
        children = up.children()
        victim = next(child for child in children if "sandbox.tremendous" in child.cmdline())
        victim.kill()
        status = up.process.wait(STOP_SECONDS)
    finally:
        if up.process.poll() is None:
            up.end()

    assert status == 1
    assert "laurel: Tremendous sandbox ended with status -9" in up.output.read_text()
    assert running(children) == []


def test_a_killed_run_is_cleaned_up_by_the_next(directory: Path, ports: Ports) -> None:
    killed = Up(directory, ports)
    killed.wait_for("Ctrl-C stops everything")
    left = killed.children()
    killed.end(signal.SIGKILL)

    again = Up(directory, ports)
    try:
        screen = again.wait_for("Ctrl-C stops everything")
        assert "that an earlier run left behind" in screen
        assert running(left) == []
    finally:
        again.end()


def test_a_taken_port_is_named_before_anything_starts(directory: Path, ports: Ports) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", ports.redis))
        other.listen()
        up = Up(directory, ports)
        status = up.process.wait(STOP_SECONDS)

    assert status == 1
    assert f"laurel: taken ports: {ports.redis} (redis); use others with --port-offset" in up.output.read_text()
    assert not (directory / "postgres").exists()


def test_production_is_refused(directory: Path, ports: Ports) -> None:
    up = Up(directory, ports, LAUREL_ENV="production")
    status = up.process.wait(STOP_SECONDS)

    assert status == 1
    assert "laurel: LAUREL_ENV=production: " in up.output.read_text()
