"""Markup: text as Slack reads it, in which what people typed can be neither a mention, a link nor a command.

Slack gives meaning to three characters, & < and >. Whatever is not Markup has them escaped on its way into a block, so
that a name or a reason is shown as it was typed.
"""

from collections.abc import Iterable

MAX_NAME = 80  # characters of a person's name
_ELLIPSIS = "…"


class Markup(str):
    """Text that is meant as it stands: its own & < and > are escaped, others are Slack's."""

    __slots__ = ()


def markup(text: str) -> Markup:
    """The text as markup: as it is if it is markup already, else with nothing in it that Slack would read."""
    if isinstance(text, Markup):
        return text
    return Markup(text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"))


def person(user_id: str) -> Markup:
    """A mention: Slack shows the person's name and tells the person."""
    return Markup(f"<@{user_id}>")


def name(text: str) -> Markup:
    """A person's name as plain words on one line, which tell nobody."""
    return markup(clip(" ".join(text.split()), MAX_NAME))


def link(text: str, url: str) -> Markup:
    """Words that lead somewhere."""
    return Markup(f"<{markup(url)}|{markup(text)}>")


def bold(text: str) -> Markup:
    """The text in bold."""
    return Markup(f"*{markup(text)}*")


def quote(text: str) -> Markup:
    """What somebody typed, set off from our own words."""
    return Markup("\n".join(f">{line}" for line in markup(text).splitlines()))


def lines(texts: Iterable[str]) -> Markup:
    """The texts one below the other."""
    return joined("\n", texts)


def joined(between: str, texts: Iterable[str]) -> Markup:
    """The texts with something between them."""
    return Markup(markup(between).join(markup(text) for text in texts))


def clip(text: str, limit: int) -> str:
    """At most so many characters of the text, an ellipsis for the last one if there were more.

    Slack takes no empty text: a hyphen stands for it. Markup is not cut within a mention, a link or an escape.
    """
    if len(text) <= limit:
        return text or Markup("-")
    kept = text[: limit - 1]
    if not isinstance(text, Markup):
        return kept + _ELLIPSIS
    for opening, closing in (("<", ">"), ("&", ";")):
        began = kept.rfind(opening)
        if began >= 0 and closing not in kept[began:]:
            kept = kept[:began]
    return Markup(kept + _ELLIPSIS)
