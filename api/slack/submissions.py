"""Forms that were handed in: kept, acted upon and answered in one transaction.

One in which something is wrong stays open: nothing was done, and nothing of it is kept, so that it is judged anew when
it is handed in again.
"""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import replace
from functools import partial

from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncSession

from connectors.errors import OutsideError
from connectors.slack.mentions import people_in
from connectors.slack.web import Slacks
from domain.connections import Connection
from domain.slack import Envelope, KeptEnvelope
from domain.slack_users import SlackUser
from domain.time import Clock
from relay.slack import views
from relay.slack.context import Context, enter
from relay.slack.people import People
from storage import connections, slack_envelopes, slack_messages, slack_workspaces
from storage.database import Database
from storage.failures import retry
from storage.keyring import Keyring

KNOW_SECONDS = 1.0  # for Slack to say who people are: half of the time in which a form is answered


class _Faulty(Exception):
    """Something is wrong with the form: its transaction is to leave nothing behind."""

    def __init__(self, kept: KeptEnvelope) -> None:
        super().__init__(kept.key)
        self.kept = kept


class Submissions:
    """Acts upon each form once; handed in again, it is answered as before."""

    def __init__(self, database: Database, keyring: Keyring, slacks: Slacks, redis: Redis, clock: Clock) -> None:
        self._database = database
        self._keyring = keyring
        self._people = People(database, slacks, clock)
        self._redis = redis
        self._clock = clock

    async def take(self, envelope: Envelope) -> tuple[KeptEnvelope, bool] | None:
        """The form with its answer, and whether it is new; None if its workspace is not connected."""
        connection = await self._find(envelope.team_id)
        if connection is None:
            return None
        asker_id, named = people_in(envelope.kind, envelope.body)
        users = await self._know(connection, asker_id, named)

        try:
            return await retry(partial(self._take, connection, users, asker_id, envelope))
        except _Faulty as faulty:
            return faulty.kept, True

    async def _take(
        self, connection: Connection, users: Mapping[str, SlackUser], asker_id: str | None, envelope: Envelope
    ) -> tuple[KeptEnvelope, bool] | None:
        async with self._database.begin() as session:
            kept = await slack_envelopes.keep(session, envelope, wanted=False, now=self._clock())
            if kept is None or not kept[1]:
                return kept
            context = await enter(
                session,
                connection,
                users,
                asker_id,
                self._keyring,
                self._redis,
                envelope_key=envelope.key,
                asked_at=kept[0].recorded_at,
                as_of=self._clock(),
            )
            return await self._act(session, context, kept[0]), True

    async def _know(
        self, connection: Connection, asker_id: str | None, others: Collection[str]
    ) -> Mapping[str, SlackUser]:
        """While Slack does not say who somebody is, the form is answered by what is known."""
        try:
            async with asyncio.timeout(KNOW_SECONDS):
                return await self._people.know(connection, asker_id, others, eager=True)
        except (OutsideError, TimeoutError):
            return await self._people.find(connection, [*others, *([asker_id] if asker_id else [])])

    async def _act(self, session: AsyncSession, context: Context, kept: KeptEnvelope) -> KeptEnvelope:
        answered = await views.submit(session, context, kept.body["view"])
        if answered.answer and answered.answer["response_action"] == "errors":
            raise _Faulty(replace(kept, answer=answered.answer))
        handled = await slack_envelopes.handle(session, kept, answered.answer, now=self._clock())
        await slack_messages.send(session, kept.program_id, answered.messages, now=self._clock())
        return handled

    async def _find(self, team_id: str) -> Connection | None:
        async with self._database.begin() as session:
            workspace = await slack_workspaces.find(session, team_id)
            if workspace is None or workspace.removed_at is not None:
                return None
            return await connections.get(session, self._keyring, workspace.program_id, workspace.connection_id)
