"""Notifications: something to tell a person, whatever the channel that carries it, and how a program tells."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time
from typing import Any

from domain.configuration import Configuration
from domain.preferences import Quiet, Wishes
from domain.sentences import Sentence, alone, read_sentence, write

WEEKLY_DIGEST = "weekly_digest"
# What administrators are told of a challenge when everybody who took part has been told how it ended.
CHALLENGE_SETTLED = "challenge_settled"
CHALLENGE_OPENED = "challenge_opened"
# What is told of a challenge to all at once; each but the opening is a reply to it.
CHALLENGE_STEPS = (CHALLENGE_OPENED, "challenge_half_time", "challenge_last_day", CHALLENGE_SETTLED)


# -- What a program declares ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Celebrations:
    """Which days of members are celebrated, at which hour of theirs, and in which channel (empty: directly)."""

    hour: int = 9
    channel: str = ""
    anniversaries: bool = True
    birthdays: bool = True


@dataclass(frozen=True, slots=True)
class ChallengePosts:
    """In which channel everybody reads how challenges go (empty: administrators alone are told)."""

    channel: str = ""


@dataclass(frozen=True, slots=True)
class NotificationPolicy:
    """How people are told in Slack, where they have not said otherwise: hours and days are the member's.

    `workspace` is the connection whose channels are meant; it may be left out while there is one.
    """

    key: str
    version: int
    quiet_from: str = "20:00"
    quiet_until: str = "08:00"
    quiet_days: tuple[str, ...] = ("sat", "sun")
    daily_limit: int = 10
    digest_hour: int = 9
    weekly_digest: bool = True
    workspace: str = ""
    admin_channel: str = ""
    celebrations: Celebrations = Celebrations()
    challenges: ChallengePosts = ChallengePosts()

    @property
    def channels(self) -> frozenset[str]:
        """In which something is said."""
        return frozenset({self.admin_channel, self.celebrations.channel, self.challenges.channel} - {""})

    @property
    def wishes(self) -> Wishes:
        """What holds for members who have said nothing."""
        since, until = time.fromisoformat(self.quiet_from), time.fromisoformat(self.quiet_until)
        quiet = Quiet(since, until, frozenset(self.quiet_days))
        return Wishes(quiet=quiet, daily_limit=self.daily_limit, digest_at=time(self.digest_hour))


UNDECLARED = NotificationPolicy("", 0)


def policy_of(configuration: Configuration) -> NotificationPolicy:
    """How the program tells people; a program that declares nothing has the defaults."""
    return next(iter(configuration.notifications.values()), UNDECLARED)


# -- What is told --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Telling:
    """What is to be told to a member (None: the program's administrators), once for each reference."""

    member_id: str | None
    subject: Sentence
    body: Sentence
    reference: str

    @property
    def sentences(self) -> dict[str, Any]:
        """Both as they are kept."""
        return {"subject": write(self.subject), "body": write(self.body)}


@dataclass(frozen=True, slots=True)
class Notification:
    """What a member is told (None: the program's administrators); `reference` is the row that it is about.

    `subject` and `body` are in English. `sentences` has both as they are told in any language; what is missing there,
    because it is older or was erased, is told as it stands here.
    """

    id: str
    program_id: str
    member_id: str | None
    kind: str
    subject: str
    body: str
    reference: str
    created_at: datetime
    read_at: datetime | None = None
    sentences: Mapping[str, Any] | None = None

    @property
    def about(self) -> str:
        """The row that it is about: what follows in the reference says which of its occasions."""
        return self.reference.partition("/")[0]

    @property
    def said(self) -> tuple[Sentence, Sentence]:
        """Subject and body for every language."""
        return self._said("subject", self.subject), self._said("body", self.body)

    def _said(self, part: str, written: str) -> Sentence:
        known = (self.sentences or {}).get(part)
        return read_sentence(known) if known else alone(written)
