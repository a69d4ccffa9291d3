"""Members' tiers as rows: raised in the transaction that earned, settled page by page as time takes value away.

Whoever changes a member's tier holds the member's lock. Each change is kept for ever, and told as the derived event
tier.changed and to the member, unless it is silent: a ladder that is new finds where everybody stands already.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from domain import derived
from domain.configuration import Configuration
from domain.game import TierLadder
from domain.ledger import Book, Gain, member_account, member_of, unit_of
from domain.notifications import Telling
from domain.sentences import sentence
from domain.tiers import Rise, Tier, TierChange, climb, event_of, first_day, settle
from domain.time import zone
from storage import notifications, outbox, sets
from storage.game_tables import member_tiers, tier_changes
from storage.hot_path import run
from storage.sets import Rows, texts

SETTLE_PAGE = 200  # members of one transaction
MAX_PAGE = 101  # changes: a page, and one more that tells whether another follows
NOTIFICATION = "tier"


@dataclass(frozen=True, slots=True)
class MemberTier:
    """Where a member stands on a ladder, since when, with how much; `tier` None: below the lowest level."""

    ladder: str
    tier: str | None
    since: datetime | None
    amount: int


_HELD = """SELECT member_id, ladder, tier, n FROM member_tiers
    WHERE program_id = %(program_id)s AND member_id = ANY(CAST(%(members)s AS text[]))"""
_SUM = """SELECT member_id, sum(amount)::bigint FROM earned_days
    WHERE program_id = %(program_id)s AND member_id = ANY(CAST(%(members)s AS text[])) AND unit = %(unit)s
        AND day BETWEEN CAST(%(since)s AS date) AND CAST(%(today)s AS date)
    GROUP BY member_id"""
_LIFETIMES = """SELECT member_id, lifetime FROM accounts
    WHERE program_id = %(program_id)s AND id = ANY(CAST(%(accounts)s AS text[]))"""


async def rise(session: AsyncSession, configuration: Configuration, book: Book, *, as_of: datetime) -> None:
    """Raise whoever has come to another level by what the Book earned, which is written; its days are not counted yet.

    The Book's members are locked.
    """
    units = {ladder.unit for ladder in configuration.tiers.values()}
    gained = [one for one in book.gains if unit_of(one.account_id) in units] if units else []
    if not any(one.amount > 0 for one in gained):
        return
    today = _today(configuration, as_of)
    rises = [_rise(configuration, list(lots)) for _, lots in groupby(gained, lambda one: (one.account_id, one.earning))]
    members = sorted({one.member_id for one in rises})
    held = await _held(session, configuration.program_id, members)
    earned: dict[tuple[str, str], int] = {}
    for ladder in configuration.tiers.values():
        since = first_day(ladder, today)
        if since is None:
            earned |= _before(ladder, book, members, rises)
        else:
            found = await _sums(session, configuration.program_id, ladder, members, since, today)
            earned |= {(member, ladder.key): amount for member, amount in found.items()}
    changes = climb(configuration.tiers.values(), held, earned, rises, today)
    await _write(session, configuration, changes, as_of)


def _rise(configuration: Configuration, lots: Sequence[Gain]) -> Rise:
    """What one transaction gave or took, in however many lots."""
    account_id, _, earning = lots[0]
    day = earning.effective_at.astimezone(zone(configuration.time_zone)).date()
    amount = sum(one.amount for one in lots)
    return Rise(member_of(account_id), unit_of(account_id), amount, day, earning.event_id)


def _before(
    ladder: TierLadder, book: Book, members: Sequence[str], rises: Iterable[Rise]
) -> dict[tuple[str, str], int]:
    """The lifetimes before the rises."""
    risen: dict[str, int] = {}
    for one in rises:
        if one.unit == ladder.unit:
            risen[one.member_id] = risen.get(one.member_id, 0) + one.amount
    known = {member: book.accounts.get(member_account(member, ladder.unit)) for member in members}
    return {
        (member, ladder.key): account.lifetime - risen.get(member, 0)
        for member, account in known.items()
        if account is not None
    }


async def settle_members(
    session: AsyncSession,
    configuration: Configuration,
    ladder: TierLadder,
    member_ids: Sequence[str],
    *,
    as_of: datetime,
    silent: bool = False,
) -> int:
    """Bring these members, who are locked, to the level that what they have leaves them; how many changed."""
    amounts = await _amounts(session, configuration, ladder, member_ids, as_of)
    held = await _held(session, configuration.program_id, member_ids)
    found = [
        settle(ladder, member, held.get((member, ladder.key), Tier()), amounts.get(member, 0), silent=silent)
        for member in member_ids
    ]
    changes = [change for change in found if change is not None]
    await _write(session, configuration, changes, as_of)
    return len(changes)


# Whoever holds a level of which less is left than it asks to keep.
_FALLING = """SELECT t.member_id FROM member_tiers t
    JOIN unnest(CAST(%(levels)s AS text[]), CAST(%(kept)s AS bigint[])) AS l(level, kept_at) ON l.level = t.tier
    {amount}
    WHERE t.program_id = %(program_id)s AND t.ladder = %(ladder)s AND coalesce(earned.amount, 0) < l.kept_at
    ORDER BY t.member_id LIMIT %(limit)s"""
_IN_ALL = """LEFT JOIN LATERAL (SELECT a.lifetime AS amount FROM accounts a
    WHERE a.program_id = t.program_id AND a.id = 'acc_' || substr(t.member_id, 5) || '.' || %(unit)s) earned ON true"""
_IN_DAYS = """LEFT JOIN LATERAL (SELECT sum(d.amount) AS amount FROM earned_days d WHERE d.member_id = t.member_id
    AND d.unit = %(unit)s AND d.day BETWEEN CAST(%(since)s AS date) AND CAST(%(today)s AS date)) earned ON true"""
_LOCK = """SELECT id FROM members WHERE program_id = %(program_id)s AND id = ANY(CAST(%(members)s AS text[]))
    ORDER BY id FOR NO KEY UPDATE"""


async def settle_page(session: AsyncSession, configuration: Configuration, key: str, *, as_of: datetime) -> int:
    """Let up to SETTLE_PAGE members fall who have too little for their level; how many there were."""
    program_id, ladder = configuration.program_id, configuration.tiers.get(key)
    if ladder is None:
        return 0
    today = _today(configuration, as_of)
    since = first_day(ladder, today)
    asked = {"program_id": program_id, "ladder": key, "unit": ladder.unit, "limit": SETTLE_PAGE}
    asked["levels"] = texts([level.key for level in ladder.levels])
    asked["kept"] = texts([str(level.kept_at) for level in ladder.levels])
    if since is not None:
        asked |= {"since": since, "today": today}
    statement = _FALLING.format(amount=_IN_ALL if since is None else _IN_DAYS)
    falling = [member for (member,) in await run(session, statement, asked)]
    if falling:
        await run(session, _LOCK, {"program_id": program_id, "members": texts(falling)})
        await settle_members(session, configuration, ladder, falling, as_of=as_of)
    return len(falling)


_WITH_ACCOUNT = """SELECT m.id FROM members m JOIN accounts a ON a.program_id = m.program_id AND a.member_id = m.id
    AND a.id = 'acc_' || substr(m.id, 5) || '.' || %(unit)s
    WHERE m.program_id = %(program_id)s AND m.merged_into IS NULL AND m.id > %(after)s
    ORDER BY m.id LIMIT %(limit)s"""


async def fill(session: AsyncSession, configuration: Configuration, *, as_of: datetime) -> None:
    """Find silently where everybody stands on the ladders that are new or have changed; nobody may post meanwhile."""
    for ladder in configuration.tiers.values():
        after, found = "", [""]
        while ladder.version == configuration.number and found:
            asked = {"program_id": configuration.program_id, "unit": ladder.unit, "after": after, "limit": 1_000}
            found = [member for (member,) in await run(session, _WITH_ACCOUNT, asked)]
            if found:
                await settle_members(session, configuration, ladder, found, as_of=as_of, silent=True)
                after = found[-1]


async def list_of(
    session: AsyncSession, configuration: Configuration, member_id: str, *, as_of: datetime
) -> list[MemberTier]:
    """Where the member stands on every ladder."""
    held = select(*(member_tiers.c[name] for name in ("ladder", "tier", "since"))).where(
        member_tiers.c.program_id == configuration.program_id, member_tiers.c.member_id == member_id
    )
    rows = {row.ladder: row for row in await session.execute(held)}
    tiers = []
    for key, ladder in sorted(configuration.tiers.items()):
        amounts = await _amounts(session, configuration, ladder, [member_id], as_of)
        row = rows.get(key)
        amount = amounts.get(member_id, 0)
        tiers.append(MemberTier(key, row.tier, row.since, amount) if row else MemberTier(key, None, None, amount))
    return tiers


async def list_changes(session: AsyncSession, program_id: str, member_id: str) -> list[Mapping[str, object]]:
    """The member's last changes of tiers, newest first."""
    names = ("ladder", "n", "tier", "before", "amount", "event_id", "configuration", "silent", "recorded_at")
    query = select(*(tier_changes.c[name] for name in names)).where(
        tier_changes.c.program_id == program_id, tier_changes.c.member_id == member_id
    )
    newest = query.order_by(tier_changes.c.recorded_at.desc(), tier_changes.c.ladder, tier_changes.c.n.desc())
    return [dict(zip(names, row, strict=True)) for row in await session.execute(newest.limit(MAX_PAGE))]


