"""`laurel statement`: a member's account over a period, as of any time and as known at any time."""

import asyncio
from typing import Annotated

import typer
from rich.markup import escape
from sqlalchemy.ext.asyncio import AsyncSession

from api.schemas.account_statements import AccountStatementQuery, statement_document
from cli.errors import CommandFailed
from cli.programs import choose
from cli.tabular import Csv, amount, csv_writer, instant, show
from cli.work import InProgram, Json, answer_json, now, opened
from domain.account_statements import Lapse, Line, Period, Summary
from domain.configuration import Unit
from domain.events import MEMBER_EXTERNAL_ID, Identity
from domain.members import EMAIL, Member
from domain.time import zone
from settings import Settings
from storage import account_statements, configurations, members

app = typer.Typer()

COLUMNS = tuple(name for name in Line.__dataclass_fields__ if name != "position")
SHOWN = ("effective_at", "kind", "category", "amount", "balance", "counterparty", "reference", "reason")


@app.command()
def statement(
    member: Annotated[str, typer.Argument(help="The member's id, external_id or e-mail address.")],
    unit: Annotated[str, typer.Option(help="The unit.")] = "points",
    since: Annotated[
        str | None,
        typer.Option("--from", help="A day of the member's zone, or a moment. Default: 30 days before the end."),
    ] = None,
    until: Annotated[
        str | None, typer.Option(help="A day of the member's zone, or a moment, which is not in it. Default: now.")
    ] = None,
    known_at: Annotated[
        str | None, typer.Option(help="What the book knew then; nothing recorded later counts. Default: now.")
    ] = None,
    program: InProgram = None,
    csv: Csv = False,
    json: Json = False,
) -> None:
    """Show what a member's account had, what came and went, and what it had then, and when the rest lapses."""
    asyncio.run(_state(Settings(), program, member, unit, (since, until, known_at), csv, json))


async def _state(
    settings: Settings,
    wanted: str | None,
    name: str,
    key: str,
    times: tuple[str | None, str | None, str | None],
    csv: bool,
    json: bool,
) -> None:
    async with opened(settings) as database, database.snapshot() as session:
        program = await choose(session, wanted)
        member = await _find(session, program.id, name)
        unit = (await configurations.read_active(session, program.id)).unit(key)
        if unit is None:
            raise CommandFailed(f"the program has no unit {key}")
        period = _period(member, key, times)
        lines = account_statements.stream_lines(session, program.id, period)
        if csv:
            write = csv_writer(COLUMNS)
            async for line in lines:
                write(getattr(line, column) for column in COLUMNS)
            return
        summary = await account_statements.summary(session, program.id, period, member.time_zone)
        found = [line async for line in lines]
    if json:
        answer_json(statement_document(period, summary, found))
    else:
        _show(member, period, unit, summary, found)


async def _find(session: AsyncSession, program_id: str, name: str) -> Member:
    identity = Identity(EMAIL, name.lower()) if "@" in name else Identity(MEMBER_EXTERNAL_ID, name)
    found = await members.find(session, program_id, name)
    found = found or await members.find_by_identity(session, program_id, identity)
    if found is None:
        raise CommandFailed(f"the program has no member {name}")
    return found


def _period(member: Member, unit: str, times: tuple[str | None, str | None, str | None]) -> Period:
    since, until, known_at = (instant(one, member.time_zone) for one in times)
    if since and until and since > until:
        raise CommandFailed("the period ends before it begins")
    query = AccountStatementQuery.model_construct(unit=unit, from_at=since, until=until, known_at=known_at)
    return query.period(member.id, now())


def _show(member: Member, period: Period, unit: Unit, summary: Summary, lines: list[Line]) -> None:
    def written(value: int) -> str:
        return amount(value, unit.exponent)

    title = (
        f"{escape(member.name)} ({member.id}): {unit.title or unit.key}, known at {period.known_at:%Y-%m-%d %H:%M} UTC"
    )
    opening, closing = summary.opening, summary.closing
    rows = [("opening", period.from_at, *map(written, (opening.balance, opening.held, opening.pending)))]
    rows.append(("closing", period.until_at, *map(written, (closing.balance, closing.held, closing.pending))))
    show(title, ("", "at", "balance", "held", "pending"), rows, right=("balance", "held", "pending"))
    totals = [(category, written(value)) for category, value in summary.totals.items() if value]
    show("What changed it", ("category", "amount"), totals, right=("amount",))
    show(
        "Lines",
        SHOWN,
        [
            (
                line.effective_at,
                line.kind,
                line.category,
                written(line.amount),
                written(line.balance),
                line.counterparty,
                escape(line.event_type or line.item_name or line.event_id or line.order_id or line.reverses_id or ""),
                escape(line.reason or ""),
            )
            for line in lines
        ],
        right=("amount", "balance"),
    )
    months = [(month.period, written(month.amount)) for month in summary.expiry.months]
    first = [(f"next: {_day(lapse, member)}", written(lapse.amount))] if (lapse := summary.expiry.next) else []
    lapsing = [*first, *months, ("never", written(summary.expiry.never))]
    show("What lapses", ("when", "amount"), lapsing, right=("amount",))


def _day(lapse: Lapse, member: Member) -> str:
    return f"{lapse.expires_at.astimezone(zone(member.time_zone)):%F}" if lapse.expires_at else "never"
