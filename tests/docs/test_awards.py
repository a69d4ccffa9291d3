"""docs/notifications.md says beneath which notifications people ask why."""

import re
from pathlib import Path

from storage import slack_cards

PAGE = Path(__file__).parents[2] / "docs" / "notifications.md"


def test_the_page_names_the_kinds_that_are_awards() -> None:
    """Which are those whose cards say by which event they came."""
    _, _, section = PAGE.read_text().partition("\n## Why?\n")
    rows = re.findall(r"^\| (`.+`) \|", section.partition("\n## ")[0], re.MULTILINE)

    assert sorted(re.findall(r"`(\w+)`", " ".join(rows))) == sorted(slack_cards.AWARDS)
