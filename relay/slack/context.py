"""Whom a request of Slack names, and where: what its handlers work with."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from redis.asyncio import Redis

from connectors.slack.texts import Texts
from domain.connections import Connection
from domain.slack_users import SlackUser
from storage.keyring import Keyring


@dataclass(frozen=True, slots=True)
class Context:
    """`users` are those that the request names, by id; `envelope_key` names the request for ever."""

    connection: Connection
    users: Mapping[str, SlackUser]
    asker_id: str | None
    keyring: Keyring
    redis: Redis
    envelope_key: str
    as_of: datetime

    @property
    def program_id(self) -> str:
        return self.connection.program_id

    @property
    def texts(self) -> Texts:
        """The words of who asks."""
        asker = self.users.get(self.asker_id or "")
        return Texts.of(asker.locale if asker else None)

    @property
    def member_id(self) -> str | None:
        """The member who asks, if they are one."""
        return self.member_of(self.asker_id or "")

    def member_of(self, user_id: str) -> str | None:
        """The member that this user is, if there is one."""
        user = self.users.get(user_id)
        return user.member_id if user else None
