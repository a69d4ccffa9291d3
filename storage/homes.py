"""Homes: a member's, read as it is now by a bounded number of statements. Nothing is written."""

from collections.abc import Sequence
from datetime import datetime

from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncSession

from domain import asks
from domain.account_statements import category_of
from domain.configuration import Configuration
from domain.derived import described, titled
from domain.homes import (
    MAX_ACTIVITY,
    MAX_APPROVALS,
    MAX_CHALLENGES,
    MAX_PROPOSED,
    Activity,
    Approval,
    Home,
    Proposed,
)
from domain.members import HistoryItem, Member
from domain.nominations import Nomination, NominationState
from domain.sentences import Listed, Value
from storage import configurations, members, nominations, redemptions
from storage.asks import read_balances, read_board, read_challenges, read_streaks


async def read(session: AsyncSession, program_id: str, member_id: str, as_of: datetime, *, boards: Redis) -> Home:
    """The member's home; without ranks while Redis is away. Raises LookupError for an unknown member."""
    member = await members.get(session, program_id, member_id)
    active = await configurations.read_active(session, program_id)
    waiting = await nominations.list_page(session, program_id, approver_id=member_id, limit=MAX_APPROVALS + 1)
    made = await nominations.list_page(
        session, program_id, nominator_id=member_id, state=NominationState.PENDING, limit=MAX_PROPOSED + 1
    )
    history = await members.history(session, program_id, member_id, MAX_ACTIVITY)
    return Home(
        name=member.name,
        time_zone=member.time_zone,
        balances=await read_balances(session, member, as_of),
        shop=await redemptions.read_shop(session, program_id, member_id, as_of=as_of),
        approvals=await _approvals(session, member, waiting[:MAX_APPROVALS]),
        streaks=await read_streaks(session, member, as_of),
        challenges=await read_challenges(session, member, as_of, most=MAX_CHALLENGES),
        board=await read_board(session, member, asks.Board(), as_of, boards),
        activity=tuple(_activity(item, active) for item in history),
        proposed=await read_proposed(session, program_id, made[:MAX_PROPOSED]),
        has_recognition=bool(active.recognition),
        has_nominations=bool(active.nominations),
        more_approvals=len(waiting) > MAX_APPROVALS,
        more_proposed=len(made) > MAX_PROPOSED,
    )


async def read_proposed(session: AsyncSession, program_id: str, made: Sequence[Nomination]) -> tuple[Proposed, ...]:
    """Nominations as their nominator sees them."""
    people = await nominations.find_people(session, program_id, {one.nominee_id for one in made})
    return tuple([await _proposed(session, one, people[one.nominee_id].name) for one in made])


async def _proposed(session: AsyncSession, one: Nomination, nominee: str) -> Proposed:
    category = await nominations.get_category(session, one)
    return Proposed(one.id, category.title, one.amount, nominee, one.state)


async def _approvals(session: AsyncSession, member: Member, waiting: Sequence[Nomination]) -> tuple[Approval, ...]:
    """By id, the names of those who are in them; whoever was merged is called as the other one is."""
    people = await nominations.find_people(
        session, member.program_id, {id for one in waiting for id in (one.nominee_id, one.nominator_id)}
    )
    return tuple([await _approval(session, one, {id: person.name for id, person in people.items()}) for one in waiting])


async def _approval(session: AsyncSession, one: Nomination, names: dict[str, str]) -> Approval:
    category = await nominations.get_category(session, one)
    return Approval(one.id, category.title, one.amount, names[one.nominee_id], names[one.nominator_id], one.reason)


def _activity(item: HistoryItem, active: Configuration) -> Activity:
    category = category_of(item.kind, for_event=item.event_id is not None)
    return Activity(category, item.amount, item.effective_at, item.item_name or _reasons(item, active))


def _reasons(item: HistoryItem, active: Configuration) -> Value:
    """The titles of the rules that gave it, else what events of its type are, as the program says it now."""
    rules = active.rules.get(item.event_type or "", ())
    titles = [titled(rule.key, rule.title) for rule in rules if rule.key in item.rules and rule.title]
    return Listed(titles) if titles else described(item.event_type or "", active.event_types)
