"""Challenges as rows: drafts, what became of those that were launched, who has completed them, who stands where.

A challenge that was launched is in the snapshot, and its row follows: `follow` runs in the transaction that makes the
snapshot, under the configuration's own lock. Only time moves a row by itself, through its workflow.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy import insert as sql_insert
from sqlalchemy.ext.asyncio import AsyncSession

from domain.challenges import (
    CHALLENGE_ARROWS,
    CHALLENGE_ENDED,
    ChallengeEvent,
    ChallengeState,
    Claim,
    ClaimState,
    IllegalChallenge,
    Standing,
    challenge_after,
)
from domain.definitions import KeyTaken, fingerprint
from domain.game import Challenge
from domain.notifications import CHALLENGE_OPENED
from domain.outbox import Kind, Lane, OutboxRow
from domain.shapes import Fault, read, write
from storage import dispatches, outbox, sets
from storage.game_tables import challenge_claims, challenge_standings, challenges
from storage.hot_path import run
from storage.ids import new_id
from storage.sets import Rows

MAX_PAGE = 101  # challenges, claims or places: a page, and one more that tells whether another follows

TAKEN_OUT = "taken out of the configuration"


@dataclass(frozen=True, slots=True)
class StoredChallenge:
    """A challenge and where it stands; `written_by` is who said last what it is, `reason` why it was cancelled."""

    id: str
    program_id: str
    key: str
    state: ChallengeState
    definition: Challenge
    reason: str | None
    written_by: str
    created_at: datetime
    updated_at: datetime
    settled_at: datetime | None

    @property
    def about(self) -> str:
        """A line for people."""
        return f"Challenge {self.key}: {self.definition.title}" if self.definition.title else f"Challenge {self.key}"

    @property
    def fingerprint(self) -> str:
        """Of all that it says: whoever launches a draft names what they have read."""
        return fingerprint("challenges", self.definition)


# -- Rows ----------------------------------------------------------------------------------------------------------


async def get(session: AsyncSession, program_id: str, challenge_id: str) -> StoredChallenge:
    """The program's challenge of this id; raises LookupError."""
    return await _one(session, program_id, challenge_id, locked=False)


async def find(session: AsyncSession, program_id: str, key: str) -> StoredChallenge | None:
    """The program's challenge of this key, or None."""
    own = select(challenges).where(challenges.c.program_id == program_id, challenges.c.key == key)
    row = (await session.execute(own)).mappings().first()
    return _stored(row) if row else None


async def lock(session: AsyncSession, program_id: str, challenge_id: str) -> StoredChallenge:
    """The challenge, locked until the transaction ends; raises LookupError."""
    return await _one(session, program_id, challenge_id, locked=True)


async def _one(session: AsyncSession, program_id: str, challenge_id: str, *, locked: bool) -> StoredChallenge:
    own = select(challenges).where(challenges.c.program_id == program_id, challenges.c.id == challenge_id)
    row = (await session.execute(own.with_for_update(key_share=True) if locked else own)).mappings().first()
    if row is None:
        raise LookupError(f"no challenge {challenge_id}")
    return _stored(row)


async def list_page(
    session: AsyncSession,
    program_id: str,
    *,
    state: ChallengeState | None = None,
    before: str | None = None,
    limit: int = MAX_PAGE,
) -> list[StoredChallenge]:
    """Up to `limit` challenges, newest first, older than the id `before`."""
    chosen = select(challenges).where(challenges.c.program_id == program_id)
    if state is not None:
        chosen = chosen.where(challenges.c.state == state)
    if before is not None:
        chosen = chosen.where(challenges.c.id < before)
    rows = await session.execute(chosen.order_by(challenges.c.id.desc()).limit(min(limit, MAX_PAGE)))
    return [_stored(row) for row in rows.mappings()]


async def count_older(session: AsyncSession, program_id: str, before: str, state: str | None) -> int:
    """How many challenges of the state, or of any, were made before the one of this id."""
    older = challenges.c.program_id == program_id, challenges.c.id < before
    chosen = select(func.count()).where(*older, *([challenges.c.state == state] if state else []))
    return int(await session.scalar(chosen) or 0)


