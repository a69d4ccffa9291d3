"""Grace windows as rows: opened, moved and closed by whoever folds a streak, behind the streak's lock.

What a person must be told of a streak is told in the same transaction: that it is broken, and that it is restored. The
reminder is told by the window's workflow, when its time has come.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from domain import grace
from domain.cards import AT_RISK
from domain.deciding import Person
from domain.game import StreakPolicy
from domain.grace import GRACE_ARROWS, GraceEvent, GraceState, GraceWindow
from domain.notifications import Telling
from domain.outbox import Kind, Lane, OutboxRow
from domain.sentences import Moment, Sentence, sentence
from domain.streak_book import Folded, StreakKey, Streaks
from domain.streaks import Streak
from storage import dispatches, notifications, sets
from storage.game_tables import grace_windows
from storage.hot_path import run
from storage.ids import new_id
from storage.sets import Rows
from storage.streak_keys import KEYS, named
from storage.tables import members

BROKEN, RESTORED = "streak_broken", "streak_restored"

_NAMES = tuple(GraceWindow.__dataclass_fields__)
_COLUMNS = tuple(grace_windows.c[name] for name in _NAMES)
_LATEST = f"""SELECT DISTINCT ON (member_id, policy) {", ".join(_NAMES)} FROM grace_windows
    WHERE program_id = %(program_id)s AND (member_id, policy) IN
        (SELECT * FROM {KEYS}))
    ORDER BY member_id, policy, id DESC"""
_CHANGED = "ON CONFLICT (id) DO UPDATE SET " + ", ".join(
    f"{name} = excluded.{name}" for name in ("state", "ends_at", "remind_at", "closed_at")
)


async def get(session: AsyncSession, program_id: str, grace_id: str) -> GraceWindow:
    """The program's window of this id; raises LookupError."""
    own = select(*_COLUMNS).where(grace_windows.c.program_id == program_id, grace_windows.c.id == grace_id)
    row = (await session.execute(own)).first()
    if row is None:
        raise LookupError(f"no grace window {grace_id}")
    return _window(row)


async def lock(session: AsyncSession, program_id: str, grace_id: str) -> GraceWindow:
    """The window, which nobody else moves until the transaction ends: its member is locked. Raises LookupError."""
    found = await get(session, program_id, grace_id)
    member = select(members.c.id).where(members.c.program_id == program_id, members.c.id == found.member_id)
    await session.execute(member.with_for_update(key_share=True))
    return await get(session, program_id, grace_id)


def _window(row: Sequence[Any]) -> GraceWindow:
    window = GraceWindow(*row)
    return replace(window, state=GraceState(window.state))


# -- With the streak -----------------------------------------------------------------------------------------------


async def follow(
    session: AsyncSession, program_id: str, book: Streaks, folded: Sequence[Folded], *, as_of: datetime
) -> list[OutboxRow]:
    """Let windows follow the streaks that were folded; what their workflows are to do. Their rows are locked."""
    concerned = [one for one in folded if _concerns(one, book)]
    if not concerned:
        return []
    latest = await _latest(session, program_id, [one.key for one in concerned])
    moves = _Moves(program_id, as_of)
    for one in concerned:
        policy, person = _policy(book, one), book.people[one.key[0]][-1][1]
        moves.take(one, policy, person, latest.get(one.key))
    await _write(session, moves)
    return moves.effects


def _concerns(folded: Folded, book: Streaks) -> bool:
    return grace.concerns(folded.before, folded.after, _policy(book, folded).worth_protecting)


def _policy(book: Streaks, folded: Folded) -> StreakPolicy:
    return book.policies[folded.key[1]][-1][1]


async def _latest(session: AsyncSession, program_id: str, keys: Sequence[StreakKey]) -> Mapping[StreakKey, GraceWindow]:
    found = [_window(row) for row in await run(session, _LATEST, {"program_id": program_id, **named(keys)})]
    return {(one.member_id, one.policy): one for one in found}


