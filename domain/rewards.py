"""Rewards: what a milestone or a rule gave a member, from unlocked to ordered.

States and arrows are drawn in docs/states.md; whatever is not an arrow there raises IllegalReward.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from domain.configuration import CatalogItem, Reward
from domain.orders import Refusal


class IllegalReward(Exception):
    """This cannot happen to a reward in this state."""


class RewardState(StrEnum):
    """Where a reward stands; the comment is what it waits for."""

    UNLOCKED = "unlocked"  # to be ordered, or offered
    OFFERED = "offered"  # the member's choice, until the offer expires
    ORDERED = "ordered"  # nothing: its order goes its own way
    DECLINED = "declined"  # nothing
    EXPIRED = "expired"  # nothing
    WITHDRAWN = "withdrawn"  # nothing: what gave it was taken back


class RewardEvent(StrEnum):
    """What happens to a reward."""

    OFFER = "offer"
    ORDER = "order"
    DECLINE = "decline"
    EXPIRE = "expire"
    WITHDRAW = "withdraw"
    REOPEN = "reopen"


REWARD_ARROWS: Final[Mapping[tuple[RewardState, RewardEvent], RewardState]] = {
    (RewardState.UNLOCKED, RewardEvent.OFFER): RewardState.OFFERED,
    (RewardState.UNLOCKED, RewardEvent.ORDER): RewardState.ORDERED,
    (RewardState.UNLOCKED, RewardEvent.WITHDRAW): RewardState.WITHDRAWN,
    (RewardState.OFFERED, RewardEvent.ORDER): RewardState.ORDERED,
    (RewardState.OFFERED, RewardEvent.DECLINE): RewardState.DECLINED,
    (RewardState.OFFERED, RewardEvent.EXPIRE): RewardState.EXPIRED,
    (RewardState.OFFERED, RewardEvent.WITHDRAW): RewardState.WITHDRAWN,
    # Its order came to nothing: the member may choose again.
    (RewardState.ORDERED, RewardEvent.REOPEN): RewardState.OFFERED,
}
REWARD_ENDED: Final = frozenset(RewardState) - {RewardState.UNLOCKED, RewardState.OFFERED}

# An automatic reward that is refused for one of these is tried again; for anything else the member is asked to choose.
PASSING: Final = frozenset({Refusal.VENDOR_UNAVAILABLE, Refusal.LIMIT_REACHED})


def reward_after(state: RewardState, event: RewardEvent) -> RewardState:
    """The reward's state after the event; raises IllegalReward if this state has no such arrow."""
    try:
        return REWARD_ARROWS[state, event]
    except KeyError:
        raise IllegalReward(f"a reward that is {state} cannot {event}") from None


@dataclass(frozen=True, slots=True)
class GivenReward:
    """One reward of one member; `reward` is its key in the configuration of that number."""

    id: str
    program_id: str
    member_id: str
    reward: str
    configuration: int
    crossing_id: str | None
    event_id: str | None
    rule: str | None
    state: RewardState
    reason: str | None
    order_id: str | None
    offered_at: datetime | None
    expires_at: datetime | None
    created_at: datetime
    updated_at: datetime


def about(reward_id: str, reward: str, member_id: str) -> str:
    """What a reward is, in a line without a person's name."""
    return f"{reward} for {member_id}, reward {reward_id}"


def items_of(reward: Reward, catalog: Mapping[str, CatalogItem]) -> tuple[CatalogItem, ...]:
    """The items that the reward may become, in its order: those of its currency that the catalog still has."""
    found = (catalog[key] for key in reward.items if key in catalog)
    return tuple(item for item in found if item.currency == reward.currency)


def remind_at(reward: Reward, expires_at: datetime) -> datetime | None:
    """When to remind the member of the offer, or None for never: `remind_days` before it expires."""
    return expires_at - timedelta(days=reward.remind_days) if 0 < reward.remind_days < reward.offer_days else None


def main_reason(refusals: Iterable[Refusal]) -> Refusal:
    """Of one refusal for each item, what stood in the way: what may pass first, that nothing is for here last."""
    found = sorted(refusals, key=lambda code: (code not in PASSING, code is Refusal.COUNTRY_NOT_SUPPORTED))
    return found[0] if found else Refusal.ITEM_UNAVAILABLE
