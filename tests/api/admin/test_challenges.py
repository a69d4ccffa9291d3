"""Challenges on the administrators' pages."""

import re
from typing import Any

import httpx
import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from storage.game_tables import challenges
from tests.api.admin.conftest import MakeVisitor, Visitor
from tests.api.conftest import MakeClient
from tests.api.facts import deal

MARKUP = '<img src="/x" onerror="alert(1)">'
FILLED: dict[str, Any] = {
    "title": "Sprint",
    "event_types": ["deal.won"],
    "starts_at": "2026-03-02T09:00",
    "ends_at": "2026-04-01T18:00",
    "pays": "bonus",
    "pays_value": "50",
    "first": "20",
    "late_hours": "24",
    "fairness": "arrival",
    "stacking": "sum",
}


@pytest.fixture
async def visitor(make_client: MakeClient, sign_in: MakeVisitor) -> Visitor:
    return await sign_in((await make_client()).program_id)


async def written(visitor: Visitor, **fields: Any) -> str:
    """The path of a draft that was written in the form."""
    made = await visitor.send("/admin/challenges/new", **FILLED | fields)
    assert made.status_code == 303, made.text
    return made.headers["location"]


async def test_without_challenges_the_page_says_what_one_is(visitor: Visitor) -> None:
    assert "There are no challenges yet" in (await visitor.get("/admin/challenges")).text


async def test_a_challenge_is_written_launched_extended_and_cancelled(visitor: Visitor, engine: AsyncEngine) -> None:
    path = await written(visitor)

    steps = [
        await visitor.send(f"{path}/launch"),
        await visitor.send(f"{path}/extend", ends_at="2026-04-02T18:00"),
        await visitor.send(f"{path}/cancel", reason="the wrong month"),
    ]

    async with engine.begin() as connection:
        columns = select(challenges.c.state, challenges.c.reason, challenges.c.origin, challenges.c.written_by)
        stands = (await connection.execute(columns)).one()
    page = await visitor.get(path)
    assert [step.status_code for step in steps] == [303] * 3
    assert tuple(stands) == ("cancelled", "the wrong month", "page", "admin:Anna")
    assert "2 Apr 2026, 18:00" in page.text
    assert "the wrong month" in page.text


async def test_what_does_not_fit_is_said_beside_its_field_and_nothing_is_lost(visitor: Visitor) -> None:
    wrong = FILLED | {"ends_at": "2025-01-01T18:00", "first": "many", "title": MARKUP}

    unread = await visitor.send("/admin/challenges/new", **wrong)
    backwards = await visitor.send("/admin/challenges/new", **wrong | {"first": "20"})

    assert (unread.status_code, backwards.status_code) == (422, 422)
    assert re.search(r'id="first-fault">Write a whole number', unread.text)
    assert re.search(r'id="ends_at-fault">', backwards.text)
    assert "&lt;img src" in backwards.text
    assert MARKUP not in backwards.text
    assert 'value="deal.won" checked' in backwards.text
    assert "There are no challenges yet" in (await visitor.get("/admin/challenges")).text


async def test_an_audience_that_nobody_meets_is_told_at_the_launch(visitor: Visitor) -> None:
    path = await written(visitor, audience_by="department", audience_value='Sales "North"')

    launched = await visitor.send(f"{path}/launch")
    form = await visitor.get(f"{await written(visitor, audience_by='department', audience_value='Ops')}/edit")

    assert "nobody who is there now is in the audience" in launched.text
    assert 'value="Ops"' in form.text
    assert '<option value="department" selected>' in form.text


async def test_a_draft_is_written_anew_and_what_runs_is_not(visitor: Visitor) -> None:
    path = await written(visitor)

    changed = await visitor.send(f"{path}/edit", **FILLED | {"title": "Marathon", "first": ""})
    await visitor.send(f"{path}/launch")
    refused = await visitor.send(f"{path}/edit", **FILLED)

    assert changed.status_code == 303
    assert "Marathon" in (await visitor.get(path)).text
    assert refused.status_code == 409


