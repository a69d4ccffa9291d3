"""What changed in HubSpot, asked for once per deal however many notices there are, and recorded as facts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog
from sqlalchemy.ext.asyncio import AsyncSession
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.outside import retried
from connectors import hubspot
from connectors.errors import OutsideError
from connectors.hubspot import Deal, HubSpots, Owner
from domain.connections import Connection
from domain.events import Event
from domain.notices import ObjectToFetch
from domain.outcomes import CONFLICT, REJECTED, Outcome
from domain.time import Clock
from storage import connections, intake, notices, outages
from storage.database import Database
from storage.failures import retry
from storage.keyring import Keyring

# Times that one activity asks again because more notices came meanwhile.
ROUNDS_MAX = 20

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Question:
    """What HubSpot is asked: a deal, because of notices up to `highest`; `known` are the facts that it gave before."""

    connection: Connection
    deal_id: str
    highest: int
    known: Sequence[str]


class HubSpotActivities:
    """Fetches deals; registered on HubSpot's task queue."""

    def __init__(self, database: Database, keyring: Keyring, hubspots: HubSpots, clock: Clock) -> None:
        self._database = database
        self._keyring = keyring
        self._hubspots = hubspots
        self._clock = clock

    @activity.defn(name="fetch_object")
    async def fetch_object(self, target: ObjectToFetch) -> None:
        """No notice of the deal is open afterwards, and what HubSpot says of it is recorded."""
        question = await self._find_question(target)
        for _ in range(ROUNDS_MAX):
            if question is None:
                return
            with retried():
                deal, owner = await self._ask(question)
            await self._record(question, deal, owner)
            question = await self._find_question(target, answered=question.connection)
        raise ApplicationError(f"notices of deal {target.object_id} come faster than it can be fetched")

    async def _find_question(self, target: ObjectToFetch, answered: Connection | None = None) -> Question | None:
        """The next thing to ask, if there is one; the connection that has just answered is up."""
        async with self._database.begin() as session:
            if answered is not None:
                await outages.note_success(session, answered, now=self._clock())
            highest = await notices.find_highest_open(session, target.connection_id, target.object_id)
            if highest is None:
                return None
            connection = await connections.get(session, self._keyring, target.program_id, target.connection_id)
            known = await notices.find_facts(session, target.connection_id, target.object_id)
            return Question(connection, target.object_id, highest, known)

    async def _ask(self, question: Question) -> tuple[Deal | None, Owner | None]:
        """What HubSpot says; that it says nothing is noted, too."""
        try:
            client = await self._hubspots.of(question.connection)
            deal = await client.get_deal(question.deal_id)
            return deal, await client.get_owner(deal.owner_id) if deal and deal.is_won and deal.owner_id else None
        except OutsideError:
            async with self._database.begin() as session:
                await outages.note_failure(session, question.connection, now=self._clock())
            raise

    async def _record(self, question: Question, deal: Deal | None, owner: Owner | None) -> None:
        """Record what the answer means and that it answers the notices."""
        connection, now = question.connection, self._clock()
        events = _events(question, deal, owner, now)

        async def record() -> list[Outcome]:
            async with self._database.begin() as session:
                outcomes = await _record_all(session, connection, events, now)
                await notices.keep_facts(session, connection, question.deal_id, [], now=now)
                if deal is not None:
                    await notices.keep_facts(session, connection, deal.id, _standing(events, outcomes), now=now)
                await notices.handle(session, connection, question.deal_id, question.highest, now=now)
            return outcomes

        _tell(question, events, await retry(record))


def _events(question: Question, deal: Deal | None, owner: Owner | None, now: datetime) -> list[Event]:
    """A deal that is gone, or went into another one, takes back whatever it gave."""
    name = question.connection.name
    gone = deal is None or deal.id != question.deal_id
    retractions = [hubspot.retract(name, fact, now) for fact in question.known] if gone else []
    if deal is None:
        return retractions
    return [*retractions, *hubspot.translate(name, deal, owner, since=question.connection.created_at)]


async def _record_all(
    session: AsyncSession, connection: Connection, events: Sequence[Event], now: datetime
) -> list[Outcome]:
    if not events:
        return []
    return await intake.record(session, connection.program_id, events, hubspot.POLICY, as_of=now)


def _standing(events: Sequence[Event], outcomes: Sequence[Outcome]) -> list[str]:
    """The facts that can be taken back later."""
    decided = zip(events, outcomes, strict=True)
    return [event.external_id for event, outcome in decided if not event.retracts and outcome.status != REJECTED]


def _tell(question: Question, events: Sequence[Event], outcomes: Sequence[Outcome]) -> None:
    for event, outcome in zip(events, outcomes, strict=True):
        level = log.warning if outcome.status in (REJECTED, CONFLICT) else log.info
        level(
            "deal recorded",
            connection=question.connection.id,
            deal=question.deal_id,
            event_type=event.type,
            status=outcome.status,
            code=outcome.code,
        )
