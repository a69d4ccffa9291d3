"""Slack workspaces: connected to one program each, by a link that works once.

A workspace that is connected again, to the same program, keeps its connection and gets a new token. While it is
connected to one program, no other can have it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

LINK_MINUTES = 10
FIRST_NAME = "slack"  # of the program's first workspace


class WorkspaceState(StrEnum):
    """Whether a workspace is connected."""

    INSTALLED = "installed"
    REMOVED = "removed"


class BelongsToAnother(Exception):
    """The workspace is connected to another program."""


@dataclass(frozen=True, slots=True)
class InstallLink:
    """For which program a workspace is connected, and who lets it in, as records name them."""

    program_id: str
    actor: str


@dataclass(frozen=True, slots=True)
class Installation:
    """What Slack hands over when somebody has approved the app for a workspace."""

    team_id: str
    team_name: str
    app_id: str
    bot_user_id: str
    scopes: Sequence[str]
    bot_token: str = field(repr=False)
    enterprise_id: str | None = None

    @property
    def config(self) -> dict[str, str]:
        """What the connection says of the workspace."""
        known = {name: getattr(self, name) for name in ("team_id", "team_name", "app_id", "bot_user_id")}
        return known | ({"enterprise_id": self.enterprise_id} if self.enterprise_id else {})


@dataclass(frozen=True, slots=True)
class Workspace:
    """A workspace as it is kept; removed, nothing of it is heard and nothing can be said there."""

    team_id: str
    program_id: str
    connection_id: str
    name: str
    app_id: str
    bot_user_id: str
    scopes: Sequence[str]
    state: WorkspaceState
    installed_at: datetime
    removed_at: datetime | None = None
    enterprise_id: str | None = None

    def outlives(self, told_at: datetime) -> bool:
        """Whether what Slack told then, in whole seconds, is of an earlier installation."""
        return told_at < self.installed_at.replace(microsecond=0)


def link_ends(made_at: datetime) -> datetime:
    """When a link stops working."""
    return made_at + timedelta(minutes=LINK_MINUTES)


def connection_names(team_id: str) -> tuple[str, str]:
    """What the workspace's connection may be called: the first name that is free, or its own already."""
    return FIRST_NAME, f"{FIRST_NAME}-{team_id.lower()}"
