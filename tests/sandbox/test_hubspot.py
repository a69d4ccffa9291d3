"""The local HubSpot: what its records remember and what it tells its webhook."""

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request, Response

from connectors import hubspot
from connectors.sources import Request as Incoming
from sandbox.hubspot import create_app
from tests.sandboxes import running

SECRET = "secret"
HISTORY = {"propertiesWithHistory": "dealstage"}


class Listener:
    """A webhook that remembers what it was sent and answers as it is told."""

    def __init__(self) -> None:
        self.status = 204
        self.requests: list[Incoming] = []
        self.app = FastAPI()
        self.app.post("/intake")(self._take)

    async def _take(self, request: Request) -> Response:
        headers = dict(request.headers)
        self.requests.append(Incoming("POST", str(request.url), headers, await request.body()))
        return Response(status_code=self.status)

    def kinds(self) -> list[tuple[str, str | None]]:
        return [(n.kind, n.raw.get("propertyName")) for r in self.requests for n in hubspot.notices(r)]


@pytest.fixture
def listener() -> Listener:
    return Listener()


@pytest.fixture
def base_url(listener: Listener) -> Iterator[str]:
    with running(listener.app) as listening:
        app = create_app(client_secret=SECRET, access_token="t", webhook_url=f"{listening}/intake")
        with running(app) as base_url:
            yield base_url


@pytest.fixture
async def account(base_url: str) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=base_url, headers={"authorization": "Bearer t"}) as client:
        yield client


async def create(account: httpx.AsyncClient, **properties: str) -> str:
    answer = await account.post("/_control/deals", json={"properties": properties})
    deal_id: str = answer.json()["id"]
    return deal_id


async def post(account: httpx.AsyncClient, path: str, body: Any = None) -> Any:
    answer = await account.post(f"/_control/{path}", json=body or {})
    assert answer.is_success, answer.text
    return answer.json()


async def test_what_happens_is_told_at_once_in_signed_notices(account: httpx.AsyncClient, listener: Listener) -> None:
    deal_id = await create(account, amount="10")
    await post(account, f"deals/{deal_id}/win")

    for request in listener.requests:
        hubspot.verify(request, SECRET, datetime.now(UTC))
    assert listener.kinds() == [
        ("deal.creation", None),
        ("deal.propertyChange", "dealstage"),
        ("deal.propertyChange", "amount"),
        ("deal.propertyChange", "hs_is_closed_won"),
        ("deal.propertyChange", "dealstage"),
        ("deal.propertyChange", "hs_is_closed_won"),
    ]


async def test_held_notices_are_delivered_on_request_repeated_and_reversed(
    account: httpx.AsyncClient, listener: Listener
) -> None:
    await account.put("/_control/webhook", json={"hold": True})
    deal_id = await create(account)
    await post(account, f"deals/{deal_id}/win")
    held = len(listener.requests)

    answered = await post(account, "notices/deliver", {"times": 2, "reverse": True})

    first, again = (hubspot.notices(request) for request in listener.requests)
    assert (held, answered["statuses"]) == (0, [204, 204])
    assert [notice.notice_key for notice in first] == [notice.notice_key for notice in again]
    assert [notice.occurred_at for notice in first] == sorted((n.occurred_at for n in first), reverse=True)


async def test_delivered_notices_are_sent_again_as_another_attempt(
    account: httpx.AsyncClient, listener: Listener
) -> None:
    await create(account)
    await post(account, "notices/deliver_again")

    first, again = (hubspot.notices(request) for request in listener.requests)
    assert [notice.notice_key for notice in first] == [notice.notice_key for notice in again]
    assert {notice.raw["attemptNumber"] for notice in again} == {1}


async def test_notices_that_were_not_taken_wait_for_the_next_delivery(
    account: httpx.AsyncClient, listener: Listener
) -> None:
    listener.status = 503
    await create(account)
    waiting = (await account.get("/_control/notices")).json()["pending"]

    listener.status = 204
    await post(account, "notices/deliver")

    assert len(waiting) == len(hubspot.notices(listener.requests[-1]))
    assert (await account.get("/_control/notices")).json()["pending"] == []


async def test_only_real_changes_enter_the_history(account: httpx.AsyncClient) -> None:
    deal_id = await create(account, amount="10")
    for amount in ("10", "20", "20"):
        await account.patch(f"/crm/v3/objects/deals/{deal_id}", json={"properties": {"amount": amount}})

    deal = (await account.get(f"/crm/v3/objects/0-3/{deal_id}", params={"propertiesWithHistory": "amount"})).json()

    assert [change["value"] for change in deal["propertiesWithHistory"]["amount"]] == ["20", "10"]


async def test_two_changes_never_share_a_millisecond(account: httpx.AsyncClient) -> None:
    deal_id = await create(account)
    for amount in range(10):
        await account.patch(f"/crm/v3/objects/deals/{deal_id}", json={"properties": {"amount": str(amount)}})

    deal = (await account.get(f"/crm/v3/objects/0-3/{deal_id}", params={"propertiesWithHistory": "amount"})).json()

    instants = [change["timestamp"] for change in deal["propertiesWithHistory"]["amount"]]
    assert instants == sorted(set(instants), reverse=True)


