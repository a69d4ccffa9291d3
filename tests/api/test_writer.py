"""The writer: many callers' events in one transaction, bounded, drained, and true through a database that goes away."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncEngine

from api import writer as module
from api.app import create_app
from api.problems import Problem
from api.schemas.events import TOLD_ONCE
from api.writer import Recorded, Writer
from domain.commands import Accepted, Earn
from settings import Settings
from storage import failures
from storage.database import Database
from storage.tables import events, members
from tests.api.conftest import Client, MakeClient
from tests.api.facts import deal
from tests.api.line import line_to
from tests.eventually import eventually
from tests.programs import NOW
from tests.programs import deal as fact


@pytest.fixture
async def writer(database_url: str) -> AsyncIterator[Writer]:
    database = Database(database_url)
    yield Writer(database, lambda: NOW)
    await database.dispose()


@asynccontextmanager
async def events_locked(engine: AsyncEngine) -> AsyncIterator[None]:
    """Nobody can record anything meanwhile."""
    async with engine.begin() as connection:
        await connection.execute(text("LOCK TABLE events IN ACCESS EXCLUSIVE MODE"))
        yield


async def recording(
    writer: Writer, program_id: str, *numbers: int, of_one: bool = True
) -> list[asyncio.Task[Recorded]]:
    """Callers that wait for these deals, of one member or each of another; the first of a batch has begun."""
    facts = [fact(number, "ada" if of_one else f"member-{number}") for number in numbers]
    tasks = [asyncio.create_task(writer.record(program_id, one, TOLD_ONCE)) for one in facts]
    await asyncio.sleep(0)
    return tasks


async def transactions(engine: AsyncEngine) -> int:
    """In how many transactions the events were written."""
    async with engine.connect() as connection:
        return int((await connection.execute(text("SELECT count(DISTINCT xmin::text) FROM events"))).scalar_one())


async def test_what_comes_while_a_batch_commits_is_one_batch(
    writer: Writer, client: Client, engine: AsyncEngine
) -> None:
    async with events_locked(engine):
        first = await recording(writer, client.program_id, 0)
        await asyncio.sleep(0.05)
        rest = await recording(writer, client.program_id, *range(1, 20))

    done = await asyncio.gather(*first, *rest)

    assert [one.outcome.status for one in done] == ["recorded"] * 20
    assert await transactions(engine) == 2


async def test_many_who_wait_are_shared_among_batches(writer: Writer, client: Client, engine: AsyncEngine) -> None:
    async with events_locked(engine):
        waiting = await recording(writer, client.program_id, *range(90), of_one=False)

    await asyncio.gather(*waiting)

    assert await batches(engine) == [30, 30, 30]


async def test_what_concerns_one_member_is_in_one_batch_at_a_time(
    writer: Writer, client: Client, engine: AsyncEngine
) -> None:
    """Ada's come together; what comes of hers meanwhile waits for them, and others' need not."""
    async with events_locked(engine):
        waiting = await recording(writer, client.program_id, *range(60))
        waiting += await recording(writer, client.program_id, *range(60, 90), of_one=False)
        await asyncio.sleep(0.05)
        waiting += await recording(writer, client.program_id, *range(90, 120))

    await asyncio.gather(*waiting)

    assert await batches(engine) == [30, 30, 60]


async def batches(engine: AsyncEngine) -> list[int]:
    """How many events each transaction took in, the smallest first."""
    async with engine.connect() as connection:
        sizes = await connection.execute(text("SELECT count(*) FROM events GROUP BY xmin::text"))
    return sorted(sizes.scalars())


async def test_each_caller_gets_its_own_events_outcome(writer: Writer, client: Client) -> None:
    facts = [fact(1), fact(2, member="grace"), replace(fact(3), type="deal.lost"), fact(1)]

    done = await asyncio.gather(*(writer.record(client.program_id, one, TOLD_ONCE) for one in facts))

    assert [one.outcome.status for one in done] == ["recorded", "recorded", "rejected", "replayed"]
    assert done[1].outcome.state == "parked"
    assert done[3].outcome.event_id == done[0].outcome.event_id


async def test_a_full_queue_takes_nothing_more(
    writer: Writer, client: Client, engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_WAITING", 3)
    async with events_locked(engine):
        waiting = await recording(writer, client.program_id, 1, 2, 3)
        with pytest.raises(Problem) as refused:
            await writer.record(client.program_id, fact(4), TOLD_ONCE)

    assert refused.value.kind.code == "overloaded"
    assert refused.value.retry_after_seconds
    assert [one.outcome.status for one in await asyncio.gather(*waiting)] == ["recorded"] * 3
    assert (await writer.record(client.program_id, fact(4), TOLD_ONCE)).outcome.status == "recorded"


async def test_a_caller_that_goes_away_changes_nothing(writer: Writer, client: Client, engine: AsyncEngine) -> None:
    async with events_locked(engine):
        tasks = await recording(writer, client.program_id, 1, 2, 3)
        tasks[1].cancel()

    done = await asyncio.gather(*tasks, return_exceptions=True)

    assert isinstance(done[1], asyncio.CancelledError)
    await writer.close()
    assert {event["external_id"] for event in (await client.get("/v1/events")).json()["items"]} == {
        "deal-1",
        "deal-2",
        "deal-3",
    }


async def test_closing_answers_everybody_who_waits(writer: Writer, client: Client, engine: AsyncEngine) -> None:
    async with events_locked(engine):
        waiting = await recording(writer, client.program_id, *range(20))
        closing = asyncio.create_task(writer.close())
        await asyncio.sleep(0)
        with pytest.raises(Problem):
            await writer.record(client.program_id, fact(99), TOLD_ONCE)

    await closing

    assert all(task.done() for task in waiting)
    assert [task.result().outcome.status for task in waiting] == ["recorded"] * 20


async def test_programs_do_not_wait_for_each_other(
    writer: Writer, make_client: MakeClient, engine: AsyncEngine
) -> None:
    slow, quick = await make_client(), await make_client()
    async with engine.begin() as connection:
        own = "SELECT pg_advisory_xact_lock(19521, hashtext(:program_id))"  # as an application of a configuration does
        await connection.execute(text(own), {"program_id": slow.program_id})
        waiting = await recording(writer, slow.program_id, 1)
        done = await writer.record(quick.program_id, fact(1), TOLD_ONCE)

        assert done.outcome.status == "recorded"
        assert not waiting[0].done()
    await asyncio.gather(*waiting)


async def test_a_lost_race_is_run_again(writer: Writer, client: Client, engine: AsyncEngine) -> None:
    """The server ends the writer's connection in the middle: nobody notices."""
    async with events_locked(engine):
        waiting = await recording(writer, client.program_id, *range(5))
        assert await eventually(lambda: ended_in_a_wait(engine)) == 1

    done = await asyncio.gather(*waiting)

    assert [one.outcome.status for one in done] == ["recorded"] * 5


