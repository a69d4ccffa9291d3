"""docs/configuration.md names every key of every file, with its default, and its examples are a sound folder."""

import re
from dataclasses import MISSING, Field, fields, is_dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest

from cli.configurations import read_folder
from domain.configuration import Award, Budget, Cap, Condition, Expiry, Refill, Transferring
from domain.configuration import Field as SchemaField
from domain.definitions import SECTIONS, key_field
from domain.expressions import FUNCTIONS
from domain.game import Freezes, Goal, Grace, Level, Prize, Qualifying
from domain.lint import LintCode
from domain.members import ATTRIBUTES
from domain.nominations import Level as LevelOfApproval
from domain.nominations import NominatorLimit
from domain.notifications import Celebrations, ChallengePosts
from domain.recognitions import PairCap
from domain.samples import EVENT_ATTRIBUTES
from domain.schemas import CHECKS

PAGE = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text()
SHAPES: dict[type[Any], str] = {
    **{shape: key_field(section) for section, shape in SECTIONS.items()},
    SchemaField: "",
    Condition: "",
    Award: "",
    Cap: "",
    Budget: "",
    Expiry: "",
    Transferring: "",
    Refill: "",
    Goal: "",
    Prize: "",
    Qualifying: "",
    Grace: "",
    Freezes: "",
    Level: "",
    PairCap: "",
    Celebrations: "",
    ChallengePosts: "",
    LevelOfApproval: "",
    NominatorLimit: "",
}


def tables() -> list[dict[str, str]]:
    """Each table of the page, as defaults by key."""
    found = re.findall(r"\| key \| default \| meaning \|\n\|---\|---\|---\|\n((?:\|.*\n)+)", PAGE)
    rows = [[[cell.strip() for cell in row.split("|")[1:4]] for row in table.splitlines()] for table in found]
    assert all(row[2].endswith(".") for table in rows for row in table)
    return [{row[0]: row[1] for row in table} for table in rows]


def shown(field: Field[Any]) -> str:
    """A field's default as the page writes it."""
    default = field.default
    if default is MISSING:
        return "required" if field.default_factory is MISSING else "empty"
    if default is None:
        return "none"
    if default in ("", ()):
        return "empty"
    if isinstance(default, tuple):
        return str(list(default))
    if is_dataclass(default):
        return "its own defaults"
    return (
        default.value
        if isinstance(default, StrEnum)
        else str(default).lower()
        if isinstance(default, bool)
        else str(default)
    )


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__)
def test_every_key_has_its_row_and_its_default(shape: type) -> None:
    read = (field for field in fields(shape) if "ours" not in field.metadata)
    written = {field.name: shown(field) for field in read if field.name not in (SHAPES[shape], "version")}

    assert written in tables()


def test_no_table_is_about_something_that_is_gone() -> None:
    assert len(tables()) == len(SHAPES)


def test_the_examples_are_a_sound_folder(tmp_path: Path) -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    for number, block in enumerate(blocks):
        (tmp_path / f"{number}.yaml").write_text(block)

    definitions = read_folder(tmp_path)

    assert all(definitions.section(name) for name in SECTIONS)


@pytest.mark.parametrize("word", [*SECTIONS, *CHECKS, *ATTRIBUTES, *(f"event.{name}" for name in EVENT_ATTRIBUTES)])
def test_every_word_of_the_format_is_on_the_page(word: str) -> None:
    assert f"`{word}`" in PAGE


def test_the_functions_that_the_page_names_exist() -> None:
    assert {"getHours", "getDayOfWeek", "startsWith", "double"} <= FUNCTIONS


def test_every_warning_has_a_row_that_says_what_to_do() -> None:
    section = PAGE.split("## Warnings\n")[1].split("\n## ")[0]

    assert re.findall(r"^\| `(\w+)` \| .+\. \| .+\. \|$", section, re.MULTILINE) == [code.value for code in LintCode]
