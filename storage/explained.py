"""Whether every line of a program's ledger is explained (I14): each transaction by what caused it, each decision by its
own arithmetic, and what stands of each event by its last decision.

The rows are compared with each other; then every decision is run again on its recorded inputs, as an explanation does.
"""

from collections import Counter
from collections.abc import Callable, Mapping

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from domain.backtests import Step
from domain.configuration import Configuration
from domain.deciding import UNIT
from domain.explanations import DecisionExplained, RecordedDecision, explain
from storage import backtests, configurations
from storage.database import Database
from storage.verification import MAX_EXAMPLES, Check, check

DERIVED = "I14 each decision can be run again, and its rules and challenges add up to what it gave"

# What an event has earned stands in transactions named after it and its revision, and further units in names of theirs.
_OF_EVENTS = """SELECT t.event_id, t.id, split_part(t.business_key, ':', 3)::int AS revision, f.unit,
        sum(f.amount) AS amount
    FROM transactions t JOIN transfers f ON f.transaction_id = t.id
    WHERE t.program_id = :program_id AND t.kind = 'earn' AND t.business_key LIKE 'event:%'
    GROUP BY t.event_id, t.id, f.unit"""
# What decisions say that they give, by unit; a retraction gives nothing.
_SAID = """SELECT d.event_id, d.n, d.revision, s.unit, sum(s.amount) AS amount FROM decisions d CROSS JOIN LATERAL (
        SELECT 'points' AS unit, d.points AS amount
        UNION ALL SELECT o.key, o.value::bigint FROM jsonb_each_text(d.verdict -> 'others') o) AS s
    WHERE d.program_id = :program_id AND d.kind <> 'retraction' AND s.amount <> 0
    GROUP BY d.event_id, d.n, d.revision, s.unit"""

# Each selects (name of the thing, whether it violates), as those of storage.verification do.
_CHECKS = {
    "I14 each transaction is explained by what caused it": """
        SELECT t.id, NOT CASE split_part(t.business_key, ':', 1)
            WHEN 'event' THEN EXISTS (SELECT FROM decisions d WHERE d.program_id = t.program_id
                AND d.event_id = t.event_id AND split_part(t.business_key, ':', 2) = d.event_id
                AND split_part(t.business_key, ':', 3) = d.revision::text)
            WHEN 'reverse' THEN EXISTS (SELECT FROM decisions d WHERE d.program_id = t.program_id
                    AND d.event_id = t.event_id AND d.kind = 'amendment')
                OR EXISTS (SELECT FROM events e JOIN decisions d ON d.program_id = e.program_id
                        AND d.event_id = e.retracted_by AND d.kind = 'retraction'
                    WHERE e.program_id = t.program_id AND e.id = t.event_id)
            WHEN 'command' THEN EXISTS (SELECT FROM commands c
                WHERE c.program_id = t.program_id AND c.reference = substr(t.business_key, length('command:') + 1))
            WHEN 'merge' THEN EXISTS (SELECT FROM merges m
                WHERE m.program_id = t.program_id AND m.id = split_part(t.business_key, ':', 2))
            WHEN 'follow' THEN EXISTS (SELECT FROM transactions o
                WHERE o.program_id = t.program_id AND o.id = split_part(t.business_key, ':', 2))
            WHEN 'expire' THEN t.kind = 'expire' AND EXISTS (SELECT FROM lot_moves m
                WHERE m.transaction_id = t.id AND m.kind = 'expire')
            ELSE EXISTS (SELECT FROM orders o WHERE o.program_id = t.program_id AND o.id = t.order_id) END
        FROM transactions t WHERE t.program_id = :program_id""",
    "I14 each decision has posted what it gives, in each unit": f"""
        SELECT coalesce(s.event_id || '/' || s.n, p.id), s.amount IS DISTINCT FROM p.amount
        FROM ({_SAID}) AS s FULL JOIN ({_OF_EVENTS}) AS p USING (event_id, revision, unit)""",
    "I14 the rules and challenges of each decision add up to what it gives": """
        SELECT d.event_id || '/' || d.n,
            coalesce((SELECT sum((r ->> 'points')::bigint) FROM jsonb_array_elements(d.verdict -> 'rules') r), 0)
            + coalesce((SELECT sum((c ->> 'points')::bigint) FROM jsonb_array_elements(d.verdict -> 'challenges') c
                WHERE NOT coalesce((c ->> 'lent')::boolean, false)), 0)
            <> d.points + coalesce((SELECT sum(o.value::bigint) FROM jsonb_each_text(d.verdict -> 'others') o), 0)
        FROM decisions d WHERE d.program_id = :program_id AND d.kind <> 'retraction'""",
    "I14 what stands of each event is what its last decision says": """
        SELECT e.id, coalesce(p.standing, 0) <> CASE WHEN e.state = 'decided' THEN coalesce(l.said, 0) ELSE 0 END
        FROM events e
        LEFT JOIN (SELECT t.event_id, sum(CASE t.kind WHEN 'earn' THEN f.amount ELSE -f.amount END) AS standing
            FROM transactions t JOIN transfers f ON f.transaction_id = t.id
            WHERE t.program_id = :program_id AND split_part(t.business_key, ':', 1) IN ('event', 'reverse')
            GROUP BY t.event_id) AS p ON p.event_id = e.id
        LEFT JOIN (SELECT DISTINCT ON (d.event_id) d.event_id, d.points
                + coalesce((SELECT sum(o.value::bigint) FROM jsonb_each_text(d.verdict -> 'others') o), 0) AS said
            FROM decisions d WHERE d.program_id = :program_id ORDER BY d.event_id, d.n DESC) AS l ON l.event_id = e.id
        WHERE e.program_id = :program_id AND e.retracts IS NULL""",
    "I14 each retraction has taken back what it says": """
        SELECT d.event_id, -(d.points
                + coalesce((SELECT sum(o.value::bigint) FROM jsonb_each_text(d.verdict -> 'others') o), 0))
            <> coalesce((SELECT sum(f.amount) FROM transactions r JOIN transfers f ON f.transaction_id = r.id
                JOIN transactions o ON o.program_id = r.program_id AND o.id = r.reverses_id
                WHERE r.program_id = d.program_id AND r.event_id = d.verdict ->> 'retracts'
                    AND r.business_key LIKE 'reverse:%' AND split_part(o.business_key, ':', 3) = e.revision::text), 0)
        FROM decisions d JOIN events e ON e.program_id = d.program_id AND e.id = d.verdict ->> 'retracts'
        WHERE d.program_id = :program_id AND d.kind = 'retraction'""",
}


