"""Recognitions as rows: giving, withdrawing, and signs that come and go, each in the caller's one transaction.

What a giver spends, what rules make of it for the receiver, and the row that joins the two stand or fall together. A
key is locked before anything else, then events, members and what follows, so that a call gives under one key at a time
and members may thank each other at once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from domain import derived
from domain import recognitions as domain
from domain.commands import Accepted, Outcome, Refused
from domain.configuration import Configuration
from domain.outcomes import Outcome as Told
from domain.recognitions import (
    RECEIVED,
    Given,
    Giving,
    PairCap,
    Presence,
    Recognition,
    RecognitionPolicy,
    RecognitionState,
    Thanks,
    Withdrawn,
)
from storage import commands, configurations, dispatches, facts, intake, members, notifications, people, sets
from storage.hot_path import Found, run
from storage.ids import new_id
from storage.recognition_tables import recognitions
from storage.sets import Rows, texts

MAX_PAGE = 101  # a page, and one more that tells whether another follows

_COLUMNS = tuple(Recognition.__dataclass_fields__)
# Whoever was merged is the other member.
_SELECT = """SELECT r.id, r.key, coalesce(g.merged_into, g.id), coalesce(t.merged_into, t.id), r.unit, r.amount,
        r.value, r.reason, r.public, r.transaction_id, r.event_id, r.given_at, r.state, r.withdrawn_at
    FROM recognitions r JOIN members g ON g.program_id = r.program_id AND g.id = r.giver_id
        JOIN members t ON t.program_id = r.program_id AND t.id = r.receiver_id
    WHERE r.program_id = %(program_id)s"""
_WHOLE = """IN (SELECT id FROM members WHERE program_id = %(program_id)s AND (id = {0} OR merged_into = {0}))"""
_LOCK_KEY = "SELECT pg_advisory_xact_lock(hashtextextended(%(name)s, 0))"
_PAIRS = f"""SELECT coalesce(t.merged_into, t.id), count(*), sum(r.amount)::bigint
    FROM recognitions r JOIN members t ON t.program_id = r.program_id AND t.id = r.receiver_id
    WHERE r.program_id = %(program_id)s AND r.giver_id {_WHOLE.format("%(giver_id)s")} AND r.state = 'given'
        AND r.given_at >= %(since)s AND coalesce(t.merged_into, t.id) = ANY(CAST(%(receivers)s AS text[]))
    GROUP BY 1"""
_WITHDRAW = """UPDATE recognitions SET state = 'withdrawn', withdrawn_at = %(at)s
    WHERE program_id = %(program_id)s AND id = ANY(CAST(%(ids)s AS text[]))"""
_PRESENCE = """SELECT told_at, is_present FROM recognition_presences
    WHERE program_id = %(program_id)s AND key = %(key)s"""
_TELL = """INSERT INTO recognition_presences (program_id, key, is_present, told_at)
    VALUES (%(program_id)s, %(key)s, %(is_present)s, %(told_at)s)
    ON CONFLICT (program_id, key) DO UPDATE SET is_present = excluded.is_present, told_at = excluded.told_at"""


class Unpaid(Exception):
    """Giving has failed half way: nothing of the caller's transaction may stand."""


# -- Giving and withdrawing ----------------------------------------------------------------------------------------


async def give(session: AsyncSession, program_id: str, giving: Giving, *, as_of: datetime) -> Given | Refused:
    """Thank all receivers or none. The same again is answered with what it gave, however that stands now."""
    configuration = await configurations.get_active(session, program_id)
    known = await _lock_key(session, program_id, giving.key)
    if not known:
        return await _give(session, configuration, giving, as_of, (), as_of=as_of)
    _, into = await people.follow_again(session, program_id, {giving.giver_id, *giving.receiver_ids})
    if domain.says_the_same(giving, known, into):
        return Given(tuple(known), is_new=False)
    return Refused("duplicate_request", "the key was used for other thanks", giving.giver_id)


