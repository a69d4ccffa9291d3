"""What was committed takes effect: whoever dies, whatever is away, however often it is told."""

import asyncio
import io
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from functools import partial

import pytest
import structlog
from prometheus_client import REGISTRY
from sqlalchemy import text

from connectors.errors import BreakerOpen
from domain.outbox import ClaimedRow, Kind, Lane, OutboxRow
from relay.relay import DONE_KEPT, LEASE, Handler, Relay
from storage import outbox
from storage.database import Database
from storage.wakeups import Wakeups
from tests import test_telemetry
from tests.eventually import eventually
from tests.relay.conftest import now
from tests.test_telemetry import written

lines = test_telemetry.lines

PROGRAM = "prg_a"
A_DAY_SECONDS = 86_400.0


class Recorder:
    """A handler that remembers what it was given, and refuses what it is told to refuse."""

    def __init__(self) -> None:
        self.acted: list[str] = []
        self.errors: dict[str, Exception] = {}

    async def __call__(self, row: ClaimedRow) -> None:
        reference = row.payload["member_id" if row.lane == Lane.REDIS else "order_id"]
        if error := self.errors.get(reference):
            raise error
        self.acted.append(reference)


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


def relay_of(
    db: Database,
    handlers: Mapping[Lane, Handler],
    *,
    wakeups: Wakeups | None = None,
    clock: Callable[[], datetime] = now,
    poll_seconds: float = 0.05,
) -> Relay:
    url = db.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    return Relay(db, handlers, clock=clock, wakeups=wakeups or Wakeups(url), poll_seconds=poll_seconds)


async def test_log_lines_name_the_row_and_what_it_is_about(db: Database, lines: io.StringIO) -> None:
    async def speak(row: ClaimedRow) -> None:
        structlog.get_logger().info(row.payload["order_id"])

    async with db.begin() as session:
        rows = [OutboxRow(PROGRAM, Lane.TEMPORAL, Kind.WAKE_ORDER, {"order_id": f"ord_{n}"}) for n in (1, 2)]
        await outbox.add(session, rows, now=now())

    answers = await relay_of(db, {Lane.TEMPORAL: speak}).work(Lane.TEMPORAL)

    said = [line for line in written(lines) if str(line["event"]).startswith("ord_")]
    assert [(line["outbox_id"], line["order_id"], line["program_id"], line["lane"]) for line in said] == [
        (answer.row.id, line["event"], PROGRAM, "temporal") for answer, line in zip(answers, said, strict=True)
    ]


@asynccontextmanager
async def running(relay: Relay) -> AsyncIterator[None]:
    task = asyncio.create_task(relay.run())
    try:
        yield
    finally:
        relay.stop()
        await task


def later_by(hours: int) -> Callable[[], datetime]:
    return lambda: now() + timedelta(hours=hours)


def order(order_id: str, order_key: str | None = None) -> OutboxRow:
    return OutboxRow(PROGRAM, Lane.TEMPORAL, Kind.WAKE_ORDER, {"order_id": order_id}, order_key)


def score(member_id: str) -> OutboxRow:
    return OutboxRow(PROGRAM, Lane.REDIS, Kind.SCORE, {"member_id": member_id})


async def add(db: Database, *rows: OutboxRow) -> None:
    async with db.begin() as session:
        await outbox.add(session, rows, now=now())


async def backlog(db: Database) -> dict[str, tuple[int, int]]:
    """Open and dead rows by lane."""
    async with db.begin() as session:
        return {lane.lane: (lane.open, lane.dead) for lane in await outbox.list_backlog(session, now=now())}


async def attempts(db: Database, at: datetime) -> list[int]:
    async with db.begin() as session:
        return [row.attempts for row in await outbox.claim(session, Lane.TEMPORAL, at, LEASE, 10)]


LISTENERS = "FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle' AND query LIKE 'LISTEN%'"


