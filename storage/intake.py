"""Intake: the one door by which anything is earned. One transaction takes 1 to 500 events of one program.

It takes the facts' keys in one sorted pass, locks what it will change in the fixed order (events, members, program
counters, crossings and rewards, accounts), lets domain.intake decide event by event, and writes what came of it set by
set. A batch that fails on data is halved by savepoints until the event that fails stands alone, quarantined. Deciding a
batch equals deciding its events one by one in order.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from domain import derived
from domain.configuration import Configuration
from domain.counters import CounterKey
from domain.deciding import UNIT, counted_by_back_fill, keys_needed, person_at, plan, shared_needed
from domain.events import MEMBER_ID, Event, Identity, SourcePolicy, Told, fingerprint, member_named, unfit
from domain.intake import AWAITED, DECIDED, NEW, PARKED, QUARANTINED, Fact, FactKey, Intake, Loaded
from domain.outcomes import QUARANTINED as WAS_QUARANTINED
from domain.outcomes import REJECTED, Outcome
from domain.schemas import faults
from domain.streak_book import StreakKey
from domain.time import CLOCK_TOLERANCE
from domain.units import policies
from storage import (
    amendments,
    badges,
    configurations,
    decisions,
    facts,
    ladders,
    ledger,
    measures,
    people,
    program_counters,
    streaks,
)
from storage.database import Database
from storage.failures import retry
from storage.hot_path import SAVEPOINT, Found, Query, ahead, run, run_together
from storage.ids import new_id
from storage.isolation import isolate, on_paper, why
from storage.sets import texts
from storage.tables import members

MAX_BATCH = 500  # events
SLICE = 100  # events that are decided before the server is told

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Batch:
    """What one call takes: the program's configuration as of now and who the names are."""

    program_id: str
    configuration: Configuration
    members: dict[Identity, str]
    as_of: datetime


@dataclass(slots=True)
class _Work:
    """Facts with what to do to each of them, in order."""

    facts: dict[FactKey, Fact]
    # The events to decide, each of the fact under the same key.
    events: Sequence[Event]
    steps: list[Callable[[Intake], Outcome]] = field(default_factory=list)
    # Members from whom something may be taken back, and the facts by which.
    debited: set[str] = field(default_factory=set)
    standing: list[Fact] = field(default_factory=list)

    def completed_by(self, event: Event) -> Collection[str]:
        """The challenges that the event has completed before."""
        return self.facts[event.source, event.external_id].claims


async def record_batch(
    database: Database, program_id: str, events: Sequence[Event], policy: SourcePolicy, *, as_of: datetime
) -> list[Outcome]:
    """`record` in a transaction of its own, tried again (bounded) when the database was away or a race was lost."""

    async def attempt() -> list[Outcome]:
        async with database.begin() as session:
            return await record(session, program_id, events, policy, as_of=as_of)

    return await retry(attempt)


async def record(
    session: AsyncSession, program_id: str, events: Sequence[Event], policy: SourcePolicy, *, as_of: datetime
) -> list[Outcome]:
    """`record_all` of events under one policy."""
    return await record_all(session, program_id, [Told(event, policy) for event in events], as_of=as_of)


async def record_all(session: AsyncSession, program_id: str, told: Sequence[Told], *, as_of: datetime) -> list[Outcome]:
    """Take 1 to 500 events of one program in order; one outcome each, in the same order.

    `as_of` is the instant at which the book records. Raises LookupError for an unknown program, ValueError for an empty
    or too large batch, and the database's transient errors, after which the whole transaction is to be tried again.
    """
    if not 1 <= len(told) <= MAX_BATCH:
        raise ValueError(f"a batch holds 1 to {MAX_BATCH} events, not {len(told)}")
    refused = [_unfit(event, policy, as_of) for event, policy in told]
    names = _names([event for (event, _), refusal in zip(told, refused, strict=True) if refusal is None])
    asked = *configurations.sharing(program_id), _resolving(program_id, names), SAVEPOINT
    _, present, found, _ = await run_together(session, *asked)
    configuration = await configurations.pick(session, program_id, present)
    known = _known(found) | await _own_names(session, program_id, names)
    refused = [refusal or _misfit(configuration, event) for (event, _), refusal in zip(told, refused, strict=True)]
    accepted = [one for one, refusal in zip(told, refused, strict=True) if refusal is None]
    batch = Batch(program_id, configuration, known, as_of)
    taken = iter(await _isolate(session, batch, accepted, _take, savepoint_is_set=True) if accepted else ())
    outcomes = [refusal or next(taken) for refusal in refused]
    measures.note_events(session, (outcome.status for outcome in outcomes))
    return outcomes


