"""What must follow a change is claimed once at a time, in order per key, and never lost."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta

import pytest

from domain.outbox import ClaimedRow, Kind, Lane, OutboxRow
from storage import outbox
from storage.database import Database

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
LEASE = timedelta(seconds=60)
PROGRAM = "prg_a"


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url, pool_size=4)
    yield database
    await database.dispose()


def order_row(order_id: str, kind: Kind = Kind.WAKE_ORDER, order_key: str | None = None) -> OutboxRow:
    return OutboxRow(PROGRAM, Lane.TEMPORAL, kind, {"order_id": order_id}, order_key)


def score_row(member_id: str) -> OutboxRow:
    return OutboxRow(PROGRAM, Lane.REDIS, Kind.SCORE, {"member_id": member_id}, member_id)


async def add(db: Database, *rows: OutboxRow) -> None:
    async with db.begin() as session:
        await outbox.add(session, rows, now=NOW)


async def claim(db: Database, lane: Lane = Lane.TEMPORAL, at: datetime = NOW, limit: int = 10) -> list[ClaimedRow]:
    async with db.begin() as session:
        return await outbox.claim(session, lane, at, LEASE, limit)


async def done(db: Database, rows: Sequence[ClaimedRow]) -> None:
    async with db.begin() as session:
        await outbox.done(session, [row.id for row in rows], now=NOW)


async def kill(db: Database, lane: Lane = Lane.TEMPORAL) -> datetime:
    """Refuse the lane's claimable row until it is dead; when that was."""
    at = NOW
    for _ in range(outbox.ATTEMPTS_LIMIT):
        [row, *_] = await claim(db, lane, at)
        async with db.begin() as session:
            await outbox.fail(session, row, "no", now=at)
        at += timedelta(hours=1)
    return at


def orders(rows: Sequence[ClaimedRow]) -> list[str]:
    return [row.payload["order_id"] for row in rows]


async def test_rows_come_back_as_they_were_written_oldest_first(db: Database) -> None:
    await add(db, order_row("ord_1"), order_row("ord_2"))

    claimed = await claim(db)

    assert orders(claimed) == ["ord_1", "ord_2"]
    assert {(row.program_id, row.lane, row.kind, row.attempts) for row in claimed} == {
        (PROGRAM, "temporal", "wake_order", 0)
    }


async def test_a_row_of_another_lane_is_not_claimed(db: Database) -> None:
    await add(db, score_row("mem_1"))

    assert await claim(db, Lane.TEMPORAL) == []


async def test_rows_that_were_rolled_back_are_never_seen(db: Database) -> None:
    async with db.begin() as session:
        await outbox.add(session, [order_row("ord_1")], now=NOW)
        await session.rollback()

    assert await claim(db) == []


async def test_a_claimed_row_is_nobody_elses_until_its_lease_ends(db: Database) -> None:
    await add(db, order_row("ord_1"))
    await claim(db)

    assert await claim(db, at=NOW + LEASE - timedelta(seconds=1)) == []
    assert orders(await claim(db, at=NOW + LEASE)) == ["ord_1"]


async def test_two_relays_that_claim_at_once_share_the_rows(db: Database) -> None:
    await add(db, *(order_row(f"ord_{n}") for n in range(4)))

    async with db.begin() as one, db.begin() as other:
        first = await outbox.claim(one, Lane.TEMPORAL, NOW, LEASE, 2)
        second = await outbox.claim(other, Lane.TEMPORAL, NOW, LEASE, 4)

    assert sorted(orders(first) + orders(second)) == ["ord_0", "ord_1", "ord_2", "ord_3"]


async def test_a_done_row_is_not_claimed_again(db: Database) -> None:
    await add(db, order_row("ord_1"))
    await done(db, await claim(db))

    assert await claim(db, at=NOW + timedelta(days=1)) == []


