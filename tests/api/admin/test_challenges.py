"""Challenges on the administrators' pages."""

import re
from html import unescape
from typing import Any

import httpx
import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from api import long_answers
from api.admin import challenges as admin_challenges
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


def marked(page: httpx.Response) -> list[str]:
    """The fields beside which something is said, each told by what it is described by."""
    fields = re.findall(r'<p class="fault-text" id="(\w+)-fault">', page.text)
    assert all(re.search(rf'aria-invalid="true" aria-describedby="[^"]*{field}-fault"', page.text) for field in fields)
    return fields


def linked(page: httpx.Response, text: str) -> str:
    """Where the link of this text leads."""
    found = re.search(rf'href="([^"]+)">{text}</a>', page.text)
    assert found is not None, page.text
    return unescape(found[1])


def listed(page: httpx.Response) -> list[str]:
    return re.findall(r'class="main" href="([^"]+)"', page.text)


def people(page: httpx.Response) -> list[str]:
    return re.findall(r'id="(?:rank|completion)-[^>]*><bdi>(\w+)<', page.text)


async def written(visitor: Visitor, **fields: Any) -> str:
    """The path of a draft that was written in the form."""
    made = await visitor.send("/admin/challenges/new", **FILLED | fields)
    assert made.status_code == 303, made.text
    return made.headers["location"]


async def launch(visitor: Visitor, path: str) -> httpx.Response:
    """Launch the draft as its page shows it."""
    shown = re.search(r'name="fingerprint" value="([0-9a-f]+)"', (await visitor.get(path)).text)
    return await visitor.send(f"{path}/launch", fingerprint=shown[1] if shown else "")


async def test_a_draft_that_somebody_rewrote_meanwhile_is_not_launched(visitor: Visitor) -> None:
    path = await written(visitor)
    page = await visitor.get(path)
    await visitor.send(f"{path}/edit", **FILLED | {"pays_value": "70000"})

    shown = re.search(r'name="fingerprint" value="([0-9a-f]+)"', page.text)
    assert shown is not None
    refused = await visitor.send(f"{path}/launch", fingerprint=shown[1])

    assert (refused.status_code, "written anew since you read it" in refused.text) == (409, True)
    assert (await launch(visitor, path)).status_code == 303


async def test_without_challenges_the_page_says_what_one_is(visitor: Visitor) -> None:
    assert "There are no challenges yet" in (await visitor.get("/admin/challenges")).text


