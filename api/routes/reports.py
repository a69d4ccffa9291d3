"""Reports on the program's ledger: each as of any instant and as known at any other."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from api.answers import answer
from api.auth import caller
from api.backends import backends
from api.long_answers import LONGEST_SECONDS, LongOperation
from api.operations import operation
from api.problems import Problem
from api.schemas.moments import Moment, just_after
from api.schemas.reports import (
    BreakageDocument,
    BreakageQuery,
    ClearingsDocument,
    HoldsDocument,
    JournalDocument,
    JournalQuery,
    LiabilityDocument,
    LiabilityQuery,
    SpendDocument,
    SpendQuery,
    TrialBalanceDocument,
    lines,
)
from domain.configuration import Configuration
from domain.reports import journal, out_of_balance
from domain.scopes import Scope
from storage import configurations, programs, reports
from storage.database import Database
from storage.reports import FIRST, Months

router = APIRouter(route_class=LongOperation, tags=["reports"])

A_YEAR, A_MONTH = timedelta(days=365), timedelta(days=30)
MAX_LINES = 5_000  # of one answer
MAX_DIFFERENCES = 100


@router.get(
    "/v1/reports/trial-balance",
    operation_id="report_trial_balance",
    summary="Report what stands on the accounts",
    **operation(Scope.REPORTS_READ, {200: TrialBalanceDocument}),
)
async def report_trial_balance(request: Request, query: Annotated[Moment, Query()]) -> Response:
    """By unit and kind of account; in each unit the balances make zero."""
    here, program_id = backends(request), caller(request).program_id
    times = _moment(query, here.clock())
    async with _snapshot(here.database) as session:
        units = exponents(await configurations.read_active(session, program_id))
        found = await reports.trial_balance(session, program_id, _as_of(times))
    return answer(times | {"lines": lines(found, units), "balanced": not out_of_balance(found)})


@router.get(
    "/v1/reports/clearing",
    operation_id="report_clearing",
    summary="Report whether clearing accounts agree with what explains them",
    **operation(Scope.REPORTS_READ, {200: ClearingsDocument}),
)
async def report_clearing(request: Request) -> Response:
    """Held value with the open holds, promised value with the open promises, liquidity with the conversions."""
    here, program_id = backends(request), caller(request).program_id
    async with _snapshot(here.database) as session:
        units = exponents(await configurations.read_active(session, program_id))
        found = await reports.clearing(session, program_id)
    return answer({"lines": lines(found, units, "difference")})


@router.get(
    "/v1/reports/liability",
    operation_id="report_liability",
    summary="Report what members have, by age or expiry",
    **operation(Scope.REPORTS_READ, {200: LiabilityDocument}),
)
async def report_liability(request: Request, query: Annotated[LiabilityQuery, Query()]) -> Response:
    """The program's liability. Months are those of its zone."""
    here, program_id = backends(request), caller(request).program_id
    times = _moment(query, here.clock())
    async with _snapshot(here.database) as session:
        program = await programs.get(session, program_id)
        units = exponents(await configurations.read_active(session, program_id))
        found = await reports.list_liability(session, program_id, _as_of(times), query.by, program.time_zone)
    return answer(times | {"lines": lines(found, units)})


@router.get(
    "/v1/reports/breakage",
    operation_id="report_breakage",
    summary="Report what expired against what was issued",
    **operation(Scope.REPORTS_READ, {200: BreakageDocument}, refusals=("invalid_period",)),
)
async def report_breakage(request: Request, query: Annotated[BreakageQuery, Query()]) -> Response:
    """By month of the program's zone, each less what was taken back. Without a period: the last 365 days."""
    here, program_id = backends(request), caller(request).program_id
    async with _snapshot(here.database) as session:
        months = await _months(session, program_id, query, here.clock())
        units = exponents(await configurations.read_active(session, program_id))
        found = await reports.list_breakage(session, program_id, months)
    return answer(_told(months) | {"lines": lines(found, units)})


