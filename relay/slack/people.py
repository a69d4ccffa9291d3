"""The people whom a request of Slack names, asked about where they are not known."""

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta

import structlog

from connectors.errors import MalformedNotice, Rejected
from connectors.slack import users
from connectors.slack.web import Slacks
from domain.connections import Connection
from domain.slack_users import SlackUser, UserFacts
from domain.time import Clock
from storage import slack_users
from storage.database import Database

# Slack is asked again about who is no member, and about anybody after so long.
KNOWN_FOR = timedelta(days=7)
PEOPLE_MAX = 25  # asked about because of one request

log = structlog.get_logger()


class People:
    """Asks Slack, outside of any transaction, and keeps what it says."""

    def __init__(self, database: Database, slacks: Slacks, clock: Clock) -> None:
        self._database = database
        self._slacks = slacks
        self._clock = clock

    async def know(self, connection: Connection, user_ids: Collection[str]) -> Mapping[str, SlackUser]:
        """These users by id, as far as anything is known of them; raises the tree in `connectors.errors`."""
        wanted = sorted(set(user_ids))[:PEOPLE_MAX]
        known = await self.find(connection, wanted)
        since = self._clock() - KNOWN_FOR
        stale = [one for one in wanted if one not in known or not known[one].member_id or known[one].seen_at < since]
        found = await self._ask(connection, stale)
        return {**known} | {facts.user_id: await self.keep(connection, facts) for facts in found}

    async def find(self, connection: Connection, user_ids: Collection[str]) -> Mapping[str, SlackUser]:
        """Those of these users who are known already, by id."""
        async with self._database.begin() as session:
            return await slack_users.find_all(session, connection.program_id, connection.id, user_ids)

    async def keep(self, connection: Connection, facts: UserFacts) -> SlackUser:
        """What Slack says of the user is kept."""
        async with self._database.begin() as session:
            outsiders = await slack_users.read_outsiders(session, connection.program_id)
            return await slack_users.keep(session, connection, facts, outsiders=outsiders, now=self._clock())

    async def _ask(self, connection: Connection, user_ids: Sequence[str]) -> list[UserFacts]:
        """What Slack says of them; of whom it says nothing, nothing is known."""
        slack, found = await self._slacks.of(connection), []
        for user_id in user_ids:
            try:
                found.append(await users.ask(slack, connection, user_id))
            except (Rejected, MalformedNotice) as error:
                log.info("nothing known of a Slack user", user_id=user_id, error=str(error))
        return found
