"""A database of this test's own, and programs in it whose companies live."""

from collections.abc import AsyncIterator

import pytest

from storage.database import Database


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url, pool_size=2)
    yield database
    await database.dispose()