async def verify(database: Database, program_id: str, progress: Callable[[int], None] = lambda _: None) -> list[Check]:
    """Check I14 over all rows of a program, and run every decision again; `progress` hears of decisions."""
    async with database.snapshot() as session:
        await session.execute(text("SET LOCAL statement_timeout = 0"))
        checks = [await check(session, program_id, name, query) for name, query in _CHECKS.items()]
        return [*checks, await _derive_all(session, program_id, progress)]


async def _derive_all(session: AsyncSession, program_id: str, progress: Callable[[int], None]) -> Check:
    """Run every decision again, in the order in which they were made."""
    checked, wrong = 0, []
    known: dict[int, Configuration | None] = {}
    async for steps in backtests.steps(session, program_id):
        for number in {step.inputs["configuration"] for step in steps if step.inputs} - known.keys():
            known[number] = await configurations.get(session, program_id, number)
        wrong += [step.event_id for step in steps if not _adds_up(step, known)]
        checked += len(steps)
        progress(len(steps))
    return Check(DERIVED, checked, len(wrong), tuple(wrong[:MAX_EXAMPLES]))


def _adds_up(step: Step, known: Mapping[int, Configuration | None]) -> bool:
    if not step.inputs:  # nothing was decided: it takes something back, or came after it was taken back
        return True
    decided = RecordedDecision(
        n=0,
        revision=step.revision,
        kind=step.kind,
        points=step.points,
        verdict=step.verdict,
        inputs=step.inputs,
        event=step.event,
        member_id=step.member_id,
        transaction_id=None,
        recorded_at=step.decided_at,
    )
    explained = explain(decided, known[step.inputs["configuration"]], step.person)
    return explained.not_derived is None and _summed(explained) == +Counter(_given(step))


def _given(step: Step) -> dict[str, int]:
    """By unit, what the decision gave."""
    return {UNIT: step.points, **step.verdict.get("others", {})}


def _summed(explained: DecisionExplained) -> Counter[str]:
    """By unit, what its rules and challenges add up to; places that are lent are paid by events of their own."""
    found = Counter[str]()
    for rule in explained.rules:
        found[rule.unit] += rule.points
    for made in explained.verdict.get("challenges", ()):
        found[UNIT] += 0 if made.get("lent") else made["points"]
    return +found
