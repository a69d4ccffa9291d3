"""`laurel backtest`: what a configuration would have given for what happened, beside what was given."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, SpinnerColumn, TextColumn
from rich.table import Table

from cli.configurations import read_folder
from cli.errors import CommandFailed
from cli.programs import choose
from cli.work import InProgram, Json, answer_json, now, opened
from domain.backtest_reports import Report, report
from domain.definitions import Definitions, KeyTaken
from settings import Settings
from storage import backtests, configurations, members

DAYS = 90

app = typer.Typer()


@app.command()
def backtest(
    folder: Annotated[
        Path | None,
        typer.Argument(help="The folder with the configuration to try; without one, what was live: nothing differs."),
    ] = None,
    from_: Annotated[
        datetime | None,
        typer.Option("--from", formats=["%Y-%m-%d"], help="The first day (UTC).", show_default=f"{DAYS} days before"),
    ] = None,
    to: Annotated[
        datetime | None,
        typer.Option("--to", formats=["%Y-%m-%d"], help="The day (UTC) after the last one.", show_default="now"),
    ] = None,
    by: Annotated[
        list[str] | None,
        typer.Option("--by", help="An attribute of members that makes cohorts; may be repeated.", metavar="ATTRIBUTE"),
    ] = None,
    program: InProgram = None,
    json: Json = False,
) -> None:
    """Decide again what was decided in a window under another configuration, without writing anything.

    What was decided before the window stands. What members spend and what lapses is taken as it was.
    """
    until = now() if to is None else to.replace(tzinfo=UTC)
    begins_at = until - timedelta(days=DAYS) if from_ is None else from_.replace(tzinfo=UTC)
    if begins_at >= until:
        raise typer.BadParameter("must be before --to", param_hint="--from")
    wanted = None if folder is None else read_folder(folder)
    cohorts = by or ["department", "country"]
    told = asyncio.run(_backtest(Settings(), wanted, program, begins_at, until, cohorts, quiet=json))
    if json:
        answer_json(told)


async def _backtest(
    settings: Settings,
    wanted: Definitions | None,
    program_name: str | None,
    begins_at: datetime,
    until: datetime,
    by: Sequence[str],
    *,
    quiet: bool,
) -> dict[str, Any]:
    async with opened(settings) as database:
        async with database.begin() as session:
            program = await choose(session, program_name)
            active = await configurations.read_active(session, program.id)
            try:
                candidate = await backtests.in_place_of_live(session, program.id, wanted) if wanted else None
            except KeyTaken as error:
                raise CommandFailed(str(error)) from None
        with _progress(quiet=quiet) as progress:
            task = progress.add_task("decisions read", total=None)
            outcome = await backtests.run(
                database,
                program.id,
                candidate or backtests.as_it_was,
                begins_at=begins_at,
                until=until,
                by=by,
                progress=lambda steps: progress.advance(task, steps),
            )
        found = report(outcome, {**active.rewards, **(wanted.rewards if wanted else {})})
        async with database.begin() as session:
            known = await members.find_names(session, program.id, _whom(found))
    if not quiet:
        _show(Console(), found, begins_at, until, known)
    return {"program": program.id, "from": begins_at, "to": until, **asdict(found)}


def _whom(found: Report) -> list[str]:
    """Everybody who is named."""
    whose = [one.member_id for one in (*found.winners, *found.losers)]
    whose += [one.member_id for one in found.levels]
    return whose + [who for badge in found.badges for who in (*badge.gaining, *badge.losing)]


def _progress(*, quiet: bool) -> Progress:
    columns = SpinnerColumn(), TextColumn("{task.completed:,.0f} {task.description}")
    return Progress(*columns, console=Console(stderr=True), transient=True, disable=quiet)


# -- What a person reads -------------------------------------------------------------------------------------------


def _show(console: Console, found: Report, begins_at: datetime, until: datetime, known: Mapping[str, str]) -> None:
    console.print(
        f"{begins_at:%Y-%m-%d} to {until:%Y-%m-%d}: [bold]{found.differing:,}[/bold] of {found.decisions:,} decisions "
        "differ",
        highlight=False,
    )
    _table(console, "In all", found.units, "unit")
    _table(console, "Rule", found.rules, "key", "unit")
    _table(console, "Challenge", found.challenges, "key", "unit")
    _table(console, "Milestone", found.milestones, "key")
    _table(console, "Reward", found.rewards, "key", "automatic", "value_minor", "currency")
    _table(console, "Cohort", found.cohorts, "attribute", "value", "unit")
    _table(console, "Tier at the end", found.tiers, "ladder", "level")
    _table(console, "Badge at the end", found.badges, "key")
    _show_standings(console, found, known)
    console.print(f"\n{found.gaining:,} members would have more points, {found.losing:,} less", highlight=False)
    for title, lines in (("Winners", found.winners), ("Losers", found.losers)):
        named = [(known.get(one.member_id, one.member_id), one.given, one.would, one.difference) for one in lines]
        _rows(console, (title,), named)


def _show_standings(console: Console, found: Report, known: Mapping[str, str]) -> None:
    """Who would stand elsewhere, and who would gain or lose a badge."""

    def names(*whose: str) -> str:
        return escape(", ".join(known.get(who, who) for who in whose))

    if found.elsewhere:
        console.print(f"\n{found.elsewhere:,} would be on another tier at the end, for example", highlight=False)
    for one in found.levels:
        change = f"{one.ladder}: from {one.given or 'none'} to {one.would or 'none'}"
        console.print(f"  {names(one.member_id)}, {escape(change)}", highlight=False)
    for badge in found.badges:
        for verb, whose in (("have", badge.gaining), ("lack", badge.losing)):
            if whose:
                console.print(f"{names(*whose)} would {verb} {escape(badge.key)}", highlight=False)


def _table(console: Console, title: str, lines: Iterable[Any], *columns: str) -> None:
    figures = ("given", "would", "difference")
    _rows(
        console,
        (title, *(column.replace("_", " ") for column in columns[1:])),
        [tuple(getattr(line, name) for name in (*columns, *figures)) for line in lines],
    )


def _rows(console: Console, headers: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    if not rows:
        return
    table = Table(*headers, box=None, pad_edge=False)
    for header in ("Given", "Would", "Difference"):
        table.add_column(header, justify="right")
    for *words, given, would, difference in rows:
        colour = "green" if difference > 0 else "red" if difference < 0 else "dim"
        table.add_row(*map(_word, words), f"{given:,}", f"{would:,}", f"[{colour}]{difference:+,}[/{colour}]")
    console.print("", table)


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return escape(str(value)) or "[dim]none[/dim]"
