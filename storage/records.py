"""Reads what is sealed: postings with everything they wrote, refusals, and counts of refusals."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import orjson
from sqlalchemy.ext.asyncio import AsyncSession

from domain.chain import CountedRefusals, Entry, Grant, Move, Posting, Rate, Record, RefusedCommand, Transfer
from storage.hot_path import Found, run, run_together
from storage.sets import texts

TRANSACTION, REFUSAL, REFUSAL_COUNT = "transaction", "refusal", "refusal_count"

_SCANS = {"names": texts(["enable_seqscan", "enable_bitmapscan"])}
_WHICH = "program_id = %(program_id)s AND {} = ANY(CAST(%(ids)s AS text[]))"
_OF_TRANSACTION = _WHICH.format("transaction_id")
_OF_ID = _WHICH.format("id")
_AT = "CAST(extract(epoch FROM {0}) * 1000000 AS bigint)"
_TRANSACTIONS = f"""SELECT id, kind, {_AT.format("effective_at")}, {_AT.format("recorded_at")}, business_key, event_id,
    order_id, reverses_id, reason, actor FROM transactions WHERE {_OF_ID}"""
_ENTRIES = f"""SELECT transaction_id, n, account_id, amount, balance, version FROM entries WHERE {_OF_TRANSACTION}
    ORDER BY transaction_id, n, account_id"""
_TRANSFERS = f"""SELECT transaction_id, n, unit, from_account, to_account, amount FROM transfers WHERE {_OF_TRANSACTION}
    ORDER BY transaction_id, n"""
_GRANTS = f"""SELECT transaction_id, id, account_id, granted, {_AT.format("expires_at")},
    {_AT.format("granted_at")} FROM lots WHERE {_OF_TRANSACTION} ORDER BY transaction_id, id"""
_MOVES = f"""SELECT transaction_id, lot_id, kind, amount FROM lot_moves WHERE {_OF_TRANSACTION}
    ORDER BY transaction_id, lot_id, kind COLLATE "C" """
_RATES = f"""SELECT transaction_id, conversion, from_unit, to_unit, from_amount, to_amount, rate_from, rate_to
    FROM conversions WHERE {_OF_TRANSACTION}"""
_REFUSALS = f"""SELECT id, kind, code, {_AT.format("recorded_at")}, reference, detail, member_id, actor
    FROM refusals WHERE {_OF_ID}"""
_COUNTS = f"""SELECT id, counted, {_AT.format("from_at")}, {_AT.format("until_at")}, actor
    FROM refusal_counts WHERE {_OF_ID}"""
_OF_KIND = {
    TRANSACTION: (_TRANSACTIONS, _ENTRIES, _TRANSFERS, _GRANTS, _MOVES, _RATES),
    REFUSAL: (_REFUSALS,),
    REFUSAL_COUNT: (_COUNTS,),
}


class Subject(NamedTuple):
    """What is sealed, by its kind and id."""

    kind: str
    id: str


async def go_by_index(session: AsyncSession) -> None:
    """For the rest of the transaction, whatever the statistics say: pages of a table that grew since are read by it."""
    await run(session, "SELECT set_config(name, 'off', true) FROM unnest(CAST(%(names)s AS text[])) AS name", _SCANS)


async def load(session: AsyncSession, program_id: str, subjects: Iterable[Subject]) -> dict[str, Record]:
    """The program's records by id; what is not there is left out."""
    by_kind: dict[str, list[str]] = {}
    for kind, subject_id in subjects:
        by_kind.setdefault(kind, []).append(subject_id)
    records: dict[str, Record] = {}
    for kind, ids in by_kind.items():
        query = {"program_id": program_id, "ids": texts(ids)}
        found = await run_together(session, *((statement, query) for statement in _OF_KIND[kind]))
        records.update(_READ[kind](found))
    return records


def _read_postings(found: Sequence[Found]) -> Mapping[str, Record]:
    transactions, entries, transfers, grants, moves, rates = found
    postings = {row[0]: Posting(row[8:], *row[:8]) for row in transactions}
    for row in entries:
        if posting := postings.get(row[0]):
            posting.entries.append(Entry._make(row[1:]))
    for row in transfers:
        if posting := postings.get(row[0]):
            posting.transfers.append(Transfer._make(row[1:]))
    for row in grants:
        if posting := postings.get(row[0]):
            posting.grants.append(Grant._make(row[1:]))
    for row in moves:
        if posting := postings.get(row[0]):
            posting.moves.append(Move._make(row[1:]))
    for row in rates:
        if posting := postings.get(row[0]):
            posting.rate = Rate._make(row[1:])
    return postings


def _read_refusals(found: Sequence[Found]) -> Mapping[str, Record]:
    return {row[0]: RefusedCommand(_texts_of_refusal(*row[4:]), *row[:4]) for row in found[0]}


def _texts_of_refusal(reference: str, detail: Any, member_id: str | None, actor: str) -> tuple[str | None, ...]:
    return reference, orjson.dumps(detail, option=orjson.OPT_SORT_KEYS).decode(), member_id, actor


def _read_counts(found: Sequence[Found]) -> Mapping[str, Record]:
    return {row[0]: CountedRefusals(row[4:], *row[:4]) for row in found[0]}


_READ = {TRANSACTION: _read_postings, REFUSAL: _read_refusals, REFUSAL_COUNT: _read_counts}
