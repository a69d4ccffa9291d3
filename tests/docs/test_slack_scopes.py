"""docs/slack.md says what each scope is for, as the manifest does; `python -m tests.docs.test_slack_scopes` anew."""

import re
from pathlib import Path

from connectors.slack import manifest

PAGE = Path(__file__).parents[2] / "docs" / "slack.md"
BEGIN, END = "<!-- scopes: begin -->\n", "<!-- scopes: end -->"
_SCOPE = re.compile(r"^ +- ([a-z:.]+) # (.+)$", re.MULTILINE)


def page() -> str:
    """The page with its table as it should be."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    return before + BEGIN + table() + END + rest.partition(END)[2]


def table() -> str:
    """Each scope with the purpose that its comment says."""
    purposes = _SCOPE.findall(manifest.FILE.read_text())
    assert tuple(scope for scope, _ in purposes) == manifest.bot_scopes()
    rows = "".join(f"| `{scope}` | {purpose} |\n" for scope, purpose in purposes)
    return f"| scope | what it is for |\n|---|---|\n{rows}"


def test_the_page_says_what_each_scope_is_for() -> None:
    assert PAGE.read_text() == page()


if __name__ == "__main__":
    PAGE.write_text(page())
