"""What every test may ask for: real servers of the run, and a database, a Redis and a Temporal of its own on them."""

import asyncio
import functools
import os
import ssl
import uuid
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import hypothesis
import psycopg
import pytest
import structlog
from playwright.async_api import Browser, Page
from psycopg import sql
from redis.asyncio import Redis
from sqlalchemy import make_url
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from temporalio.api.workflowservice.v1 import RegisterNamespaceRequest
from temporalio.client import Client
from temporalio.testing import TimeSkipper

import runtime
from cli.embedded.postgres import APPLICATION, OWNER, create_roles
from settings import DEVELOPMENT_KEYS, SecretKeys, Settings
from storage import schema
from storage.database import Database
from storage.keyring import Keyring
from tests.browser import PATIENCE_MILLISECONDS, running_browser
from tests.servers import Run, Servers
from workflows.plugin import LaurelPlugin

# How long an example takes says how busy the machine is.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")

# Else each error that is logged is painted with the values of all variables, for up to three seconds.
*BEFORE, _ = structlog.get_config()["processors"]
PLAIN = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
structlog.configure(processors=[*BEFORE, PLAIN])

# All HTTP clients share one: each would read the world's certificates first, 25 ms for requests that are not encrypted.
ssl.create_default_context = functools.cache(ssl.create_default_context)  # type: ignore[assignment]

# Tests that take long, wait for much and share one stack: they begin first, so that none of them ends last.
LONG = ("tests/judges/", "tests/faults/", "tests/journeys/", "tests/cli/test_up.py")

RUN = pytest.StashKey[Run]()
SERVERS = pytest.StashKey[Servers]()


def pytest_configure(config: pytest.Config) -> None:
    """Give every process of the run the same directory; the process that hands out the tests owns it."""
    workerinput = getattr(config, "workerinput", None)
    if workerinput is None:
        config.stash[RUN] = Run()
        config.stash[SERVERS] = Servers(config.stash[RUN].directory)
    else:
        config.stash[SERVERS] = Servers(Path(workerinput["servers"]))
    _forget_the_environment()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: object) -> None:
    """Tell a worker where the run's directory is."""
    node.workerinput["servers"] = str(node.config.stash[RUN].directory)  # type: ignore[attr-defined]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest first, the rest as it is."""
    items.sort(key=lambda item: not item.nodeid.startswith(LONG))


def pytest_collection_finish() -> None:
    """Do to this Python what every server process does: nobody takes the tests away again."""
    runtime.spare_the_collector()


def pytest_unconfigure(config: pytest.Config) -> None:
    """Leave nothing running."""
    if run := config.stash.get(RUN, None):
        run.end()


def _forget_the_environment() -> None:
    """A developer's own settings, and a stack that happens to run here, have no part in the tests."""
    for name in Settings.model_fields:
        os.environ.pop(name.upper(), None)
        os.environ.pop(f"{name.upper()}_FILE", None)
    Settings.model_config["env_file"] = None
    os.environ["LAUREL_STATE_DIR"] = os.devnull


@pytest.fixture(scope="session")
def servers(pytestconfig: pytest.Config) -> Servers:
    """The run's servers, for tests that need more than the fixtures below."""
    return pytestconfig.stash[SERVERS]


@pytest.fixture(scope="session")
def template(servers: Servers) -> str:
    """The name of a database at the newest revision, from which each test's own is copied."""
    return servers.once("template", lambda: _make_template(servers.postgres()))


def _make_template(superuser: str) -> str:
    name = f"laurel_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(superuser, autocommit=True) as connection:
        create_roles(connection)
        statement = sql.SQL("CREATE DATABASE {} OWNER {}")
        connection.execute(statement.format(sql.Identifier(name), sql.Identifier(OWNER)))
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, schema.migrate(role_url(superuser, OWNER, name))).result()
    return name


