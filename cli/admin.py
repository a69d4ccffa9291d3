"""`laurel admin`: links by which people sign in to the administrators' pages."""

import asyncio
from typing import Annotated

import typer
from rich.console import Console

from cli.errors import CommandFailed
from cli.programs import choose
from cli.work import InProgram, Json, answer_json, now, opened
from domain.sign_ins import LINK_MINUTES, MAX_LINK_MINUTES
from settings import Settings
from storage import sign_ins

app = typer.Typer(name="admin", help="The pages of administrators.", no_args_is_help=True)


@app.command()
def link(
    name: Annotated[str, typer.Option(help="Who will sign in with it, as records name them.")],
    minutes: Annotated[
        int, typer.Option(min=1, max=MAX_LINK_MINUTES, help="How long it works if it is not used.")
    ] = LINK_MINUTES,
    program: InProgram = None,
    json: Json = False,
) -> None:
    """Make a link that signs one person in, once, and show it once."""
    settings = Settings()
    # After the #, so that no server and no log ever sees it.
    address = f"{settings.laurel_public_url}/admin/enter#{asyncio.run(_make(settings, program, name, minutes))}"
    if json:
        answer_json({"link": address, "minutes": minutes})
        return
    console = Console(soft_wrap=True)
    console.print(f"For {name}, once, within {minutes} minutes:", highlight=False)
    console.print(address, style="bold", highlight=False)


async def _make(settings: Settings, wanted: str | None, name: str, minutes: int) -> str:
    async with opened(settings) as database, database.begin() as session:
        program = await choose(session, wanted)
        try:
            return await sign_ins.make_link(session, program.id, name=name, minutes=minutes, now=now())
        except ValueError as error:
            raise CommandFailed(str(error)) from None