# -- Reading and writing -------------------------------------------------------------------------------------------


def _today(configuration: Configuration, as_of: datetime) -> date:
    return as_of.astimezone(zone(configuration.time_zone)).date()


async def _held(session: AsyncSession, program_id: str, members: Collection[str]) -> dict[tuple[str, str], Tier]:
    found = await run(session, _HELD, {"program_id": program_id, "members": texts(list(members))})
    return {(member, ladder): Tier(tier, n) for member, ladder, tier, n in found}


async def _amounts(
    session: AsyncSession, configuration: Configuration, ladder: TierLadder, members: Sequence[str], as_of: datetime
) -> dict[str, int]:
    """What counts for the ladder today, by member."""
    today = _today(configuration, as_of)
    since = first_day(ladder, today)
    if since is not None:
        return await _sums(session, configuration.program_id, ladder, members, since, today)
    accounts = texts([member_account(member, ladder.unit) for member in members])
    found = await run(session, _LIFETIMES, {"program_id": configuration.program_id, "accounts": accounts})
    return dict(found)


async def _sums(
    session: AsyncSession, program_id: str, ladder: TierLadder, members: Sequence[str], since: date, today: date
) -> dict[str, int]:
    asked = {"program_id": program_id, "members": texts(list(members)), "unit": ladder.unit}
    return dict(await run(session, _SUM, asked | {"since": since, "today": today}))


