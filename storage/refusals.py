"""Refused commands: rows while an actor has few of them, a count beyond.

Whoever floods the ledger with hopeless commands must not fill it: of one actor REFUSALS_PER_MINUTE are kept as rows in
any minute, and the others are counted. Commands that are decided at once may each keep so many.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from domain.refusals import Refusal
from storage import hot_path, sets
from storage.ids import new_id
from storage.sets import Rows
from storage.tables import refusal_counts, refusals

REFUSALS_PER_MINUTE = 100
MINUTE = timedelta(minutes=1)

_COLUMNS = ("id", "reference", "kind", "code", "detail", "member_id", "actor", "recorded_at")
_KEPT = """SELECT a.actor, (SELECT count(*) FROM (SELECT FROM refusals r WHERE r.program_id = %(program_id)s
        AND r.actor = a.actor AND r.recorded_at > %(since)s LIMIT %(limit)s) AS kept)
    FROM unnest(CAST(%(actors)s AS text[])) AS a(actor)"""
# The count that is open goes on; if it is being sealed meanwhile, this waits, and then begins another.
_GO_ON = """ON CONFLICT (program_id, actor) WHERE open DO UPDATE SET
    counted = refusal_counts.counted + excluded.counted,
    until_at = greatest(refusal_counts.until_at, excluded.until_at)"""


async def record(session: AsyncSession, program_id: str, refused: Sequence[Refusal]) -> None:
    """Keep the refusals, or count them where their actor has too many within a minute."""
    if not refused:
        return
    room = await _room(session, program_id, refused)
    kept: list[Refusal] = []
    beyond: dict[str, list[datetime]] = {}
    for one in refused:
        if room[one.actor] > 0:
            room[one.actor] -= 1
            kept.append(one)
        else:
            beyond.setdefault(one.actor, []).append(one.recorded_at)
    values = [
        (new_id("rfs"), one.reference, one.kind, one.code, one.detail, one.member_id, one.actor, one.recorded_at)
        for one in kept
    ]
    await sets.insert(session, Rows(refusals, _COLUMNS, values, fixed={"program_id": program_id}))
    await _count(session, program_id, beyond)


async def _room(session: AsyncSession, program_id: str, refused: Sequence[Refusal]) -> dict[str, int]:
    query = {
        "program_id": program_id,
        "actors": sets.texts(sorted({one.actor for one in refused})),
        "since": min(one.recorded_at for one in refused) - MINUTE,
        "limit": REFUSALS_PER_MINUTE,
    }
    return {actor: REFUSALS_PER_MINUTE - kept for actor, kept in await hot_path.run(session, _KEPT, query)}


async def _count(session: AsyncSession, program_id: str, beyond: dict[str, list[datetime]]) -> None:
    values = [
        (new_id("rfc"), actor, len(instants), min(instants), max(instants))
        for actor, instants in sorted(beyond.items())
    ]
    columns = ("id", "actor", "counted", "from_at", "until_at")
    await sets.insert(session, Rows(refusal_counts, columns, values, _GO_ON, {"program_id": program_id}))
