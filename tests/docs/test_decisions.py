"""Every decision record has its number, its date and the same headings, and is listed."""

import re
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, named

DECISIONS = ROOT / "docs" / "decisions"
RECORDS = sorted(path for path in DECISIONS.glob("*.md") if path.name != "README.md")
HEADINGS = ["Context", "Decision", "Consequences", "Alternatives"]


@pytest.mark.parametrize("record", RECORDS, ids=named)
def test_a_record_has_its_number_its_date_and_its_headings(record: Path) -> None:
    text = record.read_text()

    assert text.startswith(f"# {record.name[:4]}. ")
    assert re.search(r"^Date: \d{4}-\d{2}-\d{2}$", text, re.MULTILINE)
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == HEADINGS


def test_numbers_are_given_once_and_none_is_left_out() -> None:
    assert [record.name[:4] for record in RECORDS] == [f"{number:04}" for number in range(1, len(RECORDS) + 1)]


@pytest.mark.parametrize("record", RECORDS, ids=named)
def test_a_record_is_listed_under_its_title(record: Path) -> None:
    title = record.read_text().splitlines()[0].split(". ", 1)[1]

    listed = " ".join((DECISIONS / "README.md").read_text().split()) + " -"

    assert f"- [{record.name[:4]}]({record.name}): {title} -" in listed
