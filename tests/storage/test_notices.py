"""Notices: kept once, fetched for only if they matter, and handled up to the one that was asked about."""

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from domain.connections import Connection
from domain.notices import Matters, Notice
from domain.programs import ProgramKind
from storage import connections, notices, programs, tables
from storage.keyring import Keyring

NOW = datetime(2026, 3, 1, tzinfo=UTC)
KEYRING = Keyring({"a": bytes(32)}, "a")
ALWAYS, IF_KNOWN, NEVER = Matters.ALWAYS, Matters.IF_KNOWN, Matters.NEVER


@pytest.fixture
async def connection(session: AsyncSession) -> Connection:
    program = await programs.insert(session, name="Acme", kind=ProgramKind.SANDBOX, now=NOW)
    secrets = {"client_secret": "s", "access_token": "t"}
    return await connections.insert(
        session, KEYRING, program, kind="hubspot", name="crm", config={}, secrets=secrets, now=NOW
    )


def notice(key: str, matters: Matters = ALWAYS, object_id: str = "7") -> Notice:
    return Notice(key, object_id, "deal.propertyChange", NOW, matters, {"eventId": key})


async def states(session: AsyncSession) -> list[str]:
    rows = select(tables.notices.c.state).order_by(tables.notices.c.notice_key)
    return list((await session.execute(rows)).scalars())


async def fetches(session: AsyncSession) -> Sequence[str]:
    rows = select(tables.outbox.c.payload).order_by(tables.outbox.c.id)
    return [payload["object_id"] for payload in (await session.execute(rows)).scalars()]


async def test_a_notice_that_matters_is_open_and_has_its_object_fetched(
    session: AsyncSession, connection: Connection
) -> None:
    await notices.insert_new(session, connection, [notice("a"), notice("b", NEVER, "8")], now=NOW)

    payload = (await session.execute(select(tables.outbox.c.payload))).scalar_one()
    assert await states(session) == ["open", "ignored"]
    assert payload == {"connection_id": connection.id, "object_id": "7", "kind": "hubspot"}


async def test_a_repeat_is_not_kept_and_not_fetched_again(session: AsyncSession, connection: Connection) -> None:
    new = await notices.insert_new(session, connection, [notice("a"), notice("a")], now=NOW)
    again = await notices.insert_new(session, connection, [notice("a")], now=NOW)

    assert (new, again) == (1, 0)
    assert await fetches(session) == ["7"]


async def test_many_notices_of_one_object_have_it_fetched_once(session: AsyncSession, connection: Connection) -> None:
    arrived = [notice(str(n), object_id=str(n % 2)) for n in range(10)]

    await notices.insert_new(session, connection, arrived, now=NOW)

    assert await fetches(session) == ["0", "1"]


async def test_an_edit_of_an_object_that_gave_nothing_is_ignored(session: AsyncSession, connection: Connection) -> None:
    await notices.keep_facts(session, connection, "7", [], now=NOW)

    await notices.insert_new(session, connection, [notice("a", IF_KNOWN)], now=NOW)

    assert await states(session) == ["ignored"]


async def test_an_edit_of_an_object_that_gave_a_fact_is_fetched(session: AsyncSession, connection: Connection) -> None:
    await notices.keep_facts(session, connection, "7", ["7:1"], now=NOW)

    await notices.insert_new(session, connection, [notice("a", IF_KNOWN), notice("b", IF_KNOWN, "8")], now=NOW)

    assert await states(session) == ["open", "ignored"]
    assert await fetches(session) == ["7"]


async def test_an_edit_of_an_object_that_is_being_asked_about_is_fetched(
    session: AsyncSession, connection: Connection
) -> None:
    await notices.insert_new(session, connection, [notice("a")], now=NOW)

    await notices.insert_new(session, connection, [notice("b", IF_KNOWN)], now=NOW)

    assert await states(session) == ["open", "open"]


async def test_only_notices_up_to_the_highest_asked_about_are_handled(
    session: AsyncSession, connection: Connection
) -> None:
    await notices.insert_new(session, connection, [notice("a"), notice("b")], now=NOW)
    await notices.insert_new(session, connection, [notice("c", object_id="8")], now=NOW)
    highest = await notices.find_highest_open(session, connection.id, "7")
    await notices.insert_new(session, connection, [notice("d")], now=NOW)

    assert highest is not None
    await notices.handle(session, connection, "7", highest, now=NOW)

    assert await states(session) == ["handled", "handled", "open", "open"]


async def test_an_object_without_open_notices_has_no_highest(session: AsyncSession, connection: Connection) -> None:
    await notices.insert_new(session, connection, [notice("a", NEVER)], now=NOW)

    assert await notices.find_highest_open(session, connection.id, "7") is None


async def test_the_facts_of_an_object_are_those_kept_last(session: AsyncSession, connection: Connection) -> None:
    before = await notices.find_facts(session, connection.id, "7")
    for facts in (["7:1"], ["7:3", "7:2"]):
        await notices.keep_facts(session, connection, "7", facts, now=NOW)

    assert before == []
    assert await notices.find_facts(session, connection.id, "7") == ["7:2", "7:3"]
