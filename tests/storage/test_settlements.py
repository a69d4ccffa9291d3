"""The settlement of challenges: who was among the first, final standings, and what they pay through the one door."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from domain import derived
from domain.cards import Plain
from domain.challenges import ChallengeEvent, ChallengeState, ClaimState, exceptions_name
from domain.events import Event, SourcePolicy
from domain.notifications import CHALLENGE_SETTLED, Notification, Telling
from domain.outbox import Kind, Lane
from domain.sentences import alone
from relay import intake as intake_lane
from storage import challenges, events, intake, members, merges, notifications, outbox, settlements, slack_cards
from storage.challenges import StoredChallenge
from tests.challenges import ENDS_AT, claims, counted, days, effects, sprint, with_challenges
from tests.programs import NOW, deal, make_member, make_program, retraction

POLICY = SourcePolicy(amendments="redecide", is_laurel=True)  # derived events are told as well


async def program(session: AsyncSession, *names: str, **changes: Any) -> tuple[str, dict[str, str]]:
    """A program with the challenge, and its members by name: all of Sales but cleo."""
    program_id = await make_program(session, with_challenges(sprint=sprint(**changes)))
    teams = {"cleo": "Support"}
    ids = {name: await make_member(session, program_id, name, department=teams.get(name, "Sales")) for name in names}
    return program_id, ids


async def take(session: AsyncSession, program_id: str, *events: Event, as_of: datetime = NOW) -> None:
    await intake.record(session, program_id, events, POLICY, as_of=as_of)


async def settle(session: AsyncSession, program_id: str) -> StoredChallenge:
    """The challenge, walked to its settlement."""
    found = await challenges.find(session, program_id, "sprint")
    assert found is not None
    stored = await challenges.lock(session, program_id, found.id)
    for event in (ChallengeEvent.BEGIN, ChallengeEvent.END):
        stored = await challenges.move(session, stored, event, now=ENDS_AT)
    return await settlements.settle(session, stored, now=days(10))


async def told(session: AsyncSession, program_id: str) -> list[Any]:
    return await effects(session, program_id, [Kind.DERIVED])


async def pay(session: AsyncSession, program_id: str) -> dict[str, int]:
    """Tell all derived facts as the relay does; what members have earned by prizes then."""
    for payload in await told(session, program_id):
        event = derived.from_payload(payload)
        await intake.record(session, program_id, [event], derived.POLICY, as_of=days(13))
    query = text("""SELECT m.external_id, sum(d.points) FROM decisions d JOIN events e ON e.id = d.event_id
        JOIN members m ON m.id = d.member_id WHERE e.type = 'challenge.prize' GROUP BY 1""")
    return {name: int(points) for name, points in await session.execute(query)}


def standings(found: Sequence[Any], ids: dict[str, str]) -> list[tuple[int, str, int]]:
    names = {member_id: name for name, member_id in ids.items()}
    return [(one.rank, names.get(one.member_id or "", one.team), one.amount) for one in found]


# -- Places by the event's time -------------------------------------------------------------------------------------


async def test_at_the_close_places_go_by_the_events_time_and_the_difference_is_paid_and_taken_back(
    session: AsyncSession,
) -> None:
    program_id, _ = await program(session, "ada", "ben", "cleo", first=2, fairness="event_time")
    await take(
        session,
        program_id,
        deal(1, "ada", occurred_at=days(-2)),
        deal(2, "ben", occurred_at=days(-1)),
        deal(3, "cleo", occurred_at=days(-3)),
    )

    await settle(session, program_id)

    found = {one.number: (one.place, one.state, one.points) for one in await claims(session, program_id)}
    assert found == {
        1: (2, ClaimState.STANDING, 50),
        2: (None, ClaimState.DISPLACED, 0),
        3: (1, ClaimState.STANDING, 50),
    }
    assert await pay(session, program_id) == {"ada": 50, "ben": 0, "cleo": 50}
    assert await counted(session, program_id) == (3, 100)


async def test_whoever_falls_out_is_honoured_while_the_budget_of_exceptions_lasts(session: AsyncSession) -> None:
    program_id, _ = await program(
        session, "ada", "ben", "cleo", "dan", first=2, fairness="event_time", exceptions_points=50
    )
    await take(session, program_id, deal(1, "ada"), deal(2, "ben"))
    await take(session, program_id, deal(3, "cleo", occurred_at=days(-3)), deal(4, "dan", occurred_at=days(-2)))

    await settle(session, program_id)

    states = [(one.number, one.state) for one in await claims(session, program_id)]
    assert states == [
        (1, ClaimState.HONOURED),
        (2, ClaimState.DISPLACED),
        (3, ClaimState.STANDING),
        (4, ClaimState.STANDING),
    ]
    assert await pay(session, program_id) == {"ada": 50, "ben": 0, "cleo": 50, "dan": 50}
    assert await counted(session, program_id, exceptions_name("sprint")) == (1, 50)


async def test_nothing_changes_where_arrival_and_event_time_agree(session: AsyncSession) -> None:
    program_id, _ = await program(session, "ada", "ben", first=1, fairness="event_time")
    await take(session, program_id, deal(1, "ada", occurred_at=days(-2)), deal(2, "ben", occurred_at=days(-1)))
    before = await told(session, program_id)

    await settle(session, program_id)

    assert await told(session, program_id) == before


async def test_a_completion_that_was_taken_back_leaves_its_place_to_the_next_by_time(session: AsyncSession) -> None:
    program_id, _ = await program(session, "ada", "ben", first=1, fairness="event_time")
    first = deal(1, "ada", occurred_at=days(-2))
    await take(session, program_id, first, deal(2, "ben", occurred_at=days(-1)))
    await take(session, program_id, retraction(first))

    await settle(session, program_id)

    assert await pay(session, program_id) == {"ada": 0, "ben": 50}


async def asked_about(session: AsyncSession, stored: StoredChallenge, member_id: str) -> str | None:
    """The event behind "Why?" on the card that tells the member how it ended."""
    ended = Notification(
        "ntf_1", stored.program_id, member_id, CHALLENGE_SETTLED, "", "", f"{stored.id}/{member_id}", NOW
    )
    member = await members.get(session, stored.program_id, member_id)
    card = await slack_cards.read(session, ended, member, now=NOW, boards=None)  # type: ignore[arg-type]
    assert isinstance(card, Plain)
    return card.event_id


async def test_whoever_was_paid_may_ask_about_the_prize_and_nobody_else(session: AsyncSession) -> None:
    """By the final standings as by a place that the close has given."""
    first = [{"first": 1, "last": 1, "points": 500}]
    program_id, ids = await program(session, "ada", "ben", "cleo", first=1, fairness="event_time", prizes=first)
    await take(session, program_id, deal(1, "ada"), deal(2, "ada"), deal(3, "ben", occurred_at=days(-1)))
    await take(session, program_id, deal(4, "cleo"))
    stored = await settle(session, program_id)
    await pay(session, program_id)

    found = {name: await asked_about(session, stored, member_id) for name, member_id in ids.items()}
    paid = {name: await events.find(session, program_id, id) for name, id in found.items() if id}

    assert {name: (event.member_id, event.data["reason"]) for name, event in paid.items() if event} == {
        "ada": (ids["ada"], "rank"),
        "ben": (ids["ben"], "place"),
    }


async def test_who_hears_how_it_ended_before_the_prize_is_decided_is_told_anew_then(session: AsyncSession) -> None:
    program_id, ids = await program(session, "ada", "ben", prizes=[{"first": 1, "last": 1, "points": 500}])
    await take(session, program_id, deal(1, "ada"), deal(2, "ada"), deal(3, "ben"))
    stored = await settle(session, program_id)
    tellings = [Telling(id, alone("It is over."), alone("You won."), f"{stored.id}/{id}") for id in ids.values()]
    await notifications.tell_all(session, program_id, CHALLENGE_SETTLED, tellings, now=days(10))

    for row in await outbox.take(session, program_id, Lane.INTAKE, now=days(13), limit=10):
        await intake_lane.act(session, row, as_of=days(13))

    told = await notifications.find(session, program_id, CHALLENGE_SETTLED, f"{stored.id}/{ids['ada']}")
    assert await effects(session, program_id, [Kind.RETELL]) == [{"notification_id": told}]


# -- What is told of an event after the close -------------------------------------------------------------------------


def worth(event: Event, amount_minor: int) -> Event:
    """The event as its source has corrected it."""
    return replace(event, data={**event.data, "amount_minor": amount_minor})


async def closed(session: AsyncSession, **changes: Any) -> tuple[str, list[Event]]:
    """A settled challenge of one place, which was lent to ben and is cleo's."""
    program_id, _ = await program(session, "ada", "ben", "cleo", first=1, fairness="event_time", **changes)
    events = [deal(1, "ben", occurred_at=days(-1)), deal(2, "cleo", occurred_at=days(-3))]
    await take(session, program_id, *events)
    await settle(session, program_id)
    return program_id, events