async def decide_parked(
    session: AsyncSession, program_id: str, event_ids: Collection[str], *, as_of: datetime
) -> list[Outcome]:
    """Decide these events if they are parked and their members have become known; at most 500."""
    return await _decide_standing(session, program_id, event_ids, PARKED, as_of)


async def retry_quarantined(
    session: AsyncSession, program_id: str, event_ids: Collection[str], *, as_of: datetime
) -> list[Outcome]:
    """Decide these quarantined events, and quarantined amendments of theirs, again; what fails again stays.

    At most 500 events; one outcome for each that was tried, its last one.
    """
    await configurations.get_active(session, program_id)
    await facts.lock_ids(session, program_id, event_ids)
    decided = await _decide_standing(session, program_id, event_ids, QUARANTINED, as_of)
    amended = await _amend_again(session, program_id, event_ids, as_of)
    return list({outcome.event_id: outcome for outcome in (*decided, *amended)}.values())


async def find_parked(session: AsyncSession, program_id: str, names: Collection[Identity]) -> list[str]:
    """Parked events that name one of these people, at most 500, oldest first."""
    return await facts.find_parked(session, program_id, names, MAX_BATCH)


async def find_decidable(session: AsyncSession) -> list[tuple[str, str]]:
    """(program, event) of parked events whose member has become known, of all programs, at most 500."""
    return await facts.find_decidable(session, MAX_BATCH)


# -- Before anything is locked -------------------------------------------------------------------------------------


def _names(events: Sequence[Event]) -> set[Identity]:
    return {name for event in events for name in (event.member, *event.alternatives)}


_RESOLVE = """SELECT i.source, i.external_id, i.member_id FROM identities i
    JOIN unnest(CAST(%(sources)s AS text[]), CAST(%(external_ids)s AS text[])) AS k(source, external_id)
        ON i.source = k.source AND i.external_id = k.external_id
    WHERE i.program_id = %(program_id)s"""


async def _resolve(session: AsyncSession, program_id: str, names: Collection[Identity]) -> dict[Identity, str]:
    """The members that are known by these names."""
    if not names:
        return {}
    found = await run(session, *_resolving(program_id, names))
    return _known(found) | await _own_names(session, program_id, names)


def _resolving(program_id: str, names: Collection[Identity]) -> Query:
    columns = {"sources": texts([n.source for n in names]), "external_ids": texts([n.external_id for n in names])}
    return _RESOLVE, {"program_id": program_id, **columns}


def _known(found: Found) -> dict[Identity, str]:
    return {Identity(source, external_id): member for source, external_id, member in found}


async def _own_names(session: AsyncSession, program_id: str, names: Collection[Identity]) -> dict[Identity, str]:
    """Members named by our own id."""
    wanted = [name.external_id for name in names if name.source == MEMBER_ID]
    if not wanted:
        return {}
    query = select(members.c.id).where(members.c.program_id == program_id, members.c.id.in_(wanted))
    return {Identity(MEMBER_ID, member): member for member in (await session.execute(query)).scalars()}


def _unfit(event: Event, policy: SourcePolicy, as_of: datetime) -> Outcome | None:
    """Why no program takes it."""
    if derived.is_forged(event, policy):
        told = f"{event.type or 'an event'} of {event.source}: only Laurel itself tells this"
        return Outcome(REJECTED, code="invalid_event_data", detail=told)
    if event.occurred_at > as_of + CLOCK_TOLERANCE:
        return Outcome(REJECTED, code="occurred_in_future", detail=f"occurred_at is after {as_of.isoformat()}")
    if detail := unfit(event):
        return Outcome(REJECTED, code="invalid_event_data", detail=detail)
    return None