async def withdraw(
    session: AsyncSession, program_id: str, key: str, *, actor: str, as_of: datetime
) -> Withdrawn | Refused:
    """Take back what stands under the key, from receivers and for the giver; nothing more happens the second time."""
    await configurations.get_active(session, program_id)
    known = await _lock_key(session, program_id, key)
    if not known:
        return Refused("not_found", "there are no such thanks")
    return await _withdraw(session, program_id, known, _standing(known), actor, as_of)


async def withdraw_one(
    session: AsyncSession, program_id: str, recognition_id: str, *, actor: str, as_of: datetime
) -> Recognition:
    """Take back one receiver's recognition; it as it stands then. Raises LookupError."""
    await configurations.get_active(session, program_id)
    known = await _lock_key(session, program_id, (await get(session, program_id, recognition_id)).key)
    these = [one for one in _standing(known) if one.id == recognition_id]
    await _withdraw(session, program_id, known, these, actor, as_of)
    return await get(session, program_id, recognition_id)


async def settle(
    session: AsyncSession, program_id: str, giving: Giving, *, present: bool, at: datetime, as_of: datetime
) -> Given | Withdrawn | Refused:
    """Bring a sign that comes and goes to what the newest word says: `present` as of the time `at` of its event.

    An older word, or the same again, changes nothing and is answered with what stands. What was refused is tried again
    by a newer word only.
    """
    if not present:
        return await take_away(session, program_id, giving.key, at=at, actor=giving.actor, as_of=as_of)
    configuration = await configurations.get_active(session, program_id)
    known = await _lock_key(session, program_id, giving.key)
    standing = _standing(known)
    if await _hear(session, program_id, giving.key, Presence(at, True)) and not standing:
        return await _give(session, configuration, giving, min(at, as_of), known, as_of=as_of)
    return Given(tuple(standing), is_new=False) if standing else Withdrawn()


async def take_away(
    session: AsyncSession, program_id: str, key: str, *, at: datetime, actor: str, as_of: datetime
) -> Given | Withdrawn | Refused:
    """The sign of this key is gone as of the time `at`, whoever gave it: known also of one that was never seen."""
    await configurations.get_active(session, program_id)
    known = await _lock_key(session, program_id, key)
    standing = _standing(known)
    if await _hear(session, program_id, key, Presence(at, False)):
        return await _withdraw(session, program_id, known, standing, actor, as_of)
    return Given(tuple(standing), is_new=False) if standing else Withdrawn()


async def _hear(session: AsyncSession, program_id: str, key: str, told: Presence) -> bool:
    """Keep the word, if it is newer than what was told before; whether it is."""
    if not told.overrules(await _find_presence(session, program_id, key)):
        return False
    query = {"program_id": program_id, "key": key, "is_present": told.is_present, "told_at": told.told_at}
    await run(session, _TELL, query)
    return True


# -- Reading -------------------------------------------------------------------------------------------------------


async def has_given(session: AsyncSession, program_id: str, key: str) -> bool:
    """Whether anything was ever given under the key."""
    statement = "SELECT 1 FROM recognitions WHERE program_id = %(program_id)s AND key = %(key)s LIMIT 1"
    return bool(await run(session, statement, {"program_id": program_id, "key": key}))


async def get(session: AsyncSession, program_id: str, recognition_id: str) -> Recognition:
    """The recognition; raises LookupError."""
    query = {"program_id": program_id, "id": recognition_id}
    found = _recognitions(await run(session, f"{_SELECT} AND r.id = %(id)s", query))
    if not found:
        raise LookupError(f"no recognition {recognition_id}")
    return found[0]


async def list_under(session: AsyncSession, program_id: str, key: str) -> list[Recognition]:
    """All that was ever given under the key, oldest first."""
    statement = f"{_SELECT} AND r.key = %(key)s ORDER BY r.id"
    return _recognitions(await run(session, statement, {"program_id": program_id, "key": key}))


