"""Members on the administrators' pages: found, their streaks seen, their absences entered."""

from typing import Any

import pytest

from tests.api.admin.conftest import MakeVisitor, Visitor
from tests.api.conftest import Client, MakeClient
from tests.programs import SAMPLE

BODY: dict[str, Any] = SAMPLE | {
    "streaks": {
        "daily-learning": {
            "title": "A course a day",
            "cadence": "daily",
            "qualifying": [{"event_type": "course.completed"}],
            "working_days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"],
            "grace": {"missed": 0},
        }
    }
}
SICK = {"kind": "sick", "starts_on": "2026-03-02", "ends_on": "2026-03-03"}


@pytest.fixture
async def client(make_client: MakeClient) -> Client:
    return await make_client(body=BODY)


@pytest.fixture
async def visitor(client: Client, sign_in: MakeVisitor) -> Visitor:
    return await sign_in(client.program_id)


async def ada(client: Client) -> str:
    member_id: str = (await client.get("/v1/members")).json()["items"][0]["id"]
    return f"/admin/members/{member_id}"


async def absences(client: Client) -> list[dict[str, Any]]:
    member_id = (await ada(client)).rpartition("/")[2]
    items: list[dict[str, Any]] = (await client.get(f"/v1/members/{member_id}/absences")).json()["items"]
    return items


@pytest.mark.parametrize(("words", "found"), [("", True), ("AD", True), ("ada", True), ("%", False), ("bob", False)])
async def test_members_are_found_by_a_part_of_what_they_are_called(
    client: Client, visitor: Visitor, words: str, found: bool
) -> None:
    path = await ada(client)

    page = await visitor.send("/admin/members", q=words)

    assert (path in page.text) is found


async def test_an_absence_is_entered_once_and_withdrawn(client: Client, visitor: Visitor) -> None:
    path = await ada(client)

    for _ in range(2):
        await visitor.send(f"{path}/absences", **SICK)
    entered = await absences(client)
    withdrawn = await visitor.send(f"{path}/absences/{entered[0]['id']}/withdraw")

    assert [(one["kind"], one["starts_on"], one["source"]) for one in entered] == [("sick", "2026-03-02", "admin")]
    assert withdrawn.status_code == 303
    assert "No absences are known" in (await visitor.get(path)).text


@pytest.mark.parametrize("wrong", [{"starts_on": "2026-03-05"}, {"starts_on": "soon"}, {"kind": "boredom"}])
async def test_an_absence_that_cannot_be_is_refused_and_said(
    client: Client, visitor: Visitor, wrong: dict[str, str]
) -> None:
    path = await ada(client)

    refused = await visitor.send(f"{path}/absences", **SICK | wrong)

    assert refused.status_code == 422
    assert 'role="alert"' in refused.text
    assert await absences(client) == []


async def test_members_of_another_program_are_not_there(
    client: Client, make_client: MakeClient, sign_in: MakeVisitor
) -> None:
    path = await ada(client)
    stranger = await sign_in((await make_client()).program_id)

    answers = [await stranger.get(path), await stranger.send(f"{path}/absences", **SICK)]

    assert answers[0].status_code == 404
    assert await absences(client) == []
    assert path not in (await stranger.send("/admin/members", q="ada")).text
    assert answers[1].status_code == 404
