"""Settling a challenge: places given anew where its fairness says so, standings frozen, prizes told. One transaction.

Whatever arrived in time has been committed before: `configurations.lock_alone` was waited for after the late window.
Prizes are derived events, so that they are decided, explained and taken back like any other.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from domain import derived
from domain.challenges import (
    ChallengeEvent,
    Claim,
    ClaimState,
    adjudicate,
    counter,
    counts_members,
    exceptions_name,
    prize,
    prizes,
    won,
)
from domain.counters import NOTHING
from domain.derived import CHALLENGE_PRIZE
from domain.events import Event
from domain.game import Challenge, Fairness
from domain.notifications import CHALLENGE_SETTLED
from domain.outbox import OutboxRow
from storage import challenges, dispatches, notifications, outbox, program_counters, sets
from storage.challenges import CLAIM, StoredChallenge
from storage.decisions import counter_rows
from storage.game_tables import challenge_claims
from storage.hot_path import run
from storage.sets import array, texts

_GIVE = """UPDATE challenge_claims SET place = n.place, state = n.state, points = n.points, prize = n.prize
    FROM unnest(CAST(%(events)s AS text[]), CAST(%(places)s AS int[]), CAST(%(states)s AS text[]),
        CAST(%(points)s AS bigint[]), CAST(%(prizes)s AS text[])) AS n(event_id, place, state, points, prize)
    WHERE challenge_claims.program_id = %(program_id)s AND challenge_claims.challenge = %(challenge)s
        AND challenge_claims.event_id = n.event_id"""


async def settle(session: AsyncSession, stored: StoredChallenge, *, now: datetime) -> StoredChallenge:
    """The locked challenge, which is closed, is settled. Raises IllegalChallenge."""
    definition = stored.definition
    effects: list[OutboxRow] = []
    if definition.fairness is Fairness.EVENT_TIME:
        effects += await _give_places(session, stored, now)
    await challenges.freeze(session, stored)
    effects += await _pay(session, stored, now)
    await outbox.add(session, effects, now=now)
    return await challenges.move(session, stored, ChallengeEvent.SETTLE, now=now)


async def _give_places(session: AsyncSession, stored: StoredChallenge, now: datetime) -> list[OutboxRow]:
    """Places by the event's time, instead of those that were lent by arrival; what changes is paid or taken back."""
    numbered = await _numbered(session, stored)
    lent = {claim.event_id: claim for claim, _ in numbered}
    revisions = {claim.event_id: revision for claim, revision in numbered}
    given = adjudicate(stored.definition, lent.values(), revisions)
    await _write(session, stored, [claim for claim in given if claim != lent[claim.event_id]])
    await _count(session, stored.program_id, stored.definition, given)
    return [row for claim in given for row in _changed(stored.program_id, lent[claim.event_id], claim, now)]


# Whoever was merged is the other member.
_NUMBERED = f"""SELECT e.revision, COALESCE(m.merged_into, m.id), {CLAIM} FROM challenge_claims c
    JOIN events e ON e.program_id = c.program_id AND e.id = c.event_id
    JOIN members m ON m.program_id = c.program_id AND m.id = c.member_id
    WHERE c.program_id = %(program_id)s AND c.challenge = %(challenge)s AND c.number IS NOT NULL
    ORDER BY c.number FOR NO KEY UPDATE OF c"""


async def _numbered(session: AsyncSession, stored: StoredChallenge) -> list[tuple[Claim, int]]:
    """The claims that have numbers, as they came, each with its event's revision."""
    found = await run(session, _NUMBERED, {"program_id": stored.program_id, "challenge": stored.key})
    return [
        (replace(challenges.read_claim(values), member_id=member_id), revision)
        for revision, member_id, *values in found
    ]


async def _write(session: AsyncSession, stored: StoredChallenge, given: Sequence[Claim]) -> None:
    table = challenge_claims.c
    columns = {
        "events": texts([one.event_id for one in given]),
        "places": array(table.place, [one.place for one in given]),
        "states": texts([one.state for one in given]),
        "points": array(table.points, [one.points for one in given]),
        "prizes": array(table.prize, [one.prize for one in given]),
    }
    await run(session, _GIVE, {"program_id": stored.program_id, "challenge": stored.key, **columns})


