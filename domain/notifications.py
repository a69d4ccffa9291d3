"""Notifications: something to tell a person, whatever the channel that carries it."""

from dataclasses import dataclass
from datetime import datetime

# What administrators are told of a challenge when everybody who took part has been told how it ended.
CHALLENGE_SETTLED = "challenge_settled"


@dataclass(frozen=True, slots=True)
class Telling:
    """What is to be told to a member (None: the program's administrators), once for each reference."""

    member_id: str | None
    subject: str
    body: str
    reference: str


@dataclass(frozen=True, slots=True)
class Notification:
    """What a member is told (None: the program's administrators); `reference` is the row that it is about."""

    id: str
    program_id: str
    member_id: str | None
    kind: str
    subject: str
    body: str
    reference: str
    created_at: datetime
    read_at: datetime | None = None