async def test_whoever_fell_out_of_the_places_is_not_paid_again_when_the_event_is_amended(
    session: AsyncSession,
) -> None:
    program_id, [lent, _] = await closed(session)

    await take(session, program_id, worth(lent, 5_00), as_of=days(11))
    await take(session, program_id, worth(lent, 6_00), worth(lent, 7_00), as_of=days(12))

    assert [one.state for one in await claims(session, program_id)] == [ClaimState.DISPLACED, ClaimState.STANDING]
    assert await counted(session, program_id) == (2, 50)
    assert await pay(session, program_id) == {"ben": 0, "cleo": 50}


async def test_an_exception_stays_when_its_event_is_amended_and_goes_when_it_is_taken_back(
    session: AsyncSession,
) -> None:
    program_id, [lent, _] = await closed(session, exceptions_points=50, bonus="event.amount_minor / 200")

    await take(session, program_id, worth(lent, 200_00), as_of=days(11))
    kept = await claims(session, program_id), await counted(session, program_id, exceptions_name("sprint"))
    await take(session, program_id, worth(lent, 20_00), as_of=days(11))
    cut = await claims(session, program_id), await counted(session, program_id, exceptions_name("sprint"))
    paid = await pay(session, program_id)
    await take(session, program_id, retraction(lent), as_of=days(11))

    assert (kept[0][0].state, kept[0][0].points, kept[1]) == (ClaimState.HONOURED, 50, (1, 50))
    assert (cut[0][0].state, cut[0][0].points, cut[1]) == (ClaimState.HONOURED, 10, (1, 10))
    assert paid == {"ben": 10, "cleo": 50}
    assert await counted(session, program_id, exceptions_name("sprint")) == (0, 0)
    assert await counted(session, program_id) == (2, 50)


