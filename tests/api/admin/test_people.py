"""Members on the administrators' pages: found, their streaks seen, their absences entered."""

from typing import Any

import pytest

from api.admin import people
from tests.api.admin.conftest import MakeVisitor, Visitor
from tests.api.admin.test_challenges import linked, marked
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


@pytest.mark.parametrize(
    ("wrong", "field"),
    [({"starts_on": "2026-03-05"}, "ends_on"), ({"starts_on": "soon"}, "starts_on"), ({"kind": "boredom"}, "kind")],
)
async def test_an_absence_that_cannot_be_is_refused_and_said_beside_its_field(
    client: Client, visitor: Visitor, wrong: dict[str, str], field: str
) -> None:
    path = await ada(client)

    refused = await visitor.send(f"{path}/absences", **SICK | wrong)

    assert refused.status_code == 422
    assert marked(refused) == [field]
    assert 'value="2026-03-03"' in refused.text
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


async def test_absences_go_on_where_the_page_ends(
    client: Client, visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(people, "SHOWN", 2)
    path = await ada(client)
    for day in range(2, 7):
        kept = await visitor.send(f"{path}/absences", kind="sick", starts_on=f"2026-03-0{day}")

    first = await visitor.get(kept.headers["location"])
    second = await visitor.get(linked(first, "3 entered earlier"))
    third = await visitor.get(linked(second, "1 entered earlier"))

    assert "Sick leave, Fri 6 Mar 2026, is kept" in first.text
    assert "Thu 5 Mar 2026" in first.text
    assert "Tue 3 Mar 2026" in second.text
    assert "Mon 2 Mar 2026" in third.text
    assert "Tue 3 Mar 2026" not in third.text


async def test_members_go_on_where_the_page_ends_and_no_address_says_who_is_looked_for(
    client: Client, visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(people, "SHOWN", 2)
    for name in ("adam", "adele", "bea"):
        await client.post("/v1/members", {"external_id": name, "name": name, "time_zone": "UTC"})

    first = await visitor.send("/admin/members", q="ad")
    second = await visitor.send("/admin/members", q="ad", skip="2")

    assert "1 to 2 of 3 members" in first.text
    assert '<button type="submit" name="skip" value="2">1 more</button>' in first.text
    assert "adele" not in first.text
    assert "adele" in second.text
    assert '<button type="submit" name="skip" value="0">2 before</button>' in second.text
