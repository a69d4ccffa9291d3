"""Where faults are made: deployments of a test's own, as many as it asks for."""

import os
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Protocol

import psutil
import pytest

from cli.embedded.postgres import APPLICATION, DURABLE, OWNER, Cluster
from cli.embedded.processes import Child
from cli.embedded.temporal import DevelopmentServer
from settings import Settings
from storage import schema
from tests.conftest import database_of_its_own, register_namespace, role_url
from tests.deployment import DeployedCompany, company_in, deployed, kill
from tests.servers import Servers
from tests.up import free_ports


class NewCompany(Protocol):
    """Makes a company with an API and no worker; servers that are given take the place of the tests' own."""

    async def __call__(
        self,
        name: str = "company",
        *,
        temporal: str | None = None,
        database_url: str | None = None,
        redis: str | None = None,
    ) -> DeployedCompany: ...


@pytest.fixture
async def new_company(
    servers: Servers, template: str, redis_url: str, temporal_address: str, tmp_path: Path
) -> AsyncIterator[NewCompany]:
    """Each in a database and a Temporal namespace of its own."""
    async with AsyncExitStack() as stack:

        async def make(
            name: str = "company",
            *,
            temporal: str | None = None,
            database_url: str | None = None,
            redis: str | None = None,
        ) -> DeployedCompany:
            if database_url is None:
                database = stack.enter_context(database_of_its_own(servers, template))
                database_url = role_url(servers.postgres(), APPLICATION, database)
            directory = tmp_path / name
            directory.mkdir()
            settings = Settings(
                database_url=database_url,
                redis_url=redis or redis_url,
                temporal_address=temporal or temporal_address,
                temporal_namespace="default" if temporal else await register_namespace(temporal_address),
                laurel_state_dir=directory,
            )
            deployment = stack.enter_context(deployed(settings))
            await deployment.start_api()
            return await stack.enter_async_context(company_in(deployment))

        yield make


class OwnPostgres:
    """A PostgreSQL that a test may crash and start again."""

    def __init__(self, directory: Path) -> None:
        self._cluster = Cluster(directory / "postgres")
        self._log = directory / "postgres.log"
        self._cluster.initialise()
        self._child = Child.start(self._cluster.program(self._log, DURABLE))
        self._cluster.create_database()
        self.url, self.owner_url = self._cluster.url(), self._cluster.url(OWNER)

    def crash(self) -> None:
        """End every one of its processes at once; what was not on disk is lost."""
        os.kill(self._child.pid, signal.SIGQUIT)
        self._child.stop()

    def start(self) -> None:
        self._child = Child.start(self._cluster.program(self._log, DURABLE))

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """It hangs: connections stay open, and nobody is answered."""
        postmaster = psutil.Process(self._child.pid)
        processes = [postmaster, *postmaster.children(recursive=True)]
        for process in processes:
            process.suspend()
        try:
            yield
        finally:
            for process in processes:
                process.resume()

    def stop(self) -> None:
        self._child.stop()


@pytest.fixture
async def own_postgres() -> AsyncIterator[OwnPostgres]:
    """At the newest revision."""
    # Its own system user must be able to walk there.
    with tempfile.TemporaryDirectory(prefix="laurel-faults-") as directory:
        postgres = OwnPostgres(Path(directory))
        await schema.migrate(postgres.owner_url)
        yield postgres
        postgres.stop()


class OwnTemporal:
    """A Temporal server that a test may kill, start again, and make forget everything."""

    def __init__(self, binary: Path, directory: Path) -> None:
        self._database = directory / "temporal.db"
        self._log = directory / "temporal.log"
        ports = free_ports()
        self._server = DevelopmentServer(binary, ports.temporal, ports.temporal_ui, self._database)
        self._child: Child | None = None

    @property
    def address(self) -> str:
        return self._server.address

    def start(self) -> None:
        self._child = Child.start(self._server.program(self._log))

    def kill(self) -> None:
        if self._child is not None:
            kill(self._child)
        self._child = None

    def forget(self) -> None:
        """Delete its database; it must not be running."""
        for file in self._database.parent.glob(f"{self._database.name}*"):
            file.unlink()


@pytest.fixture
def own_temporal(servers: Servers, tmp_path: Path) -> Iterator[OwnTemporal]:
    """Not started yet."""
    temporal = OwnTemporal(servers.temporal().binary, tmp_path)
    yield temporal
    temporal.kill()
