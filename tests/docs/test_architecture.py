"""ARCHITECTURE.md has a line for every folder and every invariant, and its picture is what the linter enforces."""

import re
import subprocess
import tomllib

import pytest

from tests.docs.pages import ROOT

PAGE = (ROOT / "ARCHITECTURE.md").read_text()
INVARIANTS = [f"I{number}" for number in range(1, 14)]


def folders() -> set[str]:
    """The top-level folders that hold something of the repository."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True)
    return {name.split("/")[0] for name in listed.stdout.split() if "/" in name and not name.startswith(".")}


def layers() -> list[str]:
    """The layers of pyproject.toml from the top, those that may not know each other side by side."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    found: list[str] = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    return found


@pytest.mark.parametrize("folder", sorted(folders()))
def test_every_folder_has_its_line(folder: str) -> None:
    assert re.search(rf"^\| `{folder}/` \| \S", PAGE, re.MULTILINE)


def test_no_line_is_about_a_folder_that_is_gone() -> None:
    assert set(re.findall(r"^\| `(\w+)/` \|", PAGE, re.MULTILINE)) == folders()


def test_the_layers_are_those_that_the_linter_enforces() -> None:
    assert f"`{' > '.join(layers())}`" in PAGE


@pytest.mark.parametrize("invariant", INVARIANTS)
def test_every_invariant_says_where_it_is_kept(invariant: str) -> None:
    assert re.search(rf"^\| {invariant} \| \S.* \| \S.* \|$", PAGE, re.MULTILINE)
