"""Decisions as rows: whatever an Intake decides, written set by set with the effects that must follow."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from domain import derived
from domain.counters import CounterKey
from domain.intake import DecisionRow, Intake, Revision
from domain.ledger import member_of
from domain.outbox import OutboxRow
from storage import (
    amendments,
    badges,
    challenges,
    earned_days,
    facts,
    ladders,
    leaderboards,
    ledger,
    outbox,
    program_counters,
    sets,
    streaks,
    tiers,
)
from storage.sets import Rows
from storage.streaks import Keeping
from storage.tables import counters, decisions, event_revisions


class Writing:
    """Writes what an Intake decides while it decides: what only grows at once, what may change again at the end."""

    def __init__(self, session: AsyncSession, intake: Intake, *, as_of: datetime):
        self._session = session
        self._intake = intake
        self._as_of = as_of
        self._program_id = intake.configuration.program_id
        self._written = ledger.Written()

    async def advance(self) -> None:
        """Send what was decided since the last time: transactions with all that they moved, decisions, revisions."""
        revisions = self._written.grown("revisions", self._intake.revisions)
        new = self._written.grown("decisions", self._intake.decisions)
        rows = (
            _revision_rows(self._program_id, revisions, self._as_of),
            _decision_rows(self._program_id, new, self._as_of),
        )
        await ledger.write_on(self._session, self._intake.book, self._written, *rows)

    async def count_and_fold(self) -> Keeping:
        """Send what was counted, and meanwhile fold the streaks that were touched."""
        intake = self._intake
        counted = (
            counter_rows(self._program_id, intake.changed_counters),
            program_counters.rows(self._program_id, intake.changed_shared),
        )
        await sets.insert_all(self._session, counted)
        return await streaks.keep(self._session, intake.configuration, intake.streaks, as_of=self._as_of)

    async def finish(self, kept: Keeping) -> None:
        """Write what became of the facts, and of all that they count for: as it is after the last one."""
        session, intake, program_id, as_of = self._session, self._intake, self._program_id, self._as_of
        if changed := [fact for fact in intake.facts.values() if fact.changed]:
            await facts.update(session, program_id, changed)
        await ladders.withdraw(session, program_id, intake.ladders, as_of=as_of)
        await _forget_overtaken(session, program_id, intake)
        rows = (
            challenges.claim_rows(program_id, intake.claims.values(), as_of=as_of),
            *ladders.rows(program_id, intake.ladders, intake.configuration.number, as_of=as_of),
            *kept.rows,
            outbox.rows(session, [*_effects(program_id, intake), *kept.effects], now=as_of),
        )
        await sets.insert_all(session, rows)
        await tiers.rise(session, intake.configuration, intake.book, as_of=as_of)
        await earned_days.count(session, intake.configuration, intake.book)
        await badges.keep(session, intake.badges, as_of=as_of)
        ledger.note(session, intake.book)


async def _forget_overtaken(session: AsyncSession, program_id: str, intake: Intake) -> None:
    amended = {revision.event_id for revision in intake.revisions}
    if amended:
        standing = (fact for fact in intake.facts.values() if fact.event_id in amended)
        await amendments.forget(session, program_id, {fact.event_id: fact.event.source_version for fact in standing})


def _effects(program_id: str, intake: Intake) -> list[OutboxRow]:
    ranked = {member_of(account.id) for account in intake.book.changed_accounts.values() if account.running}
    return [
        *ladders.effects(program_id, intake.ladders),
        *(derived.outbox_row(program_id, found) for found in intake.derived),
        *(leaderboards.outbox_row(program_id, member_id) for member_id in sorted(ranked)),
    ]


def counter_rows(program_id: str, changed: Mapping[tuple[str, CounterKey], tuple[int, int]]) -> Rows:
    """Counters as they are now."""
    columns = ("member_id", "name", "period", "period_on", "uses", "total")
    values = [(member, *key, *now) for (member, key), now in sorted(changed.items())]
    conflict = """ON CONFLICT (member_id, name, period, period_on)
        DO UPDATE SET uses = excluded.uses, total = excluded.total"""
    return Rows(counters, columns, values, conflict, {"program_id": program_id})


# -- What became of facts ------------------------------------------------------------------------------------------


def _revision_rows(program_id: str, revisions: Sequence[Revision], as_of: datetime) -> Rows:
    columns = ("event_id", "revision", "type", "data", "fingerprint", "source_version", "occurred_at")
    values = [
        (r.event_id, r.revision, r.event.type, dict(r.event.data), r.fingerprint, r.event.source_version,
         r.event.occurred_at)
        for r in revisions
    ]  # fmt: skip
    return Rows(event_revisions, columns, values, fixed={"program_id": program_id, "recorded_at": as_of})


def _decision_rows(program_id: str, new: Sequence[DecisionRow], as_of: datetime) -> Rows:
    columns = ("event_id", "n", "revision", "member_id", "kind", "points", "verdict", "inputs", "transaction_id")
    values = [
        (d.event_id, d.n, d.revision, d.member_id, d.kind, d.points, d.verdict, d.inputs, d.transaction_id) for d in new
    ]
    return Rows(decisions, columns, values, fixed={"program_id": program_id, "recorded_at": as_of})
