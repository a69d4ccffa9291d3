"""Challenges over HTTP: drafts, what is done with them, and what is read of them."""

from typing import Any

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from domain.scopes import Scope
from storage import configurations
from storage.challenge_commands import NOBODY
from storage.challenges import TAKEN_OUT
from tests.api.conftest import Client, MakeClient
from tests.api.facts import deal
from tests.challenges import ENDS_AT, days, sprint, with_challenges
from tests.programs import apply


async def draft(client: Client, **changes: Any) -> Any:
    return await client.post("/v1/challenges", {"key": "sprint", **sprint(**changes)})


async def launched(client: Client, **changes: Any) -> str:
    """The id of a challenge that is under way."""
    made = (await draft(client, **changes)).json()
    assert (await launch(client, made)).status_code == 200
    return str(made["id"])


async def launch(client: Client, seen: Any) -> httpx.Response:
    """Launch the draft as it was seen."""
    return await client.post(f"/v1/challenges/{seen['id']}/launch", {"fingerprint": seen["fingerprint"]})


async def won(client: Client, number: int) -> int:
    """The points of a deal."""
    return int((await client.post("/v1/events", deal(number))).json()["points"])


async def test_a_draft_counts_nothing_until_it_is_launched(client: Client) -> None:
    made = await draft(client)

    before = await won(client, 1)
    done = await launch(client, made.json())

    assert (made.status_code, made.json()["state"], made.json()["origin"]) == (201, "draft", "page")
    assert (done.status_code, done.json()["challenge"]["state"], done.json()["warnings"]) == (200, "scheduled", [])
    assert await won(client, 2) == before + 50


async def test_a_draft_is_written_anew_and_a_challenge_that_was_launched_is_not(client: Client) -> None:
    challenge_id = (await draft(client)).json()["id"]
    text = sprint(bonus="70", title="")

    rewritten = await client.http.put(f"/v1/challenges/{challenge_id}", json=text)
    await launch(client, rewritten.json())
    refused = await client.http.put(f"/v1/challenges/{challenge_id}", json=text)

    assert (rewritten.json()["bonus"], rewritten.json()["title"]) == ("70", "")
    assert (refused.status_code, refused.json()["code"]) == (409, "illegal_transition")


async def test_a_draft_that_was_written_anew_since_it_was_read_is_not_launched(client: Client) -> None:
    seen = (await draft(client)).json()
    path = f"/v1/challenges/{seen['id']}"
    await client.http.put(path, json=sprint(bonus="70000"))

    refused = await launch(client, seen)
    now = (await client.get(path)).json()
    await client.http.put(path, json=sprint())
    done = await launch(client, seen)

    assert (refused.status_code, refused.json()["code"]) == (409, "draft_changed")
    assert (now["state"], now["bonus"]) == ("draft", "70000")
    assert now["fingerprint"] != seen["fingerprint"]
    assert done.status_code == 200


@pytest.mark.parametrize(
    ("changes", "pointer", "detail"),
    [
        ({"ends_at": days(-8).isoformat()}, "/ends_at", "is not after starts_at"),
        ({"starts_at": "9999-12-31T00:00:00Z"}, "/starts_at", "must lie in the years 2000 to 2199"),
        ({"ends_at": days(400).isoformat()}, "/ends_at", "is more than 366 days after starts_at"),
        ({"event_types": ["deal.lost"]}, "/event_types/0", "no event type deal.lost: did you mean deal.won?"),
        ({"audience": "member.team == 'x'"}, "/audience", "member.team: a member has no team"),
        ({"audience": "event.amount_minor > 5"}, "/audience", "an audience is told by member alone"),
        ({"bonus": "event.amount"}, "/bonus", "event.amount: deal.won has no amount: did you mean amount_minor?"),
        ({"bonus": "event.currency"}, "/bonus", "gave"),
        ({"bonus": None}, "", "a challenge gives something: a multiplier, a bonus, a goal or prizes"),
        ({"multiplier": "2", "bonus": "5"}, "/bonus", "a challenge multiplies or adds a bonus, not both"),
        ({"fairness": "event_time"}, "/fairness", "decides who was among the first: write first"),
        ({"goal": {"target": 5, "field": "currency"}}, "/goal/field", "deal.won has no integer field currency"),
        ({"goal": {"target": 5, "team": "squad"}}, "/goal/team", "a member has no squad"),
        ({"prizes": [{"first": 2, "last": 1, "points": 5}]}, "/prizes/0/last", "must be 2 to 100000"),
        ({"repeats": "week"}, "/repeats", "the next would begin before this one ends"),
    ],
)
async def test_what_cannot_be_is_refused_at_the_door(
    client: Client, changes: dict[str, Any], pointer: str, detail: str
) -> None:
    refused = await draft(client, **changes)

    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_challenge")
    found = {error["pointer"]: error["detail"] for error in refused.json()["errors"]}
    assert found[pointer].startswith(detail[:40])
    assert (await client.get("/v1/challenges")).json() == {"items": []}


