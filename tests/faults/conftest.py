"""Where faults are made: deployments of a test's own, as many as it asks for."""

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Protocol

import pytest

from cli.embedded.postgres import APPLICATION, OWNER
from cli.embedded.processes import Child
from cli.embedded.temporal import DevelopmentServer
from settings import Settings
from tests.conftest import database_of_its_own, register_namespace, role_url
from tests.deployment import Company, company_in, deployed, kill
from tests.servers import Servers, free_port


class NewCompany(Protocol):
    """Makes a company with an API and no worker; `temporal` is the address of a server of its own."""

    async def __call__(self, name: str = "company", *, temporal: str | None = None) -> Company: ...


@pytest.fixture
async def new_company(
    servers: Servers, template: str, redis_url: str, temporal_address: str, tmp_path: Path
) -> AsyncIterator[NewCompany]:
    """Each in a database and a Temporal namespace of its own."""
    async with AsyncExitStack() as stack:

        async def make(name: str = "company", *, temporal: str | None = None) -> Company:
            database = stack.enter_context(database_of_its_own(servers, template))
            directory = tmp_path / name
            directory.mkdir()
            settings = Settings(
                database_url=role_url(servers.postgres(), APPLICATION, database),
                database_owner_url=role_url(servers.postgres(), OWNER, database),
                redis_url=redis_url,
                temporal_address=temporal or temporal_address,
                temporal_namespace="default" if temporal else await register_namespace(temporal_address),
                laurel_state_dir=directory,
            )
            deployment = stack.enter_context(deployed(settings))
            deployment.start_api()
            return await stack.enter_async_context(company_in(deployment))

        yield make


class OwnTemporal:
    """A Temporal server that a test may kill, start again, and make forget everything."""

    def __init__(self, binary: Path, directory: Path) -> None:
        self._database = directory / "temporal.db"
        self._log = directory / "temporal.log"
        self._server = DevelopmentServer(binary, free_port(), free_port(), self._database)
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