async def insert(
    session: AsyncSession,
    program_id: str,
    definition: Challenge,
    state: ChallengeState,
    *,
    written_by: str,
    now: datetime,
) -> StoredChallenge:
    """A new row; raises KeyTaken."""
    if await find(session, program_id, definition.key) is not None:
        raise KeyTaken(f"there is, or was, a challenge {definition.key}: give this one another key")
    stored = StoredChallenge(
        new_id("chl"), program_id, definition.key, state, definition, None, written_by, now, now, None
    )
    values = {name: getattr(stored, name) for name in _PLAIN} | _said(definition)
    await session.execute(sql_insert(challenges).values(values))
    return stored


async def say(
    session: AsyncSession, stored: StoredChallenge, definition: Challenge, *, now: datetime, reason: str | None = None
) -> None:
    """The locked challenge is this from now on."""
    kept = {"written_by": stored.written_by, "reason": reason or stored.reason}
    await _update(session, stored, _said(definition) | kept | {"updated_at": now})


async def move(
    session: AsyncSession,
    stored: StoredChallenge,
    event: ChallengeEvent,
    *,
    now: datetime,
    reason: str | None = None,
) -> StoredChallenge:
    """The locked challenge after the event, which the post about it says; raises IllegalChallenge."""
    state = challenge_after(stored.state, event)
    settled_at = now if state is ChallengeState.SETTLED else None
    moved = replace(stored, state=state, reason=reason, updated_at=now, settled_at=settled_at)
    await _update(
        session, stored, {name: getattr(moved, name) for name in ("state", "reason", "updated_at", "settled_at")}
    )
    await dispatches.retell(session, stored.program_id, [CHALLENGE_OPENED], [stored.id], now=now)
    return moved


async def _update(session: AsyncSession, stored: StoredChallenge, values: Mapping[str, Any]) -> None:
    own = challenges.c.program_id == stored.program_id, challenges.c.id == stored.id
    await session.execute(update(challenges).where(*own).values(values))


_PLAIN = ("id", "program_id", "key", "state", "reason", "written_by", "created_at", "updated_at", "settled_at")


def _said(definition: Challenge) -> dict[str, Any]:
    return {"body": write(definition, leave_out=("key",)), "origin": definition.origin}


def _stored(row: Mapping[Any, Any]) -> StoredChallenge:
    faults: list[Fault] = []
    definition = read(Challenge, row["body"], (), faults, key=row["key"])
    assert not faults, "a stored challenge can be read"
    plain = {name: row[name] for name in _PLAIN}
    return StoredChallenge(**plain | {"state": ChallengeState(row["state"]), "definition": definition})


# -- From one snapshot to the next ---------------------------------------------------------------------------------


async def follow(
    session: AsyncSession,
    program_id: str,
    before: Mapping[str, Challenge],
    after: Mapping[str, Challenge],
    *,
    by: str,
    now: datetime,
) -> None:
    """Rows and workflows become what the new snapshot says.

    Raises KeyTaken for a key that a draft or a challenge that has ended has, IllegalChallenge for what cannot happen.
    """
    changed = _changed(before, after)
    rows = {row.key: row for row in await _rows_of(session, program_id, changed, locked=True)}
    _require_open(rows.values(), before, after)
    effects: list[OutboxRow] = []
    for key in changed:
        if after[key].dropped:
            effects += await _take_out(session, rows[key], now)
        elif key not in rows:
            new = await insert(session, program_id, after[key], ChallengeState.SCHEDULED, written_by=by, now=now)
            effects.append(_start(new))
        else:
            effects += await _change(session, rows[key], before.get(key), after[key], now)
    await outbox.add(session, effects, now=now)


async def require_open(
    session: AsyncSession, program_id: str, before: Mapping[str, Challenge], after: Mapping[str, Challenge]
) -> None:
    """Raises what `follow` would, for whoever is shown what it would do."""
    _require_open(await _rows_of(session, program_id, _changed(before, after), locked=False), before, after)


