"""Challenge steps: a challenge as everybody may read of it, with those who are first, and nobody who is last."""

from sqlalchemy.ext.asyncio import AsyncSession

from domain.cards import MAX_FIRST, ChallengeStep, Winner
from domain.challenges import Standing, watched
from domain.derived import described
from domain.game import Challenge, Fairness
from domain.leaderboards import numbered
from domain.notifications import CHALLENGE_SETTLED, Notification
from domain.sentences import Value
from storage import board_opt_outs, challenge_totals, challenges, configurations, members, programs
from storage.challenge_totals import Totals
from storage.challenges import StoredChallenge


async def read(session: AsyncSession, told: Notification) -> ChallengeStep:
    """The challenge that the notification tells of, as it stands now; who is first once it is settled."""
    stored = await challenges.get(session, told.program_id, told.about)
    definition, totals = stored.definition, await challenge_totals.get(session, stored)
    return ChallengeStep(
        kind=told.kind,
        title=definition.title or stored.key,
        description=definition.description,
        counts=await _counts(session, told.program_id, definition),
        bonus=_plain(definition.bonus),
        multiplier=_plain(definition.multiplier),
        until=definition.until,
        time_zone=(await programs.get(session, told.program_id)).time_zone,
        state=stored.state,
        people=totals.people,
        places_left=_places_left(definition, totals),
        first=await _first(session, stored, totals) if told.kind == CHALLENGE_SETTLED else (),
    )


async def _counts(session: AsyncSession, program_id: str, definition: Challenge) -> list[Value]:
    """What completes it."""
    known = (await configurations.read_active(session, program_id)).event_types
    return [described(one, known) for one in watched(definition)]


def _plain(expression: str | None) -> int | None:
    """What is the same for every completion; what is computed from it is told by the description alone."""
    return int(expression) if expression and expression.isdecimal() else None


def _places_left(definition: Challenge, totals: Totals) -> int | None:
    """Of places that are given by arrival; those by the event's time are given at the close."""
    if definition.first is None or definition.fairness is not Fairness.ARRIVAL:
        return None
    return max(definition.first - totals.places, 0)


async def _first(session: AsyncSession, stored: StoredChallenge, totals: Totals) -> list[Winner]:
    """Those of the first places who may be named: as on boards, nobody in the lower part, nobody who wants no place."""
    scope = challenges.scopes(stored.definition)[-1]
    named = min(numbered(totals.teams if scope == "teams" else totals.people), MAX_FIRST)
    standings = await challenges.list_standings(session, stored, scope, limit=named)
    names = await members.find_names(session, stored.program_id, [one.member_id for one in standings if one.member_id])
    return [
        Winner(one.rank, names.get(one.member_id or "", one.team or ""), one.amount)
        for one in standings
        if not await _is_hidden(session, stored.program_id, one)
    ]


async def _is_hidden(session: AsyncSession, program_id: str, one: Standing) -> bool:
    return one.member_id is not None and await board_opt_outs.is_hidden(session, program_id, one.member_id)
