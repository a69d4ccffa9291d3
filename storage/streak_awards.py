"""Awards: the lengths of streaks that were told, as rows; new ones are numbered, those that hold no more taken back."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from domain import derived
from domain.events import Event
from domain.outbox import OutboxRow
from domain.streak_book import Award, Settlement, StreakKey
from storage.game_tables import streak_awards
from storage.hot_path import run, send
from storage.sets import Rows, array
from storage.streak_keys import KEYS, named

_AWARDED = f"""{KEYS}, CAST(%(lengths)s AS int[]), CAST(%(ns)s AS int[])"""
_MOVE = f"""UPDATE streak_awards a SET started_on = k.started_on, reached_on = k.reached_on
    FROM {_AWARDED}, CAST(%(started)s AS date[]), CAST(%(reached)s AS date[]))
        AS k(member_id, policy, length, n, started_on, reached_on)
    WHERE a.program_id = %(program_id)s AND (a.member_id, a.policy, a.length, a.n) =
        (k.member_id, k.policy, k.length, k.n)"""
_RETRACT = f"""UPDATE streak_awards a SET state = 'retracted', retracted_at = %(as_of)s
    FROM {_AWARDED}) AS k(member_id, policy, length, n)
    WHERE a.program_id = %(program_id)s AND (a.member_id, a.policy, a.length, a.n) =
        (k.member_id, k.policy, k.length, k.n)"""
_NUMBERS = f"""SELECT member_id, policy, length, max(n) FROM streak_awards WHERE program_id = %(program_id)s
    AND (member_id, policy, length) IN (SELECT * FROM {KEYS}, CAST(%(lengths)s AS int[])))
    GROUP BY member_id, policy, length"""


async def settle(
    session: AsyncSession, program_id: str, settled: Sequence[tuple[StreakKey, Settlement]], as_of: datetime
) -> tuple[Rows, list[OutboxRow]]:
    """Move and retract awards; the rows of new ones, and what is told of all that is new or gone."""
    moved = [one for _, settlement in settled for one in settlement.moved]
    gone = [(key, award) for key, settlement in settled for award in settlement.gone]
    if moved:
        days = {
            "started": array(streak_awards.c.started_on, [reached.started_on for _, reached in moved]),
            "reached": array(streak_awards.c.reached_on, [reached.reached_on for _, reached in moved]),
        }
        await send(session, _MOVE, {"program_id": program_id, **_awarded([award for award, _ in moved]), **days})
    if gone:
        awards = [award for _, award in gone]
        await send(session, _RETRACT, {"program_id": program_id, "as_of": as_of, **_awarded(awards)})
    new = await _number(session, program_id, settled)
    columns = ("member_id", "policy", "length", "n", "started_on", "reached_on")
    values = [(*award.key, award.length, award.n, award.started_on, award.reached_on) for award, _ in new]
    fixed = {"program_id": program_id, "state": "paid", "found_at": as_of}
    told = [event for _, event in new] + [_retraction(key[0], award, as_of) for key, award in gone]
    return Rows(streak_awards, columns, values, fixed=fixed), [derived.outbox_row(program_id, one) for one in told]


def _awarded(awards: Sequence[Award]) -> dict[str, str]:
    return named(award.key for award in awards) | {
        "lengths": array(streak_awards.c.length, [award.length for award in awards]),
        "ns": array(streak_awards.c.n, [award.n for award in awards]),
    }


async def _number(
    session: AsyncSession, program_id: str, settled: Sequence[tuple[StreakKey, Settlement]]
) -> list[tuple[Award, Event]]:
    """New awards, each with its event: those of one member, policy and length are counted."""
    owed = [(key, reached) for key, settlement in settled for reached in settlement.owed]
    if not owed:
        return []
    asked = named(key for key, _ in owed) | {
        "lengths": array(streak_awards.c.length, [reached.length for _, reached in owed])
    }
    found = await run(session, _NUMBERS, {"program_id": program_id, **asked})
    numbers = {(member_id, policy, length): n for member_id, policy, length, n in found}
    new = []
    for key, reached in owed:
        n = numbers[*key, reached.length] = numbers.get((*key, reached.length), 0) + 1
        award = Award(key, reached.length, n, reached.started_on, reached.reached_on)
        new.append((award, _event(award, reached.reached_at)))
    return new


def _name(award: Award) -> str:
    member_id, policy = award.key
    return f"{policy}:{member_id}:{award.length}:{award.n}"


def _event(award: Award, at: datetime) -> Event:
    data = {
        "streak": award.key[1],
        "length": award.length,
        "started_on": award.started_on.isoformat(),
        "reached_on": award.reached_on.isoformat(),
    }
    return derived.event(derived.STREAK_REACHED, _name(award), award.key[0], at, data)


def _retraction(member_id: str, award: Award, at: datetime) -> Event:
    return derived.retraction(derived.STREAK_REACHED, _name(award), member_id, at)
