from pathlib import Path

import orjson
import psycopg
import pytest
from typer.testing import Result

from settings import Settings
from tests.cli.conftest import Laurel

GOOD = """external_id,name,email,country,manager,identity:crm,custom:level:integer
ada,Ada,ada@example.com,DE,bob,77,3
bob,"Bob ""the"" boss",bob@example.com,,,78,
"""


@pytest.fixture(autouse=True)
def program(laurel: Laurel) -> None:
    laurel("init", "--name", "Acme")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "people.csv"


def _import(laurel: Laurel, file: Path, text: str | bytes, *options: str) -> Result:
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return laurel("members", "import", str(file), *options)


def test_a_file_of_good_lines_goes_in(laurel: Laurel, file: Path) -> None:
    first = _import(laurel, file, GOOD)
    second = _import(laurel, file, GOOD)

    assert (first.exit_code, second.exit_code) == (0, 0)
    assert "2 created, 0 updated, 0 unchanged, 0 failed." in first.stdout
    assert "0 created, 0 updated, 2 unchanged, 0 failed." in second.stdout


def test_good_lines_go_in_and_bad_ones_are_told_by_line(laurel: Laurel, file: Path) -> None:
    text = (
        "external_id,name,country,email,custom:level:integer\n"
        "ada,Ada,DE,ada@example.com,3\n"
        '"bo\nb",Bob,DE,,1\n'
        "cyd,Cyd,Nowhere,,three\n"
        "dan,Dan,DE\n"
        "\n"
        "eve,Eve,DE,ADA@example.com,1\n"
        ",Nobody,DE,,1\n"
        "fay,Fay,FR,,\n"
    )

    told = _import(laurel, file, text, "--json")

    answer = orjson.loads(told.stdout)
    assert told.exit_code == 1
    assert [(fault["line"], fault["field"]) for fault in answer["faults"]] == [
        (3, "external_id"), (5, "custom.level"), (5, "country"), (6, "line"), (8, "email"), (8, "email"),
        (9, "external_id"),
    ]  # fmt: skip
    assert {name: answer[name] for name in ("created", "updated", "unchanged", "failed")} == {
        "created": 2, "updated": 0, "unchanged": 0, "failed": 5
    }  # fmt: skip


def test_a_dry_run_keeps_nothing(laurel: Laurel, file: Path) -> None:
    tried = _import(laurel, file, GOOD, "--dry-run")
    imported = _import(laurel, file, GOOD)

    assert "It would be: 2 created" in tried.stdout
    assert "2 created" in imported.stdout


def test_a_file_with_a_byte_order_mark_and_windows_lines_is_read(laurel: Laurel, file: Path) -> None:
    imported = _import(laurel, file, b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode())

    assert "2 created" in imported.stdout


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "external_id: this column is missing"),
        (b"external_id,colour\n", "line 1: colour: is not a column of members"),
        (b"external_id,name\nada,\xff\n", "is not UTF-8: byte 21"),
        (b'external_id,name\nada,"Ada\n', "line 2: unexpected end of data"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_as_a_whole(
    laurel: Laurel, file: Path, content: bytes, reason: str
) -> None:
    refused = _import(laurel, file, content)

    assert refused.exit_code == 1
    assert reason in str(refused.exception)


def test_a_file_that_is_not_there_is_named(laurel: Laurel, file: Path) -> None:
    refused = laurel("members", "import", str(file))

    assert "people.csv cannot be read: No such file" in str(refused.exception)


def test_more_members_than_one_import_takes_are_refused(laurel: Laurel, file: Path) -> None:
    refused = _import(laurel, file, "external_id,name\n" + "".join(f"m{n},M\n" for n in range(10_001)))

    assert "more than 10000 members" in str(refused.exception)


def test_two_members_are_merged_and_parted_again(laurel: Laurel, file: Path, settings: Settings) -> None:
    _import(laurel, file, GOOD)
    with psycopg.connect(settings.database_url) as connection:
        (ada, bob) = (one for (one,) in connection.execute("SELECT id FROM members ORDER BY external_id").fetchall())

    merged = laurel("members", "merge", ada, bob, "--reason", "hired twice", "--json")
    told = laurel("members", "unmerge", orjson.loads(merged.stdout)["id"], "--reason", "namesakes")
    alone = laurel("members", "merge", ada, ada, "--reason", "why not")
    listed = laurel("members", "merges", "--json")

    assert orjson.loads(merged.stdout)["to_member_id"] == bob
    assert f"{ada} is a member again." in told.stdout
    assert [one["reason"] for one in orjson.loads(listed.stdout)] == ["namesakes", "hired twice"]
    assert "hired twice" in laurel("members", "merges").stdout
    assert alone.exit_code == 1
