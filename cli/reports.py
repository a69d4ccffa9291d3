"""`laurel reports`: what the ledger says about itself, for people, spreadsheets and scripts."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from api.charts import read_chart
from api.routes.reports import A_MONTH, A_YEAR, categories, exponents
from api.schemas.moments import Between, just_after
from api.schemas.reports import all_columns, lines
from cli.errors import CommandFailed
from cli.programs import choose
from cli.tabular import Csv, amount, csv_writer, instant, show
from cli.work import InProgram, Json, answer_json, now, opened
from domain.configuration import Configuration
from domain.programs import Program
from domain.reports import (
    BreakageLine,
    Chart,
    Clearing,
    HoldDifference,
    HoldTotals,
    InvalidChart,
    JournalLine,
    LiabilityBy,
    LiabilityLine,
    SpendBy,
    SpendLine,
    SpendPer,
    TrialLine,
    journal,
    out_of_balance,
)
from settings import Settings
from storage import configurations, reports
from storage.reports import Moment, Months

app = typer.Typer(name="reports", help="Reports on a program's ledger.", no_args_is_help=True)

MAX_LINES = 1_000_000
# Of a row, what is in parts of its unit, and what else is a number.
AMOUNTS = {
    "debits", "credits", "balance", "explained", "difference", "amount", "issued", "expired", "issued_so_far",
    "expired_so_far", "spent", "debit", "credit", "held", "for_orders", "for_integrations", "differing", "unexplained",
}  # fmt: skip
NUMBERS = AMOUNTS | {"rate", "rate_so_far", "orders", "value_minor", "line", "price_points"}

At = Annotated[
    str | None, typer.Option("--at", help="What had taken effect by then: a day of the program's zone, or a moment.")
]
KnownAt = Annotated[
    str | None, typer.Option("--known-at", help="What the book knew then; nothing recorded later counts. Default: now.")
]
Since = Annotated[str | None, typer.Option("--from", help="A day of the program's zone, or a moment.")]
Until = Annotated[
    str | None, typer.Option("--until", help="A day or a moment, which is not in the period. Default: now.")
]


@dataclass(frozen=True, slots=True)
class Desk:
    """What a report is made from: one instant of the database, and the program with its configuration."""

    session: AsyncSession
    program: Program
    configuration: Configuration

    def at(self, text: str | None) -> datetime:
        return instant(text, self.program.time_zone) or now()

    def between(self, since: str | None, until: str | None, default: timedelta) -> tuple[datetime, datetime]:
        zone = self.program.time_zone
        from_at, until_at = instant(since, zone), instant(until, zone)
        if from_at and (until_at or now()) < from_at:
            raise CommandFailed("the period ends before it begins")
        return Between.model_construct(from_at=from_at, until=until_at).between(now(), default)

    def moment(self, at: str | None, known_at: str | None) -> Moment:
        return Moment(just_after(self.at(at)), self.at(known_at))

    def months(self, since: str | None, until: str | None, known_at: str | None) -> Months:
        return Months(*self.between(since, until, A_YEAR), self.at(known_at), self.program.time_zone)


@dataclass(frozen=True, slots=True)
class Told:
    """Rows of one kind; `more` is what is worked out of each, `wrong` what should not be."""

    title: str
    row: type[Any]
    rows: Sequence[Any]
    more: tuple[str, ...] = ()
    wrong: str = ""


Make = Callable[[Desk], Awaitable[Sequence[Told]]]


@app.command("trial-balance")
def trial_balance(
    at: At = None, known_at: KnownAt = None, program: InProgram = None, csv: Csv = False, json: Json = False
) -> None:
    """Show what stands on all accounts of each kind; ends with status 1 unless it makes zero in each unit."""

    async def make(desk: Desk) -> Sequence[Told]:
        found = await reports.trial_balance(desk.session, desk.program.id, desk.moment(at, known_at))
        wrong = ", ".join(f"{unit} makes {value}" for unit, value in out_of_balance(found).items())
        return [Told("Trial balance", TrialLine, found, wrong=wrong)]

    _run(make, program, csv, json)


@app.command()
def liability(
    by: Annotated[LiabilityBy, typer.Option(help="By the age of the value, or by when it lapses.")] = LiabilityBy.AGE,
    at: At = None,
    known_at: KnownAt = None,
    program: InProgram = None,
    csv: Csv = False,
    json: Json = False,
) -> None:
    """Show what members have: spendable value by age or by the month in which it lapses, held, pending, less debt."""

    async def make(desk: Desk) -> Sequence[Told]:
        moment, zone = desk.moment(at, known_at), desk.program.time_zone
        found = await reports.list_liability(desk.session, desk.program.id, moment, by, zone)
        return [Told(f"Liability by {by}", LiabilityLine, found)]

    _run(make, program, csv, json)


@app.command()
def breakage(
    since: Since = None,
    until: Until = None,
    known_at: KnownAt = None,
    program: InProgram = None,
    csv: Csv = False,
    json: Json = False,
) -> None:
    """Show what expired against what was issued, by month; rates are in hundredths of a percent. Default: a year."""

    async def make(desk: Desk) -> Sequence[Told]:
        found = await reports.list_breakage(desk.session, desk.program.id, desk.months(since, until, known_at))
        return [Told("Breakage", BreakageLine, found)]

    _run(make, program, csv, json)


@app.command()
def spend(
    by: Annotated[SpendBy, typer.Option(help="What lines tell apart besides the period.")] = SpendBy.NOTHING,
    per: Annotated[SpendPer, typer.Option(help="The period of a line, in the program's zone.")] = SpendPer.MONTH,
    since: Since = None,
    until: Until = None,
    known_at: KnownAt = None,
    program: InProgram = None,
    csv: Csv = False,
    json: Json = False,
) -> None:
    """Show what was redeemed, less what was refunded: value, orders and their money. Default: a year."""

    async def make(desk: Desk) -> Sequence[Told]:
        found = await reports.list_spend(
            desk.session,
            desk.program.id,
            desk.months(since, until, known_at),
            by=by,
            per=per,
            categories=categories(desk.configuration),
            limit=MAX_LINES,
        )
        return [Told("Spend", SpendLine, found)]

    _run(make, program, csv, json)


@app.command()
def holds(program: InProgram = None, csv: Csv = False, json: Json = False) -> None:
    """Compare holds with orders and name each that differs; ends with status 1 if one does. CSV lists those only."""

    async def make(desk: Desk) -> Sequence[Told]:
        totals, differences = await reports.reconcile_holds(desk.session, desk.program.id, MAX_LINES)
        unexplained = any(one.unexplained for one in totals)
        wrong = (
            f"{len(differences)} orders and holds differ"
            if differences
            else "more is held than holds say" * unexplained
        )
        return [
            Told("What differs", HoldDifference, differences, wrong=wrong),
            Told("Held", HoldTotals, totals, more=("unexplained",)),
        ]

    _run(make, program, csv, json)


@app.command()
def clearing(program: InProgram = None, csv: Csv = False, json: Json = False) -> None:
    """Compare clearing accounts with what explains them; ends with status 1 if one does not agree."""

    async def make(desk: Desk) -> Sequence[Told]:
        found = await reports.clearing(desk.session, desk.program.id)
        differing = [f"{one.account} of {one.unit}" for one in found if one.difference]
        wrong = f"not explained: {', '.join(differing)}" if differing else ""
        return [Told("Clearing accounts", Clearing, found, more=("difference",), wrong=wrong)]

    _run(make, program, csv, json)


@app.command("journal")
def journal_of(
    since: Since = None,
    until: Until = None,
    chart: Annotated[
        Path | None, typer.Option(help="A chart of accounts of your own. Default: the deployment's.")
    ] = None,
    program: InProgram = None,
    csv: Csv = False,
    json: Json = False,
) -> None:
    """Show what was recorded in a period as debits and credits of the general ledger. Default: 30 days."""
    settings = Settings()
    try:
        accounts = read_chart(chart or settings.general_ledger_chart)
    except InvalidChart as error:
        raise CommandFailed(str(error)) from None
    if csv:
        asyncio.run(_stream_journal(settings, program, since, until, accounts))
        return

    async def make(desk: Desk) -> Sequence[Told]:
        period = desk.between(since, until, A_MONTH)
        moved, own = reports.stream_journal(desk.session, desk.program.id, *period), accounts.of(desk.program.id)
        return [Told("Journal", JournalLine, [line async for one in moved for line in journal(one, own)])]

    _run(make, program, csv, json)


async def _stream_journal(
    settings: Settings, wanted: str | None, since: str | None, until: str | None, accounts: Chart
) -> None:
    async with opened(settings) as database, database.snapshot() as session:
        desk = await _sit_down(session, wanted)
        write, units = csv_writer(all_columns(JournalLine)), exponents(desk.configuration)
        own = accounts.of(desk.program.id)
        async for moved in reports.stream_journal(session, desk.program.id, *desk.between(since, until, A_MONTH)):
            for line in lines(journal(moved, own), units):
                write(line.values())


def _run(make: Make, wanted: str | None, csv: bool, json: bool) -> None:
    """Make a report and tell it; ends with status 1 if something is wrong."""
    told, units = asyncio.run(_make(Settings(), make, wanted))
    if json:
        parts = {one.title.lower().replace(" ", "_"): lines(one.rows, units, *one.more) for one in told}
        answer_json(next(iter(parts.values())) if len(parts) == 1 else parts)
    elif csv:
        _write(told[0], units)
    else:
        for one in told:
            _show(one, units)
    if wrong := "; ".join(one.wrong for one in told if one.wrong):
        raise CommandFailed(wrong)


async def _make(settings: Settings, make: Make, wanted: str | None) -> tuple[Sequence[Told], Mapping[str, int]]:
    async with opened(settings) as database, database.snapshot() as session:
        desk = await _sit_down(session, wanted)
        return await make(desk), exponents(desk.configuration)


async def _sit_down(session: AsyncSession, wanted: str | None) -> Desk:
    await reports.take_time(session)
    program = await choose(session, wanted)
    return Desk(session, program, await configurations.read_active(session, program.id))


def _write(told: Told, units: Mapping[str, int]) -> None:
    write = csv_writer(all_columns(told.row, *told.more))
    for line in lines(told.rows, units, *told.more):
        write(line.values())


def _show(told: Told, units: Mapping[str, int]) -> None:
    columns = [name for name in all_columns(told.row, *told.more) if name != "exponent"]
    rows = [
        [_shown(name, line[name], line["exponent"]) for name in columns] for line in lines(told.rows, units, *told.more)
    ]
    show(told.title, columns, rows, right=sorted(NUMBERS))


def _shown(name: str, value: Any, exponent: int) -> Any:
    return amount(value, exponent) if name in AMOUNTS and value is not None else value
