"""Nominations over HTTP: proposed, decided and withdrawn, each once, and read."""

from typing import Any

import httpx
import pytest

from domain.nominations import Refusal
from domain.scopes import Scope
from tests.api.conftest import Client, MakeClient
from tests.nominating import BODY, REASON


@pytest.fixture
async def client(make_client: MakeClient) -> Client:
    """Of a program with categories of nominations."""
    return await make_client(body=BODY)


async def person(client: Client, name: str, **said: Any) -> str:
    """The id of a new member."""
    return str((await client.post("/v1/members", {"external_id": name, "name": name, **said})).json()["id"])


async def nominate(client: Client, **said: Any) -> httpx.Response:
    body = {"category": "beyond", "reason": REASON, **said}
    people = {"nominator_id": "bob", "nominee_id": "ada"}
    return await client.post(
        "/v1/nominations", body | {field: await person(client, name) for field, name in people.items()}
    )


async def test_a_nomination_is_made_approved_by_an_administrator_and_told_with_what_was_decided(
    client: Client,
) -> None:
    made = await nominate(client, amount=300, evidence="https://wiki.example.com/7")
    path = f"/v1/nominations/{made.json()['id']}"

    approved = await client.post(f"{path}/approve", {"amount": 250, "comment": "Well done."})
    again = await client.post(f"{path}/approve", {})

    assert (made.status_code, made.json()["state"], made.json()["amount"]) == (201, "pending", 300)
    assert (approved.status_code, approved.json()["state"], approved.json()["amount"]) == (200, "approved", 250)
    assert (again.status_code, again.json()["code"]) == (409, "nomination_not_pending")
    told = (await client.get(path)).json()
    assert told["nomination"] == approved.json()
    assert [(one["verdict"], one["approver_id"], one["comment"]) for one in told["decisions"]] == [
        ("approved", None, "Well done.")
    ]
    assert told["decisions"][0]["actor"].startswith("key:")
    event = (await client.get(f"/v1/events/{approved.json()['event_id']}")).json()
    assert (event["type"], event["points"]) == ("nomination.approved", 250)


async def test_a_request_that_is_sent_again_nominates_once(client: Client) -> None:
    people = {"nominator_id": await person(client, "bob"), "nominee_id": await person(client, "ada")}
    body = {"category": "beyond", "reason": REASON, **people}

    sent = [await client.http.post("/v1/nominations", json=body, headers={"Idempotency-Key": "one"}) for _ in range(2)]
    anew = await client.post("/v1/nominations", body)

    assert sent[0].json() == sent[1].json()
    assert (anew.status_code, anew.json()["code"]) == (409, "nomination_open")


async def test_who_was_not_asked_cannot_decide_and_who_has_not_nominated_cannot_withdraw(client: Client) -> None:
    made = (await nominate(client)).json()
    path, nominee = f"/v1/nominations/{made['id']}", {"member_id": made["nominee_id"]}

    refused = [
        await client.post(f"{path}/approve", nominee),
        await client.post(f"{path}/decline", nominee | {"comment": "No."}),
        await client.post(f"{path}/withdraw", nominee),
    ]
    withdrawn = await client.post(f"{path}/withdraw", {"member_id": made["nominator_id"]})

    assert [one.json()["code"] for one in refused] == ["not_approver", "not_approver", "not_nominator"]
    assert withdrawn.json()["state"] == "withdrawn"


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ({"category": "nonsense"}, Refusal.UNKNOWN_CATEGORY),
        ({"amount": 1_001}, Refusal.AMOUNT_ABOVE_MAXIMUM),
        ({"reason": "Nice."}, Refusal.INVALID_NOMINATION),
        ({"evidence": "https://somebody@example.com"}, Refusal.INVALID_NOMINATION),
    ],
)
async def test_what_a_category_does_not_take_is_unprocessable(
    client: Client, said: dict[str, Any], code: Refusal
) -> None:
    refused = await nominate(client, **said)

    assert (refused.status_code, refused.json()["code"]) == (422, code)


async def test_lists_are_by_state_and_by_who_has_a_part(client: Client) -> None:
    made = (await nominate(client)).json()

    async def ids(**asked: str) -> list[str]:
        answer = await client.http.get("/v1/nominations", params=asked)
        return [one["id"] for one in answer.json()["items"]]

    assert await ids(state="pending", nominee_id=made["nominee_id"]) == [made["id"]]
    assert await ids(nominator_id=made["nominee_id"]) == []
    assert await ids(approver_id=made["nominator_id"]) == []


async def test_proposing_and_deciding_take_different_scopes(make_client: MakeClient) -> None:
    proposing = await make_client(Scope.NOMINATIONS_WRITE, Scope.MEMBERS_WRITE, body=BODY)
    made = (await nominate(proposing)).json()

    refused = await proposing.post(f"/v1/nominations/{made['id']}/approve", {})

    assert (refused.status_code, refused.json()["scope"]) == (403, "nominations:decide")