def _misfit(configuration: Configuration, event: Event) -> Outcome | None:
    """Why this program does not take it."""
    if event.retracts is not None:
        return None
    event_type = configuration.event_types.get(event.type)
    if event_type is None:
        return Outcome(
            REJECTED, code="unknown_event_type", detail=f"the program has no event type {event.type[:100]!r}"
        )
    found = faults(event_type, event.data)
    detail = "; ".join(str(fault) for fault in found)
    return Outcome(REJECTED, code="invalid_event_data", detail=detail) if found else None


# -- Isolation: what fails on data stands alone --------------------------------------------------------------------

Decide = Callable[[AsyncSession, Batch, Sequence[Any]], Awaitable[list[Outcome]]]


async def _isolate(
    session: AsyncSession, batch: Batch, items: Sequence[Any], decide: Decide, *, savepoint_is_set: bool = False
) -> list[Outcome]:
    return await isolate(
        session,
        items,
        lambda some: decide(session, batch, some),
        lambda item, error: _quarantine(session, batch, item, error),
        lambda some: _hold_events(session, batch, [item.event for item in some]),
        savepoint_is_set=savepoint_is_set,
    )


async def _hold_events(session: AsyncSession, batch: Batch, events: Sequence[Event]) -> None:
    """Lock the events that are there and those that retractions name, before any of their members."""
    keys = {(event.source, event.external_id) for event in events}
    keys |= {(event.source, event.retracts) for event in events if event.retracts is not None}
    await facts.lock(session, batch.program_id, sorted(keys))


async def _quarantine(session: AsyncSession, batch: Batch, item: Told | Fact, error: Exception) -> Outcome:
    """Keep an event or an amendment that could not be decided, for a later try."""
    reason, shown = why(error)
    if isinstance(item, Fact):
        fact = item
        fact.state = QUARANTINED
        await facts.quarantine(session, batch.program_id, item.event_id, reason)
    else:
        fact = Fact(new_id("evt"), item.event, fingerprint(*item), QUARANTINED, batch.as_of, error=reason)
        if not await facts.insert(session, batch.program_id, [fact]):
            # What stood before stands; what it would have become is kept beside it.
            stood = (await facts.lock(session, batch.program_id, [fact.key]))[fact.key]
            if item.event.retracts is None and fact.fingerprint != stood.fingerprint:
                await amendments.keep(session, batch.program_id, stood.event_id, item, reason, recorded_at=batch.as_of)
            fact = stood
    log.error("event quarantined", event_id=fact.event_id, program_id=batch.program_id, reason=reason, exc_info=shown)
    return Outcome(
        WAS_QUARANTINED, fact.event_id, fact.state, fact.member_id, fact.points, (), "event_quarantined", reason
    )


# -- Taking events -------------------------------------------------------------------------------------------------


async def _take(session: AsyncSession, batch: Batch, taken: Sequence[Told]) -> list[Outcome]:
    work = await _claim(session, batch, taken)
    work.steps = [_taking(told) for told in taken]
    return await _settle(session, batch, work)


def _taking(told: Told) -> Callable[[Intake], Outcome]:
    return lambda intake: intake.take(*told)


def _deciding(fact: Fact) -> Callable[[Intake], Outcome]:
    if fact.event.retracts is not None:
        return _taking(_as_it_stands(fact))
    return lambda intake: intake.decide_now(fact)


def _as_it_stands(fact: Fact) -> Told:
    """A fact that was recorded before, as if it were told again: under which policy it came does not matter."""
    return Told(fact.event, SourcePolicy())


