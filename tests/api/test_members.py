"""Members over HTTP: written by external id, read by any name, with what they have."""

from typing import Any

from tests.api.conftest import Client
from tests.api.facts import deal

GRACE = {
    "external_id": "e-1",
    "name": "Grace Hopper",
    "email": "grace@example.com",
    "time_zone": "America/New_York",
    "country": "US",
    "custom": {"mentor": True, "started": {"date": "2024-02-29"}},
    "identities": [{"source": "crm", "external_id": "owner-7"}],
}


async def written(client: Client, **changes: Any) -> dict[str, Any]:
    """Grace, as she was answered after these changes."""
    answer = await client.post("/v1/members", GRACE | changes)
    assert answer.is_success, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_a_new_member_is_made_and_a_known_one_changed(client: Client) -> None:
    first = await client.post("/v1/members", GRACE)
    same = await client.post("/v1/members", GRACE)
    changed = await client.post("/v1/members", {"external_id": "e-1", "department": "Navy"})

    assert [answer.status_code for answer in (first, same, changed)] == [201, 200, 200]
    assert [answer.json()["status"] for answer in (first, same, changed)] == ["created", "unchanged", "updated"]
    member = (await client.get(f"/v1/members/{first.json()['id']}")).json()
    assert (member["department"], member["country"], member["custom"]) == ("Navy", "US", GRACE["custom"])


async def test_a_member_is_found_by_every_name(client: Client) -> None:
    grace = await written(client)
    names = [("email", "grace@example.com"), ("crm", "owner-7"), ("laurel.external_id", "e-1")]

    found = [(await client.get(f"/v1/members/by-identity/{source}/{name}")).json()["id"] for source, name in names]

    assert found == [grace["id"]] * 3
    assert (await client.get("/v1/members/by-identity/crm/owner/8")).status_code == 404


async def test_null_empties_and_absence_leaves_as_it_is(client: Client) -> None:
    grace = await written(client)

    await client.post("/v1/members", {"external_id": "e-1", "country": None})

    member = (await client.get(f"/v1/members/{grace['id']}")).json()
    assert (member["country"], member["email"]) == (None, "grace@example.com")


async def test_each_fault_of_a_row_has_its_pointer(client: Client) -> None:
    answer = await client.post("/v1/members", GRACE | {"country": "QQ", "time_zone": "Mars/Base", "email": "grace"})

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_member")
    assert {fault["pointer"] for fault in answer.json()["errors"]} == {"/country", "/time_zone", "/email"}


async def test_a_row_with_a_fault_is_left_out_of_a_batch(client: Client) -> None:
    rows = [GRACE, {"external_id": "e-2"}, {"external_id": "e-3", "name": "Mary", "manager": "nobody"}]

    answer = await client.post("/v1/members/batch", {"members": rows})

    assert answer.status_code == 207
    results = answer.json()["results"]
    assert [(one["index"], one["status"]) for one in results] == [(0, "created"), (1, "failed"), (2, "created")]
    assert [fault["pointer"] for fault in results[1]["errors"]] == ["/name"]
    assert [fault["pointer"] for fault in results[2]["errors"]] == ["/manager"]


async def test_pages_of_members_hold_each_once(client: Client) -> None:
    rows = [{"external_id": f"e-{number}", "name": f"Number {number}"} for number in range(5)]
    await client.post("/v1/members/batch", {"members": rows})

    first = (await client.get("/v1/members", limit=4)).json()
    second = (await client.get("/v1/members", limit=4, cursor=first["next_cursor"])).json()

    shown = [member["external_id"] for member in first["items"] + second["items"]]
    assert sorted(shown) == ["ada", "e-0", "e-1", "e-2", "e-3", "e-4"]
    assert "next_cursor" not in second


async def test_balance_and_history_tell_the_same_story(client: Client) -> None:
    facts = [deal(number, amount_minor=2_000_000) for number in range(30)]
    results = (await client.post("/v1/events/batch", {"events": facts})).json()["results"]
    member_id = results[0]["event"]["member_id"]
    order = (await client.post("/v1/orders", {"member_id": member_id, "item": "mug", "value_minor": 500})).json()

    balance = (await client.get(f"/v1/members/{member_id}/balance")).json()
    history, query = [], {"limit": 7}
    while True:
        page = (await client.get(f"/v1/members/{member_id}/history", **query)).json()
        history += page["items"]
        if "next_cursor" not in page:
            break
        query["cursor"] = page["next_cursor"]

    assert history[0]["kind"] == "hold"
    assert history[0]["order_id"] == order["id"]
    assert history[0]["item_name"] == "A mug"
    assert balance["held"] == order["price_points"] == -history[0]["amount"]
    assert balance["available"] == history[0]["balance"] == sum(item["amount"] for item in history)
    assert balance["lifetime"] == sum(item["amount"] for item in history if item["kind"] == "earn")
    assert {item["event_type"] for item in history[1:]} == {"deal.won"}
