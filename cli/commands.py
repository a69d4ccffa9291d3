"""All commands of `laurel`, one module for each noun."""

import typer

from cli import db, up

app = typer.Typer(
    name="laurel",
    help="Laurel: what people do at work becomes points, recognition and rewards.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # its tracebacks show local variables, secrets among them
)
for noun in (up, db):
    app.add_typer(noun.app)
