"""The people whom a request of Slack names, asked about where they are not known."""

import asyncio
from collections.abc import Collection, Mapping
from datetime import timedelta

import structlog

from connectors.errors import GarbledAnswer, MalformedNotice, Rejected, Unavailable
from connectors.slack import users
from connectors.slack.web import KIND, Slack, Slacks
from domain.connections import Connection
from domain.slack_users import SlackUser, UserFacts
from domain.time import Clock
from storage import slack_users
from storage.database import Database

# Slack is asked again about anybody after so long, and about who is no member after a while.
KNOWN_FOR = timedelta(days=7)
STRANGE_FOR = timedelta(minutes=5)
PEOPLE_MAX = 25  # known because of one request
# What Slack says of people who are not there, or not to be seen.
NOBODY = {"user_not_found", "user_not_visible"}

log = structlog.get_logger()


class People:
    """Asks Slack, outside of any transaction, and keeps what it says."""

    def __init__(self, database: Database, slacks: Slacks, clock: Clock) -> None:
        self._database = database
        self._slacks = slacks
        self._clock = clock

    async def know(
        self, connection: Connection, asker_id: str | None, others: Collection[str], *, eager: bool = False
    ) -> Mapping[str, SlackUser]:
        """Who asks and the first of the others by id, as far as anything is known of them.

        `eager`: who asks and is no member is asked about in any case, for somebody may have added them just now. Raises
        Unavailable, or Rejected for what an operator must mend.
        """
        named = [*([asker_id] if asker_id else []), *sorted(set(others) - {asker_id})][:PEOPLE_MAX]
        known = await self.find(connection, named)
        asked_anew = {asker_id} if eager else set()
        stale = [one for one in named if self._is_stale(known.get(one), since_now=one in asked_anew)]
        slack = await self._slacks.of(connection)
        found = await asyncio.gather(*(self._ask(slack, connection, one) for one in stale), return_exceptions=True)
        for failure in found:
            if isinstance(failure, BaseException):
                raise failure
        return {**known} | {user.user_id: user for user in found if isinstance(user, SlackUser)}

    def _is_stale(self, user: SlackUser | None, *, since_now: bool) -> bool:
        if user is None:
            return True
        if user.member_id is None:
            return since_now or user.seen_at < self._clock() - STRANGE_FOR
        return user.seen_at < self._clock() - KNOWN_FOR

    async def find(self, connection: Connection, user_ids: Collection[str]) -> Mapping[str, SlackUser]:
        """Those of these users who are known already, by id."""
        async with self._database.begin() as session:
            return await slack_users.find_all(session, connection.program_id, connection.id, user_ids)

    async def keep(self, connection: Connection, facts: UserFacts, *, is_change: bool = False) -> SlackUser:
        """What Slack says of the user is kept; as a change, if that is what it tells."""
        async with self._database.begin() as session:
            outsiders = await slack_users.read_outsiders(session, connection.program_id)
            return await slack_users.keep(
                session, connection, facts, outsiders=outsiders, is_change=is_change, now=self._clock()
            )

    async def _ask(self, slack: Slack, connection: Connection, user_id: str) -> SlackUser | None:
        """What Slack says of the user is kept; None if it says nothing of them."""
        try:
            return await self.keep(connection, await users.ask(slack, connection, user_id))
        except GarbledAnswer as error:
            raise Unavailable(KIND, str(error)) from error
        except MalformedNotice as error:
            log.info("nothing known of a Slack user", user_id=user_id, error=str(error))
        except Rejected as error:
            if error.code not in NOBODY:
                raise
        return None