class _Moves:
    """What becomes of windows in one transaction: rows, effects, and what members are told, by kind."""

    def __init__(self, program_id: str, as_of: datetime) -> None:
        self.program_id = program_id
        self.as_of = as_of
        self.windows: list[GraceWindow] = []
        self.effects: list[OutboxRow] = []
        self.told: dict[str, list[Telling]] = {BROKEN: [], RESTORED: []}

    def take(self, folded: Folded, policy: StreakPolicy, person: Person, latest: GraceWindow | None) -> None:
        """Do what follows of one streak."""
        before, after = folded.before, folded.after
        step = grace.follow(before, after, latest, policy.worth_protecting)
        if step.event is not None and latest is not None:
            self._close(latest, step.event, policy, person, after)
        elif step.ends_at is not None and step.opens is None and latest is not None:
            self._move(latest, step.ends_at, policy, person)
        if step.opens is GraceState.OPEN and step.ends_at is not None:
            self._open(folded.key, after, step.ends_at, policy, person)
        elif step.opens is GraceState.BROKEN and before is not None:
            self._lose(folded.key, before, policy, person)

    def _close(
        self, window: GraceWindow, event: GraceEvent, policy: StreakPolicy, person: Person, after: Streak
    ) -> None:
        state = GRACE_ARROWS[window.state, event]
        self.windows.append(replace(window, state=state, closed_at=window.closed_at or self.as_of))
        if event is GraceEvent.RESTORE:
            subject = sentence("{title}: your streak is restored", title=_title(policy))
            body = sentence("What has come since makes it whole: {n} in a row.", n=after.current)
            self._tell(RESTORED, window, person, subject, body)
            return
        if event is GraceEvent.BREAK:
            self._tell_broken(window, policy, person)
        self.effects.append(_wake(window))

    def _move(self, window: GraceWindow, ends_at: datetime, policy: StreakPolicy, person: Person) -> None:
        remind_at = grace.remind_at(window.opened_at, ends_at, person.time_zone, policy.remind_hours)
        self.windows.append(replace(window, ends_at=ends_at, remind_at=remind_at))
        self.effects.append(_wake(window))

    def _open(self, key: StreakKey, streak: Streak, ends_at: datetime, policy: StreakPolicy, person: Person) -> None:
        window = self._window(key, streak, ends_at)
        remind_at = grace.remind_at(self.as_of, ends_at, person.time_zone, policy.remind_hours)
        self.windows.append(replace(window, remind_at=remind_at))
        payload = {"grace_id": window.id, "about": grace.about(window)}
        self.effects.append(_effect(window, Kind.START_GRACE, payload))

    def _lose(self, key: StreakKey, streak: Streak, policy: StreakPolicy, person: Person) -> None:
        window = replace(self._window(key, streak, self.as_of), state=GraceState.BROKEN, closed_at=self.as_of)
        self.windows.append(window)
        self._tell_broken(window, policy, person)

    def _window(self, key: StreakKey, streak: Streak, ends_at: datetime) -> GraceWindow:
        assert streak.started_on is not None, "a streak has a first day"
        return GraceWindow(
            id=new_id("grc"),
            program_id=self.program_id,
            member_id=key[0],
            policy=key[1],
            state=GraceState.OPEN,
            length=streak.current,
            started_on=streak.started_on,
            opened_at=self.as_of,
            ends_at=ends_at,
            remind_at=None,
            reminded_at=None,
            closed_at=None,
        )

    def _tell_broken(self, window: GraceWindow, policy: StreakPolicy, person: Person) -> None:
        subject = sentence("{title}: your streak of {n} has ended", title=_title(policy), n=window.length)
        body = sentence("What is told late, such as an absence, may still restore it.")
        self._tell(BROKEN, window, person, subject, body)

    def _tell(self, kind: str, window: GraceWindow, person: Person, subject: Sentence, body: Sentence) -> None:
        if not person.has_left:
            self.told[kind].append(Telling(window.member_id, subject, body, window.id))


async def _write(session: AsyncSession, moves: _Moves) -> None:
    values = [tuple(getattr(one, name) for name in _NAMES) for one in moves.windows]
    await sets.insert_all(session, [Rows(grace_windows, _NAMES, values, _CHANGED)])
    closed = [one.id for one in moves.windows if one.state is not GraceState.OPEN]
    await dispatches.retell(session, moves.program_id, [AT_RISK], closed, now=moves.as_of)
    for kind, tellings in moves.told.items():
        if tellings:
            await notifications.tell_all(session, moves.program_id, kind, tellings, now=moves.as_of)


def _wake(window: GraceWindow) -> OutboxRow:
    return _effect(window, Kind.WAKE_GRACE, {"grace_id": window.id})


def _effect(window: GraceWindow, kind: Kind, payload: Mapping[str, Any]) -> OutboxRow:
    return OutboxRow(window.program_id, Lane.TEMPORAL, kind, payload, order_key=f"grace/{window.id}")


def _title(policy: StreakPolicy) -> str:
    return policy.title or policy.key


# -- By the window's workflow --------------------------------------------------------------------------------------


async def remind(
    session: AsyncSession, window: GraceWindow, policy: StreakPolicy, time_zone: str, *, as_of: datetime
) -> None:
    """The member of the locked window is told, once, how long there is time."""
    await notifications.tell(
        session,
        window.program_id,
        member_id=window.member_id,
        kind=AT_RISK,
        subject=sentence("{title}: your streak of {n} is at risk", title=_title(policy), n=window.length),
        body=sentence("It goes on if you keep it before {when}.", when=Moment(window.ends_at, time_zone)),
        reference=window.id,
        now=as_of,
    )
    await _set(session, window, reminded_at=as_of)


async def let_go(session: AsyncSession, window: GraceWindow, *, as_of: datetime) -> None:
    """Close the locked window of a streak that nobody folds any more: its policy is retired, or it is another's."""
    await _set(session, window, state=GRACE_ARROWS[window.state, GraceEvent.KEEP], closed_at=as_of)


async def _set(session: AsyncSession, window: GraceWindow, **values: Any) -> None:
    own = update(grace_windows).where(grace_windows.c.program_id == window.program_id, grace_windows.c.id == window.id)
    await session.execute(own.values(values))
