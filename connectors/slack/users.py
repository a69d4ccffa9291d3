"""People of a workspace, as Slack tells of them: https://docs.slack.dev/reference/objects/user-object."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from connectors.errors import MalformedNotice
from connectors.slack.web import Slack
from domain.connections import Connection
from domain.slack_users import UserFacts, UserKind

MAX_NAME = 200  # characters


class _Profile(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    display_name: str = ""
    real_name: str = ""
    email: str | None = Field(None, max_length=320)


class _EnterpriseUser(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    enterprise_id: str | None = None


class _User(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    id: str = Field(max_length=50)
    team_id: str | None = None
    deleted: bool = False
    updated: int = Field(0, ge=0, le=2**40)
    name: str = ""
    real_name: str = ""
    locale: str | None = Field(None, max_length=35)
    tz: str | None = Field(None, max_length=64)
    is_bot: bool = False
    is_restricted: bool = False
    is_ultra_restricted: bool = False
    is_stranger: bool = False
    is_email_confirmed: bool = True
    profile: _Profile = _Profile()
    enterprise_user: _EnterpriseUser = _EnterpriseUser()


def facts(connection: Connection, user: Mapping[str, Any]) -> UserFacts:
    """What the user object says to the connection's workspace; raises MalformedNotice."""
    try:
        found = _User.model_validate(user)
    except ValidationError:
        raise MalformedNotice("not a user as Slack documents it") from None
    name = found.profile.real_name or found.real_name or found.profile.display_name or found.name or found.id
    return UserFacts(
        found.id,
        _kind(connection, found),
        name[:MAX_NAME],
        datetime.fromtimestamp(found.updated, UTC),
        email=found.profile.email if found.is_email_confirmed else None,
        locale=found.locale,
        time_zone=found.tz,
        deleted=found.deleted,
    )


def _kind(connection: Connection, user: _User) -> UserKind:
    if user.is_bot or user.id == "USLACKBOT":
        return UserKind.BOT
    if user.is_stranger or not _is_at_home(connection, user):
        return UserKind.EXTERNAL
    return UserKind.GUEST if user.is_restricted or user.is_ultra_restricted else UserKind.PERSON


def _is_at_home(connection: Connection, user: _User) -> bool:
    """Of this workspace, or of another one of the same organisation."""
    organisation = connection.config.get("enterprise_id")
    is_colleague = organisation is not None and user.enterprise_user.enterprise_id == organisation
    return user.team_id in (None, connection.config["team_id"]) or is_colleague


async def ask(slack: Slack, connection: Connection, user_id: str) -> UserFacts:
    """What Slack says of the user; raises the tree in `connectors.errors` and MalformedNotice."""
    answer = await slack.read("users.info", {"user": user_id, "include_locale": "true"})
    return facts(connection, answer["user"])


async def find(slack: Slack, email: str) -> str:
    """The id of the active user with this address; raises Rejected if there is none."""
    answer = await slack.read("users.lookupByEmail", {"email": email})
    return str(answer["user"]["id"])
