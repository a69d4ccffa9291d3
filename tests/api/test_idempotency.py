"""Idempotency-Key: once done, for ever answered the same; never done twice, whoever races."""

import asyncio
from contextlib import AsyncExitStack

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncEngine

from api.app import create_app
from domain.idempotency import IdempotencyKey
from settings import Settings
from storage.tables import events, idempotency_keys, orders
from tests.api.conftest import Client, MakeClient
from tests.api.facts import deal
from tests.api.test_writer import events_locked
from tests.programs import NOW

KEY = "0e2f7a1c-8a51-4b0f-9a3e-5d0f5c3b8a11"


async def rich_member(client: Client) -> str:
    """A member with enough points for some mugs; the id."""
    facts = [deal(number, amount_minor=2_000_000) for number in range(40)]
    done = (await client.post("/v1/events/batch", {"events": facts})).json()["results"]
    return str(done[0]["event"]["member_id"])


async def count(engine: AsyncEngine, table: object) -> int:
    async with engine.connect() as connection:
        return int((await connection.execute(select(func.count()).select_from(table))).scalar_one())  # type: ignore[arg-type]


async def test_a_request_sent_again_is_answered_again_and_says_so(client: Client) -> None:
    first = await client.post("/v1/events", deal(), Idempotency_Key=KEY)

    again = await client.post("/v1/events", deal(), Idempotency_Key=KEY)

    assert (again.status_code, again.json()) == (first.status_code, first.json()) == (201, first.json())
    assert again.headers["idempotent-replayed"] == "true"
    assert "idempotent-replayed" not in first.headers


async def test_a_key_in_quotes_is_the_same_key(client: Client) -> None:
    await client.post("/v1/events", deal(), Idempotency_Key=KEY)

    again = await client.post("/v1/events", deal(), Idempotency_Key=f'"{KEY}"')

    assert again.headers["idempotent-replayed"] == "true"


async def test_a_key_is_not_used_for_another_body(client: Client) -> None:
    await client.post("/v1/events", deal(1), Idempotency_Key=KEY)

    other = await client.post("/v1/events", deal(2), Idempotency_Key=KEY)

    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


async def test_a_key_is_not_used_for_another_path(client: Client, engine: AsyncEngine) -> None:
    member_id = await rich_member(client)
    rewards = (await client.get(f"/v1/members/{member_id}/rewards")).json()["items"]
    first = await client.post(f"/v1/rewards/{rewards[0]['id']}/decline", Idempotency_Key=KEY)

    other = await client.post(f"/v1/rewards/{rewards[1]['id']}/decline", Idempotency_Key=KEY)

    assert first.json()["code"] == "reward_not_offered"
    assert other.json()["code"] == "idempotency_key_reused"


@pytest.mark.parametrize("key", ["", " ", "two words", "a" * 256, 'half"quoted', "comma,separated"])
async def test_a_key_that_cannot_be_one_is_refused(client: Client, key: str) -> None:
    answer = await client.post("/v1/events", deal(), Idempotency_Key=key)

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_idempotency_key")


async def test_each_credential_and_route_has_keys_of_its_own(make_client: MakeClient, client: Client) -> None:
    colleague = await make_client(program_id=client.program_id)
    await client.post("/v1/events", deal(1), Idempotency_Key=KEY)

    theirs = await colleague.post("/v1/events", deal(2), Idempotency_Key=KEY)
    elsewhere = await client.post("/v1/events/batch", {"events": [deal(3)]}, Idempotency_Key=KEY)

    assert (theirs.status_code, elsewhere.status_code) == (201, 207)


async def test_twins_in_one_batch_are_one_request(client: Client, engine: AsyncEngine) -> None:
    """Both wait for the same transaction; a third with another body does not pass for them."""
    async with events_locked(engine):
        opening = asyncio.create_task(client.post("/v1/events", deal(0)))
        await asyncio.sleep(0.1)
        twins = [asyncio.create_task(client.post("/v1/events", deal(1), Idempotency_Key=KEY)) for _ in range(2)]
        stranger = asyncio.create_task(client.post("/v1/events", deal(2), Idempotency_Key=KEY))
        await asyncio.sleep(0.1)
    await opening

    one, other = await asyncio.gather(*twins)

    assert one.json() == other.json()
    assert {answer.headers.get("idempotent-replayed") for answer in (one, other)} == {None, "true"}
    assert (await stranger).json()["code"] in ("idempotency_key_reused", "event_conflict")
    assert await count(engine, events) == 2


