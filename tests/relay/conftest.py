"""A relay's surroundings: a database, and a namespace of its own in the run's Temporal, made as Reconcile makes it."""

import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from functools import partial

import pytest
from temporalio.client import Client

from relay import namespaces
from settings import DEVELOPMENT_KEYS, SecretKeys
from storage.database import Database
from storage.keyring import Keyring
from tests.eventually import eventually
from workflows.clients import connect


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url, pool_size=6)
    yield database
    await database.dispose()


@pytest.fixture(scope="session")
async def client(temporal_address: str) -> Client:
    """A client with the plugin, in a new namespace that is ready."""
    keyring = Keyring.from_setting(SecretKeys.parse(DEVELOPMENT_KEYS))
    client = await connect(temporal_address, f"test-{uuid.uuid4().hex}", keyring)
    await eventually(partial(namespaces.prepare, client))
    return client
