"""`laurel configurations`: what changed when and by whom, what waits for a second person, and the way back."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from cli.errors import CommandFailed
from tests.cli.conftest import Laurel

FIRST = """\
event_types: {deal.won: {fields: {}}}
rules:
  deal: {event_type: deal.won, award: {expression: 50}}
"""


@pytest.fixture
def folder(tmp_path: Path, laurel: Laurel, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LOGNAME", "ada")
    laurel("init", "--name", "Acme")
    path = tmp_path / "config"
    path.mkdir()
    write(path, FIRST)
    laurel("apply", str(path), "--yes")
    return path


def write(folder: Path, text: str) -> None:
    (folder / "all.yaml").write_text(text)


def listed(laurel: Laurel) -> Any:
    return orjson.loads(laurel("configurations", "list", "--json").stdout)


def test_the_history_tells_who_changed_what(laurel: Laurel, folder: Path) -> None:
    write(folder, FIRST.replace("50", "60"))
    laurel("apply", str(folder), "--yes")

    second, first = listed(laurel)["configurations"]
    shown = laurel("configurations", "show", "2").stdout
    table = laurel("configurations", "list").stdout

    assert (second["number"], second["applied_by"]) == (2, "ada")
    assert [change["kind"] for change in first["changes"]] == ["added", "added"]
    assert "~ rules deal\n    award.expression: 50 -> 60\n" in shown
    assert "~ rules deal" in table


def test_a_second_person_publishes_what_was_proposed(
    laurel: Laurel, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    laurel("programs", "set", "--second-person-publishes")
    write(folder, FIRST.replace("50", "60"))

    proposed = orjson.loads(laurel("apply", str(folder), "--json").stdout)
    alone = laurel("configurations", "publish", proposed["proposal"])
    shown = laurel("configurations", "show", proposed["proposal"]).stdout
    monkeypatch.setenv("LOGNAME", "ben")
    published = laurel("configurations", "publish", proposed["proposal"])
    again = laurel("configurations", "publish", proposed["proposal"])

    assert (proposed["configuration"], proposed["applied"]) == (1, False)
    assert isinstance(alone.exception, CommandFailed)
    assert "somebody else publishes it" in str(alone.exception)
    assert "~ rules deal\n    award.expression: 50 -> 60\n" in shown
    assert published.stdout == "Configuration 2 is active.\n"
    assert isinstance(again.exception, CommandFailed)
    [proposal] = listed(laurel)["proposals"]
    assert (proposal["state"], proposal["proposed_by"], proposal["decided_by"]) == ("published", "ada", "ben")


def test_a_proposal_is_withdrawn_by_whoever_made_it(laurel: Laurel, folder: Path) -> None:
    laurel("programs", "set", "--second-person-publishes")
    write(folder, FIRST.replace("50", "60"))
    told = laurel("apply", str(folder), "--yes").stdout
    [proposal] = listed(laurel)["proposals"]

    withdrawn = laurel("configurations", "withdraw", proposal["id"])

    assert f"laurel configurations publish {proposal['id']}" in told
    assert withdrawn.exit_code == 0
    assert listed(laurel)["proposals"][0]["state"] == "withdrawn"


def test_one_command_goes_back(laurel: Laurel, folder: Path) -> None:
    write(folder, FIRST.replace("50", "60"))
    laurel("apply", str(folder), "--yes")

    back = orjson.loads(laurel("configurations", "rollback", "1", "--json").stdout)
    unknown = laurel("configurations", "rollback", "7")

    assert (back["configuration"], back["applied"]) == (3, True)
    assert back["changes"][0]["fields"] == [{"field": "award.expression", "before": "60", "after": "50"}]
    assert isinstance(unknown.exception, CommandFailed)


@pytest.mark.parametrize("name", ["9", "0", "99999999999999999999", "prp_0"])
def test_what_is_not_there_cannot_be_shown(laurel: Laurel, folder: Path, name: str) -> None:
    assert isinstance(laurel("configurations", "show", name).exception, CommandFailed)
