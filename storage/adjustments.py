"""Large adjustments: proposed by one person, approved or rejected by another, posted when approved.

What is proposed takes its reference at once, and the command that approval gives has the same one.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from domain.commands import Accepted, Adjust, Outcome, Refused, Replayed
from domain.refusals import Refusal
from storage import commands, configurations, measures, refusals
from storage.hot_path import run
from storage.ids import new_id
from storage.tables import adjustments, members
from storage.tables import commands as commands_table

MAX_PAGE = 101  # a page, and one more that tells whether another follows


@dataclass(frozen=True, slots=True)
class Adjustment:
    """A large adjustment as it stands: proposed, approved or rejected."""

    id: str
    reference: str
    member_id: str
    unit: str
    amount: int
    reason: str
    effective_at: datetime | None
    expires_at: datetime | None
    state: str
    proposed_by: str
    decided_by: str | None
    transaction_id: str | None
    created_at: datetime
    decided_at: datetime | None


_COLUMNS = [adjustments.c[name] for name in Adjustment.__dataclass_fields__]


async def order(session: AsyncSession, program_id: str, command: Adjust, *, as_of: datetime) -> Outcome | Adjustment:
    """Post a small adjustment, propose a large one; a repeat finds what became of the first."""
    configuration = await configurations.get_active(session, program_id)
    unit = configuration.unit(command.unit)
    if unit is None or unit.approval_above is None or abs(command.amount) <= unit.approval_above:
        [outcome] = await commands.execute(session, program_id, [command], as_of=as_of)
        return outcome
    found = await _propose(session, program_id, command, as_of=as_of)
    if isinstance(found, Refused):
        await _keep(session, program_id, command.reference, found, command.actor, as_of)
    return found


async def _propose(session: AsyncSession, program_id: str, command: Adjust, *, as_of: datetime) -> Adjustment | Refused:
    named = {"program_id": program_id, "reference": command.reference}
    if await run(session, _TAKEN, named):
        return Refused("duplicate_request", "the reference was used for another command")
    known = select(members.c.id).where(members.c.program_id == program_id, members.c.id == command.member_id)
    if (await session.execute(known)).first() is None:
        return Refused("member_not_found", f"no member {command.member_id}")
    proposed = Adjustment(
        id=new_id("adj"),
        reference=command.reference,
        member_id=command.member_id,
        unit=command.unit,
        amount=command.amount,
        reason=command.reason or "",
        effective_at=command.effective_at,
        expires_at=command.expires_at,
        state="proposed",
        proposed_by=command.actor,
        decided_by=None,
        transaction_id=None,
        created_at=as_of,
        decided_at=None,
    )
    values = {name: getattr(proposed, name) for name in Adjustment.__dataclass_fields__}
    await run(session, _INSERT, {"program_id": program_id, **values})
    by_reference = adjustments.c.program_id == program_id, adjustments.c.reference == command.reference
    first = Adjustment(*(await session.execute(select(*_COLUMNS).where(*by_reference))).one())
    if _content(first) != _content(proposed):
        return Refused("duplicate_request", "the reference was used for another adjustment", command.member_id)
    return first


async def approve(
    session: AsyncSession, program_id: str, adjustment_id: str, *, actor: str, as_of: datetime
) -> Adjustment | Refused:
    """Post what somebody else proposed; refused, it stays proposed. Raises LookupError."""
    await configurations.get_active(session, program_id)
    found = await _lock_open(session, program_id, adjustment_id, actor, as_of)
    if isinstance(found, Refused):
        return found
    command = Adjust(
        reference=found.reference,
        actor=found.proposed_by,
        reason=found.reason,
        member_id=found.member_id,
        unit=found.unit,
        amount=found.amount,
        effective_at=found.effective_at,
        expires_at=found.expires_at,
        approved_by=actor,
    )
    [outcome] = await commands.execute(session, program_id, [command], as_of=as_of)
    if isinstance(outcome, Refused):
        return outcome
    done = outcome.first if isinstance(outcome, Replayed) else outcome
    return await _decide(session, program_id, found, "approved", actor, as_of, done)


async def reject(
    session: AsyncSession, program_id: str, adjustment_id: str, *, actor: str, as_of: datetime
) -> Adjustment | Refused:
    """Let what somebody else proposed not be done. Raises LookupError."""
    found = await _lock_open(session, program_id, adjustment_id, actor, as_of)
    return found if isinstance(found, Refused) else await _decide(session, program_id, found, "rejected", actor, as_of)


async def find(session: AsyncSession, program_id: str, adjustment_id: str) -> Adjustment | None:
    """The program's adjustment of this id, or None."""
    query = select(*_COLUMNS).where(adjustments.c.program_id == program_id, adjustments.c.id == adjustment_id)
    row = (await session.execute(query)).one_or_none()
    return Adjustment(*row) if row else None


