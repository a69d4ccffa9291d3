import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest

from domain.outbox import Kind, Lane, OutboxRow
from settings import Settings
from storage import outbox
from storage.database import Database
from tests.cli.conftest import Laurel

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)


@pytest.fixture
def program_id(laurel: Laurel) -> str:
    identifier: str = orjson.loads(laurel("init", "--name", "Acme", "--json").stdout)["id"]
    return identifier


async def _kill(database_url: str, program_id: str) -> None:
    database = Database(database_url, pool_size=1)
    async with database.begin() as session:
        effect = OutboxRow(program_id, Lane.TEMPORAL, Kind.START_ORDER, {"order_id": "ord_1"}, "ord_1")
        await outbox.add(session, [effect], now=NOW)
        for hour in range(outbox.ATTEMPTS_LIMIT):
            at = NOW + timedelta(hours=hour)
            [row] = await outbox.claim(session, Lane.TEMPORAL, at, timedelta(minutes=1), 1)
            await outbox.fail(session, row, "no such type", now=at)
    await database.dispose()


@pytest.fixture
def dead_row(settings: Settings, program_id: str) -> None:
    asyncio.run(_kill(settings.database_url, program_id))


def dead(laurel: Laurel) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = orjson.loads(laurel("outbox", "dead", "--json").stdout)
    return found


@pytest.mark.usefixtures("dead_row")
def test_a_dead_row_is_listed_with_what_refused_it(laurel: Laurel) -> None:
    [row] = dead(laurel)

    assert (row["kind"], row["payload"], row["attempts"]) == ("start_order", {"order_id": "ord_1"}, 8)
    assert "no such type" in laurel("outbox", "dead").stdout


@pytest.mark.usefixtures("dead_row")
@pytest.mark.parametrize(("command", "answer"), [("requeue", "1 to be tried again."), ("skip", "1 given up.")])
def test_a_dead_row_is_requeued_or_skipped(laurel: Laurel, command: str, answer: str) -> None:
    [row] = dead(laurel)

    changed = laurel("outbox", command, str(row["id"]))

    assert changed.stdout.strip() == answer
    assert dead(laurel) == []


@pytest.mark.usefixtures("dead_row")
@pytest.mark.parametrize("command", ["requeue", "skip"])
def test_nothing_is_changed_when_one_of_the_rows_is_not_dead(laurel: Laurel, command: str) -> None:
    [row] = dead(laurel)

    refused = laurel("outbox", command, str(row["id"]), "999")

    assert "only 1 of these rows are dead" in str(refused.exception)
    assert len(dead(laurel)) == 1
