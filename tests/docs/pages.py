"""The Markdown pages of the repository, as those who read them see them."""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]

_FENCE = re.compile(r"^( *)(```+)[^\n]*\n.*?^\1\2$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`([^`\n]+)`")


def pages() -> list[Path]:
    """Every Markdown file that git knows."""
    listed = subprocess.run(["git", "ls-files", "*.md"], cwd=ROOT, check=True, capture_output=True, text=True)
    return [ROOT / name for name in sorted(listed.stdout.split()) if (ROOT / name).exists()]


def named(page: Path) -> str:
    """The page's path from the root, for messages."""
    return str(page.relative_to(ROOT))


def prose(text: str) -> str:
    """The text without its fenced blocks."""
    return _FENCE.sub("", text)


def code(text: str) -> list[str]:
    """What the text writes in backquotes, fenced blocks left out."""
    return _CODE.findall(prose(text))
