"""`laurel streaks`: everybody's streaks, one explained, freezes, and the proof that all are what their facts give."""

import asyncio
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress

from cli import tabular
from cli.errors import CommandFailed
from cli.programs import choose
from cli.work import InProgram, Json, answer_json, now, opened
from domain.events import MEMBER_EXTERNAL_ID, Identity
from domain.programs import Program
from domain.streak_book import StreakKey
from domain.streaks import Period, Streak, StreakState
from domain.time import NEVER
from settings import Settings
from storage import members, programs, streak_verification, streaks
from storage.database import Database
from storage.streaks import Freeze

app = typer.Typer(
    name="streaks", help="Streaks: what members have done again and again, and what keeps it.", no_args_is_help=True
)

COLUMNS = (
    "external_id", "name", "streak", "state", "current", "longest", "started on", "last", "grace until", "freezes",
)  # fmt: skip
MAX_SHOWN = 500
MAX_PERIODS = 60

Member = Annotated[str, typer.Argument(help="The member's external_id.", metavar="MEMBER")]
Policy = Annotated[str, typer.Argument(help="The key of the streak's policy.", metavar="POLICY")]


@app.command("list")
def list_streaks(
    policy: Annotated[str | None, typer.Option(help="Of one policy only.")] = None,
    state: Annotated[StreakState | None, typer.Option(help="In one state only.")] = None,
    program: InProgram = None,
    json: Json = False,
) -> None:
    """List up to 500 streaks as they are stored, by member and policy."""
    found, called = asyncio.run(_list(Settings(), program, policy, state))
    if json:
        answer_json([{"external_id": called[key[0]][0], **_record(key, streak)} for key, streak in found])
        return
    tabular.show("Streaks", COLUMNS, [_row(called[key[0]], key[1], streak) for key, streak in found])


@app.command()
def show(
    member: Member,
    policy: Policy,
    at: Annotated[str | None, typer.Option(help="As of a past day or moment. Default: now.")] = None,
    known_at: Annotated[str | None, typer.Option(help="As it was known then. Default: all that is known.")] = None,
    program: InProgram = None,
    json: Json = False,
) -> None:
    """Explain one streak: its runs, and the last 60 periods with what became of each."""
    member_id, streak = asyncio.run(_show(Settings(), program, member, policy, at, known_at))
    if json:
        answer_json(explained(member_id, policy, streak))
        return
    console = Console(soft_wrap=True)
    for line in told(policy, streak):
        console.print(line, highlight=False)


@app.command()
def freeze(
    member: Member,
    policy: Policy,
    reason: Annotated[str, typer.Option(help="Why. It is kept.")],
    actor: Annotated[str, typer.Option("--by", help="Who gives them. It is kept.")],
    on: Annotated[str | None, typer.Option(help="From which day on they may be used. Default: today.")] = None,
    amount: Annotated[int, typer.Option(min=1, max=100, help="How many.")] = 1,
    program: InProgram = None,
) -> None:
    """Give a member freezes; for a past day one restores what broke then, as far as the policy restores."""
    streak = asyncio.run(_freeze(Settings(), program, member, policy, _day(on), amount, reason, actor))
    typer.echo(_summary(policy, streak))


@app.command()
def verify(
    program: Annotated[
        str | None, typer.Option("--program", help="Only this program, by id or name. Default: all.", metavar="TEXT")
    ] = None,
    json: Json = False,
) -> None:
    """Fold every streak of every member from the start, and compare it with what is stored and what was told.

    Streaks whose deadline has come wait for their settlement and are counted. The status is 1 if any other differs.
    """
    found = asyncio.run(_verify(Settings(), program))
    if json:
        answer_json(found)
    else:
        for name, one in found.items():
            typer.echo(f"{name}: {one['streaks']} streaks, {one['due']} of them due, {len(one['differences'])} differ")
            typer.echo("".join(f"  {difference}\n" for difference in one["differences"]), nl=False)
    if any(one["differences"] for one in found.values()):
        raise typer.Exit(1)


# -- What is told --------------------------------------------------------------------------------------------------


def told(policy: str, streak: Streak) -> Iterator[str]:
    """A streak that was folded from the start, line by line in rich's markup."""
    yield f"[bold]{_summary(policy, streak)}[/bold]"
    if streak.grace_until:
        yield f"  it breaks at {streak.grace_until:%Y-%m-%d %H:%M %Z} unless something is done"
    for run in streak.runs:
        yield f"  a run of {run.length} from {run.started_on} to {run.last_on}"
    yield from (_period(period) for period in streak.periods[-MAX_PERIODS:])


def explained(member_id: str, policy: str, streak: Streak) -> dict[str, Any]:
    """The same for scripts, with every period."""
    periods = [period._asdict() for period in streak.periods]
    runs = [run._asdict() for run in streak.runs]
    return _record((member_id, policy), streak) | {"runs": runs, "periods": periods}


