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
from connectors.slack import requests
from domain import derived
from domain.outbox import LANES, Kind, Lane, OutboxRow
from domain.slack import Delivery, MessageKind, Outgoing
from domain.slack_users import UserFacts, UserKind
from relay.lanes import handlers
from relay.relay import LEASE, Relay
from settings import DEVELOPMENT_KEYS, SecretKeys
from storage import connections, intake, leaderboards, outbox, slack_envelopes, slack_messages, slack_users
from storage.database import Database
from storage.ids import new_id
from storage.keyring import Keyring
from storage.slack_tables import slack_messages as slack_rows
from storage.tables import checkpoints, decisions, events, notifications, transactions
from storage.tables import outbox as rows
from storage.wakeups import Wakeups
from tests.api.slack.senders import CHANNEL, USER, install
from tests.programs import deal, make_member, make_program
from tests.relay.conftest import now
from tests.relay.killed import slack_lane
from tests.storage.test_intake import POLICY

ROOT = Path(__file__).parents[2]
BADGE = {"badge": "first-deal"}


def payloads(member_id: str, notification_id: str, parked: list[str]) -> dict[Kind, Mapping[str, Any]]:
    """One row of every kind but those of Slack; two kinds of the lane "intake" concern the same parked events."""
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
        Kind.START_NOMINATION: {"nomination_id": new_id("nom")},
        Kind.WAKE_NOMINATION: {"nomination_id": new_id("nom")},
        Kind.START_CLOCK: {"policy": "daily"},
        Kind.WAKE_CLOCK: {"policy": "weekly"},
        Kind.DERIVED: derived.outbox_row("", badge).payload,
        Kind.FETCH_OBJECT: {"connection_id": new_id("con"), "object_id": "1", "kind": "hubspot"},
        Kind.SCORE: {"member_id": member_id},
        Kind.NOTIFICATION: {"notification_id": notification_id},
        Kind.RETELL: {"notification_id": notification_id},
        Kind.GATHERED: {"member_id": member_id},
        Kind.CONFIRMATION: {"nomination_id": new_id("nom")},
        Kind.IDENTITY_ARRIVED: {"identities": [["crm", "bob"]]},
        Kind.STREAKS_DUE: {"after": ["mem_1", "daily"]},
        Kind.DECIDE: {"event_ids": parked},
        Kind.CHECKPOINT: {"size": 1},
    }


async def write_rows(db: Database, program_id: str) -> dict[Kind, Mapping[str, Any]]:
    """An outbox row of every kind, in a program with two parked events whose member has come; the rows' payloads."""
    async with db.begin() as session:
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
    return effects


async def write_slack(db: Database, program_id: str) -> str:
    """What is to be said in a workspace, and what Bob has asked there; the id of what is to be said."""
    keyring = Keyring.from_setting(SecretKeys.parse(DEVELOPMENT_KEYS))
    workspace = await install(db, keyring, program_id)
    asked = {"command": "/laurel", "text": "balance", "trigger_id": "1", "response_url": "https://hooks.slack.com/1"}
    envelope = requests.envelope({**asked, "team_id": workspace.team_id, "user_id": USER})
    assert envelope is not None
    async with db.begin() as session:
        connection = await connections.get(session, keyring, program_id, workspace.connection_id)
        bob = UserFacts(USER, UserKind.PERSON, "bob", now(), "bob@example.com")
        await slack_users.keep(session, connection, bob, outsiders=False, now=now())
        await slack_envelopes.keep(session, envelope, now=now())
        hello = Outgoing("hello", workspace.connection_id, CHANNEL, {"text": "hello"})
        await slack_messages.send(session, program_id, [hello], now=now())
        says = select(rows.c.payload).where(rows.c.kind == Kind.SAY)
        delivery = Delivery(program_id, **(await session.execute(says)).scalar_one())
    return delivery.activity_id


async def run_until_killed(*arguments: str) -> int | None:
    """The exit code of a relay in a process of its own, which is killed once it has acted on every row."""
    command = [sys.executable, "-m", "tests.relay.killed", *arguments]
    killed = await asyncio.create_subprocess_exec(*command, cwd=ROOT)
    await killed.wait()
    return killed.returncode


async def count(db: Database, *what: Any) -> int:
    async with db.begin() as session:
        found: int = (await session.execute(select(func.count()).where(*what))).scalar_one()
    return found


async def test_every_kind_of_effect_survives_a_kill_and_a_redelivery(
    db: Database, database_url: str, redis: Redis, redis_url: str, client: Client, temporal_address: str, tmp_path: Path
) -> None:
    async with db.begin() as session:
        program_id = await make_program(session)
    effects = await write_rows(db, program_id)
    said = await write_slack(db, program_id)
    written, kept = await count(db, rows.c.id.is_not(None)), tmp_path / "kept"
    servers = database_url, redis_url, temporal_address, client.namespace

    exit_code = await run_until_killed(*servers, str(kept), str(written))
    left = await count(db, rows.c.state == "open")
    first = {id: await _run_id(client, id) for id in _workflow_ids(effects)}
    saying = await _activity_run_id(client, said)
    slack = slack_lane(db, redis)
    lanes = handlers(client, db, redis, clock=now, keepers=[CheckpointFile(kept)], slack=slack)
    relay = Relay(db, lanes, clock=lambda: now() + LEASE, wakeups=Wakeups(database_url))
    answers = [answer for lane in (*Lane, Lane.INTAKE) for answer in await relay.work(lane)]  # that one has two batches

    assert exit_code == -signal.SIGKILL
    assert left >= written  # nothing was marked; deciding added the effects of what it decided
    assert {answer.row.kind for answer in answers} == set(Kind)
    assert [answer.error for answer in answers if answer.error] == []
    assert {id: await _run_id(client, id) for id in first} == first
    assert await _activity_run_id(client, said) == saying
    assert await count(db, slack_rows.c.kind == MessageKind.RESPOND) == 1
    assert set(kept.read_text().split()) == {"laurel/one"}
    assert await _points(db, redis, program_id) == [100]
    assert await count(db, decisions.c.program_id == program_id) == 3  # the badge's event is one of them
    assert await count(db, transactions.c.program_id == program_id) == 2
    assert await count(db, events.c.program_id == program_id, events.c.state != "decided") == 0


async def _points(db: Database, redis: Redis, program_id: str) -> list[int]:
    """Of everybody on the board of the company."""
    async with db.begin() as session:
        on = await leaderboards.scheme(session, program_id, as_of=now())
    return [place.points for place in await leaderboards.top(redis, program_id, on.ranking("company"), 10)]


def _workflow_ids(effects: dict[Kind, Mapping[str, Any]]) -> list[str]:
    return [f"order/{effects[Kind.START_ORDER]['order_id']}", f"reward/{effects[Kind.START_REWARD]['reward_id']}"]


async def _run_id(client: Client, workflow_id: str) -> str | None:
    return (await client.get_workflow_handle(workflow_id).describe()).run_id


async def _activity_run_id(client: Client, activity_id: str) -> str | None:
    return (await client.get_activity_handle(activity_id).describe()).activity_run_id
