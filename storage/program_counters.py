"""Program counters: what budgets and challenges have used of all members together, locked by whoever may move them.

They are locked in the order of their keys, after the members. A row is made before any is locked: so nobody who holds
one of these locks ever waits for a row that another is only about to make.
"""

from collections.abc import Collection, Mapping

from sqlalchemy.ext.asyncio import AsyncSession

from domain.counters import CounterKey
from storage import sets
from storage.game_tables import program_counters
from storage.hot_path import run_together
from storage.sets import Rows

_KEYS = """unnest(CAST(%(names)s AS text[]), CAST(%(periods)s AS text[]), CAST(%(days)s AS date[]))
    AS k(name, period, period_on)"""
_MAKE = f"""INSERT INTO program_counters (program_id, name, period, period_on, uses, total)
    SELECT %(program_id)s, k.*, 0, 0 FROM {_KEYS} ON CONFLICT DO NOTHING"""
_LOCK = f"""SELECT c.name, c.period, c.period_on, c.uses, c.total FROM program_counters c
    WHERE c.program_id = %(program_id)s AND (c.name, c.period, c.period_on) IN (SELECT k.* FROM {_KEYS})
    ORDER BY c.name, c.period, c.period_on FOR NO KEY UPDATE"""


async def lock(
    session: AsyncSession, program_id: str, keys: Collection[CounterKey]
) -> dict[CounterKey, tuple[int, int]]:
    """(uses, total) of each of these counters, locked until the transaction ends; new ones begin at nothing."""
    if not keys:
        return {}
    ordered = sorted(keys)
    parameters = {
        "program_id": program_id,
        "names": sets.texts([key[0] for key in ordered]),
        "periods": sets.texts([key[1] for key in ordered]),
        "days": sets.texts([key[2].isoformat() for key in ordered]),
    }
    _, found = await run_together(session, (_MAKE, parameters), (_LOCK, parameters))
    return {(name, period, on): (uses, total) for name, period, on, uses, total in found}


def rows(program_id: str, changed: Mapping[CounterKey, tuple[int, int]]) -> Rows:
    """These counters as they are now."""
    columns = ("name", "period", "period_on", "uses", "total")
    values = [(*key, *now) for key, now in sorted(changed.items())]
    conflict = """ON CONFLICT (program_id, name, period, period_on)
        DO UPDATE SET uses = excluded.uses, total = excluded.total"""
    return Rows(program_counters, columns, values, conflict, {"program_id": program_id})
