"""Every link of every page leads somewhere."""

import re
from pathlib import Path

import pytest

from tests.docs.pages import named, pages, prose

_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ +(.+?)\s*$", re.MULTILINE)
_ELSEWHERE = ("http://", "https://", "mailto:")


def links(page: Path) -> list[str]:
    """The page's links to places in this repository."""
    return [link for link in _LINK.findall(prose(page.read_text())) if not link.startswith(_ELSEWHERE)]


def anchors(page: Path) -> set[str]:
    """What the page's headings are called in links."""
    return {_anchor(heading) for heading in _HEADING.findall(prose(page.read_text()))}


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("page", pages(), ids=named)
def test_every_link_leads_somewhere(page: Path) -> None:
    broken = []
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)

    assert not broken


def test_every_page_is_reached_from_the_readme() -> None:
    readme = next(page for page in pages() if named(page) == "README.md")
    reached, new = {readme}, [readme]
    while new:
        page = new.pop()
        targets = {(page.parent / link.partition("#")[0]).resolve() for link in links(page)}
        found = {target for target in targets if target.suffix == ".md"} - reached
        reached |= found
        new += found

    assert set(pages()) <= reached
