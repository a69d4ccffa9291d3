"""The whole of Laurel on one machine: every server that the settings do not name, then API, worker and sandboxes.

Each part starts when what it needs is ready, and they stop in the opposite order. What a killed run left behind is
ended first. While the stack runs, `up.env` in the state directory tells the commands beside it where everything is.
"""

import asyncio
import fcntl
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Self

import httpx

from cli.embedded import temporal
from cli.embedded.ports import is_taken
from cli.embedded.postgres import DURABLE, OWNER, Cluster
from cli.embedded.processes import Child, Program, ProgramFailed, remember, stop_left_over
from cli.embedded.redis import Redis
from cli.errors import CommandFailed
from sandbox.slack.app import APP_TOKEN, CLIENT_ID, CLIENT_SECRET, SIGNING_SECRET
from settings import RUNNING_STACK_FILE, OwnSettings, Settings
from storage import schema

ANSWER_SECONDS = 2.0
STOP_MARGIN_SECONDS = 5

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Ports:
    """Nine TCP ports in a row, from the API's."""

    api: int

    @property
    def tremendous(self) -> int:
        return self.api + 1

    @property
    def hubspot(self) -> int:
        return self.api + 2

    @property
    def redis(self) -> int:
        return self.api + 3

    @property
    def temporal(self) -> int:
        return self.api + 4

    @property
    def temporal_ui(self) -> int:
        return self.api + 5

    @property
    def worker_metrics(self) -> int:
        return self.api + 6

    @property
    def bamboohr(self) -> int:
        return self.api + 7

    @property
    def slack(self) -> int:
        return self.api + 8

    def names(self) -> dict[int, str]:
        """Who listens on which."""
        nouns = "api tremendous hubspot redis temporal temporal_ui worker_metrics bamboohr slack"
        return {getattr(self, noun): noun.replace("_", " ") for noun in nouns.split()}


@dataclass(frozen=True, slots=True)
class Part:
    """One line of the screen: what runs where."""

    name: str
    kind: str
    where: str


