"""The steps of a challenge: opened, half way, its last day, closed, settled; each at its time, whoever asks."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession
from temporalio import activity

from domain.challenges import ChallengeEvent, ChallengeState, Checkpoint, Standing, checkpoints, settles_at
from domain.notifications import CHALLENGE_SETTLED, Telling
from domain.sentences import Moment, Sentence, points, sentence
from domain.time import Clock
from storage import challenges, configurations, notifications, programs, settlements
from storage.challenges import StoredChallenge
from storage.database import Database

TOLD_AT_ONCE = 500  # people, in one transaction
MAX_TOLD = 1_000_000  # people, the first: more than the programs that Laurel is measured with have

NOBODY_YET = sentence("Nobody has completed anything yet.")
NOBODY = sentence("Nobody has completed anything.")


@dataclass(frozen=True, slots=True)
class ChallengeAt:
    """Which challenge, and the workflow's time."""

    program_id: str
    challenge_id: str
    as_of: datetime


@dataclass(frozen=True, slots=True)
class ChallengeStatus:
    """How the challenge stands: all that its workflow decides from. `checkpoints` are when what is told."""

    state: ChallengeState
    title: str
    starts_at: datetime
    ends_at: datetime
    settles_at: datetime
    checkpoints: list[tuple[datetime, Checkpoint]]
    reason: str | None


@dataclass(frozen=True, slots=True)
class CheckpointAt:
    """Which of a challenge's checkpoints, and the workflow's time."""

    at: ChallengeAt
    checkpoint: Checkpoint


class ChallengeActivities:
    """Holds what the steps need; the clock is the process's, business time comes from the workflow."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    @activity.defn
    async def read_challenge(self, at: ChallengeAt) -> ChallengeStatus:
        """How the challenge stands."""
        async with self._database.begin() as session:
            return await _status(session, await challenges.get(session, at.program_id, at.challenge_id))

    @activity.defn
    async def open_challenge(self, at: ChallengeAt) -> ChallengeStatus:
        """It is open once its start has come."""
        async with self._database.begin() as session:
            stored = await challenges.lock(session, at.program_id, at.challenge_id)
            if stored.state is ChallengeState.SCHEDULED and stored.definition.starts_at <= self._now(at):
                stored = await challenges.move(session, stored, ChallengeEvent.BEGIN, now=self._now(at))
                subject = sentence("{title} has begun", title=_title(stored))
                body = sentence("It runs until {when} UTC.", when=Moment(stored.definition.until, "UTC"))
                await _tell_administrators(session, stored, "challenge_opened", subject, body, at)
            return await _status(session, stored)

    @activity.defn
    async def tell_checkpoint(self, checkpoint: CheckpointAt) -> ChallengeStatus:
        """Whoever takes part, and administrators, are told where they stand; once for each checkpoint."""
        at, name = checkpoint.at, checkpoint.checkpoint
        async with self._database.begin() as session:
            stored = await challenges.get(session, at.program_id, at.challenge_id)
        if stored.state is ChallengeState.OPEN:
            await self._tell_everybody(stored, f"challenge_{name}", _come_to(stored, name), NOBODY_YET, at)
        return await self.read_challenge(at)

    @activity.defn
    async def close_challenge(self, at: ChallengeAt) -> ChallengeStatus:
        """It is closed once its end has come."""
        async with self._database.begin() as session:
            stored = await challenges.lock(session, at.program_id, at.challenge_id)
            if stored.state is ChallengeState.OPEN and stored.definition.until <= self._now(at):
                stored = await challenges.move(session, stored, ChallengeEvent.END, now=self._now(at))
            return await _status(session, stored)

    @activity.defn
    async def settle_challenge(self, at: ChallengeAt) -> ChallengeStatus:
        """Nothing can come any more: standings are frozen, and prizes are paid."""
        async with self._database.begin() as session:
            # Whoever has begun to take events in time ends first, and nobody begins before all is settled.
            await configurations.lock_alone(session, at.program_id)
            stored = await challenges.lock(session, at.program_id, at.challenge_id)
            status = await _status(session, stored)
            if stored.state is ChallengeState.CLOSED and status.settles_at <= self._now(at):
                stored = await settlements.settle(session, stored, now=self._now(at))
            return await _status(session, stored)

    @activity.defn
    async def tell_settled(self, at: ChallengeAt) -> ChallengeStatus:
        """Whoever took part in a settled challenge, and administrators, are told how it ended; once."""
        async with self._database.begin() as session:
            stored = await challenges.get(session, at.program_id, at.challenge_id)
        assert stored.state is ChallengeState.SETTLED, "final standings are told"
        subject = sentence("{title} is settled", title=_title(stored))
        await self._tell_everybody(stored, CHALLENGE_SETTLED, subject, NOBODY, at)
        return await self.read_challenge(at)

    async def _tell_everybody(
        self, stored: StoredChallenge, kind: str, subject: Sentence, nobody: Sentence, at: ChallengeAt
    ) -> None:
        """Whoever has a place learns it, page by page; administrators come last: that they know says that all do.

        What is left undone is done by the next try, which tells nobody twice.
        """
        async with self._database.begin() as session:
            if await notifications.was_told(session, stored.program_id, kind, stored.id):
                return
            standings = await challenges.list_standings(session, stored, "members", limit=MAX_TOLD)
        for n in range(0, len(standings), TOLD_AT_ONCE):
            page = standings[n : n + TOLD_AT_ONCE]
            tellings = [Telling(one.member_id, subject, _place(one), f"{stored.id}/{one.member_id}") for one in page]
            async with self._database.begin() as session:
                await notifications.tell_all(session, stored.program_id, kind, tellings, now=self._now(at))
        async with self._database.begin() as session:
            body = _leads(standings[0]) if standings else nobody
            await _tell_administrators(session, stored, kind, subject, body, at)

    def _now(self, at: ChallengeAt) -> datetime:
        """The book's time: never before the workflow's, never before the process's."""
        return max(at.as_of, self._clock())


async def _status(session: AsyncSession, stored: StoredChallenge) -> ChallengeStatus:
    program = await programs.get(session, stored.program_id)
    definition = stored.definition
    return ChallengeStatus(
        state=stored.state,
        title=_title(stored),
        starts_at=definition.starts_at,
        ends_at=definition.until,
        settles_at=settles_at(definition, program.time_zone),
        checkpoints=checkpoints(definition),
        reason=stored.reason,
    )


async def _tell_administrators(
    session: AsyncSession, stored: StoredChallenge, kind: str, subject: Sentence, body: Sentence, at: ChallengeAt
) -> None:
    await notifications.tell(
        session,
        stored.program_id,
        member_id=None,
        kind=kind,
        subject=subject,
        body=body,
        reference=stored.id,
        now=at.as_of,
    )


def _title(stored: StoredChallenge) -> str:
    return stored.definition.title or stored.key


def _come_to(stored: StoredChallenge, name: Checkpoint) -> Sentence:
    if name is Checkpoint.HALF_TIME:
        return sentence("{title} has come half way", title=_title(stored))
    return sentence("{title} ends in a day", title=_title(stored))


def _leads(first: Standing) -> Sentence:
    return sentence("{member} is first with {amount}.", member=first.member_id or "", amount=first.amount)


def _place(one: Standing) -> Sentence:
    return sentence(
        "Your place is {rank}, with {amount}. You have {points} of it.",
        rank=one.rank,
        amount=one.amount,
        points=points(one.points),
    )
