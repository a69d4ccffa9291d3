"""Where faults are made: deployments of a test's own, as many as it asks for."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from cli.embedded.postgres import APPLICATION, OWNER
from settings import Settings
from tests.conftest import database_of_its_own, register_namespace, role_url
from tests.deployment import Company, company_in, deployed
from tests.servers import Servers

NewCompany = Callable[[str], Awaitable[Company]]


@pytest.fixture
async def new_company(
    servers: Servers, template: str, redis_url: str, temporal_address: str, tmp_path: Path
) -> AsyncIterator[NewCompany]:
    """Makes a company in a database and a Temporal namespace of its own, with an API and no worker."""
    async with AsyncExitStack() as stack:

        async def make(name: str) -> Company:
            database = stack.enter_context(database_of_its_own(servers, template))
            directory = tmp_path / name
            directory.mkdir()
            settings = Settings(
                database_url=role_url(servers.postgres(), APPLICATION, database),
                database_owner_url=role_url(servers.postgres(), OWNER, database),
                redis_url=redis_url,
                temporal_address=temporal_address,
                temporal_namespace=await register_namespace(temporal_address),
                laurel_state_dir=directory,
            )
            deployment = stack.enter_context(deployed(settings))
            deployment.start_api()
            return await stack.enter_async_context(company_in(deployment))

        yield make
