"""Slack users: who somebody is in a workspace, and by which names they may be a member.

The user's identity decides, else the e-mail address that Slack has confirmed. Guests, and people of other workspaces in
shared channels, are members only where the program lets them take part; and of the latter an address counts for
nothing, since another company's workspace says it. Bots are nobody.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from domain.connections import KINDS, Connection
from domain.events import Identity
from domain.members import EMAIL


class UserKind(StrEnum):
    """What a user is to the workspace."""

    PERSON = "person"
    GUEST = "guest"
    EXTERNAL = "external"  # of another workspace, in a shared channel
    BOT = "bot"


class Apart(StrEnum):
    """Why a user takes no part in the program."""

    UNKNOWN = "unknown"  # no member
    OUTSIDE = "outside"  # a guest, or somebody of another company, while the program has none of them
    LEFT = "left"  # no member any more


class Deactivation(StrEnum):
    """What it means for a member that their account is deactivated, as the connection says."""

    IGNORE = "ignore"  # administrators are told: the HRIS says who works here
    LEAVE = "leave"  # the member has left, until the account is active again

    @classmethod
    def of(cls, connection: Connection, kinds: Collection[str]) -> "Deactivation":
        """What the connection says; else what is usual in a program that has connections of these kinds."""
        usual = cls.IGNORE if any(KINDS[kind].is_hris for kind in kinds) else cls.LEAVE
        return cls(connection.config.get("deactivation", usual))


@dataclass(frozen=True, slots=True)
class UserFacts:
    """What Slack says of a user, as of `updated_at` by its clock; `email` only if it is confirmed."""

    user_id: str
    kind: UserKind
    name: str
    updated_at: datetime
    email: str | None = None
    locale: str | None = None
    time_zone: str | None = None
    deleted: bool = False

    def completed(self, known: "SlackUser") -> "UserFacts":
        """With what is known, where this does not say it: an event has no locale, and of who is gone no kind."""
        return replace(
            self,
            kind=known.kind if self.deleted else self.kind,
            locale=self.locale or known.locale,
            time_zone=self.time_zone or known.time_zone,
        )


@dataclass(frozen=True, slots=True)
class SlackUser:
    """A user as they are kept: parked while they are no member, and asked about again when they do something."""

    connection_id: str
    user_id: str
    member_id: str | None
    kind: UserKind
    name: str
    locale: str | None
    time_zone: str | None
    deleted: bool
    updated_at: datetime
    seen_at: datetime


def may_take_part(kind: UserKind, *, outsiders: bool) -> bool:
    """Whether a user of this kind takes part where `outsiders` do, or do not."""
    return kind is UserKind.PERSON or (outsiders and kind is not UserKind.BOT)


def names_of(connection: Connection, facts: UserFacts, *, outsiders: bool) -> tuple[Identity, ...]:
    """The names by which the user may be a member, the surest first; `outsiders` may take part if that is said."""
    if not may_take_part(facts.kind, outsiders=outsiders):
        return ()
    own = Identity(connection.name, facts.user_id)
    if facts.email is None or facts.kind is UserKind.EXTERNAL:
        return (own,)
    return own, Identity(EMAIL, facts.email.lower())
