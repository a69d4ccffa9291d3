"""Proofs of entries, made from seals and checkpoints."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from domain.chain import Entry, Posting, Tree, siblings
from domain.proofs import Proof, show
from storage import checkpoints, records
from storage.records import TRANSACTION, Subject
from storage.tables import commitments, entries, seals


class NotProvable(Exception):
    """There is no such entry, or no checkpoint covers it yet; says which."""


async def find_entry(session: AsyncSession, program_id: str, account_id: str, version: int) -> tuple[str, int]:
    """The entry that brought a running account to this version: its transaction and n; raises NotProvable."""
    found = select(entries.c.transaction_id, entries.c.n).where(
        entries.c.program_id == program_id, entries.c.account_id == account_id, entries.c.version == version
    )
    row = (await session.execute(found)).one_or_none()
    if row is None:
        raise NotProvable(f"account {account_id} has no entry of version {version}")
    return row.transaction_id, row.n


async def get(
    session: AsyncSession, program_id: str, transaction_id: str, *, account_id: str | None = None, n: int | None = None
) -> Proof:
    """The proof of a transaction's entry, or NotProvable.

    Account and n may be left out while only one of its entries at running accounts fits.
    """
    sealed = select(seals.c.position, seals.c.salt, commitments.c.digest).select_from(
        seals.outerjoin(commitments, commitments.c.subject_id == seals.c.subject_id)
    )
    row = (
        await session.execute(sealed.where(seals.c.program_id == program_id, seals.c.subject_id == transaction_id))
    ).one_or_none()
    found = await records.load(session, program_id, [Subject(TRANSACTION, transaction_id)])
    posting = found.get(transaction_id)
    if not isinstance(posting, Posting):
        raise NotProvable(f"there is no transaction {transaction_id}")
    entry = _choose(posting, account_id, n)
    covering = await checkpoints.find_covering(session, program_id, row.position) if row else None
    if row is None or covering is None:
        raise NotProvable(f"{transaction_id} is under no checkpoint yet")
    size, note = covering
    path = [await _root(session, program_id, start, stop) for start, stop in siblings(row.position, size)]
    return Proof(show(program_id, posting, row.digest, row.salt, entry), row.position, path, note)


def _choose(posting: Posting, account_id: str | None, n: int | None) -> Entry:
    running = [entry for entry in posting.entries if entry.version is not None]
    chosen = [entry for entry in running if account_id in (None, entry.account_id) and n in (None, entry.n)]
    if len(chosen) != 1:
        names = ", ".join(f"{entry.account_id}/{entry.version}" for entry in running)
        raise NotProvable(f"{posting.id} has these entries, name one of them: {names}")
    return chosen[0]


async def _root(session: AsyncSession, program_id: str, start: int, stop: int) -> bytes:
    tree = Tree()
    async for digest, _ in checkpoints.digests(session, program_id, start, stop):
        tree.add(digest)
    return tree.root()
