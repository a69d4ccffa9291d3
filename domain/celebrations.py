"""Celebrations: which told days of a member are celebrated, and once.

An anniversary whose day is corrected is celebrated on its right day, unless it was celebrated near that day already.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta

from domain import derived
from domain.employment import Telling, TellingState
from domain.notifications import Celebrations
from domain.sentences import Sentence, counted, sentence

ANNIVERSARY, BIRTHDAY = "celebration_anniversary", "celebration_birthday"
KINDS = (ANNIVERSARY, BIRTHDAY)
MAX_WORDS = 50  # of colleagues, for one celebration: a line of each
MAX_WORDS_LENGTH = 280  # characters

# So late something is celebrated at most, and so near to its right day it counts as celebrated.
NEAR = timedelta(days=31)

_KINDS = {derived.WORK_ANNIVERSARY: ANNIVERSARY, derived.MEMBER_BIRTHDAY: BIRTHDAY}


class WordsRefused(Exception):
    """Words are not taken: too long, empty, or one too many; the text says which."""


@dataclass(frozen=True, slots=True)
class Occasion:
    """What is celebrated of whom: the name of the fact that was told, whichever of its tellings stands, and its day."""

    member_id: str
    type: str
    name: str
    on: date

    @classmethod
    def of(cls, telling: Telling) -> "Occasion":
        return cls(telling.member_id, telling.type, telling.name, date.fromisoformat(telling.data["on"]))

    @classmethod
    def read(cls, reference: str) -> "Occasion":
        """The inverse of `reference`."""
        about, _, on = reference.partition("/")
        member_id, type, name = about.split(":")
        return cls(member_id, type, name, date.fromisoformat(on))

    @property
    def reference(self) -> str:
        """What it is known by, so that it is celebrated once."""
        return f"{self.member_id}:{self.type}:{self.name}/{self.on.isoformat()}"

    @property
    def kind(self) -> str:
        """The kind of the notification that tells it."""
        return _KINDS[self.type]

    @property
    def subject(self) -> Sentence:
        """In a few words, for who is told by the API."""
        if self.type == derived.MEMBER_BIRTHDAY:
            return sentence("Happy birthday")
        return counted("A year of work", "{n} years of work", int(self.name))


def is_celebrated(telling: Telling, known: Iterable[Telling], declared: Celebrations, today: date) -> bool:
    """Whether a day that is told now is celebrated, where this was told of the member before."""
    wanted = {derived.WORK_ANNIVERSARY: declared.anniversaries, derived.MEMBER_BIRTHDAY: declared.birthdays}
    on = Occasion.of(telling).on if wanted.get(telling.type) else None
    if on is None or today - on > NEAR:
        return False
    before = (one for one in known if one.key == telling.key and one.state is not TellingState.CLOSED)
    return not any(abs(Occasion.of(one).on - on) <= NEAR for one in before)


def check_words(words: str) -> str:
    """The words without space around them; raises WordsRefused."""
    said = " ".join(words.split())
    if not 1 <= len(said) <= MAX_WORDS_LENGTH or "\x00" in said:
        raise WordsRefused(f"words have 1 to {MAX_WORDS_LENGTH} characters")
    return said
