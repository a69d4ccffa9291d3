"""Asks answered: what a member wants to know, read as it is now. Nothing is written, and nothing of others is told."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from redis.asyncio import Redis
from redis.exceptions import RedisError
from sqlalchemy.ext.asyncio import AsyncSession

from domain import asks, units
from domain.answers import (
    Answer,
    Balances,
    Holding,
    Line,
    NoPlaces,
    NothingKnown,
    OpenChallenges,
    Places,
    Progress,
    Reasons,
    Streaks,
    StreakStanding,
    Unplaced,
)
from domain.challenges import ChallengeState, team_of
from domain.configuration import POINTS, Configuration, Unit, UnitKind
from domain.derived import SOURCE, described
from domain.explanations import DecisionExplained
from domain.game import Board, Fairness, StreakPolicy
from domain.intake import DECIDED
from domain.leaderboards import BUILT_IN
from domain.members import Balance as MemberBalance
from domain.members import Member, attributes
from domain.streak_periods import due
from domain.streaks import Judgement, Streak
from storage import (
    accounts,
    audiences,
    board_opt_outs,
    challenge_totals,
    challenges,
    configurations,
    events,
    explanations,
    leaderboards,
    members,
    milestones,
    postings,
    redemptions,
    streaks,
)
from storage.challenges import StoredChallenge
from storage.events import RecordedEvent
from storage.explanations import Explanation
from storage.leaderboards import Neighbourhood, Scheme

MAX_LATEST = 50  # events among which the one is looked for that is explained
MAX_CHALLENGES = 50  # that are open at once


async def answer(
    session: AsyncSession,
    program_id: str,
    member_id: str,
    ask: asks.Question,
    as_of: datetime,
    *,
    boards: Redis,
) -> Answer:
    """What the member is told; raises LookupError for an unknown member."""
    member = await members.get(session, program_id, member_id)
    match ask:
        case asks.Balance():
            return await read_balances(session, member, as_of)
        case asks.Why():
            return await _why(session, member, ask)
        case asks.Streak():
            return await read_streaks(session, member, as_of)
        case asks.Board():
            return await read_board(session, member, ask, as_of, boards)
        case asks.Challenges():
            return await read_challenges(session, member, as_of)
        case asks.Rewards():
            return await redemptions.read_shop(session, program_id, member_id, as_of=as_of)
        case asks.Help() | asks.Unknown():
            return ask


# -- What a member has ---------------------------------------------------------------------------------------------


async def read_balances(session: AsyncSession, member: Member, as_of: datetime) -> Balances:
    """What the member has and may give away."""
    declared = (await configurations.read_active(session, member.program_id)).every_unit
    had = await accounts.list_balances(session, member.program_id, member.id, as_of=as_of)
    holdings = [_holding(declared.get(one.unit, Unit(one.unit, 0)), one, member, as_of) for one in had]
    shown = [one for one in holdings if _is_worth_telling(one)]
    return Balances(tuple(sorted(shown, key=lambda one: one.unit.key != POINTS.key)), member.time_zone)


def _holding(unit: Unit, balance: MemberBalance, member: Member, as_of: datetime) -> Holding:
    if unit.refill is None:
        return Holding(unit, balance)
    _, following = units.period_of(unit.refill.per, as_of, member.time_zone)
    return Holding(unit, balance, unit.refill.per, units.begins_at(following, member.time_zone))


def _is_worth_telling(holding: Holding) -> bool:
    has = holding.balance
    return (
        holding.unit.key == POINTS.key
        or holding.unit.kind is UnitKind.ALLOWANCE
        or any((has.available, has.held, has.pending, has.debt))
    )


# -- Why -----------------------------------------------------------------------------------------------------------


async def _why(session: AsyncSession, member: Member, ask: asks.Why) -> Reasons | NothingKnown:
    event_id = await _meant(session, member, ask)
    if event_id is None:
        return NothingKnown(ask)
    explanation = await explanations.get(session, member.program_id, event_id)
    active = await configurations.read_active(session, member.program_id)
    event, decision = explanation.event, explanation.decisions[-1] if explanation.decisions else None
    return Reasons(
        event_id=event.id,
        description=described(event.type, active.event_types),
        state=event.state,
        occurred_at=event.occurred_at,
        decision=decision,
        earned=_earned(decision, active) if decision and event.state == DECIDED else (),
        rewards=_given(explanation, active),
        takes_back=event.retracts is not None,
        time_zone=member.time_zone,
    )


def _earned(decision: DecisionExplained, active: Configuration) -> list[tuple[Unit, int]]:
    amounts = {POINTS.key: decision.points, **decision.verdict.get("others", {})}
    return [(active.unit(key) or Unit(key, 0), amount) for key, amount in amounts.items() if amount]


def _given(explanation: Explanation, active: Configuration) -> tuple[str, ...]:
    keys = [one.reward for one in explanation.rewards]
    return tuple(active.rewards[key].title if key in active.rewards else key for key in keys)


async def _meant(session: AsyncSession, member: Member, ask: asks.Why) -> str | None:
    """The event of the member that is asked about."""
    if ask.reference is not None:
        return await _referred(session, member, ask.reference)
    latest = await events.list_page(session, member.program_id, member_id=member.id, limit=MAX_LATEST)
    facts = [event for event in latest if event.retracts is None]
    if ask.nothing:
        return await _first_without_award(session, member, facts)
    return next((event.id for event in (*(one for one in facts if one.points), *facts)), None)


async def _first_without_award(session: AsyncSession, member: Member, latest: Iterable[RecordedEvent]) -> str | None:
    """The first that gave neither value nor a reward; what Laurel itself found mostly gives none, and is left out."""
    for event in latest:
        if event.source == SOURCE or event.points:
            continue
        explained = await explanations.get(session, member.program_id, event.id)
        if not explained.transactions and not explained.rewards:
            return event.id
    return None


async def _referred(session: AsyncSession, member: Member, reference: str) -> str | None:
    """The event behind the id of an event, a transaction or a reward, if it is the member's own."""
    try:
        event_id = await _behind(session, member.program_id, reference)
    except LookupError:
        return None
    event = await events.find(session, member.program_id, event_id) if event_id else None
    return event.id if event and event.member_id == member.id else None


