"""Decisions as rows: whatever an Intake has decided, written set by set with the effects that must follow."""

from datetime import datetime

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from domain.intake import Intake
from domain.leaderboards import Standing
from domain.ledger import Account
from domain.outbox import Kind, Lane, OutboxRow
from storage import facts, ledger, outbox
from storage.sets import Rows, insert_all
from storage.tables import counters, crossings, decisions, event_revisions, rewards


async def write(session: AsyncSession, program_id: str, intake: Intake, *, as_of: datetime) -> None:
    """Write what became of the facts; what was there before is updated, the rest is one insert."""
    changed = [fact for fact in intake.facts.values() if fact.changed]
    if changed:
        await facts.update(session, program_id, changed)
    await _withdraw(session, program_id, intake, as_of)
    effects = _effects(program_id, intake, as_of)
    await insert_all(
        session,
        [
            *ledger.rows(intake.book),
            _revision_rows(program_id, intake, as_of),
            _decision_rows(program_id, intake, as_of),
            _counter_rows(program_id, intake),
            _crossing_rows(program_id, intake, as_of),
            _reward_rows(program_id, intake, as_of),
            outbox.rows(session, effects, now=as_of),
        ],
    )
    await ledger.update_lots(session, intake.book)


async def _withdraw(session: AsyncSession, program_id: str, intake: Intake, as_of: datetime) -> None:
    for table, gone in ((crossings, intake.withdrawn_crossings), (rewards, intake.withdrawn_rewards)):
        if gone:
            stamp = {"updated_at": as_of} if table is rewards else {}
            these = table.c.program_id == program_id, table.c.id.in_([row.id for row in gone])
            await session.execute(update(table).where(*these).values(state="withdrawn", **stamp))


def _effects(program_id: str, intake: Intake, as_of: datetime) -> list[OutboxRow]:
    new = {reward.id for reward in intake.new_rewards}
    effects = [
        OutboxRow(program_id, Lane.TEMPORAL, Kind.START_REWARD, {"reward_id": reward.id})
        for reward in intake.new_rewards
        if reward.state != "withdrawn"
    ]
    effects += [
        OutboxRow(program_id, Lane.TEMPORAL, Kind.WAKE_REWARD, {"reward_id": reward.id})
        for reward in intake.withdrawn_rewards
        if reward.id not in new
    ]
    changed = (account for account in intake.book.changed_accounts.values() if account.running)
    return [*effects, *(_score(program_id, intake, account, as_of) for account in changed)]


def _score(program_id: str, intake: Intake, account: Account, as_of: datetime) -> OutboxRow:
    person = intake.today(f"mem_{account.id[4:].split('.')[0]}")
    standing = Standing(
        member_id=person.id,
        unit=account.unit,
        points=account.lifetime,
        reached_at=as_of,
        version=account.version + person.version,
        department=person.attributes.get("department"),
        listed=not person.has_left,
    )
    return OutboxRow(program_id, Lane.REDIS, Kind.SCORE, standing.as_payload())


def _revision_rows(program_id: str, intake: Intake, as_of: datetime) -> Rows:
    columns = ("event_id", "revision", "type", "data", "fingerprint", "source_version", "occurred_at")
    values = [
        (r.event_id, r.revision, r.event.type, dict(r.event.data), r.fingerprint, r.event.source_version,
         r.event.occurred_at)
        for r in intake.revisions
    ]  # fmt: skip
    return Rows(event_revisions, columns, values, fixed={"program_id": program_id, "recorded_at": as_of})


def _decision_rows(program_id: str, intake: Intake, as_of: datetime) -> Rows:
    columns = ("event_id", "n", "revision", "member_id", "kind", "points", "verdict", "inputs", "transaction_id")
    values = [
        (d.event_id, d.n, d.revision, d.member_id, d.kind, d.points, d.verdict, d.inputs, d.transaction_id)
        for d in intake.decisions
    ]
    return Rows(decisions, columns, values, fixed={"program_id": program_id, "recorded_at": as_of})


def _counter_rows(program_id: str, intake: Intake) -> Rows:
    columns = ("member_id", "name", "period", "period_on", "uses", "total")
    values = [(member, *key, *now) for (member, key), now in sorted(intake.changed_counters.items())]
    conflict = """ON CONFLICT (member_id, name, period, period_on)
        DO UPDATE SET uses = excluded.uses, total = excluded.total"""
    return Rows(counters, columns, values, conflict, {"program_id": program_id})


def _crossing_rows(program_id: str, intake: Intake, as_of: datetime) -> Rows:
    columns = ("id", "member_id", "milestone", "n", "state", "event_id")
    values = [(c.id, c.member_id, c.mark, c.n, c.state, c.event_id) for c in intake.new_crossings]
    fixed = {"program_id": program_id, "configuration": intake.configuration.number, "crossed_at": as_of}
    return Rows(crossings, columns, values, fixed=fixed)


def _reward_rows(program_id: str, intake: Intake, as_of: datetime) -> Rows:
    columns = ("id", "member_id", "reward", "crossing_id", "event_id", "rule", "state")
    values = [(r.id, r.member_id, r.reward, r.crossing_id, r.event_id, r.rule, r.state) for r in intake.new_rewards]
    fixed = {"program_id": program_id, "configuration": intake.configuration.number}
    return Rows(rewards, columns, values, fixed=fixed | {"created_at": as_of, "updated_at": as_of})
