"""docs/glossary.md has a meaning for each noun that tables, ids, lanes and scopes are named after, and each state."""

import ast
import re
from pathlib import Path
from typing import get_args

import pytest
from sqlalchemy import CheckConstraint

from activities.failpoints import Point
from cli.chaos.faults import FAULTS
from domain.connections import KINDS
from domain.outbox import Kind, Lane
from domain.outcomes import AMENDED, CONFLICT, QUARANTINED, RECORDED, REJECTED, REPLAYED
from domain.scopes import Scope
from storage.tables import metadata
from tests.docs.pages import ROOT

PAGE = (ROOT / "docs" / "glossary.md").read_text()
STATES = (ROOT / "docs" / "states.md").read_text()
RELIABILITY = (ROOT / "docs" / "reliability.md").read_text()
_WORD = re.compile(r"^\*\*([^*]+)\*\*", re.MULTILINE)
_ROW = re.compile(r"^\| `([^`]+)` \|(.*)\|$", re.MULTILINE)
_STATE = re.compile(r"^(?:state|delivery_state) IN \((.*)\)$")
# Drawn in docs/states.md with their arrows.
DRAWN = {"challenges", "orders", "rewards", "grace_windows", "nominations"}


def words() -> list[str]:
    """The words that have an entry, in the page's order within each section."""
    return [word.strip() for entry in _WORD.findall(PAGE) for word in entry.split(",")]


def rows(title: str) -> dict[str, str]:
    """A section's table: its first column and the rest of each row."""
    return dict(_ROW.findall(PAGE.split(f"## {title}\n")[1].split("\n## ")[0]))


def states() -> list[tuple[str, str]]:
    """Each state that the database knows, with its table."""
    found = []
    for table in metadata.tables.values():
        for constraint in table.constraints:
            if isinstance(constraint, CheckConstraint) and (listed := _STATE.match(str(constraint.sqltext))):
                found += [(table.name, state) for state in re.findall(r"'(\w+)'", listed[1])]
    return sorted(found)


def prefixes() -> set[str]:
    """Every prefix that the code makes an id with."""
    found: set[str] = set()
    for layer in ("domain", "storage", "activities", "relay", "api", "cli"):
        for path in (ROOT / layer).rglob("*.py"):
            found |= _prefixes(path)
    return found


def _prefixes(path: Path) -> set[str]:
    calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    called = [(getattr(call.func, "id", getattr(call.func, "attr", "")), call.args) for call in calls]
    made = [args[0] for name, args in called if name in ("new_id", "_new_id") and args]
    return {str(one.value) for one in made if isinstance(one, ast.Constant)}


def test_every_word_has_one_entry() -> None:
    assert len(words()) == len(set(words()))


@pytest.mark.parametrize("table", sorted(metadata.tables))
def test_the_noun_of_every_table_is_a_word(table: str) -> None:
    assert table in rows("Tables")
    assert set(re.findall(r"\*(.+?)\*", rows("Tables")[table])) & set(words())


def test_no_table_is_told_of_that_is_gone() -> None:
    assert set(rows("Tables")) == set(metadata.tables)


def test_every_prefix_of_an_id_is_told() -> None:
    assert {f"{prefix}_" for prefix in prefixes()} | {"acc_"} == set(rows("Ids"))


@pytest.mark.parametrize(("table", "state"), states())
def test_every_state_is_told(table: str, state: str) -> None:
    told = STATES if table in DRAWN else rows("States of other rows").get(table, "")

    assert re.search(rf"\b{state}\b", told)


@pytest.mark.parametrize("lane", Lane)
def test_every_lane_is_told_with_its_effects(lane: Lane) -> None:
    assert lane in rows("Lanes of the outbox")


def test_every_effect_is_told() -> None:
    assert set(re.findall(r"`(\w+)`", "".join(rows("Lanes of the outbox").values()))) == set(Kind)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_connection_is_told(kind: str) -> None:
    assert f"`{kind}`" in PAGE


@pytest.mark.parametrize("scope", Scope)
def test_the_noun_of_every_scope_is_a_word(scope: Scope) -> None:
    noun = scope.split(":")[0]

    assert noun.removesuffix("s") in words() or noun in words()


@pytest.mark.parametrize("point", get_args(Point))
def test_every_failpoint_is_told(point: str) -> None:
    assert f"`{point}`" in RELIABILITY


@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_under_load_is_told(fault: str) -> None:
    assert f"| `{fault}` |" in RELIABILITY


@pytest.mark.parametrize("status", [AMENDED, CONFLICT, QUARANTINED, RECORDED, REJECTED, REPLAYED])
def test_every_outcome_is_told(status: str) -> None:
    told = PAGE.split("**outcome** ")[1].split("\n\n")[0]

    assert f"`{status}`" in told
