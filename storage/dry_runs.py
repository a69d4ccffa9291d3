"""Dry runs: an event taken in by intake itself, explained, and forgotten with the transaction that it was taken in.

Ids that the transaction has made name nothing afterwards, so none of them is told.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from domain.events import Told
from domain.explanations import DecisionExplained
from domain.outcomes import Outcome
from storage import explanations, intake
from storage.explanations import Explanation
from storage.tables import events


@dataclass(frozen=True, slots=True)
class WouldPost:
    """A transaction that would be posted to the ledger."""

    kind: str
    unit: str
    amount: int


@dataclass(frozen=True, slots=True)
class WouldCross:
    """A milestone that would be crossed for the n-th time, or whose crossing would be withdrawn."""

    milestone: str
    n: int
    state: str


@dataclass(frozen=True, slots=True)
class WouldGive:
    """A reward that a rule or a milestone would give, or that would be withdrawn."""

    reward: str
    rule: str | None
    state: str


@dataclass(frozen=True, slots=True)
class DryRun:
    """What would become of an event: `event_id` is that of an event that is there already, None for a new one."""

    status: str
    event_id: str | None
    state: str
    member_id: str | None
    points: int
    summary: str
    decision: DecisionExplained | None
    transactions: Sequence[WouldPost]
    crossings: Sequence[WouldCross]
    rewards: Sequence[WouldGive]


async def try_out(session: AsyncSession, program_id: str, told: Told, *, as_of: datetime) -> DryRun | Outcome:
    """What taking this event would bring, or the outcome that refuses it; the caller must roll the session back."""
    known = await _known(session, program_id, told)
    before = [await explanations.get(session, program_id, event_id) for event_id in known]
    [outcome] = await intake.record_all(session, program_id, [told], as_of=as_of)
    if outcome.event_id is None or outcome.code is not None:
        return replace(outcome, event_id=outcome.event_id if outcome.event_id in known else None)
    after = await explanations.get(session, program_id, outcome.event_id)
    of_both = [after]
    if after.retracts_id is not None:
        of_both.append(await explanations.get(session, program_id, after.retracts_id))
    return _told(outcome, after, _Found.of(before), _Found.of(of_both), known)


async def _known(session: AsyncSession, program_id: str, told: Told) -> set[str]:
    """The ids of the event and of what it takes back, as far as they are there."""
    event = told.event
    keys = [(event.source, name) for name in (event.external_id, event.retracts) if name is not None]
    named = tuple_(events.c.source, events.c.external_id).in_(keys)
    found = await session.execute(select(events.c.id).where(events.c.program_id == program_id, named))
    return set(found.scalars())


@dataclass(frozen=True, slots=True)
class _Found:
    """What there is of some events, by id and state."""

    transactions: Mapping[str, WouldPost]
    crossings: Mapping[tuple[str, str], WouldCross]
    rewards: Mapping[tuple[str, str], WouldGive]

    @classmethod
    def of(cls, explained: Sequence[Explanation]) -> "_Found":
        return cls(
            {t.id: WouldPost(t.kind, t.unit, t.amount) for one in explained for t in one.transactions},
            {(c.id, c.state): WouldCross(c.milestone, c.n, c.state) for one in explained for c in one.crossings},
            {(r.id, r.state): WouldGive(r.reward, r.rule, r.state) for one in explained for r in one.rewards},
        )


def _told(outcome: Outcome, after: Explanation, before: _Found, now: _Found, known: set[str]) -> DryRun:
    taken_back = after.retracts_id if after.retracts_id in known else None
    summary = after.summary
    if after.retracts_id is not None and taken_back is None:
        summary = summary.replace(after.retracts_id, after.event.retracts or "")
    decision = after.decisions[-1] if after.decisions else None
    return DryRun(
        status=outcome.status,
        event_id=outcome.event_id if outcome.event_id in known else None,
        state=outcome.state,
        member_id=outcome.member_id,
        points=outcome.points,
        summary=summary,
        decision=_without_new_ids(decision, before, taken_back) if decision else None,
        transactions=_new(before.transactions, now.transactions),
        crossings=_new(before.crossings, now.crossings),
        rewards=_new(before.rewards, now.rewards),
    )


def _without_new_ids(decision: DecisionExplained, before: _Found, taken_back: str | None) -> DecisionExplained:
    verdict = dict(decision.verdict)
    if "retracts" in verdict:
        verdict["retracts"] = taken_back
    posted = decision.transaction_id if decision.transaction_id in before.transactions else None
    return replace(decision, transaction_id=posted, verdict=verdict)


def _new(before: Mapping[Any, Any], now: Mapping[Any, Any]) -> list[Any]:
    return [found for key, found in now.items() if key not in before]
