"""Verifying streaks: everyone is folded from the start, and compared with what is stored and what was told."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from domain.streak_book import Folded, StreakKey, Streaks
from domain.streaks import Streak
from storage import configurations, streaks
from storage.hot_path import run
from storage.isolation import Undecidable, on_paper

_EVERYBODY = """SELECT DISTINCT member_id FROM (
        SELECT member_id FROM streaks WHERE program_id = %(program_id)s AND member_id > %(after)s
        UNION ALL SELECT COALESCE(m.merged_into, m.id) FROM streak_marks s
            JOIN members m ON m.program_id = s.program_id AND m.id = s.member_id
            WHERE s.program_id = %(program_id)s AND COALESCE(m.merged_into, m.id) > %(after)s
    ) everybody ORDER BY member_id LIMIT %(limit)s"""


_COUNT = "SELECT count(DISTINCT member_id) FROM streaks WHERE program_id = %(program_id)s"


@dataclass(frozen=True, slots=True)
class Verified:
    """What comparing a page of members with their facts has shown; `last` is where the next page begins after."""

    members: int
    streaks: int
    due: int
    differences: Sequence[str]
    last: str | None


async def verify_page(
    session: AsyncSession, program_id: str, *, as_of: datetime, after: str = "", limit: int = streaks.MAX_PAGE
) -> Verified:
    """Compare the stored streaks of a page of members with the fold of all their facts, and what was told with it.

    Those whose deadline has come wait for their settlement and are counted only. Raises LookupError.
    """
    configuration = await configurations.get_active(session, program_id)
    asked = {"program_id": program_id, "after": after, "limit": min(limit, streaks.MAX_PAGE)}
    members = [member_id for (member_id,) in await run(session, _EVERYBODY, asked)]
    if not members:
        return Verified(0, 0, 0, (), None)
    book, _ = await streaks.load_all(session, configuration, members)
    due = {key for key, kept in book.kept.items() if kept.stored and _is_due(kept.stored, as_of)}
    differences = [one for key in sorted(book.kept.keys() - due) for one in _differences(book, key, as_of)]
    return Verified(len(members), len(book.kept), len(due), differences, members[-1])


async def count_members(session: AsyncSession, program_id: str) -> int:
    """How many members have a streak."""
    [(count,)] = await run(session, _COUNT, {"program_id": program_id})
    return int(count)


def _is_due(stored: Streak, as_of: datetime) -> bool:
    return stored.next_deadline_at is not None and stored.next_deadline_at <= as_of


def _differences(book: Streaks, key: StreakKey, as_of: datetime) -> Iterable[str]:
    try:
        with on_paper():
            [folded] = book.fold(as_of, [key])
    except Undecidable as error:
        return [f"{' '.join(key)}: cannot be folded: {type(error.__cause__).__name__}"]
    return _compare(book, folded)


def _compare(book: Streaks, folded: Folded) -> Iterable[str]:
    name = " ".join(folded.key)
    if folded.before is None:
        yield f"{name}: is not stored"
        return
    for column, stored, found in zip(streaks.STORED[:-1], folded.before, folded.after, strict=False):
        if stored != found:
            yield f"{name}: {column} is {stored}, its facts give {found}"
    settlement = book.settle(folded)
    if settlement.owed or settlement.gone:
        yield f"{name}: {len(settlement.owed)} lengths are owed, {len(settlement.gone)} are paid and not reached"
