"""The messages that Slack's users read: what the sources say, and what the catalogues make of it.

`python -m tests.connectors.slack_catalogs` brings the catalogues up to date: what is new waits there to be translated,
what nothing says any more is gone.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_file
from babel.messages.pofile import read_po, write_po

from connectors.slack.texts import DOMAIN, LOCALES, TRANSLATED

ROOT = Path(__file__).parents[2]
LAYERS = ("domain", "storage", "connectors", "activities", "workflows", "relay", "api")  # that may speak
KEYWORDS = {"say": None, "later": None, "count": (1, 2), "sentence": None, "counted": (1, 2)}
_SPEAKS = re.compile(r"^from (connectors\.slack\.texts|domain\.sentences) import ", re.MULTILINE)


def sources() -> Iterator[Path]:
    """Every file that says something to Slack's users, itself or by what they are notified of."""
    for folder in LAYERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            if "slack" in path.parts or _SPEAKS.search(path.read_text()):
                yield path


def said() -> Catalog:
    """Every message of the sources."""
    template = Catalog(domain=DOMAIN)
    for path in sources():
        for _, message, _, _ in extract_from_file("python", path, keywords=KEYWORDS):
            template.add(message)
    return template


def path_of(language: str) -> Path:
    return LOCALES / language / "LC_MESSAGES" / f"{DOMAIN}.po"


def translated(language: str) -> Catalog:
    """The catalogue as it is kept."""
    with path_of(language).open("rb") as file:
        return read_po(file, locale=language, domain=DOMAIN)


def update(language: str) -> None:
    """Bring one catalogue up to date."""
    catalogue = translated(language)
    catalogue.update(said(), no_fuzzy_matching=True)
    with path_of(language).open("wb") as file:
        write_po(file, catalogue, omit_header=True, no_location=True, ignore_obsolete=True, sort_output=True, width=116)


if __name__ == "__main__":
    for one in TRANSLATED:
        update(one)