async def test_a_challenge_is_written_launched_extended_and_cancelled(visitor: Visitor, engine: AsyncEngine) -> None:
    path = await written(visitor)

    steps = [
        await launch(visitor, path),
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

    launched = await launch(visitor, path)
    form = await visitor.get(f"{await written(visitor, audience_by='department', audience_value='Ops')}/edit")

    assert "nobody who is there now is in the audience" in launched.text
    assert 'value="Ops"' in form.text
    assert '<option value="department" selected>' in form.text


async def test_a_draft_is_written_anew_and_what_runs_is_not(visitor: Visitor) -> None:
    path = await written(visitor)

    changed = await visitor.send(f"{path}/edit", **FILLED | {"title": "Marathon", "first": ""})
    await launch(visitor, path)
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

    assert re.search(r"Over the last 90 days.*150 points.*to 1 person.*at most.*1,000 points", bounded.text, re.DOTALL)
    assert "There is no limit to what it can cost" in unbounded.text
    assert 'id="starts_at-fault">Choose a day and a time' in unread.text
    assert "There are no challenges yet" in (await visitor.get("/admin/challenges")).text


async def test_a_preview_is_a_part_of_the_page_where_scripts_run_and_faults_take_the_place_of_the_form(
    visitor: Visitor,
) -> None:
    path = await written(visitor)
    asked = FILLED | {"csrf": await visitor.csrf(), "days": "30"}

    async def part(path: str, **changes: str) -> httpx.Response:
        return await visitor.http.post(path, data=asked | changes, headers={"HX-Request": "true"})

    found, of_draft = await part("/admin/challenges/preview"), await part(f"{path}/preview")
    faulty = await part("/admin/challenges/preview", first="many")
    whole = await visitor.send(f"{path}/preview", days="30")

    assert "<html" not in found.text + of_draft.text
    assert "at most" in found.text
    assert "at most" in of_draft.text
    assert (faulty.status_code, faulty.headers["hx-retarget"]) == (422, "#writing")
    assert "<html" in whole.text
    assert "Over the last 30 days" in whole.text


async def test_no_more_previews_are_made_than_other_long_answers(
    visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(long_answers, "MAX_WAITING", 0)

    refused = await visitor.send("/admin/challenges/preview", **FILLED)

    assert refused.status_code == 503
    assert refused.headers["retry-after"] == "30"
    assert "Try again in 30 seconds" in refused.text


@pytest.mark.parametrize(("what", "field"), [("extend", "ends_at"), ("cancel", "reason")])
async def test_what_a_running_challenge_does_not_take_is_said_beside_its_field(
    visitor: Visitor, what: str, field: str
) -> None:
    path = await written(visitor)
    await launch(visitor, path)

    empty = await visitor.send(f"{path}/{what}", **{field: ""})
    early = await visitor.send(f"{path}/extend", ends_at="2026-03-05T09:00")

    assert (empty.status_code, early.status_code) == (422, 422)
    assert marked(empty) == [field]
    assert marked(early) == ["ends_at"]
    assert 'value="2026-03-05T09:00"' in early.text


async def test_what_a_draft_lacks_at_its_launch_leads_to_its_field(visitor: Visitor) -> None:
    path = await written(visitor, starts_at="2026-02-02T09:00", ends_at="2026-02-03T09:00")

    refused = await launch(visitor, path)

    assert refused.status_code == 422
    assert f'<a href="{path}/edit#ends_at">End</a>: Has passed already.' in refused.text


async def test_what_is_not_possible_any_more_is_said_on_the_challenges_page(visitor: Visitor) -> None:
    path = await written(visitor)
    await visitor.send(f"{path}/cancel", reason="the wrong month")

    answers = [
        await launch(visitor, path),
        await visitor.send(f"{path}/extend", ends_at="2026-04-02T18:00"),
        await visitor.send(f"{path}/cancel", reason="again"),
    ]

    assert [answer.status_code for answer in answers] == [409] * 3
    assert all("A challenge that is cancelled cannot" in answer.text for answer in answers)
    assert all("the wrong month" in answer.text for answer in answers)


async def test_every_fault_is_marked_at_once_and_the_first_has_the_focus(visitor: Visitor) -> None:
    refused = await visitor.send(
        "/admin/challenges/new", **FILLED | {"first": "many", "ends_at": "", "event_types": []}
    )

    assert marked(refused) == ["event_types", "ends_at", "first"]
    assert re.findall(r'name="(\w+)"[^>]* autofocus', refused.text) == ["event_types"]


async def test_the_list_says_how_many_more_there_are_and_goes_on(
    visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admin_challenges, "LIST_LENGTH", 2)
    paths = [await written(visitor) for _ in range(5)]
    await visitor.send(f"{paths[0]}/cancel", reason="not needed")

    first = await visitor.get("/admin/challenges")
    second = await visitor.get(linked(first, "3 older"))
    third = await visitor.get(linked(second, "1 older"))
    cancelled = await visitor.get("/admin/challenges?state=cancelled")

    assert [listed(page) for page in (first, second, third)] == [paths[4:2:-1], paths[2:0:-1], paths[:1]]
    assert linked(third, "The newest") == "/admin/challenges"
    assert listed(cancelled) == paths[:1]


async def test_standings_and_completions_go_on_where_they_end(
    make_client: MakeClient, sign_in: MakeVisitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = await make_client()
    visitor = await sign_in(client.program_id)
    monkeypatch.setattr(admin_challenges, "SHOWN", 2)
    monkeypatch.setattr(admin_challenges, "PAGE_LENGTH", 2)
    for name in ("bea", "cem", "dao"):
        identities = [{"source": "crm", "external_id": name}]
        body = {"external_id": name, "name": name, "time_zone": "UTC", "identities": identities}
        assert (await client.post("/v1/members", body)).status_code == 201
    path = await written(visitor)
    await launch(visitor, path)
    who = ("ada", "bea", "cem", "dao", "ada")
    for number, name in enumerate(who):
        await client.post("/v1/events", deal(number, name))

    page = await visitor.get(path)
    below = await visitor.get(linked(page, "2 more below"))
    older = await visitor.get(linked(page, "3 older"))
    oldest = await visitor.get(linked(older, "1 older"))

    assert people(page) == ["ada", "bea", "ada", "dao"]
    assert people(below) == ["cem", "dao"]
    assert people(older) == ["cem", "bea"]
    assert people(oldest) == ["ada"]
    assert linked(oldest, "2 newer") == f"{path}/completions?newer=2"
    assert "4 people have completed it 5 times" in page.text


async def test_a_challenge_that_has_ended_is_asked_for_no_more(visitor: Visitor) -> None:
    path = await written(visitor)
    await launch(visitor, path)
    running = await visitor.get(f"{path}/live")
    await visitor.send(f"{path}/cancel", reason="the wrong month")

    ended = await visitor.get(f"{path}/live")

    assert (running.status_code, ended.status_code) == (200, 286)
    assert 'hx-swap-oob="true">cancelled' in ended.text
    assert "hx-get" not in (await visitor.get(path)).text


@pytest.mark.parametrize("query", ["?state=soon", "?before=nonsense"])
async def test_an_address_that_no_page_leads_to_is_told_so(visitor: Visitor, query: str) -> None:
    answer = await visitor.get(f"/admin/challenges{query}")

    assert answer.status_code == 404
    assert "There is nothing here" in answer.text


async def test_standings_and_completions_are_shown_as_they_come(make_client: MakeClient, sign_in: MakeVisitor) -> None:
    client = await make_client()
    visitor = await sign_in(client.program_id)
    path = await written(visitor, first="2")
    await launch(visitor, path)
    await client.post("/v1/events/batch", {"events": [deal(number) for number in range(3)]})

    shown = await visitor.get(f"{path}/live")

    assert people(shown) == ["ada"] * (1 + 3)
    assert "2 of 2 places are taken" in shown.text
    assert "<html" not in shown.text


async def test_a_challenge_of_another_program_is_not_there(
    make_client: MakeClient, sign_in: MakeVisitor, visitor: Visitor
) -> None:
    path = await written(visitor)
    stranger = await sign_in((await make_client()).program_id)

    seen: list[httpx.Response] = [
        await stranger.get(f"{path}{page}") for page in ("", "/edit", "/live", "/standings", "/completions")
    ]
    done = [
        await stranger.send(f"{path}/edit", **FILLED),
        await stranger.send("/admin/challenges/preview", **FILLED, of=path.rpartition("/")[2]),
        await stranger.send(f"{path}/preview", days="30"),
        await stranger.send(f"{path}/launch"),
        await stranger.send(f"{path}/extend", ends_at="2026-04-02T18:00"),
        await stranger.send(f"{path}/cancel", reason="to harm"),
    ]

    assert [answer.status_code for answer in (*seen, *done)] == [404] * 11
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
