"""Members, one by one or page by page, with their names, their balances and their history."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import exists, func, or_, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from domain.events import MEMBER_ID, Identity
from domain.ledger import held_account, member_account, pending_account
from domain.members import Balance, HistoryItem, Member, MemberStatus, custom_from_json
from storage.tables import accounts, identities, lots, members

MAX_PAGE = 200  # members, or items of history
UNIT = "points"


async def find(session: AsyncSession, program_id: str, member_id: str) -> Member | None:
    """The program's member of this id, or None."""
    own = select(members).where(members.c.program_id == program_id, members.c.id == member_id)
    row = (await session.execute(own)).mappings().first()
    return from_row(row) if row else None


async def get(session: AsyncSession, program_id: str, member_id: str) -> Member:
    """The program's member of this id; raises LookupError."""
    member = await find(session, program_id, member_id)
    if member is None:
        raise LookupError(f"no member {member_id}")
    return member


async def find_by_identity(session: AsyncSession, program_id: str, name: Identity) -> Member | None:
    """The program's member of this name in any system, or None."""
    if name.source == MEMBER_ID:
        return await find(session, program_id, name.external_id)
    known = select(identities.c.member_id).where(
        identities.c.program_id == program_id,
        identities.c.source == name.source,
        identities.c.external_id == name.external_id,
    )
    member_id = (await session.execute(known)).scalar_one_or_none()
    return await find(session, program_id, member_id) if member_id else None


_NAMED = text("""
    SELECT i.source, i.external_id, i.member_id FROM identities i
    JOIN unnest(CAST(:sources AS text[]), CAST(:external_ids AS text[])) AS k(source, external_id)
        ON i.source = k.source AND i.external_id = k.external_id
    WHERE i.program_id = :program_id
    UNION ALL
    SELECT CAST(:own AS text), id, id FROM members WHERE program_id = :program_id AND id = ANY(CAST(:ids AS text[]))
""")


async def find_named(session: AsyncSession, program_id: str, names: Collection[Identity]) -> dict[Identity, str]:
    """The ids of those members who are known by these names, Laurel's own ids included."""
    parameters = {
        "program_id": program_id,
        "sources": [name.source for name in names],
        "external_ids": [name.external_id for name in names],
        "own": MEMBER_ID,
        "ids": [name.external_id for name in names if name.source == MEMBER_ID],
    }
    found = await session.execute(_NAMED, parameters)
    return {Identity(source, external_id): member_id for source, external_id, member_id in found}


async def list_page(session: AsyncSession, program_id: str, limit: int, after: str = "") -> list[Member]:
    """The program's members in the order of their ids, those after the id `after`; at most MAX_PAGE."""
    _check_page(limit)
    page = select(members).where(members.c.program_id == program_id, members.c.id > after)
    rows = await session.execute(page.order_by(members.c.id).limit(limit))
    return [from_row(row) for row in rows.mappings()]


async def search(
    session: AsyncSession, program_id: str, words: str, *, skip: int = 0, limit: int
) -> tuple[list[Member], int]:
    """Members whose name, e-mail or external id holds the text, whatever its case, and how many there are in all.

    By name, behind the first `skip` of them; at most MAX_PAGE.
    """
    _check_page(limit)
    held = [
        column.icontains(words, autoescape=True) for column in (members.c.name, members.c.email, members.c.external_id)
    ]
    meant = members.c.program_id == program_id, members.c.merged_into.is_(None), or_(*held)
    found = select(members).where(*meant).order_by(members.c.name, members.c.id).offset(skip).limit(limit)
    rows = await session.execute(found)
    total = await session.scalar(select(func.count()).where(*meant))
    return [from_row(row) for row in rows.mappings()], int(total or 0)


async def list_identities(
    session: AsyncSession, program_id: str, member_ids: Sequence[str]
) -> dict[str, list[Identity]]:
    """Each member's names in other systems, by member id."""
    columns = (identities.c.member_id, identities.c.source, identities.c.external_id)
    own = select(*columns).where(identities.c.program_id == program_id, identities.c.member_id.in_(member_ids))
    found: dict[str, list[Identity]] = {member_id: [] for member_id in member_ids}
    for member_id, source, external_id in await session.execute(own.order_by(*columns)):
        found[member_id].append(Identity(source, external_id))
    return found


async def find_names(session: AsyncSession, program_id: str, member_ids: Sequence[str]) -> dict[str, str]:
    """What those of these members who are known are called, by id."""
    own = select(members.c.id, members.c.name).where(members.c.program_id == program_id, members.c.id.in_(member_ids))
    return dict((await session.execute(own)).tuples().all())


async def find_called(session: AsyncSession, program_id: str, member_ids: Sequence[str]) -> dict[str, tuple[str, str]]:
    """The external ids and names of those of these members that there are."""
    own = members.c.program_id == program_id, members.c.id.in_(member_ids)
    found = await session.execute(select(members.c.id, members.c.external_id, members.c.name).where(*own))
    return {member_id: (external_id, name) for member_id, external_id, name in found.tuples()}


def from_row(row: Mapping[Any, Any]) -> Member:
    """The member that a row of the table holds."""
    return Member(**{**row, "status": MemberStatus(row["status"]), "custom": custom_from_json(row["custom"])})