async def test_a_preview_says_what_it_would_have_cost_and_writes_nothing(
    make_client: MakeClient, sign_in: MakeVisitor
) -> None:
    client = await make_client()
    visitor = await sign_in(client.program_id)
    await client.post("/v1/events/batch", {"events": [deal(number) for number in range(3)]})

    bounded = await visitor.send("/admin/challenges/preview", **FILLED | {"days": "90"})
    unbounded = await visitor.send("/admin/challenges/preview", **FILLED | {"days": "30", "first": ""})
    unread = await visitor.send("/admin/challenges/preview", **FILLED | {"starts_at": ""})

    assert "150 points" in bounded.text
    assert "1,000 points" in bounded.text
    assert "nothing bounds it" in unbounded.text
    assert "Choose a day and a time" in unread.text
    assert "There are no challenges yet" in (await visitor.get("/admin/challenges")).text


async def test_standings_and_completions_are_shown_as_they_come(make_client: MakeClient, sign_in: MakeVisitor) -> None:
    client = await make_client()
    visitor = await sign_in(client.program_id)
    path = await written(visitor, first="2")
    await visitor.send(f"{path}/launch")
    await client.post("/v1/events/batch", {"events": [deal(number) for number in range(3)]})

    shown = await visitor.get(f"{path}/standings")

    assert shown.text.count("<tr><td>") == 1 + 3
    assert "<html" not in shown.text


async def test_a_challenge_of_another_program_is_not_there(
    make_client: MakeClient, sign_in: MakeVisitor, visitor: Visitor
) -> None:
    path = await written(visitor)
    stranger = await sign_in((await make_client()).program_id)

    seen: list[httpx.Response] = [await stranger.get(f"{path}{page}") for page in ("", "/edit", "/standings")]
    done = [
        await stranger.send(f"{path}/edit", **FILLED),
        await stranger.send(f"{path}/launch"),
        await stranger.send(f"{path}/extend", ends_at="2026-04-02T18:00"),
        await stranger.send(f"{path}/cancel", reason="to harm"),
    ]

    assert [answer.status_code for answer in (*seen, *done)] == [404] * 7
    assert "draft" in (await visitor.get(path)).text


async def test_what_the_form_cannot_say_is_not_written_anew_in_it(
    make_client: MakeClient, sign_in: MakeVisitor
) -> None:
    client = await make_client()
    visitor = await sign_in(client.program_id)
    said = {"event_types": ["deal.won"], "starts_at": "2026-03-02T09:00:00Z", "ends_at": "2026-04-01T18:00:00Z"}
    more = {"bonus": "50", "prizes": [{"first": 1, "last": 10, "points": 5}]}
    made = (await client.post("/v1/challenges", {"key": "sprint", **said, **more})).json()
    path = f"/admin/challenges/{made['id']}"

    answers = [await visitor.get(f"{path}/edit"), await visitor.send(f"{path}/edit", **FILLED)]

    assert [answer.status_code for answer in answers] == [409, 409]
    assert "Rank 1 to 10" in (await visitor.get(path)).text


@pytest.mark.parametrize("audience", ['member.status == "active"', 'member.role == "a\\\'b"'])
async def test_an_audience_of_ones_own_is_shown_and_kept(visitor: Visitor, audience: str) -> None:
    path = await written(visitor, audience_by="expression", audience_value=audience)

    form = await visitor.get(f"{path}/edit")

    assert '<option value="expression" selected>' in form.text


@pytest.mark.parametrize(
    "half", [{"audience_value": "Sales"}, {"goal_points": "5"}, {"pays_value": ""}, {"audience_by": "role"}]
)
async def test_what_is_half_filled_in_is_asked_for(visitor: Visitor, half: dict[str, str]) -> None:
    refused = await visitor.send("/admin/challenges/new", **FILLED | half)

    assert refused.status_code == 422
    assert "fault-text" in refused.text
