"""`laurel up` runs everything, says where, ends in order at one signal, and finds its state again."""

import re
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import psycopg
import pytest

from cli.embedded.postgres import OWNER, Cluster
from cli.embedded.stack import Ports
from settings import RUNNING_STACK_FILE, Settings
from tests.up import RUNS, STOP_SECONDS, Up, free_ports, state_directory


@pytest.fixture
def directory() -> Iterator[Path]:
    """The stack's state directory."""
    with state_directory() as path:
        yield path


@pytest.fixture
def ports() -> Ports:
    """Where the stack listens."""
    return free_ports()


def running(processes: list[psutil.Process]) -> list[psutil.Process]:
    return [one for one in processes if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]


def revision(directory: Path) -> object:
    with psycopg.connect(Cluster(directory / "postgres").url(OWNER)) as connection:
        return connection.execute("SELECT version_num FROM alembic_version").fetchone()


def test_one_state_is_started_after_a_signal_and_after_a_kill_and_ends_with_a_part_that_dies(
    directory: Path, ports: Ports
) -> None:
    """Three lives of one state directory: each start takes as long as a dozen other tests."""
    first = everything_starts_answers_and_ends_at_one_signal(directory, ports)
    left = it_starts_again_on_its_state_and_is_killed(directory, ports, first)
    what_was_left_is_ended_and_so_is_the_rest_of_what_lost_a_part(directory, ports, left)


def everything_starts_answers_and_ends_at_one_signal(directory: Path, ports: Ports) -> object:
    """The revision of its database."""
    up = Up(directory, ports)
    try:
        screen = up.wait_for(RUNS)
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
        "Slack sandbox",
        "BambooHR sandbox",
        "HubSpot sandbox",
        "Tremendous sandbox",
        "Temporal",
        "Redis",
        "PostgreSQL",
    ]
    assert running(children) == []
    assert not (directory / RUNNING_STACK_FILE).exists()
    return first


def it_starts_again_on_its_state_and_is_killed(directory: Path, ports: Ports, first: object) -> list[psutil.Process]:
    """What it left behind."""
    killed = Up(directory, ports)
    try:
        killed.wait_for(RUNS)
        left = killed.children()
        assert revision(directory) == first
    finally:
        killed.end(signal.SIGKILL)
    return left


def what_was_left_is_ended_and_so_is_the_rest_of_what_lost_a_part(
    directory: Path, ports: Ports, left: list[psutil.Process]
) -> None:
    up = Up(directory, ports)
    try:
        screen = up.wait_for(RUNS)
        assert "that an earlier run left behind" in screen
        assert running(left) == []
        children = up.children()
        next(child for child in children if "sandbox.tremendous" in child.cmdline()).kill()
        status = up.process.wait(STOP_SECONDS)
    finally:
        if up.process.poll() is None:
            up.end()

    assert status == 1
    assert "laurel: Tremendous sandbox ended with status -9" in up.output.read_text()
    assert running(children) == []


def test_servers_that_the_settings_name_are_used_and_not_started(
    directory: Path, ports: Ports, settings: Settings
) -> None:
    names = ("database_url", "database_owner_url", "redis_url", "temporal_address", "temporal_namespace")
    up = Up(directory, ports, **{name.upper(): getattr(settings, name) for name in names})
    try:
        up.wait_for(RUNS)
        commands = [" ".join(child.cmdline()) for child in up.children()]

        assert httpx.get(f"http://127.0.0.1:{ports.api}/readyz").json()["status"] == "ready"
        assert not [one for one in commands if re.search("postgres|redis-server|cli.embedded.redis|start-dev", one)]
        assert not (directory / "postgres").exists()
    finally:
        status, _ = up.end(signal.SIGTERM)
    assert status == 0


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