def _check_page(limit: int) -> None:
    if not 1 <= limit <= MAX_PAGE:
        raise ValueError(f"a page has 1 to {MAX_PAGE} lines")


# -- What a member has ---------------------------------------------------------------------------------------------

# One statement, so that its parts are of one moment. Lots that lapsed but are not yet expired can no longer be spent.
_BALANCE = text("""
    WITH own AS (SELECT * FROM accounts WHERE program_id = :program_id AND id = :account_id),
    spendable AS (
        SELECT lots.expires_at, lots.remaining FROM lots JOIN own ON own.id = lots.account_id
        WHERE lots.remaining > 0 AND (lots.expires_at IS NULL OR lots.expires_at > :as_of)
    ),
    next AS (SELECT expires_at, sum(remaining) AS amount FROM spendable WHERE expires_at IS NOT NULL
        GROUP BY expires_at ORDER BY expires_at LIMIT 1)
    SELECT own.debt, own.lifetime,
        COALESCE((SELECT sum(remaining) FROM spendable), 0)::bigint AS available,
        COALESCE((SELECT balance FROM accounts WHERE program_id = :program_id AND id = :held_id), 0) AS held,
        COALESCE((SELECT balance FROM accounts WHERE program_id = :program_id AND id = :pending_id), 0) AS pending,
        (SELECT expires_at FROM next) AS next_expiry_at,
        COALESCE((SELECT amount FROM next), 0)::bigint AS next_expiry_amount,
        (SELECT sum(version) FROM accounts
            WHERE program_id = :program_id AND id IN (:account_id, :held_id, :pending_id))::bigint AS version
    FROM own
""")


async def balance(
    session: AsyncSession, program_id: str, member_id: str, *, as_of: datetime, unit: str = UNIT
) -> Balance:
    """What the member has of the unit at the instant; all of it 0 for who never earned any."""
    parameters = {
        "program_id": program_id,
        "account_id": member_account(member_id, unit),
        "held_id": held_account(member_id, unit),
        "pending_id": pending_account(member_id, unit),
        "as_of": as_of,
    }
    row = (await session.execute(_BALANCE, parameters)).mappings().first()
    return Balance(unit, **row) if row else Balance(unit)


async def balance_version(session: AsyncSession, program_id: str, member_id: str, unit: str) -> int:
    """The version of `balance`, at the price of three rows."""
    ids = [account(member_id, unit) for account in (member_account, held_account, pending_account)]
    own = select(func.sum(accounts.c.version)).where(accounts.c.program_id == program_id, accounts.c.id.in_(ids))
    return int(await session.scalar(own) or 0)


async def has_lapsed(
    session: AsyncSession, program_id: str, member_id: str, *, as_of: datetime, unit: str = UNIT
) -> bool:
    """Whether value lapsed that the book still has: it makes `balance` another of the same version."""
    lapsed = exists().where(
        lots.c.program_id == program_id,
        lots.c.account_id == member_account(member_id, unit),
        lots.c.remaining > 0,
        lots.c.expires_at <= as_of,
    )
    return bool(await session.scalar(select(lapsed)))


# A transaction's last entry on the account stands for it: versions are dense, so the page is one walk down an index.
_HISTORY = text("""
    SELECT e.version AS position, t.id AS transaction_id, t.kind, moved.amount, e.balance,
        t.effective_at, t.recorded_at, t.event_id, t.order_id, events.type AS event_type, orders.item_name,
        decided.rules
    FROM entries e
    JOIN transactions t ON t.program_id = e.program_id AND t.id = e.transaction_id
    CROSS JOIN LATERAL (
        SELECT sum(amount)::bigint AS amount FROM entries WHERE transaction_id = t.id AND account_id = e.account_id
    ) moved
    LEFT JOIN events ON events.program_id = t.program_id AND events.id = t.event_id
    LEFT JOIN orders ON orders.program_id = t.program_id AND orders.id = t.order_id
    LEFT JOIN LATERAL (
        SELECT jsonb_path_query_array(d.verdict, '$.rules[*].rule') AS rules FROM decisions d
        WHERE d.event_id = t.event_id AND d.transaction_id = t.id LIMIT 1
    ) decided ON true
    WHERE e.program_id = :program_id AND e.account_id = :account_id AND e.version < :before
        AND NOT EXISTS (SELECT FROM entries later WHERE later.account_id = e.account_id
            AND later.version = e.version + 1 AND later.transaction_id = e.transaction_id)
    ORDER BY e.version DESC LIMIT :limit
""")
_NEWEST = 2**63 - 1


async def history(
    session: AsyncSession, program_id: str, member_id: str, limit: int, *, before: int = _NEWEST, unit: str = UNIT
) -> list[HistoryItem]:
    """What came to and went from the member, newest first, below the position `before`; at most MAX_PAGE items."""
    _check_page(limit)
    parameters = {
        "program_id": program_id,
        "account_id": member_account(member_id, unit),
        "before": before,
        "limit": limit,
    }
    rows = (await session.execute(_HISTORY, parameters)).mappings()
    return [HistoryItem(**{**row, "rules": tuple(row["rules"] or ())}) for row in rows]
