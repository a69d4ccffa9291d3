"""An embedded Temporal: finds, downloads or builds its binary, and runs it on a SQLite file.

In this order: `temporal` on PATH if its server is new enough, the one in the user's cache, the SDK's download, a build
of deploy/temporal with Go, in which every byte is pinned. A server named by TEMPORAL_ADDRESS needs none of it.
"""

import asyncio
import fcntl
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import httpx
import platformdirs
from temporalio.testing import WorkflowEnvironment

from cli.embedded.processes import Program, kill_group

CLI_VERSION = "1.9.1"
MINIMUM_SERVER = (1, 32)
GO_PACKAGE = "github.com/temporalio/cli/cmd/temporal"
GO_MODULE = Path(__file__).parents[2] / "deploy" / "temporal"
DOWNLOAD_SECONDS = 300
BUILD_SECONDS = 20 * 60
BUILD_REPORT_PACKAGES = 50
ANSWER_SECONDS = 2.0
RETENTION = timedelta(days=30)
# WAL makes the SQLite file 2.7 times faster; what a power cut could lose, Reconcile starts again.
PRAGMAS = ("journal_mode=WAL", "synchronous=1")

Progress = Callable[[str], None]


class NoTemporal(Exception):
    """No Temporal binary could be had; the message says what to do."""


def find_binary(progress: Progress) -> Path:
    """A binary whose server is new enough (had, downloaded or built); raises NoTemporal, or what `progress` does."""
    cached = cached_binary()
    if found := _on_path() or _existing(cached):
        return found
    with _lock(cached.parent):
        return _existing(cached) or download(cached, progress) or build(cached, progress)


def cached_binary() -> Path:
    """Where the binary of this version is kept for the user."""
    return platformdirs.user_cache_path("laurel") / f"temporal-{CLI_VERSION}" / "temporal"


def _existing(path: Path) -> Path | None:
    return path if os.access(path, os.X_OK) else None


def _on_path() -> Path | None:
    found = shutil.which("temporal")
    return Path(found) if found and server_version(Path(found)) >= MINIMUM_SERVER else None


def server_version(binary: Path) -> tuple[int, ...]:
    """The version of the server inside the binary; empty if it does not say."""
    try:
        answer = subprocess.run([binary, "--version"], capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return ()
    match = re.search(r"Server (\d+)\.(\d+)", answer.stdout)
    return tuple(int(part) for part in match.groups()) if match else ()


@contextmanager
def _lock(directory: Path) -> Iterator[None]:
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def download(target: Path, progress: Progress) -> Path | None:
    """Have the SDK fetch the binary; None where that cannot be."""
    progress(f"downloading Temporal {CLI_VERSION}")
    with tempfile.TemporaryDirectory(dir=target.parent) as directory:
        try:
            asyncio.run(asyncio.wait_for(_run_downloaded(directory), DOWNLOAD_SECONDS))
        except (RuntimeError, TimeoutError) as error:
            progress(f"no download: {str(error).splitlines()[0] if str(error) else 'it took too long'}")
            return None
        downloaded = next(path for path in Path(directory).iterdir() if os.access(path, os.X_OK))
        return downloaded.replace(target)


async def _run_downloaded(directory: str) -> None:
    environment = await WorkflowEnvironment.start_local(
        dev_server_download_version=f"v{CLI_VERSION}", download_dest_dir=directory
    )
    await environment.shutdown()


def build(target: Path, progress: Progress) -> Path:
    """Build the binary with Go from pinned sources; raises NoTemporal."""
    go = shutil.which("go") or _existing(Path("/usr/local/go/bin/go"))
    if go is None or not (GO_MODULE / "go.mod").exists():
        raise NoTemporal(
            "There is no Temporal server to start: it could not be downloaded, and there is no Go to build it with. "
            f"Install the `temporal` command (its server at least {'.'.join(map(str, MINIMUM_SERVER))}), "
            "or install Go, or set TEMPORAL_ADDRESS."
        )
    with tempfile.TemporaryDirectory(dir=target.parent) as directory:
        built = Path(directory) / "temporal"
        _run_build(str(go), built, progress)
        return built.replace(target)


def _run_build(go: str, output: Path, progress: Progress) -> None:
    began = time.monotonic()
    command = [go, "build", "-v", "-trimpath", "-ldflags", "-s -w", "-o", str(output), GO_PACKAGE]
    environment = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly", "GOWORK": "off"}
    process = subprocess.Popen(
        command, cwd=GO_MODULE, env=environment, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    last = ""
    try:
        for count, line in enumerate(process.stderr or (), start=1):
            last = line.strip()
            seconds = time.monotonic() - began
            if count % BUILD_REPORT_PACKAGES == 1:
                progress(f"building Temporal {CLI_VERSION} once, a few minutes: {count} packages, {seconds:.0f} s")
            if seconds > BUILD_SECONDS:
                raise NoTemporal(f"Building Temporal took longer than {BUILD_SECONDS // 60} minutes.")
        if process.wait() != 0:
            raise NoTemporal(f"Building Temporal failed: {last}")
    finally:
        kill_group(process.pid)
        process.wait()


# By default a task queue is four that hand each other what comes, which only several machines gain from.
UNDIVIDED_QUEUES = {"matching.numTaskqueueReadPartitions": "1", "matching.numTaskqueueWritePartitions": "1"}


@dataclass(frozen=True, slots=True)
class DevelopmentServer:
    """One Temporal development server on loopback; without a database file it keeps everything in memory."""

    binary: Path
    port: int
    ui_port: int
    database: Path | None = None
    codec_endpoint: str | None = None
    dynamic_configuration: dict[str, str] = field(default_factory=dict)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def ui_url(self) -> str:
        return f"http://127.0.0.1:{self.ui_port}"

    def program(self, log: Path) -> Program:
        """How to run it."""
        return Program(name="Temporal", argv=self._argv(), log=log, ready=lambda: answers(self.ui_url))

    def _argv(self) -> list[str]:
        argv = [str(self.binary), "server", "start-dev", "--ip", "127.0.0.1", "--log-level", "warn"]
        argv += ["--port", str(self.port), "--ui-port", str(self.ui_port), "--ui-disable-news-fetch"]
        if self.database:
            argv += ["--db-filename", str(self.database), *(f"--sqlite-pragma={pragma}" for pragma in PRAGMAS)]
        if self.codec_endpoint:
            argv += ["--ui-codec-endpoint", self.codec_endpoint]
        configuration = UNDIVIDED_QUEUES | self.dynamic_configuration
        return argv + [f"--dynamic-config-value={key}={value}" for key, value in configuration.items()]

    def retain(self, namespace: str = "default") -> None:
        """Keep closed executions for RETENTION."""
        hours = f"{RETENTION // timedelta(hours=1)}h"
        update = ["operator", "namespace", "update", "--namespace", namespace, "--retention", hours]
        subprocess.run([self.binary, *update, "--address", self.address], check=True, capture_output=True, timeout=30)


def answers(ui_url: str) -> bool:
    """Whether the server and its UI answer, unencrypted."""
    try:
        return httpx.get(f"{ui_url}/api/v1/namespaces/default", timeout=ANSWER_SECONDS, verify=False).is_success
    except httpx.TransportError:
        return False


def _say(progress: str) -> None:
    sys.stderr.write(f"{progress}\n")


if __name__ == "__main__":
    sys.stdout.write(f"{find_binary(_say)}\n")
