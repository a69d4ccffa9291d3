"""Erasures: texts of people are taken out of the ledger's records, and everything else still verifies.

Only the role that owns the schema can do it: to the application what was posted is for ever. What stood for a text in
the chain stays, as a commitment whose salt is gone, so that nobody can tell what the text was. Each erasure is
recorded: a salt that is gone without that is a finding of storage.chain.verify.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncSession

from storage import seals
from storage.hot_path import run
from storage.sets import texts

ERASED = "erased"  # where a row must name somebody

_OURS = "program_id = %(program_id)s AND {} = ANY(CAST(%(ids)s AS text[]))"
# By table; an open count of refusals is still looked up by its actor.
_BLANK = (
    f"UPDATE transactions SET reason = NULL, actor = NULL WHERE {_OURS.format('id')} RETURNING id",
    f"""UPDATE refusals SET reference = '', detail = '{{}}', member_id = NULL, actor = ''
    WHERE {_OURS.format("id")} RETURNING id""",
    f"UPDATE refusal_counts SET actor = '' WHERE {_OURS.format('id')} AND NOT open RETURNING id",
    f"UPDATE recognitions SET reason = NULL WHERE {_OURS.format('id')} RETURNING id",
    f"UPDATE merges SET reason = '', actor = '' WHERE {_OURS.format('id')} RETURNING id",
)
# What was approved stands beside its transaction; two people must be named.
_ADJUSTMENTS = f"""UPDATE adjustments SET reason = '', proposed_by = '', decided_by = '{ERASED}'
    WHERE {_OURS.format("transaction_id")}"""
# What receivers were told has the giver's words as well.
_TOLD = """UPDATE notifications n SET body = '', sentences = n.sentences - 'body' FROM recognitions r
    WHERE r.program_id = %(program_id)s AND r.id = ANY(CAST(%(ids)s AS text[]))
        AND n.program_id = r.program_id AND n.kind = 'recognition_received'
        AND n.reference = r.event_id || '/' || r.id"""
# So has what was said in Slack: where the giver thanked, to the receiver, and in a digest of theirs. Keys that go on
# with a slash are between the slash and what comes after it; whatever was not said yet is not said.
_SAID = f"""WITH given AS (SELECT * FROM recognitions WHERE {_OURS.format("id")}),
    told AS (
        SELECT n.id, n.member_id FROM notifications n JOIN given r ON n.program_id = r.program_id
            AND n.kind = 'recognition_received' AND n.reference = r.event_id || '/' || r.id),
    keys AS (
        SELECT substr(key, length('slack:') + 1) AS key FROM given WHERE starts_with(key, 'slack:')
        UNION SELECT 'notification/' || id FROM told
        UNION SELECT 'digest/' || n.id FROM notifications n JOIN told t ON n.id >= t.id AND n.member_id = t.member_id
            WHERE n.program_id = %(program_id)s),
    said AS (
        SELECT m.id FROM keys k JOIN slack_messages m ON m.program_id = %(program_id)s
            AND (m.key = k.key OR m.key > k.key || '/' AND m.key < k.key || '0'))
    UPDATE slack_messages m SET content = '{{}}', error = CASE state WHEN 'open' THEN '{ERASED}' ELSE error END,
        ended_at = CASE state WHEN 'open' THEN %(at)s ELSE ended_at END,
        state = CASE state WHEN 'open' THEN 'failed' ELSE state END
    FROM said WHERE m.id = said.id"""
_SALTS = f"UPDATE commitments SET salt = NULL WHERE {_OURS.format('subject_id')}"
_RECORD = """INSERT INTO erasures (program_id, subject_id, actor, reason, recorded_at)
    SELECT %(program_id)s, id, %(actor)s, %(reason)s, %(at)s FROM unnest(CAST(%(ids)s AS text[])) AS id
    ON CONFLICT DO NOTHING RETURNING subject_id"""
_LIST = """SELECT subject_id, actor, reason, recorded_at FROM erasures
    WHERE program_id = %(program_id)s ORDER BY recorded_at, subject_id"""


class NotErasable(Exception):
    """The program has no such record, or a sealer is at work on its records; says which."""


class Erasure(NamedTuple):
    """Of which record the texts were taken, by whom, why and when."""

    subject_id: str
    actor: str
    reason: str
    recorded_at: datetime


async def erase(
    session: AsyncSession, program_id: str, ids: Sequence[str], *, actor: str, reason: str, now: datetime
) -> list[str]:
    """Take the texts out of these records, of all or of none; the ids of those that had not been erased before.

    A record is a transaction, a refusal, a count of refusals, a merge or a recognition. Raises NotErasable.
    """
    # What a sealer has read it would seal with a commitment to the texts.
    if not await seals.take_turn(session, program_id):
        raise NotErasable("a sealer is at work for this program; try again")
    query = {"program_id": program_id, "ids": texts(ids)}
    blanked = {found for statement in _BLANK for (found,) in await run(session, statement, query)}
    if unknown := [one for one in ids if one not in blanked]:
        raise NotErasable(f"the program has no such record that is complete: {', '.join(unknown)}")
    await run(session, _ADJUSTMENTS, query)
    await run(session, _TOLD, query)
    await run(session, _SAID, query | {"at": now})
    await run(session, _SALTS, query)
    recorded = await run(session, _RECORD, query | {"actor": actor, "reason": reason, "at": now})
    return sorted(subject_id for (subject_id,) in recorded)


async def list_all(session: AsyncSession, program_id: str) -> list[Erasure]:
    """The program's erasures, the first one first."""
    return [Erasure._make(row) for row in await run(session, _LIST, {"program_id": program_id})]
