"""Schemathesis, all checks, positive and negative, authenticated, against the API on a real port: it finds nothing."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import httpx
import pytest
from redis.asyncio import Redis
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from api.app import create_app
from api.server import Server
from cli.embedded.ports import free_port
from domain.rewards import RewardEvent
from domain.scopes import Scope
from domain.sentences import alone
from settings import Settings
from storage import api_keys, notifications, programs, rewards
from storage.tables import notifications as notification_rows
from storage.tables import rewards as reward_rows
from tests.api.conftest import Client
from tests.api.facts import deal
from tests.api.test_intake import make_connection
from tests.api.test_isolation import in_ledger
from tests.challenges import sprint
from tests.judges.schemathesis_hooks import NAMED
from tests.programs import SAMPLE, make_member, make_program
from tests.storage.test_commands import UNITS

# A 422 may be honest: see schemathesis_hooks. So may a 400 for statements: the rules of xAPI go beyond their
# schema. A batch of members is answered member by member, those included whose time zone is none. A stream has no end,
# so it is asked for of nobody. Half of all cases would be statements with one field of a wrong type, field by field:
# a short run leaves them to the fuzzer.
CONFIGURATION = """\
hooks = "tests.judges.schemathesis_hooks"

[parameters]
member_id = "{member_id}"
event_id = "{event_id}"
order_id = "{order_id}"
reward_id = "{reward_id}"
notification_id = "{notification_id}"
hold_id = "{hold_id}"
pending_id = "{pending_id}"
adjustment_id = "{adjustment_id}"
merge_id = "{merge_id}"
challenge_id = "{challenge_id}"
connection = "{hubspot}"

[auth.openapi.api_key]
bearer = "{key}"

[auth.openapi.xapi_basic]
username = "{xapi}"
password = "{xapi_token}"

[checks.positive_data_acceptance]
expected-statuses = ["2xx", "3xx", "401", "403", "404", "409", "422", "429", "5xx"]

[[operations]]
include-path = "/v1/members/batch"

[operations.checks.negative_data_rejection]
expected-statuses = ["207", "400", "401", "403", "409", "413", "415", "422", "429"]

[[operations]]
include-path = "/xapi/statements"

[operations.checks.positive_data_acceptance]
expected-statuses = ["2xx", "400", "404", "409", "429"]

[operations.phases.coverage]
enabled = {thorough}

[[operations]]
include-path = "/v1/members/{{member_id}}/balance/stream"