async def test_rows_of_one_key_come_one_at_a_time_in_order(db: Database) -> None:
    await add(db, order_row("ord_1", Kind.START_ORDER, "ord_1"), order_row("ord_1", Kind.WAKE_ORDER, "ord_1"))

    first = await claim(db)
    blocked = await claim(db)
    await done(db, first)
    second = await claim(db)

    assert [row.kind for row in first] == ["start_order"]
    assert blocked == []
    assert [row.kind for row in second] == ["wake_order"]


async def test_a_key_holds_up_only_its_own_lane_and_program(db: Database) -> None:
    await add(
        db,
        OutboxRow(PROGRAM, Lane.REDIS, Kind.SCORE, {}, "mem_1"),
        OutboxRow(PROGRAM, Lane.TEMPORAL, Kind.WAKE_ORDER, {"order_id": "ord_1"}, "mem_1"),
        OutboxRow("prg_b", Lane.REDIS, Kind.SCORE, {}, "mem_1"),
    )

    assert len(await claim(db, Lane.TEMPORAL)) == 1
    assert len(await claim(db, Lane.REDIS)) == 2


async def test_a_refused_row_waits_longer_each_time_and_keeps_its_error(db: Database) -> None:
    await add(db, order_row("ord_1"))
    [row] = await claim(db)
    async with db.begin() as session:
        dead = await outbox.fail(session, row, "no such type", now=NOW)

    assert not dead
    assert await claim(db, at=NOW + timedelta(seconds=1.9)) == []
    assert [row.attempts for row in await claim(db, at=NOW + timedelta(seconds=2))] == [1]


def test_the_wait_doubles_to_five_minutes() -> None:
    assert [outbox.backoff_seconds(n) for n in (1, 2, 3, 8, 20)] == [2, 4, 8, 256, 300]


async def test_a_row_that_was_refused_too_often_is_dead(db: Database) -> None:
    await add(db, order_row("ord_1", order_key="ord_1"))

    at = await kill(db)

    async with db.begin() as session:
        [dead] = await outbox.list_dead(session, PROGRAM)
    assert await claim(db, at=at) == []
    assert (dead.kind, dead.order_key, dead.attempts, dead.error) == ("wake_order", "ord_1", 8, "no")


async def test_a_dead_row_holds_up_its_key(db: Database) -> None:
    await add(db, order_row("ord_1", order_key="ord_1"))
    at = await kill(db)
    await add(db, order_row("ord_1", order_key="ord_1"))

    assert await claim(db, at=at) == []


async def test_a_dead_row_that_a_later_one_supersedes_holds_up_nothing(db: Database) -> None:
    await add(db, score_row("mem_1"))
    at = await kill(db, Lane.REDIS)
    await add(db, score_row("mem_1"))

    assert len(await claim(db, Lane.REDIS, at)) == 1


async def test_a_requeued_row_starts_over(db: Database) -> None:
    await add(db, order_row("ord_1"))
    at = await kill(db)
    async with db.begin() as session:
        [dead] = await outbox.list_dead(session, PROGRAM)
        requeued = await outbox.requeue(session, PROGRAM, [dead.id])

    assert requeued == 1
    assert [row.attempts for row in await claim(db, at=at)] == [0]


async def test_a_skipped_row_lets_its_key_go_on(db: Database) -> None:
    await add(db, order_row("ord_1", order_key="ord_1"))
    at = await kill(db)
    await add(db, order_row("ord_1", Kind.START_ORDER, order_key="ord_1"))
    async with db.begin() as session:
        [dead] = await outbox.list_dead(session, PROGRAM)
        skipped = await outbox.skip(session, PROGRAM, [dead.id], now=NOW)

    assert skipped == 1
    assert [row.kind for row in await claim(db, at=at)] == ["start_order"]


