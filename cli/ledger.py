"""`laurel ledger`: whether everything that must hold of the ledger does, and proof of it for others."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from cli.errors import CommandFailed
from cli.programs import choose
from cli.work import InProgram, Json, answer_json, now, opened
from domain.checkpoints import SigningKeys, split, verifier_key
from domain.programs import Program
from domain.proofs import Proof
from relay.sealing import Sealer
from settings import Settings
from storage import chain, checkpoints, erasures, explained, programs, proofs, seals, verification
from storage.database import Database
from storage.erasures import Erasure
from storage.verification import Check

app = typer.Typer(name="ledger", help="The ledger: check it, sign it, prove what is in it.", no_args_is_help=True)

Checked = list[tuple[Program, list[Check]]]


@app.command()
def verify(
    program: Annotated[
        str | None, typer.Option("--program", help="Only this program, by id or name. Default: all.", metavar="TEXT")
    ] = None,
    exported: Annotated[
        Path | None,
        typer.Option("--checkpoints", help="Signed checkpoints that were kept outside, to compare with.", exists=True),
    ] = None,
    explain: Annotated[
        bool,
        typer.Option("--explain", help="Check as well that every line is explained (I14): all is decided once more."),
    ] = False,
    json: Json = False,
) -> None:
    """Check invariants I1 to I5 and I9 over every row; ends with status 1 if one is violated."""
    notes = split(exported.read_text()) if exported else []
    checked = asyncio.run(_verify(Settings(), program, notes, explain=explain))
    violations = sum(check.violations for _, checks in checked for check in checks)
    if json:
        answer_json(_described(checked, violations))
    else:
        _show(checked)
    if violations:
        raise typer.Exit(1)


@app.command()
def prove(
    entry: Annotated[str, typer.Argument(help="A transaction, txn_..., or one of its entries, acc_.../VERSION.")],
    program: InProgram = None,
) -> None:
    """Answer with a proof, as JSON, that one line of a statement is under a signed checkpoint.

    It shows that line and nobody else's. docs/verify_proof.py verifies it without Laurel.
    """
    answer_json(asyncio.run(_prove(Settings(), entry, program)).as_json())


@app.command()
def erase(
    ids: Annotated[
        list[str], typer.Argument(help="Transactions, refusals, counts of refusals or merges.", metavar="ID...")
    ],
    actor: Annotated[str, typer.Option("--by", help="Who has it done. It is kept.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; name nobody in it. It is kept.")],
    program: InProgram = None,
) -> None:
    """Take people's texts out of records of the ledger, for ever: reasons, and who acted.

    Of a refusal also its reference, its member and its details; of an adjustment also who proposed and approved it.
    Everything else stays, and verifies as before. It needs the role that owns the schema (DATABASE_OWNER_URL).
    """
    erased = asyncio.run(_erase(Settings(), ids, actor, reason, program))
    typer.echo("\n".join(f"{one}: erased" for one in erased) or "All of it was erased before.")


@app.command("erasures")
def list_erasures(program: InProgram = None, json: Json = False) -> None:
    """List the records of which texts were erased: when, by whom and why."""
    found = asyncio.run(_erasures(Settings(), program))
    if json:
        answer_json([one._asdict() for one in found])
        return
    table = Table("record", "erased at", "by", "because")
    for one in found:
        table.add_row(one.subject_id, f"{one.recorded_at:%Y-%m-%d %H:%M}", one.actor, one.reason)
    Console().print(table)


@app.command()
def checkpoint(program: InProgram = None) -> None:
    """Seal what is ready and sign a checkpoint now; show the last one."""
    typer.echo(asyncio.run(_checkpoint(Settings(), program)), nl=False)


@app.command()
def keys(program: InProgram = None) -> None:
    """Show the public keys that verify a program's checkpoints, the one that signs first."""
    settings = Settings()
    program_id = asyncio.run(_program_id(settings, program))
    for public_key in SigningKeys(settings.ledger_signing_keys).public.values():
        typer.echo(verifier_key(program_id, public_key))


