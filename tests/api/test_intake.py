"""The webhook route: whom it believes, what it keeps, and that vendors' notices come in by it as well."""

import hashlib
import hmac
from datetime import datetime
from typing import Any

import httpx
import orjson
import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from domain.connections import Connection
from sandbox.hubspot.notices import sign
from settings import DEVELOPMENT_KEYS, SecretKeys
from storage import connections, programs, tables
from storage.keyring import Keyring
from tests.connectors.hubspot_notices import notification
from tests.programs import NOW, make_program

PUBLIC_URL = "http://127.0.0.1:8700"
SECRETS = {
    "hubspot": {"client_secret": "signs", "access_token": "t"},
    "bamboohr": {"api_key": "k"},
    "tremendous": {"api_key": "TEST_1", "webhook_key": "signs"},
    "xapi": {"token": "t"},
}
CONFIGS = {"bamboohr": {"company": "acme"}}


async def make_connection(engine: AsyncEngine, kind: str) -> Connection:
    async with AsyncSession(engine) as session, session.begin():
        program = await programs.get(session, await make_program(session))
        keyring = Keyring.from_setting(SecretKeys.parse(DEVELOPMENT_KEYS))
        return await connections.insert(
            session,
            keyring,
            program,
            kind=kind,
            name="outside",
            config=CONFIGS.get(kind, {}),
            secrets=SECRETS[kind],
            now=NOW,
        )


def signed_by_hubspot(connection: Connection, body: bytes, query: str = "", at: datetime = NOW) -> dict[str, Any]:
    """Arguments of a request as HubSpot makes it."""
    path = f"/intake/{connection.id}{query}"
    timestamp = str(int(at.timestamp() * 1000))
    headers = {
        "content-type": "application/json",
        "x-hubspot-request-timestamp": timestamp,
        "x-hubspot-signature-v3": sign("signs", "POST", PUBLIC_URL + path, body, timestamp),
    }
    return {"url": path, "content": body, "headers": headers}


async def kept(engine: AsyncEngine) -> list[tuple[str, str, str]]:
    async with engine.connect() as connection:
        columns = (tables.notices.c.kind, tables.notices.c.object_id, tables.notices.c.state)
        return [tuple(row) for row in await connection.execute(select(*columns).order_by(tables.notices.c.id))]


async def test_what_could_matter_is_open_and_fetched_and_the_rest_is_kept(
    anyone: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    connection = await make_connection(engine, "hubspot")
    body = orjson.dumps(
        [
            notification(eventId=1),
            notification(eventId=2, propertyName="dealname"),
            notification(eventId=3, subscriptionType="contact.creation", objectId=5),
        ]
    )

    answer = await anyone.post(**signed_by_hubspot(connection, body))

    async with engine.connect() as session:
        effects = (await session.execute(select(tables.outbox.c.kind, tables.outbox.c.payload))).all()
    assert (answer.status_code, answer.content) == (204, b"")
    assert await kept(engine) == [
        ("deal.propertyChange", "9001", "open"),
        ("deal.propertyChange", "9001", "ignored"),
        ("contact.creation", "5", "ignored"),
    ]
    assert effects == [
        ("fetch_object", {"connection_id": connection.id, "object_id": "9001", "kind": "hubspot"}),
    ]


async def test_the_query_belongs_to_the_url_that_is_signed(anyone: httpx.AsyncClient, engine: AsyncEngine) -> None:
    connection = await make_connection(engine, "hubspot")
    request = signed_by_hubspot(connection, b"[]", "?tenant=a%3Ab%2Fc%20d")
    stranger = request | {"url": request["url"].replace("%20d", "%20e")}

    answers = [await anyone.post(**sent) for sent in (request, stranger)]

    assert [answer.status_code for answer in answers] == [204, 401]


async def test_a_vendors_notice_comes_in_by_the_same_door(anyone: httpx.AsyncClient, engine: AsyncEngine) -> None:
    connection = await make_connection(engine, "tremendous")
    body = orjson.dumps(
        {
            "event": "REWARDS.DELIVERY.FAILED",
            "uuid": "a-uuid",
            "created_utc": "2026-03-04T11:59:00Z",
            "payload": {"resource": {"id": "REWARD1", "type": "rewards"}, "meta": {}},
        }
    )
    headers = {
        "content-type": "application/json",
        "tremendous-webhook-signature": "sha256=" + hmac.new(b"signs", body, hashlib.sha256).hexdigest(),
    }

    answers = [await anyone.post(f"/intake/{connection.id}", content=body, headers=headers) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [204, 204]
    assert await kept(engine) == [("REWARDS.DELIVERY.FAILED", "reward/REWARD1", "open")]


async def test_a_vendors_notice_with_another_signature_is_refused(
    anyone: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    connection = await make_connection(engine, "tremendous")

    answer = await anyone.post(f"/intake/{connection.id}", json={}, headers={"tremendous-webhook-signature": "sha256="})

    assert (answer.status_code, answer.json()["code"]) == (401, "bad_signature")


async def test_without_a_key_for_notices_nothing_signed_with_none_is_believed(
    anyone: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    connection = await make_connection(engine, "bamboohr")
    timestamp = str(int(NOW.timestamp()))
    signed = hmac.new(b"", b"{}" + timestamp.encode(), hashlib.sha256).hexdigest()
    headers = {
        "content-type": "application/json",
        "x-bamboohr-timestamp": timestamp,
        "x-bamboohr-signature": signed,
    }

    answer = await anyone.post(f"/intake/{connection.id}", content=b"{}", headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (401, "bad_signature")


@pytest.mark.parametrize("name", ["con_01a1fd1cfa630081c74091f5d2", "con_%00", "x" * 3000, "con_unknown"])
async def test_an_unknown_connection_is_not_found(anyone: httpx.AsyncClient, name: str) -> None:
    answer = await anyone.post(f"/intake/{name}", json=[])

    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_a_connection_that_sends_no_webhooks_is_not_found(anyone: httpx.AsyncClient, engine: AsyncEngine) -> None:
    connection = await make_connection(engine, "xapi")

    answer = await anyone.post(f"/intake/{connection.id}", json=[])

    assert answer.status_code == 404