async def _claim(session: AsyncSession, batch: Batch, taken: Sequence[Told]) -> _Work:
    """Insert the new facts' keys, tombstones for retractions of unknown ones included, and lock those that exist."""
    with on_paper():
        new = _new_facts(batch, taken)
    inserted = await facts.insert(session, batch.program_id, [new[key] for key in sorted(new)])
    known = sorted(key for key, fact in new.items() if fact.event_id not in inserted)
    existing = await facts.lock(session, batch.program_id, known) if known else {}
    for fact in new.values():
        if fact.state != AWAITED:
            fact.state = NEW
    events = [event for event, _ in taken]
    work = _Work({**new, **existing}, events, standing=list(existing.values()))
    seen: set[FactKey] = set()
    for event in events:
        key = (event.source, event.external_id)
        target = (event.source, event.retracts) if event.retracts is not None else key
        if event.retracts is not None or key in existing or key in seen:
            work.debited |= _people_of(batch, work.facts[target], event)
        seen.add(key)
    return work


def _new_facts(batch: Batch, taken: Sequence[Told]) -> dict[FactKey, Fact]:
    """A fact for each key, in the state in which its row is inserted: right unless something else turns up."""
    new: dict[FactKey, Fact] = {}
    for event, policy in taken:
        key = (event.source, event.external_id)
        if key not in new:
            member = member_named(event, batch.members) if event.retracts is None else None
            state = DECIDED if member or event.retracts is not None else PARKED
            print_ = fingerprint(event, policy)
            new[key] = Fact(new_id("evt"), event, print_, state, batch.as_of, member)
    for event, _ in taken:
        if event.retracts is not None and (target := (event.source, event.retracts)) not in new:
            new[target] = _tombstone(event, new[event.source, event.external_id].event_id, batch.as_of)
    return new


def _tombstone(retraction: Event, by: str, as_of: datetime) -> Fact:
    assert retraction.retracts is not None
    awaited = Event(retraction.source, retraction.retracts, "", Identity("", ""), retraction.occurred_at, {})
    return Fact(new_id("evt"), awaited, b"", AWAITED, as_of, retracted_by=by)


def _people_of(batch: Batch, fact: Fact, event: Event) -> set[str]:
    """Whom the event names, and to whom the fact belongs."""
    return {member for member in (member_named(event, batch.members), fact.member_id) if member}


async def _decide_standing(
    session: AsyncSession, program_id: str, event_ids: Collection[str], state: str, as_of: datetime
) -> list[Outcome]:
    configuration = await configurations.get_active(session, program_id)
    found = await facts.lock_by_id(session, program_id, event_ids, state)
    if not found:
        return []
    known = await _resolve(session, program_id, _names([fact.event for fact in found]))
    batch = Batch(program_id, configuration, known, as_of)
    return await _isolate(session, batch, found, _decide)


async def _amend_again(
    session: AsyncSession, program_id: str, event_ids: Collection[str], as_of: datetime
) -> list[Outcome]:
    configuration = await configurations.get_active(session, program_id)
    told = await amendments.take(session, program_id, event_ids)
    if not told:
        return []
    known = await _resolve(session, program_id, _names([event for event, _ in told]))
    return await _isolate(session, Batch(program_id, configuration, known, as_of), told, _take)


async def _decide(session: AsyncSession, batch: Batch, found: Sequence[Fact]) -> list[Outcome]:
    # Claimed again, with what retractions name: a savepoint that was rolled back may have left changes in memory.
    work = await _claim(session, batch, [_as_it_stands(fact) for fact in found])
    work.steps = [_deciding(work.facts[fact.key]) for fact in found]
    return await _settle(session, batch, work)


# -- Locking, deciding, writing ------------------------------------------------------------------------------------


async def _settle(session: AsyncSession, batch: Batch, work: _Work) -> list[Outcome]:
    intake = Intake(batch.configuration, await _load(session, batch, work))
    writing = decisions.Writing(session, intake, as_of=batch.as_of)
    outcomes: list[Outcome] = []
    async with ahead(session):  # the server writes what was decided while we decide the next
        for first in range(0, len(work.steps), SLICE):
            with on_paper():
                outcomes += [step(intake) for step in work.steps[first : first + SLICE]]
            await writing.advance()
        kept = await writing.count_and_fold()
    await writing.finish(kept)
    return outcomes


Owners = dict[FactKey, set[str]]