@contextmanager
def database_of_its_own(servers: Servers, template: str) -> Iterator[str]:
    """The name of a new database at the newest revision, dropped afterwards."""
    name = f"{template}_{uuid.uuid4().hex[:12]}"
    identifiers = sql.Identifier(name), sql.Identifier(template), sql.Identifier(OWNER)
    with psycopg.connect(servers.postgres(), autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy OWNER {}").format(*identifiers))
    yield name
    with psycopg.connect(servers.postgres(), autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def database(servers: Servers, template: str) -> Iterator[str]:
    """The name of this test's own database."""
    with database_of_its_own(servers, template) as name:
        yield name


def role_url(superuser: str, role: str, database: str) -> str:
    url = make_url(superuser).set(username=role, database=database)
    return url.render_as_string(hide_password=False)


@pytest.fixture
def database_url(servers: Servers, database: str) -> str:
    """This test's own database at the newest revision, as the application's role."""
    return role_url(servers.postgres(), APPLICATION, database)


@pytest.fixture
def owner_url(servers: Servers, database: str) -> str:
    """The same database as the role that owns the schema."""
    return role_url(servers.postgres(), OWNER, database)


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    """An engine on this test's own database, as the application's role."""
    database = Database(database_url)
    yield database.engine
    await database.dispose()


@pytest.fixture
async def session(engine: AsyncEngine) -> AsyncIterator[AsyncSession]:
    """A session that nothing commits unless the test does."""
    async with AsyncSession(engine, expire_on_commit=False) as session:
        yield session


@pytest.fixture
def redis_url(servers: Servers, worker_id: str) -> str:
    """This process's own, numbered database of the run's Redis."""
    number = int(worker_id.removeprefix("gw") or 0) if worker_id != "master" else 0
    return f"{servers.redis()}/{number}"


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    """An empty Redis."""
    client = Redis.from_url(redis_url)
    await client.flushdb()
    yield client
    await client.aclose()


@pytest.fixture(scope="session")
def temporal_address(servers: Servers) -> str:
    """The run's Temporal server, in which time can be skipped."""
    return servers.temporal().address


async def register_namespace(temporal_address: str) -> str:
    """The name of a new Temporal namespace."""
    name = f"test-{uuid.uuid4().hex}"
    request = RegisterNamespaceRequest(namespace=name)
    request.workflow_execution_retention_period.FromTimedelta(timedelta(days=1))
    client = await Client.connect(temporal_address)
    await client.workflow_service.register_namespace(request)
    return name


@pytest.fixture
async def temporal_namespace(temporal_address: str) -> str:
    """A new namespace of this test's own: workers of other tests take nothing from it."""
    return await register_namespace(temporal_address)


@pytest.fixture
async def temporal_client(temporal_address: str, temporal_namespace: str) -> Client:
    """A client as every process has it, in the test's own namespace and in real time."""
    keyring = Keyring.from_setting(SecretKeys.parse(DEVELOPMENT_KEYS))
    return await Client.connect(temporal_address, namespace=temporal_namespace, plugins=[LaurelPlugin(keyring)])


@pytest.fixture
def temporal_env(temporal_client: Client) -> TimeSkipper:
    """Skips time for the workflows that its `client` starts, each by a clock of its own."""
    return TimeSkipper(temporal_client)


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    """This process's browser: to start one takes longer than most of what is done in it."""
    async with running_browser() as browser:
        yield browser


@pytest.fixture
async def page(browser: Browser) -> AsyncIterator[Page]:
    """An empty page, with cookies and storage of its own."""
    page = await browser.new_page(viewport={"width": 1500, "height": 1000})
    page.set_default_timeout(PATIENCE_MILLISECONDS)
    yield page
    await page.close()


@pytest.fixture
def settings(
    database_url: str,
    owner_url: str,
    redis_url: str,
    temporal_address: str,
    temporal_namespace: str,
    tmp_path: Path,
) -> Settings:
    """Settings of a process that uses this test's own servers."""
    return Settings(
        database_url=database_url,
        database_owner_url=owner_url,
        redis_url=redis_url,
        temporal_address=temporal_address,
        temporal_namespace=temporal_namespace,
        laurel_state_dir=tmp_path,
    )