async def list_page(
    session: AsyncSession,
    program_id: str,
    *,
    giver_id: str | None = None,
    receiver_id: str | None = None,
    public: bool = False,
    before: str | None = None,
    limit: int,
) -> list[Recognition]:
    """Newest first, below the id `before`: what a member gave, or received; `public`: what stands and all may see."""
    if not 1 <= limit <= MAX_PAGE:
        raise ValueError(f"a page has 1 to {MAX_PAGE} recognitions")
    wanted = [_SELECT]
    if giver_id is not None:
        wanted.append(f"r.giver_id {_WHOLE.format('%(giver_id)s')}")
    if receiver_id is not None:
        wanted.append(f"r.receiver_id {_WHOLE.format('%(receiver_id)s')}")
    if public:
        wanted.append("r.public AND r.state = 'given'")
    if before is not None:
        wanted.append("r.id < %(before)s")
    query = {"program_id": program_id, "giver_id": giver_id, "receiver_id": receiver_id, "before": before}
    statement = f"{' AND '.join(wanted)} ORDER BY r.id DESC LIMIT %(limit)s"
    return _recognitions(await run(session, statement, query | {"limit": limit}))


def _recognitions(found: Found) -> list[Recognition]:
    rows = (dict(zip(_COLUMNS, row, strict=True)) for row in found)
    return [Recognition(**row | {"state": RecognitionState(row["state"])}) for row in rows]


# -- Under a key ---------------------------------------------------------------------------------------------------


async def _lock_key(session: AsyncSession, program_id: str, key: str) -> list[Recognition]:
    """Lock the key until the transaction ends, also where nothing was given under it; all that ever was, oldest first.

    To be called before the transaction locks any event or member.
    """
    await run(session, _LOCK_KEY, {"name": f"recognition:{program_id}:{key}"})
    return await list_under(session, program_id, key)


def _standing(known: Sequence[Recognition]) -> list[Recognition]:
    return [one for one in known if one.stands]


async def _find_presence(session: AsyncSession, program_id: str, key: str) -> Presence | None:
    found = await run(session, _PRESENCE, {"program_id": program_id, "key": key})
    return Presence(*found[0]) if found else None


# -- Steps of giving -----------------------------------------------------------------------------------------------


async def _give(
    session: AsyncSession,
    configuration: Configuration,
    giving: Giving,
    at: datetime,
    known: Sequence[Recognition],
    *,
    as_of: datetime,
) -> Given | Refused:
    """`known` was given under the key before, and taken back: whoever was told of it reads that it stands again."""
    policy, program_id = domain.policy_of(configuration), configuration.program_id
    if policy is None:
        return Refused("recognition_not_configured", "the program's configuration has no recognition")
    persons, into = await people.follow_again(session, program_id, {giving.giver_id, *giving.receiver_ids})
    thanks = domain.judge(policy, giving, persons, into)
    if isinstance(thanks, Refused):
        return thanks
    if refused := await _lack(session, configuration, policy, thanks, as_of):
        return refused
    given = await _record(session, program_id, thanks, at, as_of)
    if known:
        await _retell(session, program_id, known, given, as_of)
    else:
        await _tell(session, configuration, given, as_of)
    return Given(tuple(given), is_new=True)


async def _lack(
    session: AsyncSession, configuration: Configuration, policy: RecognitionPolicy, thanks: Thanks, as_of: datetime
) -> Refused | None:
    """What the giver has not left: of the caps of a pair, or of the allowance."""
    program_id, giver = configuration.program_id, thanks.giver
    for cap in policy.pair_caps:
        given = await _given_since(session, program_id, thanks, cap, as_of)
        for receiver_id in thanks.receiver_ids:
            if refused := domain.beyond(cap, thanks, receiver_id, given.get(receiver_id, (0, 0))):
                return refused
    unit = configuration.units[policy.unit]
    balance = await members.balance(session, program_id, giver.id, as_of=as_of, unit=unit.key)
    return domain.short(unit, thanks, balance.available)


async def _given_since(
    session: AsyncSession, program_id: str, thanks: Thanks, cap: PairCap, as_of: datetime
) -> Mapping[str, tuple[int, int]]:
    """By receiver, how often and how much the giver has given in the cap's period, and it stands."""
    query = {
        "program_id": program_id,
        "giver_id": thanks.giver.id,
        "receivers": texts(thanks.receiver_ids),
        "since": cap.since(as_of, thanks.giver.time_zone),
    }
    return {receiver: (times, amount) for receiver, times, amount in await run(session, _PAIRS, query)}


