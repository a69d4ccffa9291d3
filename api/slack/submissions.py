"""Forms that were handed in: kept, acted upon and answered in one transaction."""

from collections.abc import Collection, Mapping

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


class Submissions:
    """Takes each form once; handed in again, it is answered as before."""

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
        users = await self._know(connection, [*named, *([asker_id] if asker_id else [])])

        async def attempt() -> tuple[KeptEnvelope, bool] | None:
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
                    as_of=self._clock(),
                )
                return await self._act(session, context, kept[0]), True

        return await retry(attempt)

    async def _know(self, connection: Connection, user_ids: Collection[str]) -> Mapping[str, SlackUser]:
        """While Slack does not say who somebody is, the form is answered by what is known."""
        try:
            return await self._people.know(connection, user_ids)
        except OutsideError:
            return await self._people.find(connection, user_ids)

    async def _act(self, session: AsyncSession, context: Context, kept: KeptEnvelope) -> KeptEnvelope:
        answered = await views.submit(session, context, kept.body["view"])
        handled = await slack_envelopes.handle(session, kept, answered.answer, now=self._clock())
        await slack_messages.send(session, kept.program_id, answered.messages, now=self._clock())
        return handled

    async def _find(self, team_id: str) -> Connection | None:
        async with self._database.begin() as session:
            workspace = await slack_workspaces.find(session, team_id)
            if workspace is None or workspace.removed_at is not None:
                return None
            return await connections.get(session, self._keyring, workspace.program_id, workspace.connection_id)
