"""What every source does with good, repeated, reordered, retracted, forged and broken requests: one suite for all."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis
from sqlalchemy import select, update

from activities.bamboohr import BambooHRActivities
from activities.hubspot import HubSpotActivities
from api.app import create_app
from connectors import bamboohr, hubspot, xapi
from connectors.bamboohr import BambooHRs
from connectors.hubspot import HubSpots
from domain.programs import Program
from sandbox.bamboohr import create_app as create_bamboohr
from sandbox.bamboohr.app import API_KEY
from sandbox.hubspot import create_app as create_hubspot
from sandbox.hubspot.app import ACCESS_TOKEN
from settings import DEVELOPMENT_KEYS, SecretKeys, Settings
from storage import connections, intake, programs, tables
from storage.database import Database
from storage.keyring import Keyring
from tests.conformance.senders import BambooHRSender, HubSpotSender, Outgoing, Sender, XapiSender, sending
from tests.programs import NOW, SAMPLE, make_member, make_program
from tests.sandboxes import running

KEYRING = Keyring.from_setting(SecretKeys.parse(DEVELOPMENT_KEYS))
WORTH = 50
TEXT: dict[str, Any] = {"type": "string"}
CONFIGURATION: dict[str, Any] = {
    "event_types": {
        "deal.won": {
            "fields": dict.fromkeys(("deal_id", "name", "currency", "pipeline"), TEXT)
            | {"amount_minor": {"type": "integer"}}
        },
        "course.completed": {"fields": dict.fromkeys(("activity_id", "activity_name", "activity_type"), TEXT)},
    },
    "rules": {
        "deal": {"event_type": "deal.won", "award": {"expression": str(WORTH)}},
        "course": {"event_type": "course.completed", "award": {"expression": str(WORTH)}},
        "promoted": {"event_type": "member.promoted", "award": {"expression": str(WORTH)}},
    },
    "catalog": SAMPLE["catalog"],
}


class World:
    """One program behind the API, and one outside system that sends to it."""

    def __init__(self, sender: Sender, http: httpx.AsyncClient, database: Database, program: Program) -> None:
        self.sender = sender
        self._http = http
        self._database = database
        self._program = program

    async def send(self, *requests: Outgoing) -> list[int]:
        """The statuses answered, after everything that follows has followed."""
        statuses = [(await self._send(request)).status_code for request in requests]
        await self.sender.settle()
        return statuses

    async def refused(self, request: Outgoing) -> str:
        """The code of the problem answered, after which nothing was kept."""
        answer = await self._send(request)
        assert answer.headers["content-type"] == "application/problem+json"
        for table in (tables.notices, tables.statements, tables.events):
            assert await self._count(table) == 0
        code: str = answer.json()["code"]
        return code

    async def points(self) -> int:
        async with self._database.begin() as session:
            balances = select(tables.accounts.c.balance).where(tables.accounts.c.member_id.is_not(None))
            return sum((await session.execute(balances)).scalars())

    async def states(self) -> list[str]:
        """How the facts stand, retractions left out."""
        async with self._database.begin() as session:
            rows = select(tables.events.c.state).where(tables.events.c.retracts.is_(None)).order_by(tables.events.c.id)
            return list((await session.execute(rows)).scalars())

    async def hire(self, name: str) -> None:
        """The member becomes known, and what waited for them is decided."""
        async with self._database.begin() as session:
            await make_member(session, self._program.id, name)
            found = await intake.find_decidable(session)
        async with self._database.begin() as session:
            await intake.decide_parked(session, self._program.id, [event for _, event in found], as_of=NOW)

    async def _send(self, request: Outgoing) -> httpx.Response:
        headers = {name.encode(): value.encode("latin-1") for name, value in request.headers.items()}
        return await self._http.request(request.method, request.path, headers=headers, content=request.body)

    async def _count(self, table: Any) -> int:
        async with self._database.begin() as session:
            return len((await session.execute(select(table))).all())


@pytest.fixture
def settings(database_url: str, owner_url: str, redis_url: str, redis: Redis, tmp_path: Path) -> Settings:
    """Settings of an API whose Temporal is away."""
    return Settings(
        database_url=database_url,
        database_owner_url=owner_url,
        redis_url=redis_url,
        temporal_address="127.0.0.1:1",
        laurel_state_dir=tmp_path,
    )


@pytest.fixture(params=["hubspot", "xapi", "bamboohr"])
async def world(request: pytest.FixtureRequest, settings: Settings) -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        database = Database(settings.database_url)
        stack.push_async_callback(database.dispose)
        async with database.begin() as session:
            program_id = await make_program(session, CONFIGURATION)
            await make_member(session, program_id, "ada")
            program = await programs.get(session, program_id)
        sender = await _MAKERS[request.param](stack, database, program)
        app = create_app(settings, clock=lambda: NOW)
        await stack.enter_async_context(app.router.lifespan_context(app))
        yield World(sender, await stack.enter_async_context(sending(app)), database, program)


async def _make_hubspot(stack: AsyncExitStack, database: Database, program: Program) -> Sender:
    app = create_hubspot(clock=lambda: NOW - timedelta(minutes=1))
    base_url = stack.enter_context(running(app))
    hubspots = HubSpots()
    stack.push_async_callback(hubspots.aclose)
    async with database.begin() as session:
        connection = await connections.insert(
            session,
            KEYRING,
            program,
            kind="hubspot",
            name="sales",
            config={"base_url": base_url},
            secrets={"client_secret": "signs", "access_token": ACCESS_TOKEN},
            now=NOW - timedelta(days=1),
        )
    activities = HubSpotActivities(database, KEYRING, hubspots, lambda: NOW)
    return HubSpotSender(connection, app.state.crm, database, activities, NOW, hubspot.BODY_MAX_BYTES)


async def _make_xapi(stack: AsyncExitStack, database: Database, program: Program) -> Sender:
    async with database.begin() as session:
        connection = await connections.insert(
            session, KEYRING, program, kind="xapi", name="lms", config={}, secrets={"token": "shown"}, now=NOW
        )
    return XapiSender(connection, NOW, xapi.BODY_MAX_BYTES)


async def _make_bamboohr(stack: AsyncExitStack, database: Database, program: Program) -> Sender:
    app = create_bamboohr(clock=lambda: NOW - timedelta(minutes=1))
    base_url = stack.enter_context(running(app))
    bamboohrs = BambooHRs()
    stack.push_async_callback(bamboohrs.aclose)
    async with database.begin() as session:
        connection = await connections.insert(
            session,
            KEYRING,
            program,
            kind="bamboohr",
            name="people",
            config={"company": "acme", "base_url": base_url, "promotion_reason": "Promotion"},
            secrets={"api_key": API_KEY, "webhook_key": "signs"},
            now=NOW - timedelta(days=1),
        )
        # What happened before a member was known is not told.
        await session.execute(update(tables.members).values(created_at=NOW - timedelta(days=30)))
    activities = BambooHRActivities(database, KEYRING, bamboohrs, lambda: NOW)
    return BambooHRSender(connection, app.state.company, database, activities, NOW, bamboohr.BODY_MAX_BYTES)


_MAKERS = {"hubspot": _make_hubspot, "xapi": _make_xapi, "bamboohr": _make_bamboohr}

# -- Facts ---------------------------------------------------------------------------------------------------------


async def test_a_good_request_earns(world: World) -> None:
    statuses = await world.send(world.sender.tell())

    assert all(status in (200, 204) for status in statuses)
    assert await world.points() == WORTH


async def test_a_repeated_request_is_taken_and_earns_once(world: World) -> None:
    fact = world.sender.tell()

    statuses = await world.send(fact, fact) + await world.send(fact)

    assert all(status in (200, 204) for status in statuses)
    assert await world.points() == WORTH


async def test_facts_in_another_order_earn_the_same(world: World) -> None:
    first, second = world.sender.tell(), world.sender.tell()

    await world.send(second, first, second)

    assert await world.points() == 2 * WORTH


async def test_a_retraction_takes_the_points_back(world: World) -> None:
    fact = world.sender.tell()
    await world.send(fact)
    before = await world.points()

    await world.send(world.sender.take_back(fact))

    assert (before, await world.points()) == (WORTH, 0)


async def test_a_retraction_that_comes_first_holds(world: World) -> None:
    fact = world.sender.tell()
    retraction = world.sender.take_back(fact)

    await world.send(retraction)
    await world.send(fact)

    assert await world.points() == 0


async def test_a_repeated_retraction_takes_back_once(world: World) -> None:
    fact, other = world.sender.tell(), world.sender.tell()
    await world.send(fact, other)
    retraction = world.sender.take_back(fact)

    await world.send(retraction, fact, retraction)

    assert await world.points() == WORTH


async def test_a_fact_of_an_unknown_member_waits_for_them(world: World) -> None:
    if world.sender.brings_members:
        pytest.skip("this source tells of nobody unknown")
    await world.send(world.sender.tell("bob"))
    waiting = await world.states()

    await world.hire("bob")

    assert waiting == ["parked"]
    assert await world.states() == ["decided"]
    assert await world.points() == WORTH


async def test_a_fact_taken_back_while_it_waits_earns_nothing(world: World) -> None:
    if world.sender.brings_members:
        pytest.skip("this source tells of nobody unknown")
    fact = world.sender.tell("bob")
    await world.send(fact)
    await world.send(world.sender.take_back(fact))

    await world.hire("bob")

    assert await world.points() == 0


# -- Refusals ------------------------------------------------------------------------------------------------------


async def test_a_strangers_request_is_refused(world: World) -> None:
    request = world.sender.signed_by_a_stranger(world.sender.tell())

    assert await world.refused(request) == "bad_signature"


async def test_a_request_without_any_credentials_is_refused(world: World) -> None:
    request = replace(world.sender.tell(), headers={"content-type": "application/json"})

    assert await world.refused(request) == "bad_signature"


async def test_odd_headers_are_refused_like_wrong_ones(world: World) -> None:
    good = world.sender.tell()
    for name in good.headers.keys() - {"content-type", "x-experience-api-version"}:
        for value in ("", "€".encode().decode("latin-1"), "x" * 5000, "Basic %%%", "-1"):
            odd = replace(good, headers=good.headers | {name: value})

            assert await world.refused(odd) in ("bad_signature", "stale_notice")


async def test_a_request_signed_too_long_ago_is_refused(world: World) -> None:
    if not world.sender.is_signed_with_time:
        pytest.skip("this source's credentials have no time")
    request = world.sender.tell()

    assert await world.refused(world.sender.signed_at(request, NOW - timedelta(minutes=6))) == "stale_notice"
    assert await world.refused(world.sender.signed_at(request, NOW + timedelta(minutes=6))) == "stale_notice"


async def test_a_truncated_body_is_refused(world: World) -> None:
    body = world.sender.tell().body

    assert await world.refused(world.sender.with_body(body[: len(body) // 2])) == "malformed_notice"
    assert await world.refused(world.sender.with_body(b"")) == "malformed_notice"


async def test_a_body_cut_on_its_way_is_not_what_was_signed(world: World) -> None:
    request = world.sender.tell()
    cut = replace(request, body=request.body[:-1])

    assert await world.refused(cut) in ("bad_signature", "malformed_notice")


async def test_an_oversized_body_is_refused(world: World) -> None:
    request = world.sender.with_body(b"[" + b" " * world.sender.body_max_bytes + b"]")

    assert await world.refused(request) == "body_too_large"


@pytest.mark.parametrize("content_type", ["text/plain", "application/xml", "application/json; charset=utf-16"])
async def test_another_content_type_is_refused(world: World, content_type: str) -> None:
    request = world.sender.tell()
    other = replace(request, headers=request.headers | {"content-type": content_type})

    assert await world.refused(other) == "unsupported_media_type"


@pytest.mark.parametrize("body", [b'["\xff\xfe"]', b'{"id": "\xc3\x28"}', "[]".encode("utf-16"), b'["\\u0000"]'])
async def test_a_body_that_is_not_utf_8_or_holds_nul_is_refused(world: World, body: bytes) -> None:
    assert await world.refused(world.sender.with_body(body)) == "malformed_notice"


@pytest.mark.parametrize("body", [b"null", b"7", b'"x"', b"[7]", b"[[]]", b'[{"objectId": {}}]', b"[" * 5000])
async def test_json_of_another_shape_is_refused(world: World, body: bytes) -> None:
    assert await world.refused(world.sender.with_body(body)) == "malformed_notice"