async def _record(
    session: AsyncSession, program_id: str, thanks: Thanks, at: datetime, as_of: datetime
) -> list[Recognition]:
    """Spend, tell the rules of both sides, and keep what belongs together."""
    ids = {receiver_id: new_id("rcg") for receiver_id in thanks.receiver_ids}
    spendings = [domain.spending(thanks, id) for id in ids.values()]
    spent = await commands.execute(session, program_id, spendings, as_of=as_of)
    told = [event for receiver_id, id in ids.items() for event in domain.events(thanks, id, receiver_id, at)]
    outcomes = await intake.record(session, program_id, told, derived.POLICY, as_of=as_of)
    transactions, received = map(_transaction, spent), map(_event, outcomes[::2])
    given = [
        domain.recognition(thanks, id, receiver_id, transaction_id=transaction, event_id=event, given_at=as_of)
        for (receiver_id, id), transaction, event in zip(ids.items(), transactions, received, strict=True)
    ]
    values = [tuple(getattr(one, name) for name in _COLUMNS) for one in given]
    await sets.insert(session, Rows(recognitions, _COLUMNS, values, "", {"program_id": program_id}))
    return given


def _transaction(spent: Outcome) -> str:
    if not isinstance(spent, Accepted) or spent.transaction_id is None:
        raise Unpaid(f"an allowance that suffices was not spent: {spent}")
    return spent.transaction_id


def _event(told: Told) -> str:
    if told.event_id is None:
        raise Unpaid(f"an event was not taken: {told.detail}")
    return told.event_id


async def _tell(
    session: AsyncSession, configuration: Configuration, given: Sequence[Recognition], as_of: datetime
) -> None:
    program_id, unit = configuration.program_id, configuration.units[given[0].unit]
    giver = await members.get(session, program_id, given[0].giver_id)
    tellings = [domain.telling(one, giver.name, unit) for one in given]
    await notifications.tell_all(session, program_id, RECEIVED, tellings, now=as_of)


async def _retell(
    session: AsyncSession,
    program_id: str,
    known: Sequence[Recognition],
    changed: Sequence[Recognition],
    as_of: datetime,
) -> None:
    """Receivers of these were told of the first that they got under the key."""
    told = {one.receiver_id: one.event_id for one in reversed(known)}
    about = [told[one.receiver_id] for one in changed if one.receiver_id in told]
    await dispatches.retell(session, program_id, [RECEIVED], about, now=as_of)


# -- Steps of withdrawing ------------------------------------------------------------------------------------------


async def _withdraw(
    session: AsyncSession,
    program_id: str,
    known: Sequence[Recognition],
    standing: Sequence[Recognition],
    actor: str,
    as_of: datetime,
) -> Withdrawn:
    """Of all that is known under the key, these stand no more."""
    if not standing:
        return Withdrawn()
    told = [event for one in standing for event in domain.retractions(one, as_of)]
    # Retracting locks events before members, returning locks members: events come first.
    await facts.lock(session, program_id, sorted((one.source, one.retracts or "") for one in told))
    everybody = {member for one in standing for member in (one.giver_id, one.receiver_id)}
    await people.follow_again(session, program_id, everybody)
    # An allowance that cannot come back (its account was closed, somebody has reversed it already) stands in no way of
    # taking back what was received: the refusal is kept.
    await commands.execute(session, program_id, [domain.returning(one, actor) for one in standing], as_of=as_of)
    await intake.record(session, program_id, told, derived.POLICY, as_of=as_of)
    query = {"program_id": program_id, "ids": texts([one.id for one in standing]), "at": as_of}
    await run(session, _WITHDRAW, query)
    await _retell(session, program_id, known, standing, as_of)
    now: dict[str, Any] = {"state": RecognitionState.WITHDRAWN, "withdrawn_at": as_of}
    return Withdrawn(tuple(replace(one, **now) for one in standing))