def _owners(batch: Batch, work: _Work) -> Owners:
    """By fact, everybody whose it is at some moment of the batch."""
    owners: Owners = {}
    for event in work.events:
        key = (event.source, event.external_id)
        owners.setdefault(key, set()).update(_people_of(batch, work.facts[key], event))
    return owners


def _counted(
    batch: Batch, work: _Work, owners: Owners, everybody: Mapping[str, people.Versions]
) -> set[tuple[str, CounterKey]]:
    """The counters that deciding reads or moves; what a back-fill, or a close, has counted anew is learned first."""
    configuration = batch.configuration
    keys = {
        (member, key)
        for event in work.events
        for member in owners[event.source, event.external_id]
        for _, person in everybody[member]
        for key in keys_needed(configuration, event, person, batch.as_of, work.completed_by(event))
    }
    for fact in work.standing:
        if fact.state == DECIDED and fact.member_id and fact.event.retracts is None:
            person = person_at(everybody[fact.member_id], fact.event.occurred_at)
            filled = counted_by_back_fill(configuration, fact.event, person, fact.moved)
            fact.moved = fact.placed({**fact.moved, **filled}, configuration)
            keys |= {(fact.member_id, key) for key in fact.moved}
    return keys


def _shared(batch: Batch, work: _Work) -> set[CounterKey]:
    """The counters of all members together that deciding reads or moves, or taking back moves."""
    keys = {
        key
        for event in work.events
        for key in shared_needed(batch.configuration, event, batch.as_of, work.completed_by(event))
    }
    return keys.union(*(fact.shared for fact in work.standing))


def _marking(configuration: Configuration, work: _Work, owners: Owners) -> dict[StreakKey, list[datetime]]:
    """The streaks that the facts may count for, and when."""
    found: dict[StreakKey, list[datetime]] = {}
    for event in work.events:
        for watcher in plan(configuration, event.type).streaks:
            for member in owners[event.source, event.external_id]:
                found.setdefault((member, watcher.policy), []).append(event.occurred_at)
    return found


def _units(configuration: Configuration, work: _Work) -> set[str]:
    """Points, and whatever else the facts may earn or have earned."""
    types = {event.type for event in work.events}
    awarded = {unit for event_type in types for unit in plan(configuration, event_type).others}
    return {UNIT, *awarded, *(unit for fact in work.standing for unit in fact.earnings)}


async def _load(session: AsyncSession, batch: Batch, work: _Work) -> Loaded:
    program_id = batch.program_id
    owners = _owners(batch, work)
    involved = sorted(work.debited.union(*owners.values()))
    everybody, into = await people.lock(session, program_id, involved)
    if into:
        # Whoever was merged is the other member from here on.
        owners = {key: {into.get(one, one) for one in whose} for key, whose in owners.items()}
        work.debited = {into.get(one, one) for one in work.debited}
        involved = sorted({into.get(one, one) for one in involved})
        for fact in work.facts.values():
            fact.member_id = into.get(fact.member_id, fact.member_id) if fact.member_id else None
    with on_paper():
        keys = _counted(batch, work, owners, everybody)
        marking = _marking(batch.configuration, work, owners)
    standing_ids = [fact.event_id for fact in work.standing]
    kept = await streaks.load(session, batch.configuration, everybody, marking, standing_ids)
    shared = await program_counters.lock(session, program_id, _shared(batch, work))
    climbed = await ladders.lock(
        session,
        batch.configuration,
        counting=involved,
        falling=work.debited,
        event_ids=standing_ids,
    )
    opening = ledger.opening(
        program_id,
        involved,
        recorded_at=batch.as_of,
        debited=sorted(work.debited),
        granted_by=[earning.id for fact in work.standing for earning, _ in fact.earnings.values()],
        units=_units(batch.configuration, work),
        policies=policies(batch.configuration),
    )
    counted, *opened = await run_together(session, facts.counting(program_id, keys), *opening.queries())
    return Loaded(
        facts=work.facts,
        members={name: into.get(one, one) for name, one in batch.members.items()},
        people=everybody,
        counters=facts.counted(counted),
        shared=shared,
        ladders=climbed,
        streaks=kept,
        badges=await badges.load(session, batch.configuration, involved),
        book=opening.book(opened),
    )
