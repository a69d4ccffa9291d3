"""Commands run in this process, against this test's own database."""

from collections.abc import Callable

import pytest
from typer.testing import CliRunner, Result

from cli.commands import app_for

Laurel = Callable[..., Result]


@pytest.fixture
def laurel(monkeypatch: pytest.MonkeyPatch, database_url: str, owner_url: str, redis_url: str) -> Laurel:
    """Runs `laurel` with these arguments; `input` is what comes on standard input."""
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("DATABASE_OWNER_URL", owner_url)
    monkeypatch.setenv("REDIS_URL", redis_url)
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: str, input: str | None = None) -> Result:
        return CliRunner().invoke(app_for(arguments[0]), list(arguments), input=input)

    return run