@router.get(
    "/v1/reports/spend",
    operation_id="report_spend",
    summary="Report what was redeemed, by period and more",
    **operation(Scope.REPORTS_READ, {200: SpendDocument}, refusals=("invalid_period",)),
)
async def report_spend(request: Request, query: Annotated[SpendQuery, Query()]) -> Response:
    """Value, orders and money, less what was refunded. Without a period: the last 365 days. Categories are those of the
    present catalog, countries and departments those of the time."""
    here, program_id = backends(request), caller(request).program_id
    async with _snapshot(here.database) as session:
        months = await _months(session, program_id, query, here.clock())
        active = await configurations.read_active(session, program_id)
        found = await reports.list_spend(
            session,
            program_id,
            months,
            by=query.by,
            per=query.per,
            categories=categories(active),
            limit=MAX_LINES + 1,
        )
    if len(found) > MAX_LINES:
        raise Problem("invalid_period", f"it has more than {MAX_LINES} lines; ask for a shorter one")
    return answer(_told(months) | {"lines": lines(found, exponents(active))})


@router.get(
    "/v1/reports/journal",
    operation_id="report_journal",
    summary="Report the journal for the general ledger",
    **operation(Scope.REPORTS_READ, {200: JournalDocument}, refusals=("invalid_cursor", "invalid_period")),
)
async def report_journal(request: Request, query: Annotated[JournalQuery, Query()]) -> Response:
    """Balanced debits and credits of what was recorded in a period, by the program's chart of accounts: the last 30
    days, if no period is given."""
    here, program_id = backends(request), caller(request).program_id
    chart = here.chart.of(program_id)
    of = ("journal", str(query.from_at), str(query.until))
    at = here.cursors.read(program_id, of, query.cursor) if query.cursor else None
    from_at, until = query.between(here.clock(), A_MONTH) if at is None else map(datetime.fromisoformat, at[2:])
    after = FIRST if at is None else (at[0], at[1])
    async with _snapshot(here.database) as session:
        units = exponents(await configurations.read_active(session, program_id))
        found = await reports.list_journal(session, program_id, from_at, until, after=after, limit=query.limit + 1)
    shown = found[: query.limit]
    items = [line for moved in shown for line in lines(journal(moved, chart), units)]
    page = {"from": from_at, "until": until, "items": items}
    if len(found) > len(shown):
        position = (shown[-1].transaction_id, shown[-1].n, from_at.isoformat(), until.isoformat())
        page["next_cursor"] = here.cursors.write(program_id, of, position)
    return answer(page)


@router.get(
    "/v1/reports/holds",
    operation_id="report_holds",
    summary="Report whether holds agree with orders",
    **operation(Scope.REPORTS_READ, {200: HoldsDocument}),
)
async def report_holds(request: Request) -> Response:
    """What is held now and for what; each order and hold that differ is named."""
    here, program_id = backends(request), caller(request).program_id
    async with _snapshot(here.database) as session:
        units = exponents(await configurations.read_active(session, program_id))
        totals, differences = await reports.reconcile_holds(session, program_id, MAX_DIFFERENCES)
    return answer({"lines": lines(totals, units, "unexplained"), "differences": lines(differences, units)})


@asynccontextmanager
async def _snapshot(database: Database) -> AsyncIterator[AsyncSession]:
    """For statements that may take as long as their answer."""
    async with database.snapshot() as session:
        await reports.take_time(session, LONGEST_SECONDS)
        yield session


def exponents(configuration: Configuration) -> Mapping[str, int]:
    """How many digits after the point each unit has, where it has any."""
    return {key: unit.exponent for key, unit in configuration.units.items()}


def categories(configuration: Configuration) -> Mapping[str, str]:
    """The category of each item of the catalog that has one."""
    return {key: item.category for key, item in configuration.catalog.items() if item.category}


def _moment(query: Moment, now: datetime) -> dict[str, datetime]:
    return {"at": query.at or now, "known_at": query.known_at or now}


def _as_of(times: Mapping[str, datetime]) -> reports.Moment:
    return reports.Moment(just_after(times["at"]), times["known_at"])


async def _months(session: AsyncSession, program_id: str, query: BreakageQuery, now: datetime) -> Months:
    program = await programs.get(session, program_id)
    return Months(*query.between(now, A_YEAR), query.known_at or now, program.time_zone)


def _told(months: Months) -> dict[str, object]:
    return {"from": months.from_at, "until": months.until_at, "known_at": months.known_at}
