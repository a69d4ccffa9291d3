"""Whatever renders something for Slack is judged by Slack's own library somewhere: a new one is not forgotten."""

import inspect
import re
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, get_type_hints

ROOT = Path(__file__).parents[2]
RENDERERS = ROOT / "connectors" / "slack"
MADE = (dict[str, Any], Mapping[str, Any])  # a message or a view; whatever returns a block is a part of one
BUILDERS = "blocks"  # of which everything is made


def test_every_message_and_view_is_judged() -> None:
    """By a test that calls what makes it, or what makes something of it."""
    judging = [text for text in _texts(ROOT / "tests", "test_slack*.py") if "slack_judge" in text]
    calling = "\n".join([*judging, *_texts(RENDERERS, "*.py")])
    forgotten = [name for name in _rendering() if not re.search(rf"(?<!def )\b{name.partition('.')[2]}\(", calling)]

    assert forgotten == []


def _texts(folder: Path, pattern: str) -> list[str]:
    return [file.read_text() for file in sorted(folder.rglob(pattern))]


def _rendering() -> Iterator[str]:
    """The public functions that give what Slack shows."""
    for stem in sorted({file.stem for file in RENDERERS.glob("*.py")} - {BUILDERS}):
        module = import_module(f"connectors.slack.{stem}")
        for name, made in inspect.getmembers(module, inspect.isfunction):
            own = made.__module__ == module.__name__ and not name.startswith("_")
            if own and get_type_hints(made).get("return") in MADE:
                yield f"{stem}.{name}"
