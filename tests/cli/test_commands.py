"""`laurel` imports what its first word needs and nothing else, and all that there is when nobody knows the word."""

import subprocess
import sys

import pytest
import typer
from typer.testing import CliRunner

from cli.commands import MODULES, app_for


def words_of(app: typer.Typer) -> set[str]:
    return set(typer.main.get_group(app).commands)


def test_every_command_has_a_first_word() -> None:
    assert words_of(app_for()) == set(MODULES)


@pytest.mark.parametrize("word", MODULES)
def test_a_first_word_brings_its_commands(word: str) -> None:
    assert word in words_of(app_for(word))


def test_whoever_says_no_known_word_is_told_of_all() -> None:
    shown = CliRunner().invoke(app_for("kyes"), ["kyes"])

    assert shown.exit_code == 2
    assert "keys" in shown.output


def test_a_command_imports_nothing_of_the_others() -> None:
    """Those of keys need no web framework, of which importing takes longer than all that they do."""
    called = "import sys, cli\ntry: cli.main()\nexcept SystemExit: sys.exit('fastapi' in sys.modules)"

    done = subprocess.run([sys.executable, "-c", called, "keys", "--help"], capture_output=True, text=True, check=False)

    assert "create" in done.stdout
    assert done.returncode == 0, done.stderr