async def is_heard(db: Database) -> None:
    async with db.begin() as session:
        listeners = await session.execute(text(f"SELECT {LISTENERS}"))
        assert listeners.rowcount == 1  # type: ignore[attr-defined]


def becomes(value: Callable[[], object], expected: object) -> Callable[[], Awaitable[None]]:
    async def check() -> None:
        assert value() == expected

    return check


async def test_polling_delivers_when_every_notify_is_lost(db: Database, recorder: Recorder) -> None:
    async with running(relay_of(db, {Lane.TEMPORAL: recorder})):
        await add(db, order("ord_1"))

        await eventually(becomes(lambda: recorder.acted, ["ord_1"]))


async def test_a_wakeup_delivers_without_polling(db: Database, database_url: str, recorder: Recorder) -> None:
    wakeups = Wakeups(database_url)
    sender = asyncio.create_task(wakeups.send())
    async with running(relay_of(db, {Lane.TEMPORAL: recorder}, wakeups=wakeups, poll_seconds=A_DAY_SECONDS)):
        await eventually(partial(is_heard, db))
        await add(db, order("ord_1"))
        wakeups.ring([Lane.TEMPORAL])

        await eventually(becomes(lambda: recorder.acted, ["ord_1"]))
    sender.cancel()


async def test_wakeups_are_heard_again_after_the_connection_was_lost(db: Database, recorder: Recorder) -> None:
    async with running(relay_of(db, {Lane.TEMPORAL: recorder}, poll_seconds=A_DAY_SECONDS)):
        await eventually(partial(is_heard, db))
        # Left before the connection goes: afterwards, the new one might be there first, and nothing would ring for it.
        await add(db, order("ord_1"))
        async with db.begin() as session:
            await session.execute(text(f"SELECT pg_terminate_backend(pid) {LISTENERS}"))

        # The new connection counts as a wake-up, since some may have been missed.
        await eventually(becomes(lambda: recorder.acted, ["ord_1"]))


async def test_a_relay_that_dies_between_act_and_mark_leaves_the_row_to_another(
    db: Database, recorder: Recorder
) -> None:
    await add(db, order("ord_1"))
    async with db.begin() as session:
        [row] = await outbox.claim(session, Lane.TEMPORAL, now(), LEASE, 10)
    await recorder(row)
    at_once = await relay_of(db, {Lane.TEMPORAL: recorder}).work(Lane.TEMPORAL)

    await relay_of(db, {Lane.TEMPORAL: recorder}, clock=lambda: now() + LEASE).work(Lane.TEMPORAL)

    assert at_once == []
    assert recorder.acted == ["ord_1", "ord_1"]
    assert await backlog(db) == {}


async def test_while_a_system_is_away_its_lane_waits_and_counts_no_attempt(db: Database, recorder: Recorder) -> None:
    recorder.errors["ord_1"] = BreakerOpen("temporal", "not asked while it recovers")
    await add(db, order("ord_1"))
    relay = relay_of(db, {Lane.TEMPORAL: recorder})
    for _ in range(outbox.ATTEMPTS_LIMIT + 1):
        await relay.work(Lane.TEMPORAL)

    assert await backlog(db) == {"temporal": (1, 0)}
    assert await attempts(db, now()) == [0]


async def test_a_lane_goes_on_by_itself_when_its_system_is_back(db: Database, recorder: Recorder) -> None:
    recorder.errors["ord_1"] = ConnectionRefusedError()
    await add(db, order("ord_1"), score("mem_1"))
    async with running(relay_of(db, {Lane.TEMPORAL: recorder, Lane.REDIS: recorder})):
        await eventually(becomes(lambda: recorder.acted, ["mem_1"]))
        recorder.errors.clear()

        await eventually(becomes(lambda: recorder.acted, ["mem_1", "ord_1"]))