async def test_what_the_close_has_paid_comes_back_to_the_budget_with_its_event(session: AsyncSession) -> None:
    program_id, [_, first] = await closed(session)

    await take(session, program_id, retraction(first), as_of=days(11))

    assert await counted(session, program_id) == (2, 0)
    assert await pay(session, program_id) == {"ben": 0, "cleo": 0}


async def test_whoever_has_a_place_keeps_it_through_amendments_after_the_close(session: AsyncSession) -> None:
    program_id, [_, first] = await closed(session, bonus="event.amount_minor / 200")

    for amount_minor in (0, 60_00):
        await take(session, program_id, worth(first, amount_minor), as_of=days(11))

    assert [one.place for one in await claims(session, program_id)] == [None, 1]
    assert await pay(session, program_id) == {"ben": 0, "cleo": 30}


async def test_what_completes_a_challenge_again_after_the_close_gets_no_place(session: AsyncSession) -> None:
    when = [{"name": "is worth something", "expression": "event.amount_minor > 0"}]
    program_id, _ = await program(session, "ada", "ben", first=2, fairness="event_time", when=when)
    events = [deal(1, "ada"), deal(2, "ben")]
    await take(session, program_id, *events, worth(events[0], 0))
    await settle(session, program_id)

    await take(session, program_id, worth(events[0], 1_00), as_of=days(11))

    assert [one.state for one in await claims(session, program_id)] == [ClaimState.BEYOND, ClaimState.STANDING]
    assert await pay(session, program_id) == {"ada": 0, "ben": 50}