async def _behind(session: AsyncSession, program_id: str, reference: str) -> str | None:
    """The event that led to this; raises LookupError."""
    if reference.startswith("txn_"):
        return (await postings.explain(session, program_id, reference)).event_id
    if reference.startswith("rwd_"):
        reward = await milestones.explain_reward(session, program_id, reference)
        return reward.event_id or (reward.crossing.event_id if reward.crossing else None)
    return reference


# -- Streaks -------------------------------------------------------------------------------------------------------


async def read_streaks(session: AsyncSession, member: Member, as_of: datetime) -> Streaks:
    """Each of the program's streaks, as it stands for the member."""
    active = await configurations.read_active(session, member.program_id)
    found = await streaks.read_all_at(session, member.program_id, member.id, as_of=as_of)
    standings = [_standing(policy, found[key], active, member) for key, policy in sorted(active.streaks.items())]
    return Streaks(tuple(standings), member.time_zone)


def _standing(policy: StreakPolicy, streak: Streak, active: Configuration, member: Member) -> StreakStanding:
    last = streak.periods[-1] if streak.periods else None
    goes_on = last if last and (streak.current or last.judgement is Judgement.OPEN) else None
    kinds = dict.fromkeys(one.event_type for one in policy.qualifying)
    return StreakStanding(
        title=policy.title or policy.key,
        cadence=policy.cadence,
        state=streak.state,
        current=streak.current,
        longest=streak.longest,
        done=goes_on.amount if goes_on else 0,
        needed=goes_on.needed if goes_on else due(policy, attributes(member)),
        deadline=streak.next_deadline_at,
        breaks_at=streak.grace_until,
        freezes=streak.freezes,
        counts=tuple(described(one, active.event_types) for one in kinds),
    )


# -- Boards --------------------------------------------------------------------------------------------------------


async def read_board(
    session: AsyncSession, member: Member, ask: asks.Board, as_of: datetime, boards: Redis
) -> Places | NoPlaces:
    """The member's place on the board that is meant."""
    on = await leaderboards.scheme(session, member.program_id, as_of=as_of)
    known = sorted(on.boards.values(), key=lambda one: (one.key not in BUILT_IN, one.key))
    board = _wanted(known, ask)
    if board is None:
        return NoPlaces(Unplaced.NO_BOARD, known)
    if await board_opt_outs.is_hidden(session, member.program_id, member.id):
        return NoPlaces(Unplaced.HIDDEN, known)
    try:
        found = await leaderboards.around(boards, on, board.key, member.id)
    except (RedisError, OSError):
        return NoPlaces(Unplaced.AWAY, known)
    return await _places(session, on, found) if found else NoPlaces(Unplaced.NO_PLACE, known)


def _wanted(known: Sequence[Board], ask: asks.Board) -> Board | None:
    """The board of this name, or whose name holds it; or the first over this window, or of all."""
    if ask.window is not None:
        return next((one for one in known if one.window is ask.window), None)
    words = (ask.name or "").casefold()
    called = {one: (one.key.casefold(), one.title.casefold()) for one in known}
    exact = (one for one, names in called.items() if words in names)
    return next(exact, None) or next((one for one, names in called.items() if words in " ".join(names)), None)


async def _places(session: AsyncSession, on: Scheme, found: Neighbourhood) -> Places:
    names = await members.find_names(session, on.program_id, [place.member_id for place in found.places])
    active = await configurations.read_active(session, on.program_id)
    return Places(
        board=found.board,
        unit=active.unit(found.board.unit) or Unit(found.board.unit, 0),
        cohort=found.cohort,
        lines=tuple(
            Line(place.rank, names.get(place.member_id, ""), place.points, place.member_id == found.member_id)
            for place in found.places
        ),
        percentile=found.percentile,
    )


# -- Challenges ----------------------------------------------------------------------------------------------------


async def read_challenges(
    session: AsyncSession, member: Member, as_of: datetime, *, most: int = MAX_CHALLENGES
) -> OpenChallenges:
    """The open challenges that are for the member, with what the member has brought to the first to end."""
    listed = await challenges.list_page(session, member.program_id, state=ChallengeState.OPEN, limit=MAX_CHALLENGES)
    mine = [one for one in listed if one.definition.until > as_of and audiences.holds(one.definition.audience, member)]
    mine.sort(key=lambda one: one.definition.until)
    progress = [await _progress(session, one, member) for one in mine[:most]]
    return OpenChallenges(tuple(progress), member.time_zone, more=len(mine[most:]))


async def _progress(session: AsyncSession, stored: StoredChallenge, member: Member) -> Progress:
    definition, scope = stored.definition, challenges.scopes(stored.definition)[-1]
    whose = team_of(definition, attributes(member)) if scope == "teams" else member.id
    standing = await challenges.find_standing(session, stored, scope, whose)
    left = None
    if definition.first is not None and definition.fairness is Fairness.ARRIVAL:
        left = max(definition.first - (await challenge_totals.get(session, stored)).places, 0)
    if standing is None:
        return Progress(definition, places_left=left)
    return Progress(definition, standing.amount, standing.completions, standing.points, standing.rank, left)
