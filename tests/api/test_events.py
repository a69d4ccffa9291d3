"""Events over HTTP: what each outcome is answered with, one by one and in batches."""

from typing import Any

import pytest

from tests.api.conftest import Client
from tests.api.facts import deal, retraction


async def test_a_new_event_is_made_and_earns(client: Client) -> None:
    answer = await client.post("/v1/events", deal())

    assert answer.status_code == 201, answer.text
    event = answer.json()
    assert event["status"] == "recorded"
    assert event["state"] == "decided"
    assert event["points"] == 50


async def test_a_repeat_is_answered_with_the_same_event(client: Client) -> None:
    first = await client.post("/v1/events", deal())

    again = await client.post("/v1/events", deal())

    assert again.status_code == 200
    assert again.json() == first.json() | {"status": "replayed"}


async def test_an_event_of_nobody_known_is_parked(client: Client) -> None:
    answer = await client.post("/v1/events", deal(member="grace"))

    assert answer.status_code == 202
    assert answer.json()["state"] == "parked"


async def test_another_fact_under_the_same_name_is_a_conflict(client: Client) -> None:
    await client.post("/v1/events", deal())

    answer = await client.post("/v1/events", deal(amount_minor=7))

    assert answer.status_code == 409
    assert answer.json()["code"] == "event_conflict"
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_newer_version_amends(client: Client) -> None:
    await client.post("/v1/events", deal(version=1))

    newer = await client.post("/v1/events", deal(amount_minor=2_000_000, version=2))
    older = await client.post("/v1/events", deal(amount_minor=3, version=1))

    assert (newer.status_code, newer.json()["status"]) == (200, "amended")
    assert (older.status_code, older.json()["status"]) == (200, "replayed")
    assert newer.json()["points"] > 50


async def test_a_retraction_takes_the_points_back(client: Client) -> None:
    event = (await client.post("/v1/events", deal())).json()

    answer = await client.post("/v1/events", retraction(deal()))

    assert answer.status_code == 201
    assert answer.json()["points"] == -event["points"] < 0
    taken_back = (await client.get(f"/v1/events/{event['id']}")).json()
    assert (taken_back["state"], taken_back["points"]) == ("retracted", 0)


async def test_what_does_not_fit_the_event_type_is_refused_and_not_kept(client: Client) -> None:
    unknown = await client.post("/v1/events", deal(type="deal.lost"))
    unfit = await client.post("/v1/events", deal(data={"amount_minor": "many"}))
    future = await client.post("/v1/events", deal(occurred_at="2026-03-04T12:06:00Z"))

    assert [answer.status_code for answer in (unknown, unfit, future)] == [422] * 3
    codes = [answer.json()["code"] for answer in (unknown, unfit, future)]
    assert codes == ["unknown_event_type", "invalid_event_data", "occurred_in_future"]
    assert (await client.get("/v1/events")).json() == {"items": []}


async def test_each_item_of_a_batch_has_its_own_result(client: Client) -> None:
    events = [deal(1), deal(2, member="grace"), deal(3, type="deal.lost"), deal(1)]

    answer = await client.post("/v1/events/batch", {"events": events})

    assert answer.status_code == 207
    results = answer.json()["results"]
    assert [result["status"] for result in results] == [201, 202, 422, 200]
    assert results[2]["problem"]["code"] == "unknown_event_type"


async def test_pages_of_a_list_hold_each_event_once(client: Client) -> None:
    await client.post("/v1/events/batch", {"events": [deal(number) for number in range(7)]})

    ids, query = [], {"limit": 3}
    while True:
        page = (await client.get("/v1/events", **query)).json()
        ids += [event["external_id"] for event in page["items"]]
        if "next_cursor" not in page:
            break
        query["cursor"] = page["next_cursor"]

    assert ids == [f"deal-{number}" for number in reversed(range(7))]


async def test_a_cursor_holds_for_its_own_list_only(client: Client) -> None:
    await client.post("/v1/events/batch", {"events": [deal(number) for number in range(3)]})
    cursor = (await client.get("/v1/events", limit=1)).json()["next_cursor"]

    answer = await client.get("/v1/events", state="parked", cursor=cursor)

    assert answer.json()["code"] == "invalid_cursor"


@pytest.mark.parametrize(
    "forged",
    [
        deal(type="challenge.prize", data={"challenge": "sprint", "points": 1_000, "reason": "rank"}),
        deal(type="streak.reached", source="laurel", external_id="streak.reached:daily:1"),
        deal(source="laurel"),
        retraction(deal(source="laurel", external_id="challenge.prize:sprint:1")),
    ],
)
async def test_what_only_laurel_finds_nobody_else_tells(client: Client, forged: dict[str, Any]) -> None:
    one = await client.post("/v1/events", forged)
    many = await client.post("/v1/events/batch", {"events": [forged]})
    dry = await client.post("/v1/events?dry_run=true", forged)

    assert [answer.json()["code"] for answer in (one, dry)] == ["invalid_event_data"] * 2
    assert many.json()["results"][0]["problem"]["code"] == "invalid_event_data"
    assert (await client.get("/v1/events")).json()["items"] == []
