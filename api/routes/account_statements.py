"""Statements: a member's account over a period, and when its value lapses, as of any time and as known at any time."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from api.answers import answer
from api.auth import caller
from api.backends import backends
from api.operations import Operation, operation
from api.problems import Problem
from api.schemas.account_statements import (
    AccountStatementDocument,
    AccountStatementQuery,
    ExpiryDocument,
    MomentQuery,
    expiry_document,
    statement_document,
)
from api.schemas.base import MemberId
from domain.account_statements import Line, Period
from domain.members import Member
from domain.scopes import Scope
from storage import account_statements, configurations, members
from storage.account_statements import Span

router = APIRouter(route_class=Operation, tags=["members"])


@router.get(
    "/v1/members/{member_id:mem}/statement",
    operation_id="get_account_statement",
    summary="Read a member's statement",
    **operation(
        Scope.BALANCES_READ,
        {200: AccountStatementDocument},
        refusals=("not_found", "invalid_cursor", "invalid_period"),
        for_members=True,
    ),
)
async def get_account_statement(
    request: Request, member_id: MemberId, query: Annotated[AccountStatementQuery, Query()]
) -> Response:
    """What came and went in a period, with opening, closing, totals and when the rest lapses."""
    here, program_id = backends(request), caller(request).program_id
    asked = (query.unit, query.from_at, query.until, query.known_at)
    of = ("statement", member_id, *(str(one) for one in asked))
    at = here.cursors.read(program_id, of, query.cursor) if query.cursor else None
    async with here.database.snapshot() as session:
        member = await known(session, program_id, member_id, query.unit)
        if at is not None:
            period, among, balance = _go_on(query, member_id, at)
            summary = None
        else:
            period = query.period(member_id, here.clock())
            summary = await account_statements.summary(session, program_id, period, member.time_zone)
            among, balance = await account_statements.span(session, program_id, period), summary.opening.balance
        lines = await account_statements.list_lines(session, program_id, period, among, balance, query.limit + 1)
    shown = lines[: query.limit]
    page = statement_document(period, summary, shown)
    if len(lines) > len(shown):
        page["next_cursor"] = here.cursors.write(program_id, of, _position(shown[-1], among, period))
    return answer(page)


def _go_on(query: AccountStatementQuery, member_id: str, at: list[Any]) -> tuple[Period, Span, int]:
    """Where the page before ended, as known then."""
    after, through, balance, *times = at
    period = Period(member_id, query.unit, *map(datetime.fromisoformat, times))
    return period, Span(after, through), balance


def _position(last: Line, among: Span, period: Period) -> tuple[Any, ...]:
    times = (period.from_at, period.until_at, period.known_at)
    return (last.position, among.through, last.balance, *(time.isoformat() for time in times))


@router.get(
    "/v1/members/{member_id:mem}/expiry",
    operation_id="get_expiry",
    summary="Read when a member's value lapses",
    **operation(Scope.BALANCES_READ, {200: ExpiryDocument}, refusals=("not_found",), for_members=True),
)
async def get_expiry(request: Request, member_id: MemberId, query: Annotated[MomentQuery, Query()]) -> Response:
    """By month and year of the member's zone; of a past moment, by the lots as they were."""
    here, program_id = backends(request), caller(request).program_id
    now = here.clock()
    async with here.database.snapshot() as session:
        member = await known(session, program_id, member_id, query.unit)
        period = query.period(member_id, now)
        found = await account_statements.expiry(session, program_id, period, member.time_zone)
    return answer(expiry_document(found, query, now))


async def known(session: AsyncSession, program_id: str, member_id: str, unit: str) -> Member:
    """The program's member; raises LookupError for one that it does not know, or a unit."""
    member = await members.get(session, program_id, member_id)
    if (await configurations.read_active(session, program_id)).unit(unit) is None:
        raise Problem("not_found", f"the program has no unit {unit}")
    return member
