"""All commands of `laurel`; a call imports the module of its own first word, because all of them take seconds."""

from collections.abc import Iterable
from importlib import import_module

import typer

# The module of each first word, in the order in which help shows them.
MODULES = {
    "init": "programs",
    "up": "up",
    "demo": "demo",
    "db": "db",
    "programs": "programs",
    "apply": "apply",
    "configurations": "history",
    "lint": "lint",
    "backtest": "backtest",
    "challenges": "challenges",
    "nominations": "nominations",
    "explain": "explain",
    "story": "story",
    "members": "members",
    "absences": "absences",
    "streaks": "streaks",
    "statement": "account_statements",
    "leaderboards": "leaderboards",
    "keys": "api_keys",
    "admin": "admin",
    "connections": "connections",
    "slack": "slack",
    "secrets": "secrets",
    "ledger": "ledger",
    "reports": "reports",
    "expiry": "expiry",
    "orders": "orders",
    "outbox": "outbox",
    "bench": "bench",
    "simulate": "simulate",
    "chaos": "chaos",
}


def app_for(first_word: str | None = None) -> typer.Typer:
    """The commands that begin with the word; all of them if none does."""
    return _app([MODULES[first_word]] if first_word in MODULES else dict.fromkeys(MODULES.values()))


def _app(modules: Iterable[str]) -> typer.Typer:
    app = typer.Typer(
        name="laurel",
        help="Laurel: what people do at work becomes points, recognition and rewards.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,  # its tracebacks show local variables, secrets among them
        callback=lambda: None,  # so that one command alone keeps its name
    )
    for module in modules:
        app.add_typer(import_module(f"cli.{module}").app)
    return app
