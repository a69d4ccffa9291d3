"""`laurel apply`: what it shows, asks, makes active and refuses."""

from pathlib import Path

import orjson
import pytest

from cli.configurations import ConfigurationRefused
from cli.errors import CommandFailed
from tests.cli.conftest import Laurel

FIRST = """\
event_types:
  deal.won: {fields: {amount: {type: integer, required: true, minimum: 0, maximum: 1000}}}
rules:
  deal: {event_type: deal.won, award: {expression: 50}}
"""


@pytest.fixture
def folder(tmp_path: Path, laurel: Laurel) -> Path:
    laurel("init", "--name", "Acme")
    path = tmp_path / "config"
    path.mkdir()
    (path / "all.yaml").write_text(FIRST)
    return path


def configuration(laurel: Laurel) -> int:
    [program] = orjson.loads(laurel("programs", "list", "--json").stdout)
    return int(program["configuration"])


def test_a_folder_becomes_the_active_configuration(laurel: Laurel, folder: Path) -> None:
    applied = laurel("apply", str(folder), "--yes")

    assert applied.exit_code == 0
    assert "+ event_types deal.won" in applied.stdout
    assert "+ rules deal" in applied.stdout
    assert "award.expression: 50" in applied.stdout
    assert "Configuration 1 of prg_" in applied.stdout
    assert configuration(laurel) == 1


def test_a_dry_run_shows_what_comes_and_goes_and_applies_nothing(laurel: Laurel, folder: Path) -> None:
    laurel("apply", str(folder), "--yes")
    (folder / "all.yaml").write_text(FIRST.replace("  deal:", "  sale:"))

    shown = laurel("apply", str(folder), "--dry-run")

    assert "- rules deal" in shown.stdout
    assert "+ rules sale" in shown.stdout
    assert "this was a dry run" in shown.stdout
    assert configuration(laurel) == 1


def test_a_changed_field_is_shown_with_before_and_after(laurel: Laurel, folder: Path) -> None:
    laurel("apply", str(folder), "--yes")
    (folder / "all.yaml").write_text(FIRST.replace("50", "60"))

    applied = laurel("apply", str(folder), "--yes")

    assert "~ rules deal\n    award.expression: 50 -> 60\n" in applied.stdout
    assert configuration(laurel) == 2


def test_the_same_folder_changes_nothing(laurel: Laurel, folder: Path) -> None:
    laurel("apply", str(folder), "--yes")

    again = laurel("apply", str(folder))

    assert "Configuration 1" in again.stdout
    assert "the folder changes nothing" in again.stdout
    assert configuration(laurel) == 1


@pytest.mark.parametrize(("answer", "number"), [("y\n", 1), ("n\n", 0)])
def test_without_yes_it_asks(laurel: Laurel, folder: Path, answer: str, number: int) -> None:
    asked = laurel("apply", str(folder), input=answer)

    assert "Make these 2 changes to Acme?" in asked.stdout
    assert isinstance(asked.exception, CommandFailed) == (number == 0)
    assert configuration(laurel) == number


def test_scripts_get_one_json_value(laurel: Laurel, folder: Path) -> None:
    first = orjson.loads(laurel("apply", str(folder), "--json").stdout)
    second = orjson.loads(laurel("apply", str(folder), "--json").stdout)

    assert (first["configuration"], first["applied"]) == (1, True)
    assert [(change["kind"], change["section"], change["key"]) for change in first["changes"]] == [
        ("added", "event_types", "deal.won"),
        ("added", "rules", "deal"),
    ]
    assert (second["configuration"], second["applied"], second["changes"]) == (1, False, [])


def test_a_folder_with_faults_is_refused_with_every_place(laurel: Laurel, folder: Path) -> None:
    (folder / "all.yaml").write_text(
        FIRST.replace("expression: 50", "expression: event.amonut").replace("deal.won:", "deal.wun:")
    )

    refused = laurel("apply", str(folder), "--yes")
    as_json = orjson.loads(laurel("apply", str(folder), "--json").stdout)

    assert isinstance(refused.exception, ConfigurationRefused)
    assert f"{folder}/all.yaml:4:22: rules deal: event_type: no event type deal.won: did you mean deal.wun?" in str(
        refused.exception
    )
    assert as_json["faults"][0] == {
        "file": f"{folder}/all.yaml",
        "line": 4,
        "column": 22,
        "message": "rules deal: event_type: no event type deal.won: did you mean deal.wun?",
    }
    assert configuration(laurel) == 0


def test_the_sample_company_can_be_applied(laurel: Laurel, folder: Path) -> None:
    applied = laurel("apply", "config", "--yes")

    assert applied.exit_code == 0
    assert configuration(laurel) == 1


def test_text_of_the_folder_is_shown_as_it_is(laurel: Laurel, folder: Path) -> None:
    (folder / "all.yaml").write_text(FIRST.replace("{event_type", '{title: "[red]50[/red] points", event_type'))

    shown = laurel("apply", str(folder), "--dry-run")

    assert "title: [red]50[/red] points" in shown.stdout
