"""Absences over HTTP: said of one member or of many, listed with what they were, and withdrawn."""

from typing import Any

import pytest

from tests.api.conftest import Client

SICK = {
    "source": "hr",
    "external_id": "a-1",
    "kind": "sick",
    "starts_on": "2026-03-02",
    "ends_on": "2026-03-04",
}
ADA = {"source": "crm", "external_id": "ada"}


@pytest.fixture
async def ada(client: Client) -> str:
    """The path of Ada's absences."""
    member = (await client.get("/v1/members/by-identity/crm/ada")).json()
    return f"/v1/members/{member['id']}/absences"


async def test_an_absence_is_made_known_changed_and_withdrawn(client: Client, ada: str) -> None:
    first = await client.post(ada, SICK)
    same = await client.post(ada, SICK)
    longer = await client.post(ada, SICK | {"ends_on": "2026-03-06"})
    gone = await client.http.delete(f"{ada}/{longer.json()['absence']['id']}")

    told = [(answer.status_code, answer.json()["status"]) for answer in (first, same, longer)]
    assert told == [(201, "created"), (200, "unchanged"), (200, "updated")]
    assert (gone.status_code, gone.json()["state"], gone.json()["ends_on"]) == (200, "withdrawn", "2026-03-06")
    assert (await client.get(ada)).json()["items"] == []
    versions = (await client.get(ada, ended="true")).json()["items"]
    assert [(one["state"], one["ends_on"]) for one in versions] == [
        ("withdrawn", "2026-03-06"),
        ("replaced", "2026-03-04"),
    ]


@pytest.mark.parametrize(
    ("changes", "pointers"),
    [
        ({"ends_on": "2026-03-01"}, ["/ends_on"]),
        ({"starts_on": "2026-02-30"}, ["/starts_on"]),
        ({"ends_on": "2036-03-01"}, ["/ends_on"]),
    ],
)
async def test_an_absence_that_cannot_be_is_refused_by_its_code(
    client: Client, ada: str, changes: dict[str, Any], pointers: list[str]
) -> None:
    answer = await client.post(ada, SICK | changes)

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_absence")
    assert [fault["pointer"] for fault in answer.json()["errors"]] == pointers
    assert (await client.get(ada, ended="true")).json()["items"] == []


async def test_a_kind_that_is_none_is_refused_by_the_schema(client: Client, ada: str) -> None:
    answer = await client.post(ada, SICK | {"kind": "tired"})

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


async def test_each_item_of_a_batch_has_a_result_of_its_own(client: Client, ada: str) -> None:
    items = [
        SICK | {"member": ADA},
        SICK | {"member": {"source": "crm", "external_id": "nobody"}, "external_id": "a-2"},
        SICK | {"member": ADA, "external_id": "a-3", "ends_on": "2026-03-01"},
        {"source": "hr", "external_id": "a-1", "withdrawn": True},
        {"source": "hr", "external_id": "unheard", "withdrawn": True},
    ]

    answer = await client.post("/v1/absences", {"absences": items})

    assert answer.status_code == 207
    results = answer.json()["results"]
    assert [one["index"] for one in results] == list(range(5))
    assert [one["status"] for one in results] == ["created", "failed", "failed", "withdrawn", "unchanged"]
    assert [fault["pointer"] for one in results for fault in one.get("errors", ())] == ["/member", "/ends_on"]
    assert (await client.get(ada)).json()["items"] == []


async def test_an_absence_of_nobody_is_not_found(client: Client) -> None:
    answer = await client.post("/v1/members/mem_01a1fd1cfa630081c74091f5d2/absences", SICK)

    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_the_same_request_under_one_key_is_done_once(client: Client, ada: str) -> None:
    first = await client.post(ada, SICK, Idempotency_Key="k-1")
    again = await client.post(ada, SICK, Idempotency_Key="k-1")

    assert first.json() == again.json()
    assert first.status_code == again.status_code == 201
