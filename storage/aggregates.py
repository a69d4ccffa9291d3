"""Aggregates: the counters behind `totals`, filled from the stored events when a snapshot begins to count them.

Later decisions move these counters one by one; a fill must give what they would have given.
"""

from collections.abc import Iterable, Mapping

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from domain.configuration import Aggregate, Period
from domain.deciding import counter_name
from domain.time import LIFETIME_ON

_DELETE = text("DELETE FROM counters WHERE program_id = :program_id AND name = :name AND period = :period")

# An event counts with the attributes of the member's version in effect when it occurred, the first version standing for
# all that was before it; events of members that had left do not count. A sum takes the field as 0 where it is absent.
_FILL = text(
    """INSERT INTO counters (program_id, member_id, name, period, period_on, uses, total)
    SELECT :program_id, member_id, :name, :period,
        CASE :period WHEN 'lifetime' THEN :lifetime_on
            ELSE CAST(date_trunc(:period, occurred_at AT TIME ZONE time_zone) AS date) END AS period_on,
        count(*), sum(amount)
    FROM (
        SELECT e.member_id, e.occurred_at, COALESCE(v.attributes ->> 'time_zone', m.time_zone) AS time_zone,
            COALESCE(v.attributes ->> 'status', m.status) AS status,
            CASE WHEN CAST(:field AS text) IS NULL THEN 1
                WHEN jsonb_typeof(e.data -> :field) = 'number' THEN trunc(CAST(e.data ->> :field AS numeric))
                ELSE 0 END AS amount
        FROM events e JOIN members m ON m.program_id = e.program_id AND m.id = e.member_id
        LEFT JOIN LATERAL (
            SELECT attributes FROM member_versions v WHERE v.program_id = e.program_id AND v.member_id = e.member_id
            ORDER BY v.effective_at <= e.occurred_at DESC,
                CASE WHEN v.effective_at <= e.occurred_at THEN v.version ELSE -v.version END DESC LIMIT 1
        ) v ON true
        WHERE e.program_id = :program_id AND e.type = :event_type AND e.state = 'decided' AND e.retracts IS NULL
    ) counted
    WHERE status <> 'left' GROUP BY member_id, period_on"""
)


def not_counted(before: Mapping[str, Aggregate], after: Mapping[str, Aggregate]) -> list[Aggregate]:
    """One aggregate for each counter that `after` keeps and `before` did not."""
    counted = {_counter(aggregate) for aggregate in before.values()}
    wanted = {_counter(aggregate): aggregate for aggregate in after.values()}
    return [aggregate for counter, aggregate in wanted.items() if counter not in counted]


async def fill(session: AsyncSession, program_id: str, wanted: Iterable[Aggregate]) -> None:
    """Set the counters of these aggregates to what the decided events give; nobody may decide meanwhile."""
    for aggregate in wanted:
        name, period = _counter(aggregate)
        names = {"program_id": program_id, "name": name, "period": period.value}
        await session.execute(_DELETE, names)
        source = {"event_type": aggregate.event_type, "field": aggregate.field, "lifetime_on": LIFETIME_ON}
        await session.execute(_FILL, names | source)


def _counter(aggregate: Aggregate) -> tuple[str, Period]:
    return counter_name(aggregate), aggregate.counted_per