async def test_properties_may_be_repeated_or_separated_by_commas(account: httpx.AsyncClient) -> None:
    deal_id = await create(account, amount="10")
    path = f"/crm/v3/objects/0-3/{deal_id}"

    repeated = (await account.get(path, params={"properties": ["amount", "colour"]})).json()
    commas = (await account.get(path, params={"properties": "amount,colour"})).json()

    assert repeated["properties"] == commas["properties"]
    assert (repeated["properties"]["amount"], repeated["properties"]["colour"]) == ("10", None)


async def test_a_batch_with_unknown_ids_is_answered_in_part(account: httpx.AsyncClient) -> None:
    deal_id = await create(account)

    answer = await account.post(
        "/crm/v3/objects/deals/batch/read", json={"inputs": [{"id": deal_id}, {"id": "1"}], "properties": ["amount"]}
    )

    assert answer.status_code == 207
    assert [deal["id"] for deal in answer.json()["results"]] == [deal_id]
    assert answer.json()["errors"][0]["context"] == {"ids": ["1"]}


async def test_a_deleted_deal_is_found_in_the_bin_alone_until_it_is_restored(account: httpx.AsyncClient) -> None:
    deal_id = await create(account)
    path = f"/crm/v3/objects/deals/{deal_id}"

    await post(account, f"deals/{deal_id}/delete")
    deleted = [(await account.get(path, params={"archived": bin_})).status_code for bin_ in ("false", "true")]
    await post(account, f"deals/{deal_id}/restore")
    restored = [(await account.get(path, params={"archived": bin_})).status_code for bin_ in ("false", "true")]

    assert (deleted, restored) == ([404, 200], [200, 404])


async def test_a_fault_spoils_as_many_answers_as_it_says(account: httpx.AsyncClient) -> None:
    await post(account, "faults", {"kind": "rate_limited", "retry_after_seconds": 9, "times": 2})

    answers = [await account.get("/crm/v3/owners") for _ in range(3)]

    assert [answer.status_code for answer in answers] == [429, 429, 200]
    assert answers[0].headers["retry-after"] == "9"
    assert answers[0].json()["policyName"] == "TEN_SECONDLY_ROLLING"


async def test_bad_input_is_refused_in_hubspots_words(account: httpx.AsyncClient) -> None:
    answer = await account.post("/crm/v3/objects/deals", content=b"{")

    assert (answer.status_code, answer.json()["category"]) == (400, "VALIDATION_ERROR")


async def test_owners_are_listed_in_pages_and_found_by_address(account: httpx.AsyncClient) -> None:
    for name in ("ada", "bob", "cy"):
        await post(account, "owners", {"email": f"{name}@example.com", "first_name": name})

    first = (await account.get("/crm/v3/owners", params={"limit": 2})).json()
    rest = (await account.get("/crm/v3/owners", params={"after": first["paging"]["next"]["after"]})).json()
    found = (await account.get("/crm/v3/owners", params={"email": "bob@example.com"})).json()

    assert [len(first["results"]), len(rest["results"]), "paging" in rest] == [2, 1, False]
    assert [owner["firstName"] for owner in found["results"]] == ["bob"]


async def test_an_owner_may_be_added_under_an_id_and_added_again(account: httpx.AsyncClient) -> None:
    body = {"email": "ada@example.com", "id": "71"}
    await account.post("/_control/owners", json=body)
    await account.post("/_control/owners", json=body | {"first_name": "Ada"})

    owners = (await account.get("/crm/v3/owners")).json()["results"]
    assert [(owner["id"], owner["firstName"]) for owner in owners] == [("71", "Ada")]


async def test_what_one_webhook_was_told_is_not_told_again_to_another(account: httpx.AsyncClient) -> None:
    await account.post("/_control/deals", json={"properties": {"amount": "5"}})
    await account.put("/_control/webhook", json={"url": "http://127.0.0.1:9/other"})

    assert (await account.get("/_control/notices")).json()["delivered"] == []


async def test_the_account_is_the_same_after_a_restart(tmp_path: Path) -> None:
    data = tmp_path / "hubspot.json"
    headers = {"authorization": "Bearer t"}
    with running(create_app(access_token="t", data=data)) as url:
        async with httpx.AsyncClient(base_url=url, headers=headers) as before:
            await before.post("/_control/owners", json={"email": "ada@example.com", "id": "7"})
            won = await create(before, dealname="First")
            await before.post(f"/_control/deals/{won}/win")
            was = (await before.get(f"/crm/v3/objects/deals/{won}", params=HISTORY)).json()
            waiting = (await before.get("/_control/notices")).json()["pending"]

    with running(create_app(access_token="t", data=data)) as url:
        async with httpx.AsyncClient(base_url=url, headers=headers) as after:
            assert (await after.get(f"/crm/v3/objects/deals/{won}", params=HISTORY)).json() == was
            assert (await after.get("/crm/v3/owners/7")).json()["email"] == "ada@example.com"
            assert (await after.get("/_control/notices")).json()["pending"] == waiting
            assert int(await create(after, dealname="Second")) > int(won)
