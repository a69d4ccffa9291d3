"""Publishing: how definitions become active, by one person or, where the program asks for it, by a second one.

The lock on the program's configuration comes first, so that what is published is what was shown.
"""

from dataclasses import replace
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from domain.challenge_checks import overlapping
from domain.definition_checks import check_definition
from domain.definitions import Change, Definitions, change_as_json, definitions_of, keep_commanded
from domain.game import Challenge
from domain.proposals import Proposal, ProposalEvent, ProposalState, check_publisher, proposal_after
from domain.shapes import Fault
from storage import challenges, configurations, proposals
from storage.configurations import Applied, Outdated
from storage.ids import new_id
from storage.tables import programs


class NotSound(Exception):
    """Definitions that would be active together have faults."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__("; ".join(f"{'.'.join(map(str, fault.path))}: {fault.message}" for fault in faults))
        self.faults = faults


async def preview(
    session: AsyncSession, program_id: str, definitions: Definitions, *, at: datetime
) -> tuple[int, list[Change]]:
    """The active number and what submitting these definitions would change now; raises as `submit` does."""
    active = await configurations.read_active(session, program_id)
    _refuse_misfits(definitions_of(active), definitions, active.time_zone, at)
    return await configurations.preview(session, program_id, definitions)


async def submit(
    session: AsyncSession,
    program_id: str,
    definitions: Definitions,
    *,
    actor: str,
    at: datetime,
    expected: int | None = None,
) -> Applied | Proposal:
    """Make checked definitions active, or propose them where the program asks for a second person.

    Raises NotSound if a challenge that was made by commands and still runs does not fit them, TooManyProposals, and
    what `configurations.apply` does.
    """
    await configurations.lock_alone(session, program_id)
    active = await configurations.read_active(session, program_id)
    _refuse_misfits(definitions_of(active), definitions, active.time_zone, at)
    if not await needs_second_person(session, program_id):
        return await configurations.apply(
            session, program_id, definitions, applied_by=actor, applied_at=at, expected=expected
        )
    number, changes = await configurations.preview(session, program_id, definitions)
    if expected is not None and number != expected:
        raise Outdated(f"configuration {number} has become active, not {expected}")
    if not changes:
        return Applied(await configurations.read_active(session, program_id), ())
    proposed = Proposal(
        id=new_id("prp"),
        program_id=program_id,
        state=ProposalState.PROPOSED,
        expected=number,
        definitions=definitions,
        changes=[change_as_json(change) for change in changes],
        proposed_by=actor,
        proposed_at=at,
    )
    return await proposals.insert(session, proposed)


async def publish(session: AsyncSession, program_id: str, proposal_id: str, *, actor: str, at: datetime) -> Proposal:
    """Make active what somebody else proposed.

    Raises LookupError, IllegalProposal unless it is open, NeedsSecondPerson, and what `submit` does.
    """
    await configurations.lock_alone(session, program_id)
    proposal = await proposals.lock(session, program_id, proposal_id)
    proposal_after(proposal, ProposalEvent.PUBLISH)
    check_publisher(proposal, actor)
    active = await configurations.read_active(session, program_id)
    _refuse_misfits(definitions_of(active), proposal.definitions, active.time_zone, at)
    number = active.number + 1
    published = await proposals.move(session, proposal, ProposalEvent.PUBLISH, by=actor, at=at, published_as=number)
    await configurations.apply(session, program_id, proposal.definitions, applied_by=actor, applied_at=at)
    return published


async def withdraw(session: AsyncSession, program_id: str, proposal_id: str, *, actor: str, at: datetime) -> Proposal:
    """Let it not be published, whoever proposed it; raises LookupError and IllegalProposal."""
    proposal = await proposals.lock(session, program_id, proposal_id)
    return await proposals.move(session, proposal, ProposalEvent.WITHDRAW, by=actor, at=at)


async def roll_back(
    session: AsyncSession, program_id: str, number: int, *, actor: str, at: datetime
) -> Applied | Proposal:
    """Submit the definitions of an earlier snapshot; what was made by commands, and challenges that are over, stay.

    They were checked when they were applied, and are not again: the way back is not to be barred by newer checks.
    Raises LookupError, and what `submit` does.
    """
    await configurations.lock_alone(session, program_id)
    earlier = definitions_of(await configurations.get(session, program_id, number))
    active = definitions_of(await configurations.read_active(session, program_id)).challenges
    over = {key: active[key] for key in active.keys() & await challenges.list_over(session, program_id)}
    earlier = replace(earlier, challenges={**earlier.challenges, **over})
    return await submit(session, program_id, earlier, actor=actor, at=at)


async def needs_second_person(session: AsyncSession, program_id: str) -> bool:
    """Whether the program asks for somebody else to publish what is proposed."""
    asked = select(programs.c.second_person_publishes).where(programs.c.program_id == program_id)
    return bool((await session.execute(asked)).scalar_one())


def _refuse_misfits(before: Definitions, wanted: Definitions, time_zone: str, at: datetime) -> None:
    """Raises NotSound for a challenge that runs, was made by commands, and refers to what would be gone; and for new
    ones that would go on when the next of their campaign begins, which only the program's zone shows."""
    together = keep_commanded(before, wanted)
    running = [
        key
        for key, one in together.challenges.items()
        if one.origin != "file" and one.cancelled_at is None and at < one.known_until
    ]
    faults = [fault for key in running for fault in check_definition(together, "challenges", key)]
    windows = {_window(one) for one in before.challenges.values()}
    new = [one for one in wanted.challenges.values() if _window(one) not in windows]
    faults += [fault for one in new for fault in overlapping(("challenges", one.key), one, time_zone)]
    if faults:
        raise NotSound(faults)


def _window(challenge: Challenge) -> tuple[object, ...]:
    return challenge.key, challenge.starts_at, challenge.ends_at, challenge.repeats