async def test_one_row_that_is_never_answered_does_not_hold_up_the_others(db: Database, recorder: Recorder) -> None:
    recorder.errors["ord_1"] = TimeoutError()
    await add(db, order("ord_1"), order("ord_2"))
    relay = relay_of(db, {Lane.TEMPORAL: recorder})
    await relay.work(Lane.TEMPORAL)
    await add(db, order("ord_3"))

    await relay.work(Lane.TEMPORAL)

    assert recorder.acted == ["ord_2", "ord_3"]
    assert await attempts(db, now() + timedelta(minutes=1)) == [0]


async def test_an_answer_about_the_row_counts_until_it_is_dead_and_a_requeue_delivers(
    db: Database, recorder: Recorder
) -> None:
    recorder.errors["ord_1"] = ValueError("no such order")
    await add(db, order("ord_1"))
    for hours in range(outbox.ATTEMPTS_LIMIT):
        await relay_of(db, {Lane.TEMPORAL: recorder}, clock=later_by(hours)).work(Lane.TEMPORAL)
    async with db.begin() as session:
        [dead] = await outbox.list_dead(session, PROGRAM)
        await outbox.requeue(session, PROGRAM, [dead.id])
    recorder.errors.clear()

    await relay_of(db, {Lane.TEMPORAL: recorder}).work(Lane.TEMPORAL)

    assert dead.error == "ValueError: no such order"
    assert recorder.acted == ["ord_1"]
    assert await backlog(db) == {}


async def test_rows_of_one_key_take_effect_in_their_order(db: Database, recorder: Recorder) -> None:
    await add(db, order("1", "ord_1"), order("2", "ord_1"), order("3", "ord_1"))
    relays = [relay_of(db, {Lane.TEMPORAL: recorder}) for _ in range(3)]
    async with running(relays[0]), running(relays[1]), running(relays[2]):
        await eventually(becomes(lambda: recorder.acted, ["1", "2", "3"]))


async def test_many_relays_act_on_every_row_once(db: Database, recorder: Recorder) -> None:
    await add(db, *(order(f"ord_{n}") for n in range(200)))
    relays = [relay_of(db, {Lane.TEMPORAL: recorder}) for _ in range(3)]
    async with running(relays[0]), running(relays[1]), running(relays[2]):
        await eventually(becomes(lambda: len(recorder.acted), 200))

    assert sorted(recorder.acted) == sorted(f"ord_{n}" for n in range(200))


async def test_a_stopping_relay_settles_what_it_has_in_hand(db: Database) -> None:
    acting, may_end = asyncio.Event(), asyncio.Event()

    async def slow(row: ClaimedRow) -> None:
        acting.set()
        await may_end.wait()

    await add(db, order("ord_1"))
    relay = relay_of(db, {Lane.TEMPORAL: slow})
    task = asyncio.create_task(relay.run())
    await acting.wait()
    relay.stop()
    may_end.set()
    await task

    assert await backlog(db) == {}


async def test_done_rows_are_forgotten_after_a_day(db: Database, recorder: Recorder) -> None:
    await add(db, order("ord_1"))
    relay = relay_of(db, {Lane.TEMPORAL: recorder})
    await relay.work(Lane.TEMPORAL)
    await relay.purge()
    kept = await _count(db)

    await relay_of(db, {}, clock=lambda: now() + DONE_KEPT + timedelta(seconds=1)).purge()

    assert (kept, await _count(db)) == (1, 0)


async def _count(db: Database) -> int:
    async with db.begin() as session:
        count: int = (await session.execute(text("SELECT count(*) FROM outbox"))).scalar_one()
        return count


async def test_the_metrics_say_how_far_each_lane_is_behind(db: Database, recorder: Recorder) -> None:
    await add(db, order("ord_1"), order("ord_2"), score("mem_1"))
    relay = relay_of(db, {Lane.REDIS: recorder})
    await relay.work(Lane.REDIS)

    await relay.measure()

    assert REGISTRY.get_sample_value("laurel_outbox_open", {"lane": "temporal"}) == 2
    assert REGISTRY.get_sample_value("laurel_outbox_open", {"lane": "redis"}) == 0