async def test_a_key_whose_request_still_runs_elsewhere_is_in_use(client: Client, engine: AsyncEngine) -> None:
    """Another process holds the key's lock: the rest of the batch goes on without it."""
    async with AsyncEngine.begin(engine) as connection:
        key_id = (await connection.execute(text("SELECT id FROM api_keys"))).scalar_one()
        lock_id = IdempotencyKey(f"{key_id} POST /v1/events", KEY, b"").lock_id(client.program_id)
        await connection.execute(text("SELECT pg_advisory_xact_lock(:id)"), {"id": lock_id})

        held, free = await asyncio.gather(
            client.post("/v1/events", deal(1), Idempotency_Key=KEY), client.post("/v1/events", deal(2))
        )

    assert (held.status_code, held.json()["code"]) == (409, "idempotency_key_in_use")
    assert held.headers["retry-after"]
    assert held.json()["retryable"]
    assert free.status_code == 201
    assert (await client.post("/v1/events", deal(1), Idempotency_Key=KEY)).status_code == 201


async def test_one_order_is_placed_however_many_send_it_to_however_many_processes(
    settings: Settings, client: Client, engine: AsyncEngine
) -> None:
    wanted = {"member_id": await rich_member(client), "item": "mug", "value_minor": 500}
    headers = {"Authorization": f"Bearer {client.key}", "Idempotency-Key": KEY}
    async with AsyncExitStack() as stack:
        apps = [create_app(settings, clock=lambda: NOW) for _ in range(2)]
        https = [await stack.enter_async_context(started(app)) for app in apps]

        answers = await asyncio.gather(*(http.post("/v1/orders", json=wanted, headers=headers) for http in https * 8))

    assert {answer.status_code for answer in answers} <= {201, 409}
    assert len({answer.json()["id"] for answer in answers if answer.status_code == 201}) == 1
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} <= {"idempotency_key_in_use"}
    assert await count(engine, orders) == 1


async def test_a_refusal_is_kept_like_an_answer(client: Client) -> None:
    member_id = (await client.post("/v1/events", deal())).json()["member_id"]
    wanted = {"member_id": member_id, "item": "mug", "value_minor": 500}
    refused = await client.post("/v1/orders", wanted, Idempotency_Key=KEY)
    await rich_member(client)

    again = await client.post("/v1/orders", wanted, Idempotency_Key=KEY)
    anew = await client.post("/v1/orders", wanted)

    assert (refused.status_code, refused.json()["code"]) == (409, "insufficient_points")
    assert (again.json(), again.headers["idempotent-replayed"]) == (refused.json(), "true")
    assert anew.status_code == 201


async def test_an_order_is_replayed_to_the_letter(client: Client) -> None:
    wanted = {"member_id": await rich_member(client), "item": "mug", "value_minor": 500}
    first = await client.post("/v1/orders", wanted, Idempotency_Key=KEY)

    again = await client.post("/v1/orders", wanted, Idempotency_Key=KEY)

    assert (again.status_code, again.json()) == (201, first.json())


async def test_what_never_began_keeps_nothing(client: Client, engine: AsyncEngine) -> None:
    """A body that cannot be read leaves the key free."""
    await client.post("/v1/events", {"not": "an event"}, Idempotency_Key=KEY)

    answer = await client.post("/v1/events", deal(), Idempotency_Key=KEY)

    assert answer.status_code == 201
    assert await count(engine, idempotency_keys) == 1


class started:
    """A client of an application that runs meanwhile."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> httpx.AsyncClient:
        await self._stack.enter_async_context(self._app.router.lifespan_context(self._app))
        transport = httpx.ASGITransport(self._app)
        return await self._stack.enter_async_context(httpx.AsyncClient(transport=transport, base_url="http://api.test"))

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()
