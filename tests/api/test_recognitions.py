"""Recognitions over HTTP: thanked once, refused by a code with the numbers, listed page by page, taken back."""

from typing import Any

import pytest

from tests.api.conftest import Client, MakeClient
from tests.recognition import BODY, REASON


@pytest.fixture
async def client(make_client: MakeClient) -> Client:
    return await make_client(body=BODY)


@pytest.fixture
async def people(client: Client) -> list[str]:
    """Two members; the first has a hundred kudos."""
    ids = [
        (await client.post("/v1/members", {"external_id": name, "name": name})).json()["id"] for name in ("ada", "ben")
    ]
    kudos = {"reference": "kudos", "member_id": ids[0], "unit": "kudos", "amount": 100}
    await client.post("/v1/earnings", kudos)
    return ids


def thanks(people: list[str], **changes: Any) -> dict[str, Any]:
    ada, ben = people
    return {"key": "k1", "giver_id": ada, "receiver_ids": [ben], "reason": REASON, "value": "Care"} | changes


async def test_thanks_are_given_once_and_taken_back_once(client: Client, people: list[str]) -> None:
    first = await client.post("/v1/recognitions", thanks(people))
    again = await client.post("/v1/recognitions", thanks(people))
    [given] = first.json()["recognitions"]
    taken = [await client.post(f"/v1/recognitions/{given['id']}/withdraw") for _ in range(2)]

    assert (first.status_code, again.status_code, again.json()) == (201, 200, first.json())
    assert (given["amount"], given["value"], given["reason"], given["state"]) == (10, "Care", REASON, "given")
    assert [(one.status_code, one.json()["state"]) for one in taken] == [(200, "withdrawn")] * 2
    assert (await client.get(f"/v1/events/{given['event_id']}")).json()["state"] == "retracted"


async def test_what_may_not_be_is_refused_with_the_numbers(client: Client, people: list[str]) -> None:
    refused = await client.post("/v1/recognitions", thanks(people, amount=101))

    assert refused.status_code == 409
    assert refused.json()["code"] == "allowance_short"
    assert refused.json()["detail"] == "100 kudos are left, 101 kudos are needed"


async def test_lists_go_page_by_page(client: Client, people: list[str]) -> None:
    for n, public in enumerate((True, False, True)):
        await client.post("/v1/recognitions", thanks(people, key=f"k{n}", public=public))

    of_giver = {"giver_id": people[0], "limit": 2}
    first = (await client.get("/v1/recognitions", **of_giver)).json()
    rest = (await client.get("/v1/recognitions", **of_giver, cursor=first["next_cursor"])).json()
    feed = (await client.get("/v1/recognitions", public=True)).json()

    assert [one["key"] for one in (*first["items"], *rest["items"])] == ["k2", "k1", "k0"]
    assert [one["key"] for one in feed["items"]] == ["k2", "k0"]
