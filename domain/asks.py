"""Asks: what a member wants of Laurel, said in words, as a value.

Thanks, nominations and settings do something; questions are answered from what is stored (`domain.answers`) and change
nothing. What could not be understood is an ask as well: nobody is left without an answer.
"""

from dataclasses import dataclass
from enum import StrEnum

from domain.game import Window


class Topic(StrEnum):
    """What can be asked for, and what there is help on."""

    THANKS = "thanks"
    NOMINATE = "nominate"
    BALANCE = "balance"
    WHY = "why"
    STREAK = "streak"
    BOARD = "board"
    CHALLENGES = "challenges"
    REWARDS = "rewards"
    SETTINGS = "settings"
    HELP = "help"


@dataclass(frozen=True, slots=True)
class Thanks:
    """Recognition for these people, by their ids in the system that asks; `value` is one of the company's, as typed.

    Without receivers or a reason it says what it lacks.
    """

    receivers: tuple[str, ...] = ()
    amount: int | None = None
    value: str | None = None
    reason: str = ""
    private: bool = False


@dataclass(frozen=True, slots=True)
class Nominate:
    """A nomination is to be written, perhaps of this person."""

    nominee: str | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    """What I am told, and when, is to be changed."""


@dataclass(frozen=True, slots=True)
class Balance:
    """What do I have?"""


@dataclass(frozen=True, slots=True)
class Why:
    """Why did I get this; without a reference (of an event, a transaction or a reward), the latest.

    `nothing` asks for the latest that earned nothing.
    """

    reference: str | None = None
    nothing: bool = False


@dataclass(frozen=True, slots=True)
class Streak:
    """How do my streaks stand?"""


@dataclass(frozen=True, slots=True)
class Board:
    """Where do I stand: on the board of this name, or the first one over this window."""

    name: str | None = None
    window: Window | None = None


@dataclass(frozen=True, slots=True)
class Challenges:
    """What is on?"""


@dataclass(frozen=True, slots=True)
class Rewards:
    """What can I have?"""


@dataclass(frozen=True, slots=True)
class Help:
    """What can I ask; or how do I ask for this?"""

    topic: Topic | None = None


@dataclass(frozen=True, slots=True)
class Unknown:
    """No command; perhaps another word was meant."""

    word: str
    did_you_mean: str | None = None


Question = Balance | Why | Streak | Board | Challenges | Rewards | Help | Unknown
Ask = Thanks | Nominate | Settings | Question
