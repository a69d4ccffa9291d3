"""Meeting: whoever is told something is looked for in Slack by their e-mail address, unless they are known there.

An approver may never have used the app, and nothing that people did there may ever have named them.
"""

from datetime import datetime, timedelta

import structlog

from connectors.errors import MalformedNotice, Rejected
from connectors.slack import users
from connectors.slack.web import Slacks
from domain.connections import Connection
from domain.outbox import ClaimedRow, Kind
from domain.slack_workspaces import WorkspaceState
from domain.time import Clock
from relay.slack.people import People
from storage import connections, members, notifications, slack_users, slack_workspaces
from storage.database import Database
from storage.keyring import Keyring

# This process asks again after so long whether anybody has an address that nobody had.
MISSED_FOR = timedelta(hours=1)
MISSED_MAX = 10_000  # addresses that are remembered

log = structlog.get_logger()


class Meeting:
    """Comes before the lane "notify" acts on a notification; raises Unavailable while Slack does not say."""

    def __init__(self, database: Database, keyring: Keyring, slacks: Slacks, *, clock: Clock) -> None:
        self._database = database
        self._keyring = keyring
        self._slacks = slacks
        self._clock = clock
        self._people = People(database, slacks, clock)
        self._missed: dict[tuple[str, str], datetime] = {}

    async def __call__(self, row: ClaimedRow) -> None:
        if row.kind != Kind.NOTIFICATION:
            return
        email, workspaces = await self._find_unmet(row.program_id, row.payload["notification_id"])
        for connection in workspaces if email else ():
            if not self._was_missed(connection, email):
                await self._meet(connection, email)

    async def _find_unmet(self, program_id: str, notification_id: str) -> tuple[str, list[Connection]]:
        """The address of a member who is in none of the program's workspaces as far as is known, and those."""
        async with self._database.begin() as session:
            workspaces = await slack_workspaces.list_of(session, program_id)
            installed = [one.connection_id for one in workspaces if one.state is WorkspaceState.INSTALLED]
            if not installed:  # a program without Slack pays for no more
                return "", []
            member_id = (await notifications.get(session, program_id, notification_id)).member_id
            if member_id is None or await slack_users.list_of_member(session, program_id, member_id):
                return "", []
            email = (await members.get(session, program_id, member_id)).email or ""
            there = [await connections.get(session, self._keyring, program_id, one) for one in installed]
        return email, there

    def _was_missed(self, connection: Connection, email: str) -> bool:
        missed_at = self._missed.get((connection.id, email))
        return missed_at is not None and self._clock() < missed_at + MISSED_FOR

    async def _meet(self, connection: Connection, email: str) -> None:
        slack = await self._slacks.of(connection)
        try:
            user_id = await users.find(slack, email)
            await self._people.keep(connection, await users.ask(slack, connection, user_id))
        except (Rejected, MalformedNotice) as error:
            log.info("not found in Slack", connection_id=connection.id, error=str(error))
            if len(self._missed) >= MISSED_MAX:
                self._missed.clear()
            self._missed[connection.id, email] = self._clock()