def _changed(before: Mapping[str, Challenge], after: Mapping[str, Challenge]) -> list[str]:
    return sorted(key for key, said in after.items() if before.get(key) != said)


def _require_open(
    rows: Iterable[StoredChallenge], before: Mapping[str, Challenge], after: Mapping[str, Challenge]
) -> None:
    """Raises KeyTaken for what has ended, and IllegalChallenge that names each of those that have closed."""
    kept = [row for row in rows if not after[row.key].dropped]
    for row in kept:
        unknown = row.key not in before and not _is_launched(row, after[row.key])
        if unknown or row.state in CHALLENGE_ENDED:
            raise KeyTaken(f"the challenge {row.key} is {row.state}: give another one another key")
    closed = [row.key for row in kept if row.state is ChallengeState.CLOSED]
    if closed:
        raise IllegalChallenge("; ".join(f"challenges.{key}: it is closed, and stays as it is" for key in closed))


def _is_launched(row: StoredChallenge, said: Challenge) -> bool:
    """Whether a challenge that no snapshot has yet is the draft in this row."""
    return row.state is ChallengeState.DRAFT and said.origin == row.definition.origin


async def _rows_of(
    session: AsyncSession, program_id: str, keys: Collection[str], *, locked: bool
) -> list[StoredChallenge]:
    if not keys:
        return []
    own = select(challenges).where(challenges.c.program_id == program_id, challenges.c.key.in_(keys))
    ordered = own.order_by(challenges.c.key)
    rows = await session.execute(ordered.with_for_update(key_share=True) if locked else ordered)
    return [_stored(row) for row in rows.mappings()]


async def list_over(session: AsyncSession, program_id: str) -> set[str]:
    """The keys of those that have had their course: what they say does not change any more."""
    over = challenges.c.state.in_([ChallengeState.CLOSED, ChallengeState.SETTLED])
    query = select(challenges.c.key).where(challenges.c.program_id == program_id, over)
    return set((await session.execute(query)).scalars())


async def _take_out(session: AsyncSession, row: StoredChallenge, now: datetime) -> Iterable[OutboxRow]:
    """One that no file names any more is cancelled, unless its end has come: then it is settled as it was."""
    if (row.state, ChallengeEvent.CANCEL) not in CHALLENGE_ARROWS:
        return ()
    await move(session, row, ChallengeEvent.CANCEL, now=now, reason=TAKEN_OUT)
    return (_wake(row),)


async def _change(
    session: AsyncSession, row: StoredChallenge, was: Challenge | None, said: Challenge, now: datetime
) -> Iterable[OutboxRow]:
    await say(session, row, said, now=now)
    if was is None:
        await move(session, row, ChallengeEvent.LAUNCH, now=now)
        return (_start(row),)
    if said.cancelled_at is not None and was.cancelled_at is None:
        await move(session, row, ChallengeEvent.CANCEL, now=now, reason=row.reason)
    elif said.until != was.until:
        await move(session, row, ChallengeEvent.EXTEND, now=now)
    return (_wake(row),)


def _start(row: StoredChallenge) -> OutboxRow:
    payload = {"challenge_id": row.id, "about": row.about}
    return OutboxRow(row.program_id, Lane.TEMPORAL, Kind.START_CHALLENGE, payload, order_key=f"challenge/{row.id}")


def _wake(row: StoredChallenge) -> OutboxRow:
    payload = {"challenge_id": row.id}
    return OutboxRow(row.program_id, Lane.TEMPORAL, Kind.WAKE_CHALLENGE, payload, order_key=f"challenge/{row.id}")


# -- Claims --------------------------------------------------------------------------------------------------------

_COLUMNS = tuple(Claim.__dataclass_fields__)
CLAIM = ", ".join(f"c.{name}" for name in _COLUMNS)  # what `read_claim` reads of claims `c`


