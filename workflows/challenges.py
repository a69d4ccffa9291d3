"""The story of a challenge, from its launch to the prizes."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from temporalio import workflow

from activities.challenges import ChallengeActivities, ChallengeAt, ChallengeStatus, CheckpointAt
from domain.challenges import CHALLENGE_ENDED, ChallengeState
from workflows import runs
from workflows.bells import Bell
from workflows.retries import SQL_LONG, described
from workflows.starts import STATUS, Subject

# A checkpoint that passed longer ago was told, or the challenge was launched later than that.
LATELY = timedelta(hours=1)

Step = Callable[[ChallengeActivities, ChallengeAt], Awaitable[ChallengeStatus]]


@workflow.defn
class ChallengeWorkflow:
    """A challenge opens at its start, is spoken of half way and on its last day, closes at its end, and is settled
    when nothing can come late any more. Then everybody who took part is told.

    It may be extended or cancelled meanwhile, by a command that commits a row. Signals only wake: each step reads it.
    """

    @workflow.init
    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._bell = Bell()
        self._shown = workflow.info().typed_search_attributes.get(STATUS)

    @workflow.signal
    async def wake(self, outbox_id: int) -> None:
        """Something about the challenge was committed."""
        self._bell.ring()

    @workflow.run
    async def run(self, subject: Subject) -> str:
        challenge = await self._step(ChallengeActivities.read_challenge, "Read how the challenge stands")
        while challenge.state not in CHALLENGE_ENDED:
            self._show(challenge)
            challenge = await self._continue(challenge)
            if runs.is_long():
                workflow.continue_as_new(subject)
        self._show(challenge)
        if challenge.state is ChallengeState.SETTLED:
            await self._step(ChallengeActivities.tell_settled, "Tell everybody how it ended")
        return challenge.state

    async def _continue(self, challenge: ChallengeStatus) -> ChallengeStatus:
        if challenge.state is ChallengeState.SCHEDULED:
            return await self._at(challenge.starts_at, "for the start", ChallengeActivities.open_challenge, "Open it")
        if challenge.state is ChallengeState.OPEN:
            return await self._run_its_course(challenge)
        return await self._at(
            challenge.settles_at, "for what comes late", ChallengeActivities.settle_challenge, "Settle it"
        )

    async def _run_its_course(self, challenge: ChallengeStatus) -> ChallengeStatus:
        """Until the end, or until it has become another challenge."""
        for at, checkpoint in challenge.checkpoints:
            if at < workflow.now() - LATELY:
                continue
            if await self._bell.wait_until(at, f"for the checkpoint {checkpoint}"):
                return await self._step(ChallengeActivities.read_challenge, "Read what was changed")
            await workflow.execute_activity_method(
                ChallengeActivities.tell_checkpoint,
                CheckpointAt(self._moment(), checkpoint),
                **described(SQL_LONG, f"Tell the checkpoint {checkpoint}"),
            )
        return await self._at(challenge.ends_at, "for the end", ChallengeActivities.close_challenge, "Close it")

    async def _at(self, moment: datetime, for_what: str, step: Step, summary: str) -> ChallengeStatus:
        if await self._bell.wait_until(moment, for_what):
            return await self._step(ChallengeActivities.read_challenge, "Read what was changed")
        return await self._step(step, summary)

    async def _step(self, step: Step, summary: str) -> ChallengeStatus:
        return await workflow.execute_activity_method(step, self._moment(), **described(SQL_LONG, summary))

    def _moment(self) -> ChallengeAt:
        return ChallengeAt(self._subject.program_id, self._subject.id, workflow.now())

    def _show(self, challenge: ChallengeStatus) -> None:
        if challenge.state != self._shown:
            workflow.upsert_search_attributes([STATUS.value_set(challenge.state)])
            self._shown = challenge.state
        because = f" ({challenge.reason})" if challenge.reason else ""
        workflow.set_current_details(f"**{challenge.title}**: {challenge.state}{because}")
