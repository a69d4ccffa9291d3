"""The outbox lane "slack": each envelope is acted upon once, with whatever answers it, in one transaction."""

from collections.abc import Mapping
from typing import Any

from redis.asyncio import Redis

from connectors.slack.mentions import people_in
from connectors.slack.users import facts
from connectors.slack.web import Slacks
from domain.connections import Connection
from domain.outbox import ClaimedRow
from domain.recognitions import policy_of
from domain.slack import EnvelopeKind, KeptEnvelope
from domain.slack_users import SlackUser
from domain.time import Clock
from relay.slack import handlers, thanks
from relay.slack.context import enter
from relay.slack.people import People
from storage import configurations, connections, slack_envelopes, slack_messages
from storage.database import Database
from storage.failures import retry
from storage.keyring import Keyring

TELL_OF_USERS = {"user_change", "team_join"}
SIGNS = {"reaction_added", "reaction_removed", "message"}
# Whoever asks waits for an answer that is true now.
ASKING = {EnvelopeKind.COMMAND, EnvelopeKind.ACTION, EnvelopeKind.SHORTCUT}


class SlackLane:
    """Acts on the rows of the lane "slack"; an envelope that is handled or forgotten needs nothing."""

    def __init__(self, database: Database, keyring: Keyring, slacks: Slacks, redis: Redis, *, clock: Clock) -> None:
        self._database = database
        self._keyring = keyring
        self._people = People(database, slacks, clock)
        self._redis = redis
        self._clock = clock

    async def __call__(self, row: ClaimedRow) -> None:
        async with self._database.begin() as session:
            kept = await slack_envelopes.find(session, row.program_id, row.payload["envelope_id"])
            if kept is None or kept.handled_at is not None:
                return
            connection = await connections.get(session, self._keyring, row.program_id, kept.connection_id)
        users = await self._know(connection, kept) if "bot_token" in connection.secrets else {}

        async def act() -> None:
            await self._act(kept, connection, users)

        await retry(act)

    async def _know(self, connection: Connection, kept: KeptEnvelope) -> Mapping[str, SlackUser]:
        """Whom it names; what Slack tells of a user needs no asking."""
        event = kept.body.get("event", {})
        if kept.kind is EnvelopeKind.EVENT and event["type"] in TELL_OF_USERS:
            told = await self._people.keep(connection, facts(connection, event["user"]), is_change=True)
            return {told.user_id: told}
        if kept.kind is EnvelopeKind.EVENT and event["type"] in SIGNS and not await self._may_thank(connection, event):
            return {}
        return await self._people.know(connection, *people_in(kept.kind, kept.body), eager=kept.kind in ASKING)

    async def _may_thank(self, connection: Connection, event: Mapping[str, Any]) -> bool:
        async with self._database.begin() as session:
            active = await configurations.read_active(session, connection.program_id)
        return thanks.may_thank(policy_of(active), event)

    async def _act(self, kept: KeptEnvelope, connection: Connection, users: Mapping[str, SlackUser]) -> None:
        async with self._database.begin() as session:
            locked = await slack_envelopes.lock(session, kept.program_id, kept.id)
            if locked.handled_at is not None:
                return
            asker_id, _ = people_in(kept.kind, kept.body)
            context = await enter(
                session,
                connection,
                users,
                asker_id,
                self._keyring,
                self._redis,
                envelope_key=kept.key,
                asked_at=kept.recorded_at,
                as_of=self._clock(),
            )
            messages = await handlers.act(session, context, kept.kind, kept.body)
            await slack_envelopes.handle(session, kept, now=self._clock())
            await slack_messages.send(session, kept.program_id, messages, now=self._clock())
