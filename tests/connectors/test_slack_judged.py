"""Whatever renders something for Slack is judged by Slack's own library somewhere: a new one is not forgotten."""

import inspect
import re
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, get_type_hints

from connectors.slack.texts import Texts

ROOT = Path(__file__).parents[2]
RENDERERS = ROOT / "connectors" / "slack"
MADE = (dict[str, Any], Mapping[str, Any])  # a message or a view; whatever returns a block is a part of one


def test_every_message_and_view_is_judged() -> None:
    """By a test that calls what makes it, or what makes something of it."""
    judging = [text for text in _texts(ROOT / "tests", "test_slack*.py") if "slack_judge" in text]
    calling = [*judging, *_texts(RENDERERS, "*.py")]
    forgotten = [one for one in _rendering() if not any(_uses(text, *one) for text in calling)]

    assert forgotten == []


def _uses(text: str, module: str, name: str) -> bool:
    """By the module's name, or as it was imported from there."""
    imported = rf"from connectors\.slack\.{module} import (\([^)]*|[^\n(]*)\b{name}\b"
    return f"{module}.{name}(" in text or re.search(imported, text) is not None


def _texts(folder: Path, pattern: str) -> list[str]:
    return [file.read_text() for file in sorted(folder.rglob(pattern))]


def _rendering() -> Iterator[tuple[str, str]]:
    """The public functions that give what Slack shows in some language, by module and name."""
    for file in sorted(RENDERERS.glob("*.py")):
        module = import_module(f"connectors.slack.{file.stem}")
        for name, made in inspect.getmembers(module, inspect.isfunction):
            if made.__module__ != module.__name__ or name.startswith("_"):
                continue
            hints = get_type_hints(made)
            if Texts in hints.values() and hints["return"] in MADE:
                yield file.stem, name