async def of_member(session: AsyncSession, program_id: str) -> tuple[int, int]:
    """What was counted of the challenge for its only member, as (times, points)."""
    query = text("SELECT uses, total FROM counters WHERE program_id = :program_id AND name = 'challenge:sprint'")
    uses, total = (await session.execute(query, {"program_id": program_id})).one()
    return uses, total


async def test_what_the_close_gave_one_member_anew_is_theirs_through_amendments(session: AsyncSession) -> None:
    program_id, _ = await program(session, "ada", first=1, fairness="event_time", member_points=50)
    lent, first = deal(1, "ada", occurred_at=days(-1)), deal(2, "ada", occurred_at=days(-3))
    await take(session, program_id, lent, first)
    await settle(session, program_id)
    assert await of_member(session, program_id) == (1, 50)

    await take(session, program_id, worth(first, 5_00), as_of=days(11))
    amended = await of_member(session, program_id), await pay(session, program_id)
    await take(session, program_id, worth(lent, 5_00), retraction(lent), as_of=days(12))

    assert amended == ((1, 50), {"ada": 50})
    assert await of_member(session, program_id) == (1, 50)
    await take(session, program_id, retraction(first), as_of=days(13))
    assert await of_member(session, program_id) == (0, 0)


async def test_what_the_close_let_in_counts_towards_the_most_that_one_member_gets(session: AsyncSession) -> None:
    limits = {"member_points": 80, "bonus": "event.amount_minor / 200"}
    program_id, _ = await program(session, "ada", "ben", first=2, fairness="event_time", **limits)
    paid, displaced, let_in = deal(1, "ada"), deal(2, "ben"), deal(3, "ada", occurred_at=days(-3))
    await take(session, program_id, paid, displaced, let_in)
    await settle(session, program_id)

    await take(session, program_id, worth(paid, 160_00), as_of=days(11))

    assert await pay(session, program_id) == {"ada": 80, "ben": 0}


async def test_whoever_was_merged_counts_once_with_the_other_at_the_close(session: AsyncSession) -> None:
    program_id, ids = await program(session, "ada", "ben", first=2, fairness="event_time", once=True)
    await take(session, program_id, deal(1, "ada", occurred_at=days(-1)), deal(2, "ben", occurred_at=days(-2)))
    await merges.merge(
        session, program_id, source=ids["ben"], destination=ids["ada"], actor="ann", reason="one person", as_of=NOW
    )

    await settle(session, program_id)

    assert [one.state for one in await claims(session, program_id)] == [ClaimState.DISPLACED, ClaimState.STANDING]


# -- Standings and prizes -------------------------------------------------------------------------------------------


async def test_final_standings_pay_ranks_and_goals_once(session: AsyncSession) -> None:
    prizes = [{"first": 1, "last": 1, "points": 500}, {"first": 2, "last": 3, "points": 100}]
    goal = {"target": 2, "points": 30}
    program_id, ids = await program(session, "ada", "ben", "cleo", bonus=None, goal=goal, prizes=prizes)
    await take(session, program_id, deal(1, "ben"), deal(2, "ben"), deal(3, "ada"))

    settled = await settle(session, program_id)

    found = await challenges.list_standings(session, settled, "members")
    assert standings(found, ids) == [(1, "ben", 2), (2, "ada", 1)]
    assert [one.reached for one in found] == [True, False]
    assert await pay(session, program_id) == {"ben": 530, "ada": 100}