async def test_an_audience_that_nobody_meets_is_a_warning(client: Client) -> None:
    made = await draft(client, audience='member.department == "Moon"')

    done = await launch(client, made.json())

    assert (done.status_code, done.json()["warnings"]) == (200, [NOBODY])


async def test_one_that_has_ended_already_is_not_launched(client: Client) -> None:
    said = {"starts_at": days(-9).isoformat(), "ends_at": days(-8).isoformat()}
    made = await draft(client, **said)

    refused = await launch(client, made.json())

    assert refused.json()["errors"] == [{"pointer": "/ends_at", "detail": "has passed already"}]


async def test_a_key_is_taken_for_ever(client: Client) -> None:
    challenge_id = await launched(client)
    await client.post(f"/v1/challenges/{challenge_id}/cancel", {"reason": "a mistake"})

    again = await draft(client)

    assert (again.status_code, again.json()["code"]) == (409, "challenge_key_taken")


async def test_extending_lets_it_end_later_and_never_earlier(client: Client) -> None:
    challenge_id = await launched(client)

    extended = await client.post(f"/v1/challenges/{challenge_id}/extend", {"ends_at": days(9).isoformat()})
    shortened = await client.post(f"/v1/challenges/{challenge_id}/extend", {"ends_at": days(8).isoformat()})

    assert extended.json()["until"] == days(9).isoformat().replace("+00:00", "Z")
    assert extended.json()["ends_at"] == ENDS_AT.isoformat().replace("+00:00", "Z")
    assert (shortened.status_code, shortened.json()["code"]) == (422, "invalid_challenge")


async def test_cancelling_keeps_what_was_paid_and_pays_no_more(client: Client) -> None:
    challenge_id = await launched(client)
    paid = await won(client, 1)

    cancelled = await client.post(f"/v1/challenges/{challenge_id}/cancel", {"reason": "a mistake"})

    assert (cancelled.json()["state"], cancelled.json()["reason"]) == ("cancelled", "a mistake")
    assert await won(client, 2) == paid - 50


async def test_claims_and_standings_tell_who_was_the_third(client: Client) -> None:
    challenge_id = await launched(client, first=2, goal={"target": 5})
    outcome = [await client.post("/v1/events", deal(number)) for number in range(3)]

    claims = (await client.get(f"/v1/challenges/{challenge_id}/claims", limit=2)).json()
    rest = (await client.get(f"/v1/challenges/{challenge_id}/claims", limit=2, cursor=claims["next_cursor"])).json()
    standings = (await client.get(f"/v1/challenges/{challenge_id}/standings")).json()
    why = (await client.get(f"/v1/events/{outcome[2].json()['id']}/explanation")).json()

    assert [one["place"] for one in claims["items"]] == [1, 2]
    assert [(one["number"], one["place"], one["state"]) for one in rest["items"]] == [(3, None, "beyond")]
    assert "next_cursor" not in rest
    [first] = standings["items"]
    assert (first["amount"], first["target"], first["points"], standings["final"]) == (3, 5, 100, False)
    [told] = why["decisions"][0]["challenges"]
    assert told["told"] == "the 2 places were taken; yours was the 3rd"


async def test_scopes_part_reading_from_writing(make_client: MakeClient) -> None:
    reader = await make_client(Scope.CHALLENGES_READ)

    assert (await reader.get("/v1/challenges")).status_code == 200
    assert (await draft(reader)).status_code == 403


async def test_applying_a_folder_keeps_what_was_made_by_command(client: Client, engine: AsyncEngine) -> None:
    await launched(client)

    async with AsyncSession(engine) as session, session.begin():
        await apply(session, client.program_id, with_challenges(other=sprint(bonus="7")))
        active = await configurations.read_active(session, client.program_id)

    assert {key: one.origin for key, one in active.challenges.items()} == {"other": "file", "sprint": "page"}
    assert {one["key"]: one["state"] for one in (await client.get("/v1/challenges")).json()["items"]} == {
        "other": "scheduled",
        "sprint": "scheduled",
    }


async def test_what_commands_did_to_a_files_challenge_survives_the_next_folder(
    make_client: MakeClient, engine: AsyncEngine
) -> None:
    client = await make_client(body=with_challenges(sprint=sprint()))
    [found] = (await client.get("/v1/challenges")).json()["items"]
    await client.post(f"/v1/challenges/{found['id']}/extend", {"ends_at": days(9).isoformat()})

    async with AsyncSession(engine) as session, session.begin():
        await apply(session, client.program_id, with_challenges(sprint=sprint(title="Another title")))

    after = (await client.get(f"/v1/challenges/{found['id']}")).json()
    assert (after["title"], after["until"]) == ("Another title", days(9).isoformat().replace("+00:00", "Z"))


async def test_a_challenge_that_its_file_drops_is_cancelled(make_client: MakeClient, engine: AsyncEngine) -> None:
    client = await make_client(body=with_challenges(sprint=sprint()))

    async with AsyncSession(engine) as session, session.begin():
        await apply(session, client.program_id, with_challenges())

    [after] = (await client.get("/v1/challenges", state="cancelled")).json()["items"]
    assert after["reason"] == TAKEN_OUT
