"""The story of a reward, from unlocked to ordered, or to the end of its offer."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

from temporalio import workflow

from activities.rewards import RewardActivities, RewardAt, RewardStatus
from domain.rewards import REWARD_ENDED, RewardState
from workflows import runs
from workflows.bells import Bell
from workflows.retries import SQL, described
from workflows.starts import STATUS, Subject

# What stands in the way of an automatic order may pass: a day's limit, a vendor that is not connected.
TRY_AGAIN = timedelta(hours=1)

Step = Callable[[RewardActivities, RewardAt], Awaitable[RewardStatus]]


@workflow.defn
class RewardWorkflow:
    """An automatic reward is ordered at once; any other, and one that cannot be, is offered to its member.

    The member chooses by a command that commits the order; a reminder comes before the offer expires. What gave the
    reward may be taken back meanwhile. Signals only wake: each step reads the committed row.
    """

    @workflow.init
    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._bell = Bell()
        self._shown = workflow.info().typed_search_attributes.get(STATUS)

    @workflow.signal
    async def wake(self, outbox_id: int) -> None:
        """Something about the reward was committed."""
        self._bell.ring()

    @workflow.run
    async def run(self, subject: Subject) -> str:
        reward = await self._step(RewardActivities.read_reward, "Read how the reward stands")
        while reward.state not in REWARD_ENDED:
            self._show(reward)
            reward = await self._continue(reward)
            if runs.is_long():
                workflow.continue_as_new(subject)
        self._show(reward)
        return reward.state

    async def _continue(self, reward: RewardStatus) -> RewardStatus:
        if reward.state is RewardState.OFFERED:
            return await self._until_chosen(reward)
        if not reward.automatic:
            return await self._step(RewardActivities.offer_reward, "Ask the member to choose")
        ordered = await self._step(RewardActivities.order_reward, "Order it for the member")
        if ordered.state is RewardState.UNLOCKED:
            await self._bell.wait_until(workflow.now() + TRY_AGAIN, "until it may be ordered")
        return ordered

    async def _until_chosen(self, offer: RewardStatus) -> RewardStatus:
        assert offer.expires_at is not None, "an offer has an end"
        if offer.remind_at is not None and workflow.now() < offer.remind_at:
            if await self._bell.wait_until(offer.remind_at, "for the member's choice, until the reminder"):
                return await self._step(RewardActivities.read_reward, "Read what was chosen")
            return await self._step(RewardActivities.remind_of_reward, "Remind the member")
        if await self._bell.wait_until(offer.expires_at, "for the member's choice, until the offer expires"):
            return await self._step(RewardActivities.read_reward, "Read what was chosen")
        return await self._step(RewardActivities.expire_reward, "Let the offer expire")

    async def _step(self, step: Step, summary: str) -> RewardStatus:
        at = RewardAt(self._subject.program_id, self._subject.id, workflow.now())
        return await workflow.execute_activity_method(step, at, **described(SQL, summary))

    def _show(self, reward: RewardStatus) -> None:
        if reward.state != self._shown:
            workflow.upsert_search_attributes([STATUS.value_set(reward.state)])
            self._shown = reward.state
        because = f" ({reward.reason})" if reward.reason else ""
        workflow.set_current_details(f"**{reward.title}**: {reward.state}{because}")
