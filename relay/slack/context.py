"""Whom a request of Slack names, and where: what its handlers work with."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncSession

from connectors.slack import answers
from connectors.slack.texts import Texts
from domain.connections import Connection
from domain.slack_users import Apart, SlackUser, may_take_part
from storage import slack_users
from storage.keyring import Keyring


@dataclass(frozen=True, slots=True)
class Context:
    """`users` are those that the request names, by id; `envelope_key` names the request for ever.

    It came at `asked_at`. `apart` is why who asks takes no part, if that is so; `outsiders` says whether guests and
    people of other companies do.
    """

    connection: Connection
    users: Mapping[str, SlackUser]
    asker_id: str | None
    keyring: Keyring
    redis: Redis
    envelope_key: str
    asked_at: datetime
    as_of: datetime
    outsiders: bool
    apart: Apart | None

    @property
    def program_id(self) -> str:
        return self.connection.program_id

    @property
    def texts(self) -> Texts:
        """The words of who asks."""
        asker = self.users.get(self.asker_id or "")
        return Texts.of(asker.locale if asker else None)

    @property
    def excuse(self) -> str:
        """What who asks is told instead of an answer, where they take no part."""
        return answers.apart(self.apart or Apart.UNKNOWN, self.texts)

    @property
    def member_id(self) -> str | None:
        """The member who asks, if they take part."""
        return None if self.apart else self.member_of(self.asker_id or "")

    def member_of(self, user_id: str) -> str | None:
        """The member that this user is, if there is one and users of their kind take part."""
        user = self.users.get(user_id)
        return user.member_id if user and may_take_part(user.kind, outsiders=self.outsiders) else None


async def enter(
    session: AsyncSession,
    connection: Connection,
    users: Mapping[str, SlackUser],
    asker_id: str | None,
    keyring: Keyring,
    redis: Redis,
    *,
    envelope_key: str,
    asked_at: datetime,
    as_of: datetime,
) -> Context:
    """The context of a request, with who takes part as things are now."""
    outsiders = await slack_users.read_outsiders(session, connection.program_id)
    apart = await slack_users.read_apart(session, connection.program_id, users.get(asker_id or ""))
    return Context(connection, users, asker_id, keyring, redis, envelope_key, asked_at, as_of, outsiders, apart)
