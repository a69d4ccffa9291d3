"""In whatever order the same facts are told, a member has the same streak and, where rules count nothing, as much."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import given as drawn
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from domain import derived
from domain.absences import AbsenceChange, AbsenceKind, Away
from domain.derived import from_payload
from domain.events import Identity, SourcePolicy
from domain.ledger import member_account
from domain.streaks import Streak
from storage import absences, intake, streaks
from storage.ids import new_id
from storage.tables import accounts, outbox
from tests.programs import make_member, make_program, retraction
from tests.storage.test_streaks import MONDAY, STREAKS, at, course

BODY: dict[str, Any] = STREAKS | {
    "rules": STREAKS["rules"] | {"course": {"event_type": "course.completed", "award": {"expression": "event.minutes"}}}
}
DAYS = 7
FACTS = st.lists(
    st.tuples(st.sampled_from(["learn", "learn", "learn", "take back", "be away"]), st.integers(0, DAYS - 1)),
    min_size=4,
    max_size=10,
    unique=True,
)
Fact = tuple[str, int]
SEEN = ("state", "current", "longest", "started_on", "last_qualifying_at", "grace_until", "freezes", "next_deadline_at")


async def tell(session: AsyncSession, program_id: str, facts: Sequence[Fact]) -> tuple[Any, ...]:
    """The balance and the streak of somebody new, of whom all of this was told after the week, one after the other."""
    name, as_of = new_id("mem"), at(DAYS)
    member_id = await make_member(session, program_id, name)
    for kind, day in facts:
        as_of += timedelta(minutes=1)
        if kind == "be away":
            away = Away(Identity("crm", name), AbsenceKind.SICK, MONDAY + timedelta(day), MONDAY + timedelta(day))
            await absences.write(session, program_id, [AbsenceChange("hris", f"{name}-{day}", away)], as_of=as_of)
        else:
            done = course(day, who=name)
            event = retraction(done) if kind == "take back" else done
            await intake.record(session, program_id, [event], SourcePolicy(), as_of=as_of)
        await tell_lengths(session, program_id, as_of)
    own = select(accounts.c.balance).where(accounts.c.id == member_account(member_id, "points"))
    found = dict(await streaks.list_of(session, program_id, member_id))
    streak = found.get("learning", Streak())
    return (await session.scalar(own)) or 0, *(getattr(streak, name) for name in SEEN)


async def tell_lengths(session: AsyncSession, program_id: str, as_of: datetime) -> None:
    """Through the one door, as the relay does; what was told before is a repeat."""
    rows = select(outbox.c.payload).where(outbox.c.kind == "derived").order_by(outbox.c.id)
    found = [from_payload(payload) for payload in (await session.scalars(rows)).all()]
    if found:
        await intake.record(session, program_id, found[-20:], derived.POLICY, as_of=as_of)


@pytest.mark.thorough
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@drawn(facts=FACTS, data=st.data())
async def test_in_any_order_the_same_facts_give_the_same_streak_and_the_same_balance(
    session: AsyncSession, facts: list[Fact], data: st.DataObject
) -> None:
    program_id = await make_program(session, BODY)
    other = data.draw(st.permutations(facts))

    assert await tell(session, program_id, other) == await tell(session, program_id, facts)