class Stack:
    """A stack in one state directory; use as a context manager, which stops it."""

    def __init__(
        self,
        settings: OwnSettings,
        port_offset: int = 0,
        progress: Progress = lambda _: None,
        interrupted: Callable[[], bool] = lambda: False,
    ) -> None:
        self.ports = Ports(settings.laurel_port + port_offset)
        self.directory = settings.laurel_state_dir.resolve()
        self.parts: list[Part] = []
        self.children: dict[str, Child] = {}
        self.environment: dict[str, str] = {}
        self._settings = settings
        self._progress = progress
        self._interrupted = interrupted
        self._lock: IO[str] | None = None

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start everything; raises CommandFailed or ProgramFailed, and KeyboardInterrupt when interrupted."""
        self.directory.mkdir(parents=True, exist_ok=True)
        self._take_lock()
        self._file(RUNNING_STACK_FILE).unlink(missing_ok=True)
        if left_over := stop_left_over(self._file("children.json")):
            self._progress(f"ended {left_over} programs that an earlier run left behind")
        self._refuse_taken_ports()
        self._start_postgres()
        self._start_redis()
        self._start_temporal()
        self._start_sandboxes()
        self._start_laurel()
        self._write_environment()

    def stop(self) -> None:
        """Stop everything, last started first."""
        for name in reversed(list(self.children)):
            self._progress(f"stopping {name}")
            self.children.pop(name).stop()
        if self._lock:
            self._file(RUNNING_STACK_FILE).unlink(missing_ok=True)
            self._file("children.json").unlink(missing_ok=True)
            self._lock.close()
            self._lock = None

    def settings(self) -> Settings:
        """The settings that every process of the running stack has."""
        return Settings.model_validate({name.lower(): value for name, value in self.environment.items()})

    def check(self) -> None:
        """Raise ProgramFailed if a program has ended by itself."""
        for child in self.children.values():
            if not child.alive:
                raise ProgramFailed(child.obituary())

    def run(self, program: Program) -> None:
        """Start one more program of the stack; it is stopped with it."""
        self._progress(f"starting {program.name}")
        self.children[program.name] = Child.start(program, self._interrupted)
        remember(self._file("children.json"), self.children.values())

    def _file(self, name: str) -> Path:
        return self.directory / name

    def _log(self, name: str) -> Path:
        return self.directory / "logs" / f"{name}.log"

    def _take_lock(self) -> None:
        lock = self._file("lock").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            raise CommandFailed(
                f"`laurel up` already runs in {self.directory}; another one needs a LAUREL_STATE_DIR of its own"
            ) from None
        self._lock = lock

    def _refuse_taken_ports(self) -> None:
        unneeded = {self.ports.redis} if not self._settings.embedded("redis_url") else set()
        if not self._settings.embedded("temporal_address"):
            unneeded |= {self.ports.temporal, self.ports.temporal_ui}
        taken = {port: name for port, name in self.ports.names().items() if port not in unneeded and is_taken(port)}
        if taken:
            listing = ", ".join(f"{port} ({name})" for port, name in taken.items())
            raise CommandFailed(f"taken ports: {listing}; use others with --port-offset 100")

    def _start_postgres(self) -> None:
        if self._settings.embedded("database_url"):
            self._start_embedded_postgres()
        else:
            url, owner_url = self._settings.database_url, self._settings.owner_url
            self._note(
                "PostgreSQL", "yours", "see DATABASE_URL", {"DATABASE_URL": url, "DATABASE_OWNER_URL": owner_url}
            )
        self._progress("migrating the database")
        asyncio.run(schema.migrate(self.environment["DATABASE_OWNER_URL"]))

    def _start_embedded_postgres(self) -> None:
        cluster = Cluster(self._file("postgres"))
        cluster.initialise()
        self.run(cluster.program(self._log("postgres"), DURABLE))
        cluster.create_database()
        urls = {"DATABASE_URL": cluster.url(), "DATABASE_OWNER_URL": cluster.url(OWNER)}
        self._note("PostgreSQL", "embedded", cluster.url(), urls)

    def _start_redis(self) -> None:
        if not self._settings.embedded("redis_url"):
            self._note("Redis", "yours", "see REDIS_URL", {"REDIS_URL": self._settings.redis_url})
            return
        redis = Redis(self.ports.redis, self._file("redis"))
        self.run(redis.program(self._log("redis")))
        self._note("Redis", redis.kind, redis.url, {"REDIS_URL": redis.url})

    def _start_temporal(self) -> None:
        if self._settings.embedded("temporal_address"):
            self._start_embedded_temporal()
            return
        address, ui_url = self._settings.temporal_address, self._settings.temporal_ui_url
        self._note("Temporal", "yours", address, {"TEMPORAL_ADDRESS": address, "TEMPORAL_UI_URL": ui_url})

    def _start_embedded_temporal(self) -> None:
        server = temporal.DevelopmentServer(
            binary=temporal.find_binary(self._progress_unless_interrupted),
            port=self.ports.temporal,
            ui_port=self.ports.temporal_ui,
            database=self._file("temporal.db"),
            codec_endpoint=f"{self._api_url}/codec",
        )
        self.run(server.program(self._log("temporal")))
        server.retain()
        addresses = {"TEMPORAL_ADDRESS": server.address, "TEMPORAL_UI_URL": server.ui_url}
        self._note("Temporal", "embedded; this is its web UI", server.ui_url, addresses)

    def _progress_unless_interrupted(self, said: str) -> None:
        if self._interrupted():
            raise KeyboardInterrupt
        self._progress(said)

    @property
    def _api_url(self) -> str:
        return f"http://127.0.0.1:{self.ports.api}"

    def _start_sandboxes(self) -> None:
        cards = ["--data", str(self._file("tremendous.db"))]
        self._start_sandbox("Tremendous sandbox", "tremendous", self.ports.tremendous, cards)
        deals = ["--data", str(self._file("hubspot.json"))]
        self._start_sandbox("HubSpot sandbox", "hubspot", self.ports.hubspot, deals)
        employees = ["--data", str(self._file("bamboohr.json"))]
        self._start_sandbox("BambooHR sandbox", "bamboohr", self.ports.bamboohr, employees)
        talk = ["--data", str(self._file("slack.json"))]
        self._start_sandbox("Slack sandbox", "slack", self.ports.slack, talk)
        if self._settings.slack_signing_secret is None:
            self.environment |= {
                "SLACK_API_URL": f"http://127.0.0.1:{self.ports.slack}/api/",
                "SLACK_SIGNING_SECRET": SIGNING_SECRET,
                "SLACK_CLIENT_ID": CLIENT_ID,
                "SLACK_CLIENT_SECRET": CLIENT_SECRET,
                "SLACK_APP_TOKEN": APP_TOKEN,
            }

    def _start_sandbox(self, name: str, module: str, port: int, options: list[str]) -> None:
        url = f"http://127.0.0.1:{port}"
        argv = [sys.executable, "-m", f"sandbox.{module}", "--port", str(port), *options]
        self.run(Program(name, argv, self._log(module), ready=partial(responds, url)))
        self._note(name, "embedded", url)

    def _start_laurel(self) -> None:
        self.environment |= {
            "LAUREL_PORT": str(self.ports.api),
            "LAUREL_PUBLIC_URL": self._public_url,
            "WORKER_METRICS_PORT": str(self.ports.worker_metrics),
            "LAUREL_STATE_DIR": str(self.directory),
        }
        self._run_module("API", ["api"], ready=partial(responds, f"{self._api_url}/healthz"))
        self._note("API", "Laurel", self._public_url)
        self._run_module("worker", ["worker"], ready=partial(responds, self._worker_metrics_url))
        self._note("worker", "Laurel", self._worker_metrics_url)

    @property
    def _public_url(self) -> str:
        given = "laurel_public_url" in self._settings.model_fields_set
        return self._settings.laurel_public_url if given else self._api_url

    @property
    def _worker_metrics_url(self) -> str:
        return f"http://127.0.0.1:{self.ports.worker_metrics}/metrics"

    def _run_module(self, name: str, arguments: list[str], ready: Callable[[], bool]) -> None:
        self.run(
            Program(
                name,
                [sys.executable, "-m", *arguments],
                self._log(name.lower()),
                ready,
                environment=self.environment,
                stop_seconds=self._settings.shutdown_seconds + STOP_MARGIN_SECONDS,
            )
        )

    def _note(self, name: str, kind: str, where: str, environment: Mapping[str, str] | None = None) -> None:
        self.parts.append(Part(name, kind, where))
        self.environment |= environment or {}

    def _write_environment(self) -> None:
        content = "".join(f"{name}='{value}'\n" for name, value in self.environment.items())
        descriptor = os.open(self._file(RUNNING_STACK_FILE), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(descriptor, "w") as file:
            file.write(content)


def responds(url: str) -> bool:
    """Whether a web server answers there, unencrypted, with anything but a server's error."""
    try:
        # Asked often: to read the world's certificates would take ten times as long as the answer.
        return not httpx.get(url, timeout=ANSWER_SECONDS, verify=False).is_server_error
    except httpx.TransportError:
        return False