def _summary(policy: str, streak: Streak) -> str:
    freezes = f", {streak.freezes} freeze{'' if streak.freezes == 1 else 's'} left" if streak.freezes else ""
    if streak.longest == 0:
        return f"{policy}: not begun{freezes}"
    if streak.current == 0:
        return f"{policy}: broken, the longest was {streak.longest}{freezes}"
    return f"{policy}: {streak.current} in a row, {streak.longest} at most, {_state(streak)}{freezes}"


def _state(streak: Streak) -> str:
    return streak.state.replace("_", " ") if streak.longest else "not begun"


def _period(period: Period) -> str:
    days = f"{period.first_on}" + (f" to {period.last_on}" if period.last_on != period.first_on else "")
    by = ", ".join(filter(None, (period.detail, *period.event_ids)))
    return f"  {days}  {period.judgement:<9} {period.amount} of {period.needed}, length {period.length}  {by}".rstrip()


def _row(called: tuple[str, str], policy: str, streak: Streak) -> list[Any]:
    _, _, _, *numbers = _record(("", policy), streak).values()
    return [*called, policy, _state(streak), *numbers]


def _record(key: StreakKey, streak: Streak) -> dict[str, Any]:
    return {
        "member": key[0],
        "streak_type": key[1],
        "state": streak.state,
        "current_streak": streak.current,
        "longest_streak": streak.longest,
        "started_on": streak.started_on,
        "last_qualifying_event": streak.last_qualifying_at,
        "grace_period_until": streak.grace_until,
        "freezes": streak.freezes,
    }


# -- What is asked -------------------------------------------------------------------------------------------------


async def _list(
    settings: Settings, wanted: str | None, policy: str | None, state: StreakState | None
) -> tuple[Sequence[tuple[StreakKey, Streak]], dict[str, tuple[str, str]]]:
    async with opened(settings) as database, database.begin() as session:
        program = await choose(session, wanted)
        found = await streaks.list_page(session, program.id, policy=policy, state=state, limit=MAX_SHOWN)
        return found, await members.find_called(session, program.id, [member_id for (member_id, _), _ in found])


async def _show(
    settings: Settings, wanted: str | None, member: str, policy: str, at: str | None, known_at: str | None
) -> tuple[str, Streak]:
    async with opened(settings) as database, database.snapshot() as session:
        program = await choose(session, wanted)
        known = await members.find_by_identity(session, program.id, Identity(MEMBER_EXTERNAL_ID, member))
        if known is None:
            raise CommandFailed(f"no member has the external_id {member!r}")
        times = {
            "as_of": tabular.instant(at, program.time_zone) or now(),
            "known_at": tabular.instant(known_at, program.time_zone) or NEVER,
        }
        try:
            return known.id, await streaks.read_at(session, program.id, known.id, policy, **times)
        except LookupError as error:
            raise CommandFailed(str(error)) from None


async def _freeze(
    settings: Settings, wanted: str | None, member: str, policy: str, on: date, amount: int, reason: str, actor: str
) -> Streak:
    async with opened(settings) as database, database.begin() as session:
        program = await choose(session, wanted)
        known = await members.find_by_identity(session, program.id, Identity(MEMBER_EXTERNAL_ID, member))
        if known is None:
            raise CommandFailed(f"no member has the external_id {member!r}")
        given = Freeze(known.id, policy, on, amount, reason, actor)
        try:
            await streaks.grant_freeze(session, program.id, given, as_of=now())
        except LookupError as error:
            raise CommandFailed(str(error)) from None
        return dict(await streaks.list_of(session, program.id, known.id)).get(policy, Streak())


def _day(text: str | None) -> date:
    try:
        return date.fromisoformat(text) if text else now().date()
    except ValueError:
        raise CommandFailed(f"{text!r} is not a day, such as 2027-01-31") from None


async def _verify(settings: Settings, wanted: str | None) -> dict[str, dict[str, Any]]:
    async with opened(settings) as database:
        async with database.begin() as session:
            chosen = [await choose(session, wanted)] if wanted else await programs.list_all(session)
        console = Console(stderr=True)
        with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
            return {program.id: await _verify_one(database, program, now(), bar) for program in chosen}


async def _verify_one(database: Database, program: Program, as_of: datetime, bar: Progress) -> dict[str, Any]:
    """In one transaction for each page of members, so that nobody waits for long."""
    async with database.begin() as session:
        task = bar.add_task(program.name, total=await streak_verification.count_members(session, program.id))
    found: dict[str, Any] = {"streaks": 0, "due": 0, "differences": []}
    after: str | None = ""
    while after is not None:
        async with database.begin() as session:
            page = await streak_verification.verify_page(session, program.id, as_of=as_of, after=after)
        found["streaks"] += page.streaks
        found["due"] += page.due
        found["differences"] += page.differences
        bar.advance(task, page.members)
        after = page.last
    return found
