"""What the pages name exists: commands, targets, files and what is in them; and nothing of anybody's machine."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest
import typer

from cli.commands import app_for
from tests.docs.pages import ROOT, code, named, pages

_COMMAND = re.compile(r"\blaurel ((?:[a-z]+ ?)+)")
_TARGET = re.compile(r"\bmake ([a-z]+)\b")
_PLACE = re.compile(r"([\w./-]+\.py)(?::([\w.]+))?")
_MACHINE = re.compile(
    r"/(?:home|root|work|Users|tmp)/\w|\b(?:py(?:pi\.org|thonhosted)|registry\.npm(?:js)|artifactory|nexus)\b"
)

MARKDOWN = pytest.mark.parametrize("page", pages(), ids=named)


def shell(text: str) -> list[str]:
    """Lines of the fenced blocks, and what is in backquotes."""
    fenced = re.findall(r"^```(?:sh)?\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [*code(text), *(line for block in fenced for line in block.splitlines())]


def commands() -> set[str]:
    """Every command, and every group of commands, as the words after `laurel`."""
    found: set[str] = set()

    def walk(group: object, words: str) -> None:
        for name, command in getattr(group, "commands", {}).items():
            found.add(f"{words} {name}".strip())
            walk(command, f"{words} {name}".strip())

    walk(typer.main.get_command(app_for()), "")
    return found


@cache
def definitions(path: Path) -> frozenset[str]:
    """The names of a module's functions, classes and constants, and of classes' members as Class.member."""
    names: set[str] = set()
    for node in ast.parse(path.read_text()).body:
        names |= _names(node)
        if isinstance(node, ast.ClassDef):
            names |= {f"{node.name}.{name}" for inner in node.body for name in _names(inner)}
    return frozenset(names)


def _names(node: ast.stmt) -> set[str]:
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            return {node.name}
        case ast.Assign():
            return {target.id for target in node.targets if isinstance(target, ast.Name)}
        case ast.AnnAssign(target=ast.Name(id=name)):
            return {name}
        case _:
            return set()


@MARKDOWN
def test_every_command_that_is_named_exists(page: Path) -> None:
    known = commands()
    groups = {words.split()[0] for words in known if " " in words}
    lines = [line.strip("$ ") for line in shell(page.read_text())]
    written = [found[1].split() for line in lines if (found := _COMMAND.match(line))]

    unknown = [words for words in written if " ".join(words[: 2 if words[0] in groups else 1]) not in known]

    assert not unknown


@MARKDOWN
def test_every_target_of_make_that_is_named_exists(page: Path) -> None:
    known = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    written = {found[1] for line in shell(page.read_text()) if (found := _TARGET.match(line.strip("$ ")))}

    assert written <= known


@MARKDOWN
def test_every_file_and_every_name_in_it_exists(page: Path) -> None:
    """Written `storage/intake.py`, or `storage/intake.py:record` for what is in it."""
    missing = []
    for written in code(page.read_text()):
        place = _PLACE.fullmatch(written)
        if place is None or ("/" not in place[1] and not (ROOT / place[1]).exists()):
            continue
        path, name = ROOT / place[1], place[2]
        if not path.exists() or (name and name not in definitions(path)):
            missing.append(written)

    assert not missing


@MARKDOWN
def test_no_page_names_a_machine_or_a_registry(page: Path) -> None:
    assert _MACHINE.search(page.read_text()) is None


def test_the_readme_names_every_target() -> None:
    known = re.findall(r"^([a-z]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE)
    written = set(_TARGET.findall((ROOT / "README.md").read_text()))

    assert {*known} - {"help"} <= written