async def test_another_programs_dead_rows_are_out_of_reach(db: Database) -> None:
    await add(db, order_row("ord_1"))
    await kill(db)
    async with db.begin() as session:
        [dead] = await outbox.list_dead(session, PROGRAM)

        assert await outbox.list_dead(session, "prg_b") == []
        assert await outbox.requeue(session, "prg_b", [dead.id]) == 0
        assert await outbox.skip(session, "prg_b", [dead.id], now=NOW) == 0


async def test_a_live_row_can_neither_be_requeued_nor_skipped(db: Database) -> None:
    await add(db, order_row("ord_1"))
    [row] = await claim(db)
    async with db.begin() as session:
        assert await outbox.requeue(session, PROGRAM, [row.id]) == 0
        assert await outbox.skip(session, PROGRAM, [row.id], now=NOW) == 0


async def test_a_released_row_is_due_at_the_instant_with_no_attempt_counted(db: Database) -> None:
    await add(db, order_row("ord_1"))
    [row] = await claim(db)
    async with db.begin() as session:
        await outbox.release(session, [row.id], available_at=NOW + timedelta(seconds=5))

    assert await claim(db) == []
    assert [row.attempts for row in await claim(db, at=NOW + timedelta(seconds=5))] == [0]


async def test_a_refusal_by_a_relay_whose_lease_was_lost_is_counted_once(db: Database) -> None:
    await add(db, order_row("ord_1"))
    [late] = await claim(db)
    [again] = await claim(db, at=NOW + LEASE)
    async with db.begin() as session:
        await outbox.fail(session, again, "no", now=NOW + LEASE)
        await outbox.fail(session, late, "no", now=NOW + LEASE)

    assert [row.attempts for row in await claim(db, at=NOW + timedelta(hours=1))] == [1]


async def test_done_rows_are_forgotten_page_by_page_and_no_others(db: Database) -> None:
    await add(db, *(order_row(f"ord_{n}") for n in range(3)))
    await done(db, await claim(db))
    await add(db, order_row("ord_open"))
    async with db.begin() as session:
        early = await outbox.purge(session, NOW, 10)
        pages = [await outbox.purge(session, NOW + timedelta(seconds=1), 2) for _ in range(3)]

    assert early == 0
    assert pages == [2, 1, 0]
    assert orders(await claim(db)) == ["ord_open"]


async def test_the_backlog_says_what_each_lane_has_left(db: Database) -> None:
    await add(db, score_row("mem_1"))
    await kill(db, Lane.REDIS)
    await add(db, score_row("mem_2"), order_row("ord_1"))
    await done(db, await claim(db))
    async with db.begin() as session:
        [backlog] = await outbox.list_backlog(session, now=NOW + timedelta(minutes=1))

    assert (backlog.lane, backlog.open, backlog.dead, backlog.oldest_seconds) == ("redis", 1, 1, 60.0)


def test_a_kind_belongs_to_one_lane() -> None:
    with pytest.raises(ValueError, match="score belongs to lane redis"):
        OutboxRow(PROGRAM, Lane.TEMPORAL, Kind.SCORE, {})


async def add_and_fail(db: Database) -> None:
    async with db.begin() as session:
        await outbox.add(session, [order_row("ord_1")], now=NOW)
        raise TimeoutError


async def test_the_relay_is_rung_for_after_each_commit_that_left_it_something(database_url: str) -> None:
    """Neither for a commit without an effect, nor for an effect that was rolled back."""
    rung: list[set[str]] = []
    database = Database(database_url, pool_size=1, ring=lambda lanes: rung.append(set(lanes)))

    async with database.begin() as session:
        await outbox.list_dead(session, PROGRAM)
    with pytest.raises(TimeoutError):
        await add_and_fail(database)
    quiet = list(rung)
    async with database.begin() as session:
        await outbox.add(session, [order_row("ord_1")], now=NOW)
        inside = list(rung)
    await database.dispose()

    assert (quiet, inside, rung) == ([], [], [{Lane.TEMPORAL}])
