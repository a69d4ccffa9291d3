"""Proposals as rows: what was proposed stays as it was, only what became of it is written later."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import insert as sql_insert
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from domain.definitions import (
    Definitions,
    KeyTaken,
    change_as_json,
    changes,
    digest,
    keep_commanded,
    read_body,
    write_body,
)
from domain.proposals import Proposal, ProposalEvent, ProposalState, proposal_after
from storage.tables import configuration_proposals as proposals

MAX_OPEN = 100  # proposals of one program
MAX_PAGE = 101  # a page, and one more that tells whether another follows


class TooManyProposals(Exception):
    """So many are open that nobody could say what is meant."""


async def insert(session: AsyncSession, proposal: Proposal) -> Proposal:
    """Propose it, or find what is open and proposes the same; raises TooManyProposals.

    To be called under the configuration's own lock.
    """
    open_ = await _list_open(session, proposal.program_id)
    wanted = digest(proposal.definitions)
    if same := [one for one in open_ if digest(one.definitions) == wanted]:
        return same[0]
    if len(open_) >= MAX_OPEN:
        raise TooManyProposals(f"{len(open_)} proposals are open: withdraw some first")
    values = {name: getattr(proposal, name) for name in _PLAIN}
    said = {"body": write_body(proposal.definitions), "digest": wanted, "diff": list(proposal.changes)}
    await session.execute(sql_insert(proposals).values(values | said))
    return proposal


async def get(session: AsyncSession, program_id: str, proposal_id: str) -> Proposal:
    """The program's proposal of this id; raises LookupError."""
    return await _one(session, program_id, proposal_id, locked=False)


async def lock(session: AsyncSession, program_id: str, proposal_id: str) -> Proposal:
    """The proposal, locked until the transaction ends; raises LookupError."""
    return await _one(session, program_id, proposal_id, locked=True)


async def list_page(
    session: AsyncSession,
    program_id: str,
    *,
    state: ProposalState | None = None,
    before: str | None = None,
    limit: int = MAX_PAGE,
) -> list[Proposal]:
    """Up to `limit` proposals, newest first, older than the id `before`."""
    chosen = select(proposals).where(proposals.c.program_id == program_id)
    if state is not None:
        chosen = chosen.where(proposals.c.state == state)
    if before is not None:
        chosen = chosen.where(proposals.c.id < before)
    rows = await session.execute(chosen.order_by(proposals.c.id.desc()).limit(min(limit, MAX_PAGE)))
    return [_proposal(row) for row in rows.mappings()]


async def move(
    session: AsyncSession,
    proposal: Proposal,
    event: ProposalEvent,
    *,
    by: str,
    at: datetime,
    published_as: int | None = None,
) -> Proposal:
    """The locked proposal after the event; raises IllegalProposal."""
    state = proposal_after(proposal, event)
    moved = replace(proposal, state=state, decided_by=by, decided_at=at, published_as=published_as)
    values = {name: getattr(moved, name) for name in ("state", "decided_by", "decided_at", "published_as")}
    own = proposals.c.program_id == proposal.program_id, proposals.c.id == proposal.id
    await session.execute(update(proposals).where(*own).values(values))
    return moved


async def overtake(session: AsyncSession, program_id: str, active: Definitions, *, by: str, at: datetime) -> None:
    """Whatever is open and would change something else than it said, now that these are active, is outdated."""
    for proposal in await _list_open(session, program_id):
        if _changes(active, proposal.definitions) != proposal.changes:
            await move(session, proposal, ProposalEvent.OVERTAKE, by=by, at=at)


def _changes(active: Definitions, proposed: Definitions) -> list[Mapping[str, Any]] | None:
    try:
        return [change_as_json(change) for change in changes(active, keep_commanded(active, proposed))]
    except KeyTaken:
        return None


async def _list_open(session: AsyncSession, program_id: str) -> list[Proposal]:
    return await list_page(session, program_id, state=ProposalState.PROPOSED, limit=MAX_OPEN)


async def _one(session: AsyncSession, program_id: str, proposal_id: str, *, locked: bool) -> Proposal:
    own = select(proposals).where(proposals.c.program_id == program_id, proposals.c.id == proposal_id)
    row = (await session.execute(own.with_for_update(key_share=True) if locked else own)).mappings().first()
    if row is None:
        raise LookupError(f"no proposal {proposal_id}")
    return _proposal(row)


_PLAIN = (
    *("id", "program_id", "state", "expected", "proposed_by", "proposed_at"),
    *("decided_by", "decided_at", "published_as"),
)


def _proposal(row: Mapping[Any, Any]) -> Proposal:
    plain = {name: row[name] for name in _PLAIN} | {"state": ProposalState(row["state"])}
    return Proposal(**plain, definitions=read_body(row["body"]), changes=row["diff"])