async def test_a_teams_goal_pays_whoever_took_part(session: AsyncSession) -> None:
    goal = {"target": 300_00, "field": "amount_minor", "team": "department", "points": 40}
    program_id, ids = await program(session, "ada", "ben", "cleo", "dan", bonus=None, goal=goal)
    deals = [deal(1, "ada", 200_00), deal(2, "ben", 100_00), deal(3, "cleo", 250_00)]
    await take(session, program_id, *deals)

    settled = await settle(session, program_id)

    teams = await challenges.list_standings(session, settled, "teams")
    assert standings(teams, ids) == [(1, "Sales", 300_00), (2, "Support", 250_00)]
    assert await pay(session, program_id) == {"ada": 40, "ben": 40}


async def test_whoever_got_there_first_comes_first(session: AsyncSession) -> None:
    program_id, ids = await program(session, "ada", "ben", goal={"target": 9})
    await take(session, program_id, deal(1, "ada", occurred_at=days(-1)), deal(2, "ben", occurred_at=days(-2)))

    found = await challenges.find(session, program_id, "sprint")
    assert found is not None
    live = await challenges.list_standings(session, found, "members")

    assert standings(live, ids) == [(1, "ben", 1), (2, "ada", 1)]


async def test_final_standings_stay_whatever_is_taken_back_later(session: AsyncSession) -> None:
    program_id, ids = await program(session, "ada")
    done = deal(1, "ada")
    await take(session, program_id, done)
    settled = await settle(session, program_id)

    await take(session, program_id, retraction(done), as_of=days(11))

    assert settled.state is ChallengeState.SETTLED
    assert standings(await challenges.list_standings(session, settled, "members"), ids) == [(1, "ada", 1)]
    with pytest.raises(DBAPIError, match="permission denied"):
        await session.execute(text("UPDATE challenge_standings SET rank = 2"))


@pytest.mark.parametrize("sign", [1, -1])
async def test_a_sum_that_is_beyond_all_counting_stays_at_the_bound(session: AsyncSession, sign: int) -> None:
    program_id, _ = await program(session, "ada", bonus=None, goal={"target": 300_00, "field": "amount_minor"})
    await take(session, program_id, *(deal(number, "ada") for number in range(2)))
    await session.execute(text("UPDATE challenge_claims SET amount = :amount"), {"amount": sign * (2**63 - 1)})

    settled = await settle(session, program_id)

    [found] = await challenges.list_standings(session, settled, "members")
    assert found.amount == sign * (2**63 - 1)


async def test_a_streaks_length_completes_a_goal_by_a_streak(session: AsyncSession) -> None:
    streak = {"cadence": "daily", "qualifying": [{"event_type": "deal.won"}], "reached": [3, 5]}
    goal = {"target": 3, "streak": "deals", "points": 25}
    body = with_challenges(sprint=sprint(event_types=[], bonus=None, goal=goal)) | {"streaks": {"deals": streak}}
    program_id = await make_program(session, body)
    ids = {name: await make_member(session, program_id, name) for name in ("ada", "ben")}
    for name, length in (("ada", 3), ("ada", 5), ("ben", 2)):
        data = {"streak": "deals", "length": length, "started_on": "2026-03-01", "reached_on": "2026-03-04"}
        event = derived.event(derived.STREAK_REACHED, f"deals:{name}:{length}", ids[name], days(-1), data)
        await take(session, program_id, event)

    settled = await settle(session, program_id)

    assert standings(await challenges.list_standings(session, settled, "members"), ids) == [(1, "ada", 5)]
    assert await pay(session, program_id) == {"ada": 25}