[operations.parameters]
member_id = "{nobody}"
"""
NOBODY = "mem_01a1fd1cfa630081c74091f5d2"
SHORT_EXAMPLES = 10
LONG_EXAMPLES = 200
LONG_SECONDS = 3_600
PATIENCE_SECONDS = 60  # with a machine that does much else
MAX_SHOWN = 20_000  # characters of what it says when it finds something


@dataclass
class Subject:
    """A running API, and what its configuration needs: a key, and ids of what is there."""

    url: str
    named: dict[str, str]


@pytest.fixture
async def subject(
    database_url: str, redis_url: str, redis: Redis, engine: AsyncEngine, tmp_path: Path
) -> AsyncIterator[Subject]:
    settings = Settings(
        database_url=database_url,
        redis_url=redis_url,
        laurel_port=free_port(),
        temporal_address="127.0.0.1:1",
        laurel_state_dir=tmp_path,
        requests_per_minute=1_000_000,
    )
    server = Server(partial(create_app, settings), settings)
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.01)
    url = f"http://127.0.0.1:{settings.laurel_port}"
    program_id, key = await make_key(engine)
    crm, lms = await make_connection(engine, "hubspot"), await make_connection(engine, "xapi")
    outside = {"hubspot": crm.id, "xapi": lms.id, "xapi_token": lms.secrets["token"]}
    yield Subject(url, {"key": key} | outside | await make_ids(engine, url, program_id, key))
    server.should_exit = True
    await serving


async def make_key(engine: AsyncEngine) -> tuple[str, str]:
    """A program with a member, and a key to all of it."""
    now = datetime.now(UTC)
    async with AsyncSession(engine) as session, session.begin():
        program_id = await make_program(session, SAMPLE | UNITS)
        await make_member(session, program_id, "ada")
        program = await programs.get(session, program_id)
        _, key = await api_keys.insert(session, program, name="judge", scopes=(Scope.PROGRAMS_ADMIN,), now=now)
    return program_id, key


async def make_ids(engine: AsyncEngine, url: str, program_id: str, key: str) -> dict[str, str]:
    """One of everything that paths name."""
    now = datetime.now(UTC)
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=PATIENCE_SECONDS) as http:
        client = Client(http, program_id, key)
        await http.get("/openapi.json")  # made now: on a busy machine that takes longer than Schemathesis waits
        at = (now - timedelta(hours=1)).isoformat()
        facts = [deal(number, amount_minor=2_000_000, occurred_at=at) for number in range(12)]
        done = (await http.post("/v1/events/batch", json={"events": facts})).json()["results"][0]["event"]
        wanted = {"member_id": done["member_id"], "item": "mug", "value_minor": 500}
        order = (await http.post("/v1/orders", json=wanted)).json()
        window = {"starts_at": now - timedelta(days=1), "ends_at": now + timedelta(days=30)}
        said = sprint(**{name: moment.isoformat() for name, moment in window.items()})
        draft = (await http.post("/v1/challenges", json={"key": "sprint", **said})).json()
        named = await in_ledger(client, done["member_id"])
    async with AsyncSession(engine) as session, session.begin():
        reward_id = (await session.execute(select(reward_rows.c.id).limit(1))).scalar_one()
        given = await rewards.lock(session, program_id, reward_id)
        await rewards.offer(session, given, await rewards.get_definition(session, given), RewardEvent.OFFER, now=now)
        await notifications.tell(
            session,
            program_id,
            member_id=done["member_id"],
            kind="test",
            subject=alone("s"),
            body=alone("b"),
            reference="r",
            now=now,
        )
        told = (await session.execute(select(notification_rows.c.id))).scalar_one()
    return {
        "member_id": done["member_id"],
        "event_id": done["id"],
        "order_id": order["id"],
        "reward_id": reward_id,
        "notification_id": told,
        "challenge_id": draft["id"],
        "nobody": NOBODY,
        **named,
    }


async def judge(subject: Subject, directory: Path, examples: int) -> tuple[int, str]:
    """Run Schemathesis; its exit code and what it says."""
    configuration = directory / "schemathesis.toml"
    thorough = "true" if examples == LONG_EXAMPLES else "false"
    configuration.write_text(CONFIGURATION.format(**subject.named, thorough=thorough))
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(configuration)),
        *("run", f"{subject.url}/openapi.json", "--checks", "all", "--mode", "all"),
        *("--max-examples", str(examples)),
        # Its health checks are about how fast it generates, which depends on the machine's other work.
        *("--request-timeout", str(PATIENCE_SECONDS), "--suppress-health-check", "all"),
        *("--continue-on-failure", "--generation-database", "none", "--no-color"),
    ]
    root = Path(__file__).parents[2]
    ids = {name: value for name, value in subject.named.items() if name.endswith("_id")}
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=root,
        env=os.environ | {"PYTHONPATH": str(root), NAMED: json.dumps(ids)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, said.decode()[-MAX_SHOWN:]


async def test_schemathesis_finds_nothing(subject: Subject, tmp_path: Path) -> None:
    code, said = await judge(subject, tmp_path, SHORT_EXAMPLES)

    assert code == 0, said


@pytest.mark.soak
@pytest.mark.timeout(LONG_SECONDS)
async def test_schemathesis_finds_nothing_in_many_examples(subject: Subject, tmp_path: Path) -> None:
    code, said = await judge(subject, tmp_path, LONG_EXAMPLES)

    assert code == 0, said
