"""Envelopes of Slack: kept once by their key before they are answered, and acted upon afterwards.

A workspace that is not installed keeps nothing. What was acted upon is forgotten after a while, Slack repeats itself
within hours; what could not be is forgotten later.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import ColumnElement, RowMapping, Select, delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from domain.outbox import Kind, Lane
from domain.slack import Envelope, EnvelopeKind, KeptEnvelope
from storage import outbox
from storage.database import LANES
from storage.hot_path import run
from storage.slack_tables import slack_envelopes

KEPT = timedelta(days=7)
UNHANDLED_KEPT = timedelta(days=30)

_COLUMNS = ("id", "program_id", "connection_id", "key", "kind", "body", "recorded_at", "handled_at", "answer")

# A row that is there already is locked and returned: whoever is keeping it at this moment is waited for. With what must
# follow it, in one statement: a request waits for each.
_KEEP = f"""WITH kept AS (
        INSERT INTO slack_envelopes (program_id, connection_id, key, kind, body, state, recorded_at)
        SELECT program_id, connection_id, %(key)s, %(kind)s, CAST(%(body)s AS jsonb), 'open', %(now)s
        FROM slack_workspaces WHERE team_id = %(team_id)s AND state = 'installed'
        ON CONFLICT (connection_id, key) DO UPDATE SET key = excluded.key
        RETURNING id, program_id, connection_id, recorded_at, handled_at, answer, xmax = 0 AS is_new),
    follows AS (
        INSERT INTO outbox (program_id, lane, kind, payload, available_at, created_at)
        SELECT program_id, '{Lane.SLACK}', '{Kind.SLACK_ENVELOPE}', jsonb_build_object('envelope_id', id),
            CAST(%(at_once)s AS timestamptz), %(now)s
        FROM kept WHERE is_new AND %(wanted)s)
    SELECT * FROM kept"""


async def keep(
    session: AsyncSession, envelope: Envelope, *, wanted: bool = True, now: datetime
) -> tuple[KeptEnvelope, bool] | None:
    """The envelope as it is kept, and whether it is new; None if its workspace is not installed.

    What is new and `wanted` is left to the lane "slack"; else whoever calls this acts upon it in the same transaction.
    """
    named = {"team_id": envelope.team_id, "key": envelope.key, "kind": envelope.kind, "now": now}
    body = orjson.dumps(envelope.body).decode()
    found = await run(session, _KEEP, named | {"body": body, "wanted": wanted, "at_once": outbox.AT_ONCE})
    if not found:
        return None
    [(id, program_id, connection_id, recorded_at, handled_at, answer, is_new)] = found
    if is_new and wanted:
        session.info.setdefault(LANES, set()).add(Lane.SLACK)
    row = id, program_id, connection_id, envelope.key, envelope.kind, envelope.body, recorded_at, handled_at, answer
    return KeptEnvelope(*row), is_new


async def find(session: AsyncSession, program_id: str, envelope_id: int) -> KeptEnvelope | None:
    """The envelope, None once it is forgotten."""
    row = (await session.execute(_own(program_id, envelope_id))).mappings().one_or_none()
    return _kept(row) if row else None


async def lock(session: AsyncSession, program_id: str, envelope_id: int) -> KeptEnvelope:
    """The envelope, which nobody else acts upon until the transaction ends; raises LookupError once it is forgotten."""
    row = (
        (await session.execute(_own(program_id, envelope_id).with_for_update(key_share=True))).mappings().one_or_none()
    )
    if row is None:
        raise LookupError(f"no envelope {envelope_id}")
    return _kept(row)


async def handle(
    session: AsyncSession, kept: KeptEnvelope, answer: Mapping[str, Any] | None = None, *, now: datetime
) -> KeptEnvelope:
    """Nothing is left to do for it; it comes back with its answer as a redelivery is told it, to the byte."""
    own = slack_envelopes.c.program_id == kept.program_id, slack_envelopes.c.id == kept.id
    done = update(slack_envelopes).where(*own).values(state="handled", handled_at=now, answer=answer)
    said = (await session.execute(done.returning(slack_envelopes.c.answer))).scalar_one()
    return replace(kept, handled_at=now, answer=said)


async def purge(session: AsyncSession, before: datetime, limit: int) -> int:
    """Forget up to `limit` envelopes that were handled before then; how many those were."""
    return await _purge(session, slack_envelopes.c.handled_at < before, "handled", limit)


async def purge_unhandled(session: AsyncSession, before: datetime, limit: int) -> int:
    """Forget up to `limit` envelopes that came before then and were refused too often; how many those were."""
    return await _purge(session, slack_envelopes.c.recorded_at < before, "open", limit)


async def _purge(session: AsyncSession, is_old: ColumnElement[bool], state: str, limit: int) -> int:
    due = select(slack_envelopes.c.id).where(slack_envelopes.c.state == state, is_old)
    gone = await session.execute(delete(slack_envelopes).where(slack_envelopes.c.id.in_(due.limit(limit))))
    return int(gone.rowcount)  # type: ignore[attr-defined]


def _own(program_id: str, envelope_id: int) -> Select[Any]:
    columns = [slack_envelopes.c[name] for name in _COLUMNS]
    return select(*columns).where(slack_envelopes.c.program_id == program_id, slack_envelopes.c.id == envelope_id)


def _kept(row: Mapping[str, Any] | RowMapping) -> KeptEnvelope:
    return KeptEnvelope(**{**row, "kind": EnvelopeKind(row["kind"])})
