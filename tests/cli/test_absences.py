from pathlib import Path

import orjson
import pytest

from tests.cli.conftest import Laurel

GOOD = """member,kind,starts_on,ends_on
ada,sick,2026-03-02,2026-03-04
bob,pto,2026-03-02,2026-03-02
"""


@pytest.fixture(autouse=True)
def program(laurel: Laurel, tmp_path: Path) -> None:
    people = tmp_path / "people.csv"
    people.write_text("external_id,name\nada,Ada\nbob,Bob\n")
    laurel("init", "--name", "Acme")
    laurel("members", "import", str(people))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "people-absences.csv"
    file.write_text(GOOD)
    return file


def test_a_file_of_absences_goes_in_once(laurel: Laurel, file: Path) -> None:
    first = laurel("absences", "import", str(file))
    second = laurel("absences", "import", str(file))
    file.write_text(GOOD.replace("2026-03-04", "2026-03-05"))
    longer = laurel("absences", "import", str(file))

    assert "2 created, 0 updated, 0 unchanged, 0 withdrawn, 0 failed." in first.stdout
    assert "0 created, 0 updated, 2 unchanged" in second.stdout
    assert "0 created, 1 updated, 1 unchanged" in longer.stdout


def test_good_lines_go_in_and_bad_ones_are_told_by_line(laurel: Laurel, file: Path) -> None:
    file.write_text(
        GOOD + "nobody,sick,2026-03-02,2026-03-04\n\nada,tired,soon,2026-03-04\nada,sick,2026-03-04,2026-03-02\n"
    )

    told = laurel("absences", "import", str(file), "--json")

    answer = orjson.loads(told.stdout)
    assert told.exit_code == 1
    assert [(fault["line"], fault["field"]) for fault in answer["faults"]] == [
        (4, "member"), (6, "kind"), (6, "starts_on"), (7, "ends_on"),
    ]  # fmt: skip
    assert (answer["created"], answer["failed"]) == (2, 3)


def test_absences_are_listed_as_they_stand_or_with_what_they_were(laurel: Laurel, file: Path) -> None:
    laurel("absences", "import", str(file), "--source", "hr")
    file.write_text("member,kind,starts_on,ends_on,withdrawn\nada,sick,2026-03-02,2026-03-04,yes\n")
    laurel("absences", "import", str(file), "--source", "hr")

    standing = orjson.loads(laurel("absences", "list", "--json").stdout)
    of_ada = orjson.loads(laurel("absences", "list", "--member", "ada", "--ended", "--json").stdout)

    assert [(one["kind"], one["source"], one["starts_on"]) for one in standing] == [("pto", "hr", "2026-03-02")]
    assert [(one["state"], one["external_id"]) for one in of_ada] == [("withdrawn", "ada/sick/2026-03-02")]
    assert "2026-03-02" in laurel("absences", "list").stdout
    assert "no member has the external_id 'zoe'" in str(laurel("absences", "list", "--member", "zoe").exception)


def test_a_file_without_the_columns_is_refused(laurel: Laurel, file: Path) -> None:
    file.write_text("member,colour\n")

    refused = laurel("absences", "import", str(file))

    assert "line 1: colour: is not a column of absences; kind: this column is missing" in str(refused.exception)