async def _count(session: AsyncSession, program_id: str, definition: Challenge, given: Sequence[Claim]) -> None:
    """What the places have cost, and on a line of its own what was honoured beyond them; what each member has had."""
    spent = counter(definition)
    exceptions = exceptions_name(definition.key), *spent[1:]
    counted = await program_counters.lock(session, program_id, [spent, exceptions])
    honoured = [one.points for one in given if one.state is ClaimState.HONOURED]
    standing = sum(one.points for one in given if one.state is ClaimState.STANDING)
    now = {spent: (counted[spent][0], standing), exceptions: (len(honoured), sum(honoured))}
    await sets.insert(session, program_counters.rows(program_id, now))
    if counts_members(definition):
        await sets.insert(session, counter_rows(program_id, {(key, spent): had for key, had in _had(given).items()}))


def _had(given: Sequence[Claim]) -> dict[str, tuple[int, int]]:
    """By member, how many places and points they have now: nobody takes events meanwhile, so that is all."""
    had = {one.member_id: NOTHING for one in given}
    for one in given:
        if one.state is ClaimState.STANDING:
            times, points = had[one.member_id]
            had[one.member_id] = times + 1, points + one.points
    return had


def _changed(program_id: str, lent: Claim, given: Claim, now: datetime) -> list[OutboxRow]:
    if given.state is ClaimState.DISPLACED and lent.prize is not None:
        taken = derived.retraction(CHALLENGE_PRIZE, lent.prize, lent.member_id, now)
        return [derived.outbox_row(program_id, taken)]
    if given.prize is not None and lent.prize is None:
        paid = prize(
            given.challenge, given.prize, given.member_id, given.occurred_at, given.points, "place", given.place
        )
        return [derived.outbox_row(program_id, paid)]
    return []


async def _pay(session: AsyncSession, stored: StoredChallenge, now: datetime) -> list[OutboxRow]:
    """The prizes of the final standings, one derived event each."""
    definition = stored.definition
    last_rank = max((prize.last for prize in definition.prizes), default=0)
    winners = await challenges.list_winners(session, stored, last_rank=last_rank)
    teams = await challenges.list_teams(session, stored, [one.team for one in winners if one.team is not None])
    return [
        derived.outbox_row(
            stored.program_id, prize(stored.key, owed.name, owed.member_id, now, owed.points, owed.reason, owed.rank)
        )
        for owed in prizes(definition, winners, teams)
    ]


# -- Afterwards ----------------------------------------------------------------------------------------------------

_PAID = """SELECT e.id FROM (
        SELECT unnest(CAST(%(won)s AS text[])) AS name
        UNION ALL SELECT prize FROM challenge_claims
            WHERE program_id = %(program_id)s AND challenge = %(challenge)s AND member_id = %(member_id)s) AS paid
    JOIN events e ON e.program_id = %(program_id)s AND e.source = %(source)s
        AND e.external_id = %(kind)s || ':' || paid.name
    ORDER BY e.id DESC LIMIT 1"""


async def retell(session: AsyncSession, program_id: str, paid: Event, *, now: datetime) -> None:
    """Whoever was told how the challenge ended before this prize was decided, may ask about it from now on."""
    stored = await challenges.find(session, program_id, paid.data["challenge"])
    reference = f"{stored.id}/{paid.member.external_id}" if stored else ""
    told = await notifications.find(session, program_id, CHALLENGE_SETTLED, reference)
    await dispatches.retell_each(session, program_id, [told] if told else [], now=now)


async def find_prize(session: AsyncSession, stored: StoredChallenge, member_id: str) -> str | None:
    """The event that paid the member a prize of the settled challenge, the last one of several; None if none has."""
    asked = {
        "program_id": stored.program_id,
        "challenge": stored.key,
        "member_id": member_id,
        "won": texts(won(stored.key, member_id)),
        "source": derived.SOURCE,
        "kind": CHALLENGE_PRIZE,
    }
    found = await run(session, _PAID, asked)
    return str(found[0][0]) if found else None
