"""Orders, rewards, the catalog and the program's limits over HTTP."""

from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from domain.rewards import RewardEvent
from storage import rewards
from storage.tables import rewards as reward_rows
from tests.api.conftest import Client
from tests.api.facts import deal
from tests.api.test_idempotency import rich_member
from tests.programs import NOW


async def place(client: Client, member_id: str, **changes: Any) -> Any:
    return await client.post("/v1/orders", {"member_id": member_id, "item": "mug", "value_minor": 500} | changes)


async def offered(client: Client, engine: AsyncEngine) -> str:
    """A reward that waits for its member's choice; the id."""
    async with AsyncSession(engine) as session, session.begin():
        own = select(reward_rows.c.id).where(reward_rows.c.program_id == client.program_id).limit(1)
        reward_id = (await session.execute(own)).scalar_one()
        given = await rewards.lock(session, client.program_id, reward_id)
        await rewards.offer(session, given, await rewards.get_definition(session, given), RewardEvent.OFFER, now=NOW)
    return str(reward_id)


async def test_an_order_is_placed_and_read(client: Client) -> None:
    member_id = await rich_member(client)

    placed = await place(client, member_id, recipient_email="gift@example.com")

    assert placed.status_code == 201
    order = placed.json()
    assert (order["state"], order["price_points"], order["value"]) == (
        "placed",
        500,
        {"amount_minor": 500, "currency": "USD"},
    )
    read = (await client.get(f"/v1/orders/{order['id']}")).json()
    assert [step["step"] for step in read.pop("steps")] == ["place"]
    assert read == order
    assert (await client.get("/v1/orders", member_id=member_id)).json()["items"] == [order]


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"item": "yacht"}, 409, "item_unavailable"),
        ({"value_minor": 700}, 422, "invalid_denomination"),
        ({"currency": "EUR"}, 422, "invalid_denomination"),
        ({"recipient_email": "nobody"}, 422, "invalid_recipient"),
        ({"member_id": "mem_00000000000000000000000000"}, 404, "not_found"),
    ],
)
async def test_a_refusal_is_a_problem_and_holds_nothing(
    client: Client, changes: dict[str, Any], status: int, code: str
) -> None:
    member_id = await rich_member(client)

    answer = await place(client, **{"member_id": member_id} | changes)

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert (await client.get(f"/v1/members/{member_id}/balance")).json()["held"] == 0


async def test_too_few_points_are_told_with_the_numbers(client: Client) -> None:
    member_id = (await client.post("/v1/events", deal())).json()["member_id"]

    answer = await place(client, member_id)

    assert (answer.status_code, answer.json()["code"]) == (409, "insufficient_points")
    assert "50" in answer.json()["detail"]
    assert "500" in answer.json()["detail"]


async def test_the_programs_limit_stops_orders(client: Client) -> None:
    member_id = await rich_member(client)
    body = {"orders_paused": False, "daily_limit_minor": 600, "monthly_limit_minor": None, "limit_currency": "USD"}
    program = (await client.http.put("/v1/program", json=body)).json()

    first, second = await place(client, member_id), await place(client, member_id)

    assert (program["daily_limit_minor"], first.status_code) == (600, 201)
    assert (second.status_code, second.json()["code"]) == (409, "limit_reached")


async def test_the_switch_is_read_as_it_was_set(client: Client) -> None:
    body = {"orders_paused": True, "daily_limit_minor": None, "monthly_limit_minor": None, "limit_currency": "EUR"}

    await client.http.put("/v1/program", json=body)

    program = (await client.get("/v1/program")).json()
    assert {name: program[name] for name in body} == body


async def test_an_order_that_is_not_in_review_cannot_be_resolved(client: Client) -> None:
    order = (await place(client, await rich_member(client))).json()

    answer = await client.post(f"/v1/orders/{order['id']}/resolve", {"action": "fulfil", "note": "it arrived"})

    assert (answer.status_code, answer.json()["code"]) == (409, "illegal_transition")


async def test_an_offered_reward_is_chosen_once(client: Client, engine: AsyncEngine) -> None:
    member_id = await rich_member(client)
    reward_id = await offered(client, engine)

    chosen = await client.post(f"/v1/rewards/{reward_id}/choose", {"item": "mug"})
    again = await client.post(f"/v1/rewards/{reward_id}/choose", {"item": "mug"})

    assert (chosen.status_code, chosen.json()["reward_id"], chosen.json()["price_points"]) == (201, reward_id, 0)
    assert (again.status_code, again.json()["code"]) == (409, "reward_not_offered")
    shown = (await client.get(f"/v1/members/{member_id}/rewards", state="ordered")).json()["items"]
    assert [reward["order_id"] for reward in shown] == [chosen.json()["id"]]


async def test_a_reward_is_explained_by_the_milestone_and_what_there_was_before_and_after(
    client: Client, engine: AsyncEngine
) -> None:
    member_id = await rich_member(client)
    reward_id = await offered(client, engine)

    explained = (await client.get(f"/v1/rewards/{reward_id}/explanation")).json()

    crossing = explained["crossing"]
    assert (explained["member_id"], explained["state"], explained["rule"]) == (member_id, "offered", None)
    assert (crossing["milestone"], crossing["threshold"], crossing["state"]) == ("every-500", 500, "standing")
    assert crossing["before"] < 500 <= crossing["after"]
    assert crossing["event_id"] == explained["event_id"]


async def test_an_offered_reward_is_declined(client: Client, engine: AsyncEngine) -> None:
    await rich_member(client)
    reward_id = await offered(client, engine)

    declined = await client.post(f"/v1/rewards/{reward_id}/decline")

    assert (declined.status_code, declined.json()["state"]) == (200, "declined")
    assert (await client.get(f"/v1/rewards/{reward_id}")).json()["items"] == ["mug"]


async def test_the_catalog_is_priced_and_its_tag_saves_sending_it_again(client: Client) -> None:
    first = await client.get("/v1/catalog")

    same = await client.http.get("/v1/catalog", headers={"If-None-Match": f'"other", W/{first.headers["etag"]}'})
    other = await client.http.get("/v1/catalog", headers={"If-None-Match": '"other"'})

    (mug,) = first.json()["items"]
    assert [(one["value"]["amount_minor"], one["price_points"]) for one in mug["denominations"]] == [
        (500, 500),
        (2500, 2500),
    ]
    assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", first.headers["etag"])
    assert other.status_code == 200
    assert "max-age" in first.headers["cache-control"]


async def test_the_catalog_is_filtered_and_paged(client: Client) -> None:
    assert (await client.get("/v1/catalog", category="boats")).json() == {"items": []}
    assert [item["key"] for item in (await client.get("/v1/catalog", country="DE", limit=1)).json()["items"]] == ["mug"]