async def ended_in_a_wait(engine: AsyncEngine) -> int:
    """How many connections waited for a lock, which are no more."""
    async with engine.connect() as other:
        ended = await other.execute(
            text(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                " WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
        )
        count = int(ended.scalar_one())
    assert count
    return count


async def test_while_the_database_is_away_nothing_is_acknowledged_and_afterwards_nothing_is_lost(
    settings: Settings, client: Client, engine: AsyncEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The line is cut while many callers wait; each tries again until it is answered. Every event counts once."""
    monkeypatch.setattr(failures, "BACKOFF_SECONDS", (0.01, 0.02))
    async with line_to(settings.database_url, tmp_path) as line:
        app = create_app(settings.model_copy(update={"database_url": line.url}), clock=lambda: NOW)
        async with app.router.lifespan_context(app), _http(app, client.key) as http:
            before = [asyncio.create_task(_send(http, number)) for number in range(20)]
            await asyncio.wait(before)
            async with events_locked(engine):
                waiting = [asyncio.create_task(_send(http, number)) for number in range(20, 60)]
                await asyncio.sleep(0.05)
                line.cut()
            away = [await http.post("/v1/events", json=deal(1000 + number)) for number in range(3)]
            await line.restore()
            tries = await asyncio.gather(*before, *waiting)

    assert [answer.status_code for answer in away] == [503] * 3
    assert {answer.json()["code"] for answer in away} == {"database_unavailable"}
    assert all(answer.headers["retry-after"] for answer in away)
    assert tries[:20] == [[201]] * 20
    assert all(503 in statuses for statuses in tries[20:])
    assert {status for statuses in tries for status in statuses} == {201, 503}
    assert await _recorded(settings) == 60


async def _send(http: httpx.AsyncClient, number: int) -> list[int]:
    """Send one deal until it is acknowledged; the status of each try."""
    statuses = []
    for _ in range(200):
        answer = await http.post("/v1/events", json=deal(number))
        statuses.append(answer.status_code)
        if answer.is_success:
            return statuses
        await asyncio.sleep(0.02)
    raise AssertionError(f"deal {number} was never acknowledged")


def _http(app: FastAPI, key: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://api.test", headers={"Authorization": f"Bearer {key}"}
    )


async def _recorded(settings: Settings) -> int:
    database = Database(settings.database_url)
    async with database.begin() as session:
        count = (await session.execute(select(func.count()).select_from(events))).scalar_one()
    await database.dispose()
    return int(count)


async def test_commands_that_come_while_a_batch_commits_are_one_batch(
    writer: Writer, client: Client, engine: AsyncEngine
) -> None:
    async with engine.begin() as connection:
        query = select(members.c.id).where(members.c.program_id == client.program_id)
        ada = (await connection.execute(query)).scalar_one()
        await connection.execute(text("LOCK TABLE accounts IN ACCESS EXCLUSIVE MODE"))
        named = {"actor": "a test", "member_id": ada, "unit": "points", "amount": 5}
        several = [Earn(reference=f"r{number}", **named) for number in range(20)]
        first = asyncio.create_task(writer.command(client.program_id, several[0]))
        await asyncio.sleep(0.05)
        rest = [asyncio.create_task(writer.command(client.program_id, one)) for one in several[1:]]
        await asyncio.sleep(0.05)

    done = await asyncio.gather(first, *rest)

    balances = [one.outcome.balances[0].balance for one in done if isinstance(one.outcome, Accepted)]
    assert balances == list(range(5, 105, 5))
    async with engine.connect() as connection:
        written = await connection.execute(text("SELECT count(DISTINCT xmin::text) FROM commands"))
        assert written.scalar_one() == 2