def claim_rows(program_id: str, claims: Iterable[Claim], *, as_of: datetime) -> Rows:
    """Claims as they are now."""
    values = [tuple(getattr(one, name) for name in _COLUMNS) for one in claims]
    conflict = """ON CONFLICT (event_id, challenge) DO UPDATE SET state = excluded.state,
        member_id = excluded.member_id, amount = excluded.amount, points = excluded.points, due = excluded.due,
        team = excluded.team, prize = excluded.prize, occurred_at = excluded.occurred_at,
        number = excluded.number, place = excluded.place"""
    return Rows(challenge_claims, _COLUMNS, values, conflict, {"program_id": program_id, "recorded_at": as_of})


async def claims_of(session: AsyncSession, program_id: str, event_ids: Collection[str]) -> list[tuple[Claim, bool]]:
    """The claims of these events, each with whether its challenge is settled."""
    statement = f"""SELECT h.state = 'settled', {CLAIM}
        FROM challenge_claims c JOIN challenges h ON h.program_id = c.program_id AND h.key = c.challenge
        WHERE c.program_id = %(program_id)s AND c.event_id = ANY(CAST(%(ids)s AS text[]))
        ORDER BY c.event_id, c.challenge"""
    found = await run(session, statement, {"program_id": program_id, "ids": sets.texts(list(event_ids))})
    return [(read_claim(values), is_settled) for is_settled, *values in found]


async def list_claims(
    session: AsyncSession, program_id: str, key: str, *, after: int = 0, limit: int = MAX_PAGE
) -> list[Claim]:
    """Up to `limit` claims of a challenge in the order in which they came, behind the first `after` of them."""
    columns = [challenge_claims.c[name] for name in _COLUMNS]
    own = challenge_claims.c.program_id == program_id, challenge_claims.c.challenge == key
    came = challenge_claims.c.number.nulls_last(), challenge_claims.c.recorded_at, challenge_claims.c.event_id
    chosen = select(*columns).where(*own).order_by(*came).offset(after).limit(min(limit, MAX_PAGE))
    return [read_claim(tuple(row)) for row in await session.execute(chosen)]


async def find_last_place(session: AsyncSession, stored: StoredChallenge) -> Claim | None:
    """The claim that has the last of the challenge's places, if that was given."""
    columns = [challenge_claims.c[name] for name in _COLUMNS]
    own = challenge_claims.c.program_id == stored.program_id, challenge_claims.c.challenge == stored.key
    last = challenge_claims.c.place == stored.definition.first
    row = (await session.execute(select(*columns).where(*own, last))).one_or_none()
    return read_claim(tuple(row)) if row else None


def read_claim(values: Sequence[Any]) -> Claim:
    """The claim of a row with the columns that claims have, in their order."""
    row = dict(zip(_COLUMNS, values, strict=True))
    return Claim(**row | {"state": ClaimState(row["state"])})


# -- Standings -----------------------------------------------------------------------------------------------------

_MOST = 2**63 - 1  # a bigint
_STANDING = ("rank", "member_id", "team", "amount", "completions", "points", "reached_at", "reached")

# What members, or teams, have brought: of a goal by a streak its greatest length, of any other the sum, which stays at
# the bound of what a column holds: amounts of 2^53 reach that by a thousand. Whoever was merged is the other member.
# The last completion that counts says when somebody got where they are.
_LIVE = f"""WITH brought AS (
        SELECT CASE WHEN %(scope)s = 'members' THEN COALESCE(m.merged_into, m.id) END AS member_id,
            CASE WHEN %(scope)s = 'teams' THEN c.team END AS team,
            GREATEST(-{_MOST}, LEAST({_MOST}, CASE WHEN %(longest)s THEN max(c.amount) ELSE sum(c.amount) END))::bigint
                AS amount,
            count(*)::int AS completions, sum(c.points)::bigint AS points, max(c.occurred_at) AS reached_at
        FROM challenge_claims c JOIN members m ON m.program_id = c.program_id AND m.id = c.member_id
        WHERE c.program_id = %(program_id)s AND c.challenge = %(challenge)s AND c.state <> 'withdrawn'
            AND (%(scope)s = 'members' OR c.team IS NOT NULL)
        GROUP BY 1, 2)
    SELECT (row_number() OVER (ORDER BY amount DESC, reached_at, COALESCE(member_id, team) COLLATE "C"))::int AS rank,
        member_id, team, amount, completions, points, reached_at, amount >= %(target)s AS reached FROM brought"""
