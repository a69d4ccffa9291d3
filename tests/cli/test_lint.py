"""`laurel lint`, and what `laurel apply` says of it: warnings with their places, which stop nothing unless asked to."""

from pathlib import Path

import orjson
import pytest

from cli.errors import CommandFailed
from tests.cli.conftest import Laurel

OPEN_ENDED = """\
event_types:
  deal.won: {fields: {amount: {type: integer, required: true, minimum: 0, maximum: 1000}}}
rules:
  deal:
    event_type: deal.won
    audience: member.country == "DE"
    award: {expression: 50}
"""
BOUNDED = OPEN_ENDED + "    caps: [{per: day, times: 1}]\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "config"
    path.mkdir()
    (path / "all.yaml").write_text(OPEN_ENDED)
    return path


@pytest.fixture
def program(laurel: Laurel, tmp_path: Path) -> None:
    laurel("init", "--name", "Acme")
    people = tmp_path / "people.csv"
    people.write_text("external_id,name,email,country\ne-1,Ada,ada@example.com,US\n")
    laurel("members", "import", str(people))


def test_a_folder_is_linted_without_a_database(laurel: Laurel, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")

    shown = laurel("lint", str(folder))

    assert shown.exit_code == 0
    assert f"{folder}/all.yaml:4:3: warning: rules deal: nothing limits" in shown.stdout
    assert "[unbounded_month]" in shown.stdout
    assert '"type":"deal.won"' in shown.stdout


def test_warnings_are_reasons_to_refuse_only_if_asked(laurel: Laurel, folder: Path) -> None:
    strict = laurel("lint", str(folder), "--strict")
    (folder / "all.yaml").write_text(BOUNDED)
    clean = laurel("lint", str(folder), "--strict")

    assert isinstance(strict.exception, CommandFailed)
    assert (clean.exit_code, clean.stdout) == (0, "")


@pytest.mark.usefixtures("program")
def test_an_audience_that_nobody_meets_takes_the_program_to_tell(laurel: Laurel, folder: Path) -> None:
    (folder / "all.yaml").write_text(BOUNDED)

    alone = orjson.loads(laurel("lint", str(folder), "--json").stdout)
    [warning] = orjson.loads(laurel("lint", str(folder), "--program", "Acme", "--json").stdout)["warnings"]

    assert alone == {"warnings": []}
    assert warning["code"] == "empty_audience"
    assert (warning["line"], warning["message"]) == (
        6,
        "rules deal: audience: no member of the program is in this audience",
    )
    assert warning["example"]["member"] == {"country": "DE"}


@pytest.mark.usefixtures("program")
def test_an_application_shows_warnings_and_goes_on(laurel: Laurel, folder: Path) -> None:
    shown = laurel("apply", str(folder), "--dry-run")
    applied = orjson.loads(laurel("apply", str(folder), "--json").stdout)

    assert "[unbounded_month]" in shown.stdout
    assert applied["applied"]
    assert [warning["code"] for warning in applied["warnings"]] == ["unbounded_month", "empty_audience"]


@pytest.mark.usefixtures("program")
@pytest.mark.parametrize("options", [("--yes",), ("--dry-run",), ("--json",)])
def test_a_strict_application_stops_at_a_warning(laurel: Laurel, folder: Path, options: tuple[str, ...]) -> None:
    refused = laurel("apply", str(folder), "--strict", *options)
    [program] = orjson.loads(laurel("programs", "list", "--json").stdout)

    assert isinstance(refused.exception, CommandFailed)
    assert "unbounded_month" in refused.stdout
    assert program["configuration"] == 0