async def list_page(
    session: AsyncSession, program_id: str, *, state: str, before: str | None, limit: int
) -> list[Adjustment]:
    """Adjustments in this state, newest first."""
    query = select(*_COLUMNS).where(adjustments.c.program_id == program_id, adjustments.c.state == state)
    below = query.where(adjustments.c.id < before) if before else query
    page = below.order_by(adjustments.c.id.desc()).limit(min(limit, MAX_PAGE))
    return [Adjustment(*row) for row in await session.execute(page)]


_TAKEN = f"""SELECT FROM {commands_table.name} WHERE program_id = %(program_id)s AND reference = %(reference)s
    AND NOT EXISTS (SELECT FROM adjustments WHERE program_id = %(program_id)s AND reference = %(reference)s)"""
_INSERT = """INSERT INTO adjustments (program_id, id, reference, member_id, unit, amount, reason, effective_at,
        expires_at, state, proposed_by, created_at)
    VALUES (%(program_id)s, %(id)s, %(reference)s, %(member_id)s, %(unit)s, %(amount)s, %(reason)s, %(effective_at)s,
        %(expires_at)s, %(state)s, %(proposed_by)s, %(created_at)s)
    ON CONFLICT (program_id, reference) DO NOTHING"""


def _content(one: Adjustment) -> tuple[object, ...]:
    return one.member_id, one.unit, one.amount, one.reason, one.effective_at, one.expires_at


async def _lock_open(
    session: AsyncSession, program_id: str, adjustment_id: str, actor: str, as_of: datetime
) -> Adjustment | Refused:
    query = select(*_COLUMNS).where(adjustments.c.program_id == program_id, adjustments.c.id == adjustment_id)
    row = (await session.execute(query.with_for_update(key_share=True))).one_or_none()
    if row is None:
        raise LookupError(f"no adjustment {adjustment_id}")
    found = Adjustment(*row)
    if found.state != "proposed":
        why = Refused("adjustment_not_open", f"{found.id} is {found.state}", found.member_id)
    elif found.proposed_by == actor:
        why = Refused("needs_second_person", f"{found.id} was proposed by the same", found.member_id)
    else:
        return found
    await _keep(session, program_id, found.reference, why, actor, as_of)
    return why


async def _decide(
    session: AsyncSession,
    program_id: str,
    found: Adjustment,
    state: str,
    actor: str,
    as_of: datetime,
    done: Accepted | None = None,
) -> Adjustment:
    values = {
        "state": state,
        "decided_by": actor,
        "decided_at": as_of,
        "transaction_id": done.transaction_id if done else None,
    }
    own = adjustments.c.program_id == program_id, adjustments.c.id == found.id
    row = (await session.execute(update(adjustments).where(*own).values(values).returning(*_COLUMNS))).one()
    return Adjustment(*row)


async def _keep(
    session: AsyncSession, program_id: str, reference: str, why: Refused, actor: str, as_of: datetime
) -> None:
    refusal = Refusal(reference, Adjust.kind, why.code, actor, as_of, why.member_id, {"detail": why.detail})
    await refusals.record(session, program_id, [refusal])
    measures.note_refusal(session, Adjust.kind, why.code)