async def _verify(settings: Settings, wanted: str | None, notes: list[str], *, explain: bool) -> Checked:
    signing = SigningKeys(settings.ledger_signing_keys)
    async with opened(settings) as database:
        async with database.begin() as session:
            chosen = [await choose(session, wanted)] if wanted else await programs.list_all(session)
        with _bar() as bar:
            found = [(program, await _verify_one(database, program, signing, notes, bar)) for program in chosen]
            for program, checks in found if explain else ():
                explaining = bar.add_task(f"{program.name}: decisions", total=None)
                checks += await explained.verify(database, program.id, partial(bar.advance, explaining))
            return found


async def _verify_one(
    database: Database, program: Program, signing: SigningKeys, notes: list[str], bar: Progress
) -> list[Check]:
    async with database.snapshots() as (rows, links):
        recounting = bar.add_task(f"{program.name}: rows", total=verification.CHECKS)
        walking = bar.add_task(f"{program.name}: chain", total=await chain.length(links, program.id))
        found = await asyncio.gather(
            verification.verify(rows, program.id, lambda done: bar.advance(recounting, done)),
            chain.verify(links, program.id, signing, notes, lambda done: bar.advance(walking, done)),
        )
        return [check for checks in found for check in checks]


@contextmanager
def _bar() -> Iterator[Progress]:
    """On standard error, while somebody watches."""
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        yield bar


async def _prove(settings: Settings, entry: str, wanted: str | None) -> Proof:
    async with opened(settings) as database, database.snapshot() as session:
        program = await choose(session, wanted)
        try:
            account, slash, version = entry.partition("/")
            if not slash:
                return await proofs.get(session, program.id, entry)
            transaction_id, n = await proofs.find_entry(session, program.id, account, _number(version))
            return await proofs.get(session, program.id, transaction_id, account_id=account, n=n)
        except proofs.NotProvable as error:
            raise CommandFailed(str(error)) from None


def _number(version: str) -> int:
    if not version.isdecimal():
        raise CommandFailed("an entry is named by its account and version, for example acc_.../17")
    return int(version)


async def _erase(settings: Settings, ids: list[str], actor: str, reason: str, wanted: str | None) -> list[str]:
    async with opened(settings, as_owner=True) as database, database.begin() as session:
        program = await choose(session, wanted)
        try:
            return await erasures.erase(session, program.id, ids, actor=actor, reason=reason, now=now())
        except erasures.NotErasable as error:
            raise CommandFailed(str(error)) from None


async def _erasures(settings: Settings, wanted: str | None) -> list[Erasure]:
    async with opened(settings) as database, database.begin() as session:
        return await erasures.list_all(session, (await choose(session, wanted)).id)


async def _checkpoint(settings: Settings, wanted: str | None) -> str:
    signing = SigningKeys(settings.ledger_signing_keys)
    async with opened(settings) as database:
        async with database.begin() as session:
            program = await choose(session, wanted)
        await Sealer(database, signing, clock=now).seal()
        async with database.begin() as session:
            if not await seals.take_turn(session, program.id):
                raise CommandFailed("a sealer is at work for this program; try again")
            await checkpoints.make(session, program.id, signing, now=now())
            last = await checkpoints.find_last(session, program.id)
    if last is None:
        raise CommandFailed(f"{program.name} has nothing to seal yet")
    return last


async def _program_id(settings: Settings, wanted: str | None) -> str:
    async with opened(settings) as database, database.begin() as session:
        return (await choose(session, wanted)).id


def _described(checked: Checked, violations: int) -> dict[str, object]:
    return {
        "checked": sum(check.checked for _, checks in checked for check in checks),
        "violations": violations,
        "programs": [{"program": program.id, "checks": [asdict(c) for c in checks]} for program, checks in checked],
    }


def _show(checked: Checked) -> None:
    console = Console()
    for program, checks in checked:
        table = Table(
            "invariant", "checked", "violations", title=f"{program.name} ({program.id})", title_justify="left"
        )
        for check in checks:
            wrong = f"{check.violations}: {', '.join(check.examples)}" if check.violations else "none"
            table.add_row(check.name, f"{check.checked:,}", wrong, style="red" if check.violations else None)
        console.print(table)
    if not checked:
        console.print("There is no program yet.")
