"""`laurel orders`: what a person must decide, and the guards of a program's money."""

import asyncio
import re
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy.ext.asyncio import AsyncSession

from cli.errors import CommandFailed
from cli.programs import choose
from cli.work import InProgram, Json, answer_json, now, opened
from domain.orders import MAX_REASON_LENGTH, IllegalTransition, Limits, Order, OrderState, OrderStep
from domain.vendors import Money
from settings import Settings
from storage import orders, programs

app = typer.Typer(
    name="orders", help="Orders: decide what is in review, pause, resume and limit.", no_args_is_help=True
)

ACTOR = "operator"  # who did it, in an order's record


class Decision(StrEnum):
    """How a review ends."""

    RETRY = "retry"
    FULFIL = "fulfil"
    REFUND = "refund"


@app.command()
def review(
    order: Annotated[str | None, typer.Argument(help="Show this order's whole record, whatever its state.")] = None,
    program: InProgram = None,
    json: Json = False,
) -> None:
    """List the orders that need a decision, newest first, with why; or all the evidence of one."""
    found = asyncio.run(_review(Settings(), program, order))
    if json:
        answer_json([_described(one, steps) for one, steps in found])
        return
    for one, steps in found:
        Console().print(_table(one, steps))
    if not found:
        typer.echo("No order is in review.")


async def _review(settings: Settings, wanted: str | None, order_id: str | None) -> list[tuple[Order, list[OrderStep]]]:
    async with opened(settings) as database, database.begin() as session:
        program = await choose(session, wanted)
        if order_id is not None:
            found = [await _get(session, program.id, order_id)]
        else:
            found = await orders.list_page(session, program.id, state=OrderState.IN_REVIEW)
        return [(one, await orders.list_steps(session, program.id, one.id)) for one in found]


@app.command()
def resolve(
    order: Annotated[str, typer.Argument(help="The order's id.")],
    decision: Annotated[
        Decision,
        typer.Argument(
            help="retry: ask the vendor again under the same key; fulfil: the card arrived, the note is the proof; "
            "refund: take the card back, if one is out, and give the points back."
        ),
    ],
    note: Annotated[str, typer.Option(help="Why, or the proof; kept in the order's record.")],
    program: InProgram = None,
) -> None:
    """Decide a review; the order goes on by itself."""
    if not 1 <= len(note) <= MAX_REASON_LENGTH:
        raise CommandFailed(f"a note has 1 to {MAX_REASON_LENGTH} characters")
    state = asyncio.run(_resolve(Settings(), program, order, decision, note))
    typer.echo(f"{order} is {state}.")


async def _resolve(settings: Settings, wanted: str | None, order_id: str, decision: Decision, note: str) -> OrderState:
    async with opened(settings) as database, database.begin() as session:
        program = await choose(session, wanted)
        order = await _get(session, program.id, order_id)
        if order.state is not OrderState.IN_REVIEW:
            raise CommandFailed(f"{order.id} is not in review but {order.state}")
        try:
            return (await _decide(session, order, decision, note)).state
        except IllegalTransition as error:
            raise CommandFailed(str(error)) from None


async def _decide(session: AsyncSession, order: Order, decision: Decision, note: str) -> Order:
    at = now()
    if decision is Decision.RETRY:
        return await orders.retry(session, order.program_id, order.id, actor=ACTOR, note=note, now=at)
    if decision is Decision.FULFIL:
        return await orders.fulfil(session, order.program_id, order.id, actor=ACTOR, proof=note, now=at)
    return await orders.cancel(session, order.program_id, order.id, actor=ACTOR, note=note, now=at)


@app.command()
def pause(program: InProgram = None) -> None:
    """Send no order of the program to a vendor until `laurel orders resume`; what was sent goes on."""
    name = asyncio.run(_pause(Settings(), program))
    typer.echo(f"{name} sends no orders now.")


async def _pause(settings: Settings, wanted: str | None) -> str:
    async with opened(settings) as database, database.begin() as session:
        program = await choose(session, wanted)
        await orders.pause(session, program.id)
        return program.name


@app.command()
def resume(program: InProgram = None) -> None:
    """Send the program's orders again, those first that were waiting."""
    name, count = asyncio.run(_resume(Settings(), program))
    typer.echo(f"{name} sends orders again; {count} were waiting.")


async def _resume(settings: Settings, wanted: str | None) -> tuple[str, int]:
    async with opened(settings) as database, database.begin() as session:
        program = await choose(session, wanted)
        return program.name, await orders.resume(session, program.id, now=now())


@app.command()
def limit(
    daily: Annotated[str | None, typer.Option(help="The most value in one day, as 500.00. Default: no limit.")] = None,
    monthly: Annotated[str | None, typer.Option(help="The most value in one month. Default: no limit.")] = None,
    currency: Annotated[
        str, typer.Option(help="ISO 4217 currency of both. With a limit, orders in any other currency are refused.")
    ] = "USD",
    program: InProgram = None,
) -> None:
    """Limit the value that a program orders per day and month, in its own time zone; both limits are set anew."""
    limits = Limits(currency, _minor(daily, currency), _minor(monthly, currency))
    name = asyncio.run(_limit(Settings(), program, limits))
    typer.echo(f"{name} orders at most {_most(daily, currency)} a day and {_most(monthly, currency)} a month.")


async def _limit(settings: Settings, wanted: str | None, limits: Limits) -> str:
    async with opened(settings) as database, database.begin() as session:
        program = await choose(session, wanted)
        await programs.set_limits(
            session,
            program.id,
            daily_minor=limits.daily_minor,
            monthly_minor=limits.monthly_minor,
            currency=limits.currency,
        )
        return program.name


def _minor(amount: str | None, currency: str) -> int | None:
    if not re.fullmatch("[A-Z]{3}", currency):
        raise CommandFailed("a currency has three capital letters, as USD")
    if amount is None:
        return None
    if not re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,4})?", amount):
        raise CommandFailed(f"{amount!r} is not an amount, as 500.00")
    try:
        return Money.of(Decimal(amount), currency).amount_minor
    except ValueError as error:
        raise CommandFailed(str(error)) from None


def _most(amount: str | None, currency: str) -> str:
    return "any value" if amount is None else f"{amount} {currency}"


async def _get(session: AsyncSession, program_id: str, order_id: str) -> Order:
    order = await orders.find(session, program_id, order_id)
    if order is None:
        raise CommandFailed(f"the program has no order {order_id}")
    return order


def _table(order: Order, steps: list[OrderStep]) -> Table:
    because = f": {order.reason}" if order.reason else ""
    title = f"{order.id}, {order.title}, is {order.state}{because}"
    table = Table("when", "step", "state after", "by", "evidence", title=title, title_justify="left")
    for step in steps:
        evidence = "; ".join(f"{name}: {_plain(value)}" for name, value in step.detail.items())
        table.add_row(f"{step.recorded_at:%Y-%m-%d %H:%M:%S}", step.step, step.state, step.actor, evidence)
    return table


def _plain(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _described(order: Order, steps: list[OrderStep]) -> dict[str, Any]:
    columns = ("id", "member_id", "title", "state", "reason", "delivery", "price_points", "vendor_order_id")
    shown = ("step", "state", "detail", "actor", "recorded_at")
    return {name: getattr(order, name) for name in columns} | {
        "steps": [{name: getattr(step, name) for name in shown} for step in steps]
    }
