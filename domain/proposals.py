"""Proposals: definitions that one person proposes and another publishes, where the program asks for two.

What is published is what was shown: a proposal whose changes would be others by now is outdated. States and arrows are
drawn in docs/states.md.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from domain.definitions import Definitions


class ProposalState(StrEnum):
    """What became of a proposal; see docs/states.md."""

    PROPOSED = "proposed"
    PUBLISHED = "published"
    WITHDRAWN = "withdrawn"
    OUTDATED = "outdated"


class ProposalEvent(StrEnum):
    """What happens to a proposal."""

    PUBLISH = "publish"
    WITHDRAW = "withdraw"
    OVERTAKE = "overtake"


PROPOSAL_ARROWS: Final[Mapping[tuple[ProposalState, ProposalEvent], ProposalState]] = {
    (ProposalState.PROPOSED, ProposalEvent.PUBLISH): ProposalState.PUBLISHED,
    (ProposalState.PROPOSED, ProposalEvent.WITHDRAW): ProposalState.WITHDRAWN,
    (ProposalState.PROPOSED, ProposalEvent.OVERTAKE): ProposalState.OUTDATED,
}


class IllegalProposal(Exception):
    """This cannot happen to a proposal in this state."""


class NeedsSecondPerson(Exception):
    """Who proposed it cannot publish it."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """Definitions as proposed when the snapshot `expected` was active, and what they would have changed in it.

    `published_as` is the number of the snapshot that they became.
    """

    id: str
    program_id: str
    state: ProposalState
    expected: int
    definitions: Definitions
    changes: Sequence[Mapping[str, Any]]
    proposed_by: str
    proposed_at: datetime
    decided_by: str | None = None
    decided_at: datetime | None = None
    published_as: int | None = None


def proposal_after(proposal: Proposal, event: ProposalEvent) -> ProposalState:
    """The state after the event; raises IllegalProposal."""
    state = PROPOSAL_ARROWS.get((proposal.state, event))
    if state is None:
        raise IllegalProposal(f"{proposal.id} is {proposal.state}: it cannot {event}")
    return state


def check_publisher(proposal: Proposal, actor: str) -> None:
    """Raises NeedsSecondPerson where who proposes would publish."""
    if proposal.proposed_by == actor:
        raise NeedsSecondPerson(f"{proposal.id} was proposed by {actor}: somebody else publishes it")
