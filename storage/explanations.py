"""Explanations: everything that became of one event, read from what was recorded when it was decided."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from domain.configuration import Configuration
from domain.deciding import UNIT, Person
from domain.events import Event, Identity
from domain.explanations import DecisionExplained, RecordedDecision, explain
from domain.findings import Finding
from storage import configurations, events, findings
from storage.events import RecordedEvent
from storage.tables import crossings, decisions, event_revisions, member_versions, rewards

MAX_DECISIONS = 50  # of one event that are explained, the last ones
MAX_LATEST = 10  # events of one member that are explained together

_TRANSACTIONS = text(
    """SELECT t.id, t.kind, t.reverses_id, t.effective_at, t.recorded_at,
        x.unit, x.amount
    FROM transactions t CROSS JOIN LATERAL (SELECT min(f.unit) AS unit, sum(f.amount) AS amount
        FROM transfers f WHERE f.transaction_id = t.id) AS x
    WHERE t.program_id = :program_id AND t.event_id = :event_id ORDER BY t.id"""
)


@dataclass(frozen=True, slots=True)
class Posting:
    """A ledger transaction that the event caused; `amount` is what it moved, of `unit`."""

    id: str
    kind: str
    unit: str
    amount: int
    effective_at: datetime
    recorded_at: datetime
    reverses_id: str | None = None


@dataclass(frozen=True, slots=True)
class CrossingFact:
    """A milestone that the event made the member cross, for the n-th time, and whether that still stands."""

    id: str
    milestone: str
    n: int
    state: str


@dataclass(frozen=True, slots=True)
class RewardFact:
    """A reward that a rule or a crossing gave because of the event."""

    id: str
    reward: str
    state: str
    rule: str | None
    crossing_id: str | None
    order_id: str | None


@dataclass(frozen=True, slots=True)
class Explanation:
    """One event with all that was decided about it, oldest first, and all that came of it.

    `summary` is one sentence. `retracts_id` is the event that this one takes back, if it is a retraction. `finding`
    says of a tier or a badge why Laurel told it.
    """

    event: RecordedEvent
    summary: str
    decisions: Sequence[DecisionExplained]
    transactions: Sequence[Posting]
    crossings: Sequence[CrossingFact]
    rewards: Sequence[RewardFact]
    retracts_id: str | None = None
    finding: Finding | None = None


async def get(session: AsyncSession, program_id: str, event_id: str) -> Explanation:
    """The explanation of the program's event; raises LookupError if it has none of this id."""
    event = await events.find(session, program_id, event_id)
    if event is None:
        raise LookupError(f"no event {event_id}")
    return await _of(session, program_id, event)


async def list_latest(session: AsyncSession, program_id: str, member_id: str) -> list[Explanation]:
    """Why each of the member's last MAX_LATEST events earned what it earned, or nothing; newest first."""
    latest = await events.list_page(session, program_id, member_id=member_id, limit=MAX_LATEST)
    return [await _of(session, program_id, event) for event in latest]


async def list_waiting(session: AsyncSession, program_id: str, name: Identity) -> list[Explanation]:
    """The last MAX_LATEST events that earned nothing yet because nobody is known by this name; newest first."""
    waiting = await events.list_waiting(session, program_id, name, limit=MAX_LATEST)
    return [await _of(session, program_id, event) for event in waiting]


async def _of(session: AsyncSession, program_id: str, event: RecordedEvent) -> Explanation:
    explained = [
        await _explain(session, program_id, decision) for decision in await _decisions(session, event, program_id)
    ]
    retracts_id = await _retracted(session, program_id, event)
    return Explanation(
        event=event,
        summary=_summary(event, explained, retracts_id),
        decisions=explained,
        transactions=await _transactions(session, program_id, event.id),
        crossings=await _crossings(session, program_id, event.id),
        rewards=await _rewards(session, program_id, event.id),
        retracts_id=retracts_id,
        finding=await findings.find(session, program_id, event),
    )


# -- Decisions -----------------------------------------------------------------------------------------------------


async def _decisions(session: AsyncSession, event: RecordedEvent, program_id: str) -> list[RecordedDecision]:
    facts = await _revisions(session, program_id, event)
    query = select(decisions).where(decisions.c.program_id == program_id, decisions.c.event_id == event.id)
    rows = (await session.execute(query.order_by(decisions.c.n.desc()).limit(MAX_DECISIONS))).mappings().all()
    return [
        RecordedDecision(
            n=row["n"],
            revision=row["revision"],
            kind=row["kind"],
            points=row["points"],
            verdict=row["verdict"],
            inputs=row["inputs"],
            event=facts[row["revision"]],
            member_id=row["member_id"],
            transaction_id=row["transaction_id"],
            recorded_at=row["recorded_at"],
        )
        for row in reversed(rows)
    ]


async def _revisions(session: AsyncSession, program_id: str, event: RecordedEvent) -> dict[int, Event]:
    """The fact at each of its revisions."""
    member = Identity(event.identity_source, event.identity_external_id)

    def fact(type_: str, data: Mapping[str, Any], occurred_at: datetime) -> Event:
        return Event(event.source, event.external_id, type_, member, occurred_at, data, retracts=event.retracts)

    found = {event.revision: fact(event.type, event.data, event.occurred_at)}
    query = select(event_revisions).where(
        event_revisions.c.program_id == program_id, event_revisions.c.event_id == event.id
    )
    for row in (await session.execute(query)).mappings():
        found[row["revision"]] = fact(row["type"], row["data"], row["occurred_at"])
    return found


