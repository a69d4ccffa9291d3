"""All commands of `laurel`, one module for each noun."""

import typer

from cli import (
    absences,
    account_statements,
    admin,
    api_keys,
    apply,
    backtest,
    bench,
    challenges,
    chaos,
    connections,
    db,
    demo,
    expiry,
    explain,
    history,
    leaderboards,
    ledger,
    lint,
    members,
    orders,
    outbox,
    programs,
    reports,
    secrets,
    simulate,
    story,
    streaks,
    up,
)

app = typer.Typer(
    name="laurel",
    help="Laurel: what people do at work becomes points, recognition and rewards.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # its tracebacks show local variables, secrets among them
)
app.add_typer(programs.first)
for noun in (
    up,
    demo,
    db,
    programs,
    apply,
    history,
    lint,
    backtest,
    challenges,
    explain,
    story,
    members,
    absences,
    streaks,
    account_statements,
    leaderboards,
    api_keys,
    admin,
    connections,
    secrets,
    ledger,
    reports,
    expiry,
    orders,
    outbox,
    bench,
    simulate,
    chaos,
):
    app.add_typer(noun.app)
