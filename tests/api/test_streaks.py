"""Streaks over HTTP: as they stand, as they stood, and explained."""

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.api.conftest import Client, MakeClient

BODY: dict[str, Any] = {
    "event_types": {"walk.done": {"fields": {}}},
    "streaks": {
        "walk": {
            "title": "A walk a day",
            "cadence": "daily",
            "qualifying": [{"event_type": "walk.done"}],
            "grace": {"missed": 0},
        }
    },
}


def walk(day: int) -> dict[str, Any]:
    at = datetime(2026, 3, day, 9, tzinfo=UTC).isoformat()
    member = {"source": "crm", "external_id": "ada"}
    return {"source": "app", "external_id": f"walk-{day}", "type": "walk.done", "member": member, "occurred_at": at}


@pytest.fixture
async def walker(make_client: MakeClient) -> Client:
    """Ada walked on Monday the 2nd and on Wednesday the 4th, which is today."""
    client = await make_client(body=BODY)
    for day in (2, 4):
        answer = await client.post("/v1/events", walk(day))
        assert answer.status_code == 201, answer.text
    return client


async def path(client: Client) -> str:
    member = (await client.get("/v1/members/by-identity/crm/ada")).json()
    return f"/v1/members/{member['id']}/streaks"


async def test_a_member_s_streaks_are_told_as_they_stand(walker: Client) -> None:
    [streak] = (await walker.get(await path(walker))).json()["streaks"]

    told = {name: streak[name] for name in ("streak_type", "cadence", "state", "current_streak", "longest_streak")}
    assert told == {
        "streak_type": "walk", "cadence": "daily", "state": "active", "current_streak": 1, "longest_streak": 1,
    }  # fmt: skip
    assert streak["last_qualifying_event"]["occurred_at"] == "2026-03-04T09:00:00Z"
    assert (streak["started_on"], streak["next_deadline_at"]) == ("2026-03-04", "2026-03-05T00:00:00Z")


async def test_sick_leave_restores_it_and_the_explanation_says_why(walker: Client) -> None:
    here = await path(walker)
    before = (await walker.get(f"{here}/walk")).json()
    sick = {"source": "hr", "external_id": "s", "kind": "sick", "starts_on": "2026-03-03", "ends_on": "2026-03-03"}
    await walker.post(here.replace("streaks", "absences"), sick)

    after = (await walker.get(f"{here}/walk")).json()

    assert [period["judgement"] for period in before["periods"]] == ["met", "missed", "met"]
    assert [period["judgement"] for period in after["periods"]] == ["met", "absent", "met"]
    assert after["periods"][1]["detail"] == "told on 2026-03-04"
    assert (before["current_streak"], after["current_streak"], after["runs"][0]["length"]) == (1, 2, 2)


async def test_a_past_moment_is_told_as_it_was_and_as_it_was_known(walker: Client) -> None:
    here = await path(walker)

    async def current(**moment: str) -> int:
        [streak] = (await walker.get(here, **moment)).json()["streaks"]
        return int(streak["current_streak"])

    assert await current(at="2026-03-03T12:00:00Z") == 1
    assert await current(at="2026-03-04T08:00:00Z") == 0
    assert (await walker.get(here, known_at="2026-03-01T00:00:00Z")).status_code == 404  # nobody knew Ada


async def test_a_streak_that_nobody_has_declared_is_not_found(walker: Client) -> None:
    answer = await walker.get(f"{await path(walker)}/swim")

    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_a_moment_to_come_is_now(walker: Client) -> None:
    streaks = await path(walker)

    now = (await walker.get(streaks, at="2026-03-04T12:00:00Z")).json()
    answers = [await walker.get(streaks, at=at) for at in ("9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z")]

    assert answers[0].json() == now
    assert [answer.status_code for answer in answers] == [200, 200]
