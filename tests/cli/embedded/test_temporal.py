"""The Temporal binary is found in the documented order, and the server is the one that the build module pins."""

import re
from pathlib import Path

import pytest
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client

from cli.embedded.temporal import (
    CLI_VERSION,
    GO_MODULE,
    MINIMUM_SERVER,
    RETENTION,
    NoTemporal,
    build,
    cached_binary,
    find_binary,
    server_version,
)
from tests.cli.embedded.test_processes import eventually, is_gone
from tests.servers import Servers

OLD, NEW = "temporal version 1.5.1 (Server 1.29.1, UI 2.40.1)", "temporal version 1.9.1 (Server 1.32.0, UI 2.54.1)"


def script(path: Path, body: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def homes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH and a cache of the test's own: `bin` and `cache` in the returned directory."""
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/bin")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


def ignore(_: str) -> None:
    """Progress that nobody watches."""


def test_a_new_enough_command_on_the_path_comes_first(homes: Path) -> None:
    script(cached_binary(), f"echo '{NEW}'")
    installed = script(homes / "bin" / "temporal", f"echo '{NEW}'")

    assert find_binary(ignore) == installed


def test_an_old_command_on_the_path_is_passed_over_for_the_cache(homes: Path) -> None:
    script(homes / "bin" / "temporal", f"echo '{OLD}'")
    cached = script(cached_binary(), f"echo '{NEW}'")

    assert find_binary(ignore) == cached


def test_a_program_that_does_not_say_its_version_has_none(tmp_path: Path) -> None:
    assert server_version(script(tmp_path / "odd", "echo hello")) == ()
    assert server_version(script(tmp_path / "broken", "exit 3")) == ()
    assert server_version(tmp_path / "absent") == ()
    assert server_version(script(tmp_path / "good", f"echo '{NEW}'")) == (1, 32)


def test_a_build_reports_its_progress_and_ends_in_the_cache(homes: Path) -> None:
    target = homes / "cache" / "temporal"
    target.parent.mkdir()
    script(
        homes / "bin" / "go", 'echo example.com/package >&2; while [ "$1" != -o ]; do shift; done; echo built > "$2"'
    )
    said: list[str] = []

    built = build(target, said.append)

    assert built == target
    assert target.read_text() == "built\n"
    assert "1 packages" in said[0]
    assert list(target.parent.iterdir()) == [target]


def test_a_build_that_fails_says_why_and_leaves_nothing(homes: Path) -> None:
    target = homes / "cache" / "temporal"
    target.parent.mkdir()
    script(homes / "bin" / "go", "echo 'missing go.sum entry' >&2; exit 1")

    with pytest.raises(NoTemporal, match=r"Building Temporal failed: missing go\.sum entry"):
        build(target, ignore)

    assert list(target.parent.iterdir()) == []


def test_a_build_that_is_interrupted_ends_with_all_that_it_started(homes: Path) -> None:
    target = homes / "cache" / "temporal"
    target.parent.mkdir()
    script(homes / "bin" / "go", f"sleep 600 & echo $! > {homes / 'compiler'}; echo example.com/package >&2; wait")

    def interrupt(_: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(target, interrupt)

    assert eventually(lambda: is_gone(int((homes / "compiler").read_text())))
    assert list(target.parent.iterdir()) == []


def test_the_version_is_the_one_that_the_build_module_pins() -> None:
    pinned = re.search(r"github\.com/temporalio/cli v(\S+)", (GO_MODULE / "go.mod").read_text())

    assert pinned is not None
    assert pinned[1] == CLI_VERSION


async def test_the_server_is_new_enough_and_keeps_what_has_closed_for_thirty_days(
    servers: Servers, temporal_client: Client
) -> None:
    server = servers.temporal()

    server.retain()

    described = await temporal_client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace="default"))
    assert server_version(server.binary) >= MINIMUM_SERVER
    assert described.config.workflow_execution_retention_ttl.ToTimedelta() == RETENTION
