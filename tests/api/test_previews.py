"""Previews of challenges over HTTP."""

from typing import Any

import pytest

from api import long_answers
from domain.scopes import Scope
from storage import previews
from tests.api.conftest import Client, MakeClient
from tests.api.facts import deal

CHALLENGE: dict[str, Any] = {
    "event_types": ["deal.won"],
    "starts_at": "2027-01-11T09:00:00Z",
    "ends_at": "2027-01-15T18:00:00Z",
    "bonus": "20",
    "first": 3,
}


async def preview(client: Client, days: int = 30, **changes: Any) -> dict[str, Any]:
    answer = await client.post("/v1/challenges/preview", {"challenge": CHALLENGE | changes, "days": days})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


@pytest.fixture
async def with_deals(client: Client) -> Client:
    """Ada has won five deals, and one that she took back."""
    await client.post("/v1/events/batch", {"events": [deal(number) for number in range(5)]})
    return client


async def test_it_tells_what_it_would_have_paid_and_the_most_that_it_can(with_deals: Client) -> None:
    found = await preview(with_deals)

    assert (found["points"], found["people"], found["completions"]) == (60, 1, 5)
    assert (found["most"], found["bounded_by"]) == (60, "first")
    assert found["decisions"] == 5


async def test_goals_and_final_ranks_are_paid_as_at_the_settlement(with_deals: Client) -> None:
    goal = {"target": 4, "points": 100}
    found = await preview(with_deals, goal=goal, prizes=[{"first": 1, "last": 2, "points": 70}], member_points=30)

    assert (found["points"], found["prize_points"], found["people"]) == (30, 170, 1)
    assert found["most"] == 30 + 100 + 70


async def test_a_challenge_without_limits_can_cost_anything(with_deals: Client) -> None:
    found = await preview(with_deals, 90, first=None, bonus=None, multiplier="2.0")

    assert (found["points"], found["most"], found["bounded_by"]) == (350, None, None)


async def test_nothing_stays(with_deals: Client) -> None:
    balance = (await with_deals.get("/v1/events")).json()

    assert await preview(with_deals) == await preview(with_deals)
    assert (await with_deals.get("/v1/events")).json() == balance
    assert (await with_deals.get("/v1/challenges")).json() == {"items": []}


async def test_a_challenge_with_faults_is_refused(client: Client) -> None:
    faulty = CHALLENGE | {"ends_at": "2027-01-10T09:00:00Z"}

    answer = await client.post("/v1/challenges/preview", {"challenge": faulty, "days": 30})

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_challenge")
    assert answer.json()["errors"][0]["pointer"] == "/ends_at"


async def test_more_than_a_preview_reads_is_refused(with_deals: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(previews, "MAX_DECISIONS", 4)

    answer = await with_deals.post("/v1/challenges/preview", {"challenge": CHALLENGE, "days": 30})

    assert (answer.status_code, answer.json()["code"]) == (422, "preview_too_large")


async def test_it_has_a_scope_of_its_own(make_client: MakeClient) -> None:
    client = await make_client(Scope.CHALLENGES_WRITE)

    answer = await client.post("/v1/challenges/preview", {"challenge": CHALLENGE, "days": 30})

    assert answer.status_code == 403


async def test_no_more_previews_are_made_than_other_long_answers(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(long_answers, "MAX_WAITING", 0)

    answer = await client.post("/v1/challenges/preview", {"challenge": CHALLENGE, "days": 30})

    assert (answer.status_code, answer.json()["code"]) == (503, "overloaded")
    assert answer.headers["retry-after"] == "30"
