"""A relay that is killed between act and mark: whatever it did is done again, and nothing happens twice."""

import asyncio
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from redis.asyncio import Redis
from sqlalchemy import func, insert, select
from temporalio.client import Client

from connectors.checkpoints import CheckpointFile
from domain import derived
from domain.outbox import LANES, Kind, Lane, OutboxRow
from relay.lanes import handlers
from relay.relay import LEASE, Relay
from storage import intake, leaderboards, outbox
from storage.database import Database
from storage.ids import new_id
from storage.tables import checkpoints, decisions, events, notifications, transactions
from storage.tables import outbox as rows
from storage.wakeups import Wakeups
from tests.programs import deal, make_member, make_program
from tests.relay.conftest import now
from tests.storage.test_intake import POLICY

ROOT = Path(__file__).parents[2]


BADGE = {"badge": "first-deal"}


def payloads(member_id: str, notification_id: str, parked: list[str]) -> dict[Kind, Mapping[str, Any]]:
    """One row of every kind; two kinds of the lane "intake" concern the same parked events."""
    badge = derived.event(derived.BADGE_EARNED, "one", member_id, now(), BADGE)
    return {
        Kind.START_REWARD: {"reward_id": new_id("rwd")},
        Kind.START_ORDER: {"order_id": new_id("ord")},
        Kind.WAKE_REWARD: {"reward_id": new_id("rwd")},
        Kind.WAKE_ORDER: {"order_id": new_id("ord")},
        Kind.START_CHALLENGE: {"challenge_id": new_id("chl")},
        Kind.WAKE_CHALLENGE: {"challenge_id": new_id("chl")},
        Kind.START_GRACE: {"grace_id": new_id("grc")},
        Kind.WAKE_GRACE: {"grace_id": new_id("grc")},
        Kind.START_CLOCK: {"policy": "daily"},
        Kind.WAKE_CLOCK: {"policy": "weekly"},
        Kind.DERIVED: derived.outbox_row("", badge).payload,
        Kind.FETCH_OBJECT: {"connection_id": new_id("con"), "object_id": "1", "kind": "hubspot"},
        Kind.SCORE: {"member_id": member_id},
        Kind.NOTIFICATION: {"notification_id": notification_id},
        Kind.IDENTITY_ARRIVED: {"identities": [["crm", "bob"]]},
        Kind.DECIDE: {"event_ids": parked},
        Kind.CHECKPOINT: {"size": 1},
    }


async def test_every_kind_of_effect_survives_a_kill_and_a_redelivery(
    db: Database, database_url: str, redis: Redis, redis_url: str, client: Client, temporal_address: str, tmp_path: Path
) -> None:
    async with db.begin() as session:
        program_id = await make_program(session)
        outcomes = await intake.record(session, program_id, [deal(1, "bob"), deal(2, "bob")], POLICY, as_of=now())
        bob = await make_member(session, program_id, "bob")
        told = {"id": (notification_id := new_id("ntf")), "kind": "test", "subject": "s", "body": "b"}
        await session.execute(
            insert(notifications).values(**told, program_id=program_id, reference="r", created_at=now())
        )
        signed = {"size": 1, "roots": b"", "note": "laurel/one\n", "key_id": "k"}
        await session.execute(insert(checkpoints).values(**signed, program_id=program_id, created_at=now()))
        effects = payloads(bob, notification_id, [outcome.event_id or "" for outcome in outcomes])
        effects[Kind.WAKE_ORDER] = effects[Kind.START_ORDER]
        added = [OutboxRow(program_id, LANES[kind], kind, payload) for kind, payload in effects.items()]
        await outbox.add(session, added, now=now())
        count = (await session.execute(select(func.count()).select_from(rows))).scalar_one()

    kept = tmp_path / "kept"
    servers = database_url, redis_url, temporal_address, client.namespace
    command = ["-m", "tests.relay.killed", *servers, str(kept), str(count)]
    killed = await asyncio.create_subprocess_exec(sys.executable, *command, cwd=ROOT)
    await killed.wait()
    async with db.begin() as session:
        left = (await session.execute(select(func.count()).where(rows.c.state == "open"))).scalar_one()
    first = {id: await _run_id(client, id) for id in _workflow_ids(effects)}
    lanes = handlers(client, db, redis, clock=now, keepers=[CheckpointFile(kept)])
    relay = Relay(db, lanes, clock=lambda: now() + LEASE, wakeups=Wakeups(database_url))
    answers = [answer for lane in Lane for answer in await relay.work(lane)]

    assert killed.returncode == -signal.SIGKILL
    assert left >= count  # nothing was marked; deciding added the effects of what it decided
    assert {answer.row.kind for answer in answers} == set(Kind)
    assert [answer.error for answer in answers if answer.error] == []
    assert {id: await _run_id(client, id) for id in first} == first
    assert set(kept.read_text().split()) == {"laurel/one"}
    async with db.begin() as session:
        on = await leaderboards.scheme(session, program_id, as_of=now())
    places = await leaderboards.top(redis, program_id, on.ranking("company"), 10)
    assert [place.points for place in places] == [100]
    async with db.begin() as session:
        decided = select(func.count()).select_from(decisions).where(decisions.c.program_id == program_id)
        earned = select(func.count()).select_from(transactions).where(transactions.c.program_id == program_id)
        states = select(events.c.state).where(events.c.program_id == program_id)
        assert (await session.execute(decided)).scalar_one() == 3  # the badge's event is one of them
        assert (await session.execute(earned)).scalar_one() == 2
        assert set((await session.execute(states)).scalars()) == {"decided"}


def _workflow_ids(effects: dict[Kind, Mapping[str, Any]]) -> list[str]:
    return [f"order/{effects[Kind.START_ORDER]['order_id']}", f"reward/{effects[Kind.START_REWARD]['reward_id']}"]


async def _run_id(client: Client, workflow_id: str) -> str | None:
    return (await client.get_workflow_handle(workflow_id).describe()).run_id