async def _explain(session: AsyncSession, program_id: str, decision: RecordedDecision) -> DecisionExplained:
    number, version = decision.inputs.get("configuration"), decision.inputs.get("member_version")
    configuration = None if number is None else await _configuration(session, program_id, number)
    person = None if version is None else await _person(session, program_id, decision.member_id, version)
    return explain(decision, configuration, person)


async def _configuration(session: AsyncSession, program_id: str, number: int) -> Configuration | None:
    try:
        return await configurations.get(session, program_id, number)
    except (LookupError, ValueError):
        return None


async def _person(session: AsyncSession, program_id: str, member_id: str | None, version: int) -> Person | None:
    query = select(member_versions.c.attributes).where(
        member_versions.c.program_id == program_id,
        member_versions.c.member_id == member_id,
        member_versions.c.version == version,
    )
    attributes = (await session.execute(query)).scalar()
    if attributes is None or member_id is None:
        return None
    return Person(member_id, version, attributes["time_zone"], attributes)


# -- What came of it -----------------------------------------------------------------------------------------------


async def _transactions(session: AsyncSession, program_id: str, event_id: str) -> list[Posting]:
    found = await session.execute(_TRANSACTIONS, {"program_id": program_id, "event_id": event_id})
    return [Posting(**{**row, "amount": int(row["amount"])}) for row in found.mappings()]


async def _crossings(session: AsyncSession, program_id: str, event_id: str) -> list[CrossingFact]:
    columns = crossings.c
    query = select(columns.id, columns.milestone, columns.n, columns.state).order_by(columns.id)
    found = await session.execute(query.where(columns.program_id == program_id, columns.event_id == event_id))
    return [CrossingFact(**row) for row in found.mappings()]


async def _rewards(session: AsyncSession, program_id: str, event_id: str) -> list[RewardFact]:
    columns = rewards.c
    query = select(
        columns.id, columns.reward, columns.state, columns.rule, columns.crossing_id, columns.order_id
    ).order_by(columns.id)
    found = await session.execute(query.where(columns.program_id == program_id, columns.event_id == event_id))
    return [RewardFact(**row) for row in found.mappings()]


async def _retracted(session: AsyncSession, program_id: str, event: RecordedEvent) -> str | None:
    if event.retracts is None:
        return None
    return await events.find_id(session, program_id, event.source, event.retracts)


# -- One sentence --------------------------------------------------------------------------------------------------


def _summary(event: RecordedEvent, explained: Sequence[DecisionExplained], retracts_id: str | None) -> str:
    if event.retracts is not None:
        return _of_retraction(event, explained, retracts_id)
    name = f"{event.identity_source}:{event.identity_external_id}"
    by_state = {
        "parked": f"It waits: no member is known as {name}.",
        "quarantined": f"It could not be decided: {event.error}.",
        "retracted": f"It was taken back by {event.retracted_by} and earns nothing.",
        "closed": f"It was taken back by {event.retracted_by} before it was decided.",
        "awaited": f"It has not arrived yet; {event.retracted_by} has taken it back already.",
    }
    return by_state.get(event.state) or _of_decided(explained)


def _of_retraction(event: RecordedEvent, explained: Sequence[DecisionExplained], retracts_id: str | None) -> str:
    taken = {unit: -amount for unit, amount in _amounts(explained[-1]).items()} if explained else {}
    what = f"It takes back {retracts_id or event.retracts}"
    return f"{what} and with it {_told(taken)}." if taken else f"{what}, which had earned nothing that stood."


def _of_decided(explained: Sequence[DecisionExplained]) -> str:
    if not explained:
        return "It was recorded, but no decision is known."
    last = explained[-1]
    if last.reason == "member_left":
        return "It earned nothing: the member had left when it occurred."
    rewarded = any(rule.get("reward") for rule in last.verdict.get("rules", ()))
    if earned := _amounts(last):
        return f"It earned {_told(earned)}{' and a reward' if rewarded else ''}."
    return "It earned a reward and no points." if rewarded else f"It earned nothing: {_why_nothing(last.verdict)}."


def _why_nothing(verdict: Mapping[str, Any]) -> str:
    matched = verdict.get("rules", ())
    if not matched:
        tried = verdict.get("shadows")
        return "only a shadow matched it, which is tried and pays nothing" if tried else "no rule matched it"
    limits = [name for name in ("caps", "budgets") if any(rule.get(name) for rule in matched)]
    return f"{' and '.join(limits)} let nothing through" if limits else "what matched it comes to nothing"


def _amounts(explained: DecisionExplained) -> dict[str, int]:
    """What the decision moved of each unit, points first."""
    amounts = {UNIT: explained.points, **explained.verdict.get("others", {})}
    return {unit: amount for unit, amount in amounts.items() if amount}


def _told(amounts: Mapping[str, int]) -> str:
    return ", ".join(f"{amount} {unit}" for unit, amount in amounts.items())