async def _write(
    session: AsyncSession, configuration: Configuration, changes: Sequence[TierChange], as_of: datetime
) -> None:
    if not changes:
        return
    program_id, last = configuration.program_id, {(one.member_id, one.ladder.key): one for one in changes}
    stand = [(*key, one.tier.key, one.tier.n) for key, one in sorted(last.items())]
    kept = [
        (one.member_id, one.ladder.key, one.tier.n, one.tier.key, one.before, one.amount, one.event_id, one.silent)
        for one in changes
    ]
    update = """ON CONFLICT (member_id, ladder) DO UPDATE SET tier = excluded.tier, n = excluded.n,
        since = excluded.since"""
    names = ("member_id", "ladder", "n", "tier", "before", "amount", "event_id", "silent")
    program, recorded = {"program_id": program_id}, {"configuration": configuration.number, "recorded_at": as_of}
    await sets.insert_all(
        session,
        [
            Rows(member_tiers, ("member_id", "ladder", "tier", "n"), stand, update, program | {"since": as_of}),
            Rows(tier_changes, names, kept, fixed=program | recorded),
        ],
    )
    told = [one for one in changes if not one.silent]
    await outbox.add(session, [derived.outbox_row(program_id, event_of(one, as_of)) for one in told], now=as_of)
    raised = [_telling(one) for one in told if one.upgraded]
    await notifications.tell_all(session, program_id, NOTIFICATION, raised, now=as_of)


def _telling(change: TierChange) -> Telling:
    level = next(one for one in change.ladder.levels if one.key == change.tier.key)
    reference = f"{change.ladder.key}/{change.member_id}/{change.tier.n}"
    title = level.title or level.key
    body = sentence("You have reached {level}. Well done.", level=title)
    return Telling(change.member_id, sentence("You are {level}", level=title), body, reference)