_FREEZE = f"""INSERT INTO challenge_standings (program_id, challenge, scope, {", ".join(_STANDING)})
    SELECT %(program_id)s, %(challenge)s, %(scope)s, live.* FROM ({_LIVE}) live"""
_NO_TARGET = 2**62


def scopes(definition: Challenge) -> tuple[str, ...]:
    """Of whom there are standings; the last is of those whom prizes go to."""
    return ("members", "teams") if definition.goal and definition.goal.team else ("members",)


async def list_standings(
    session: AsyncSession, stored: StoredChallenge, scope: str, *, after: int = 0, limit: int = MAX_PAGE
) -> list[Standing]:
    """Up to `limit` places behind the rank `after`: final once it is settled, before that as they are now.

    As they are now they are ranked anew by each call.
    """
    if stored.state is ChallengeState.SETTLED:
        table = challenge_standings
        own = table.c.program_id == stored.program_id, table.c.challenge == stored.key, table.c.scope == scope
        chosen = select(*(table.c[name] for name in _STANDING)).where(*own, table.c.rank > after)
        return [Standing(*row) for row in await session.execute(chosen.order_by(table.c.rank).limit(limit))]
    live = f"SELECT * FROM ({_LIVE}) live WHERE rank > %(after)s ORDER BY rank LIMIT %(limit)s"
    return [
        Standing(*row) for row in await run(session, live, _asked(stored, scope) | {"after": after, "limit": limit})
    ]


async def find_standing(
    session: AsyncSession, stored: StoredChallenge, scope: str, whose: str | None
) -> Standing | None:
    """Where this member, or this team, stands now, ranked anew among all; None without a completion."""
    own = f"SELECT * FROM ({_LIVE}) live WHERE COALESCE(member_id, team) = %(whose)s"
    found = await run(session, own, _asked(stored, scope) | {"whose": whose})
    return Standing(*found[0]) if found else None


async def freeze(session: AsyncSession, stored: StoredChallenge) -> None:
    """The standings of the locked challenge are final."""
    for scope in scopes(stored.definition):
        await run(session, _FREEZE, _asked(stored, scope))


def _asked(stored: StoredChallenge, scope: str) -> dict[str, Any]:
    goal = stored.definition.goal
    of_teams = goal is not None and goal.team is not None
    target = goal.target if goal and of_teams == (scope == "teams") else _NO_TARGET
    return {
        "program_id": stored.program_id,
        "challenge": stored.key,
        "scope": scope,
        "longest": bool(goal and goal.streak),
        "target": target,
    }


async def list_winners(session: AsyncSession, stored: StoredChallenge, *, last_rank: int) -> list[Standing]:
    """The final standings that may pay: up to that rank, and whoever has reached the goal."""
    table, scope = challenge_standings, scopes(stored.definition)[-1]
    own = table.c.program_id == stored.program_id, table.c.challenge == stored.key, table.c.scope == scope
    paying = (table.c.rank <= last_rank) | table.c.reached
    chosen = select(*(table.c[name] for name in _STANDING)).where(*own, paying).order_by(table.c.rank)
    return [Standing(*row) for row in await session.execute(chosen)]


async def list_teams(session: AsyncSession, stored: StoredChallenge, teams: Collection[str]) -> dict[str, list[str]]:
    """Who has taken part for each of these teams."""
    statement = """SELECT DISTINCT c.team, COALESCE(m.merged_into, m.id) AS member_id
        FROM challenge_claims c JOIN members m ON m.program_id = c.program_id AND m.id = c.member_id
        WHERE c.program_id = %(program_id)s AND c.challenge = %(challenge)s AND c.state <> 'withdrawn'
            AND c.team = ANY(CAST(%(teams)s AS text[])) ORDER BY 1, 2"""
    asked = {"program_id": stored.program_id, "challenge": stored.key, "teams": sets.texts(list(teams))}
    found: dict[str, list[str]] = {}
    for team, member_id in await run(session, statement, asked) if teams else ():
        found.setdefault(team, []).append(member_id)
    return found
