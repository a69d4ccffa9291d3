"""What people do with challenges: write a draft, launch it, extend it, cancel it. Each is one transaction.

A draft is checked like a file each time it is saved. Launching, extending and cancelling make a new snapshot; the lock
on the program's configuration comes before the challenge's own.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from domain.challenge_checks import overlapping
from domain.challenges import ChallengeEvent, ChallengeState, challenge_after
from domain.configuration import Configuration
from domain.definition_checks import check_definition
from domain.definitions import Definitions, definitions_of
from domain.game import Challenge
from domain.proposals import NeedsSecondPerson
from domain.shapes import Fault, read
from storage import audiences, challenges, configurations, publishing
from storage.challenges import StoredChallenge

PREVIEWED = "previewed"  # the key of what is kept nowhere
NOBODY = "nobody who is there now is in the audience"


class InvalidChallenge(Exception):
    """It cannot be taken as it is; `faults` say why, with paths from the challenge itself."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("; ".join(f"{'.'.join(map(str, fault.path))}: {fault.message}" for fault in faults))
        self.faults = faults


class DraftChanged(Exception):
    """The draft was written anew since it was read."""


@dataclass(frozen=True, slots=True)
class Launched:
    """A challenge that was launched, and what the one who launched it should know."""

    challenge: StoredChallenge
    warnings: Sequence[str]


# -- Drafts --------------------------------------------------------------------------------------------------------


async def create(
    session: AsyncSession, program_id: str, key: str, said: Mapping[str, Any], *, actor: str, now: datetime
) -> StoredChallenge:
    """A draft of what is said as files say it. Raises InvalidChallenge, KeyTaken."""
    definition = _read(key, said)
    _require_sound(definition, await configurations.read_active(session, program_id))
    return await challenges.insert(session, program_id, definition, ChallengeState.DRAFT, written_by=actor, now=now)


async def rewrite(
    session: AsyncSession, program_id: str, challenge_id: str, said: Mapping[str, Any], *, actor: str, now: datetime
) -> StoredChallenge:
    """The draft is this from now on, and the actor's.

    Raises InvalidChallenge, IllegalChallenge if it was launched, LookupError.
    """
    draft = await challenges.lock(session, program_id, challenge_id)
    challenge_after(draft.state, ChallengeEvent.LAUNCH)
    definition = _read(draft.key, said)
    _require_sound(definition, await configurations.read_active(session, program_id))
    await challenges.say(session, replace(draft, written_by=actor), definition, now=now)
    return await challenges.get(session, program_id, challenge_id)


def _read(key: str, said: Mapping[str, Any]) -> Challenge:
    faults: list[Fault] = []
    ours = {field.name: field.default for field in fields(Challenge) if "ours" in field.metadata}
    found: Challenge | None = read(Challenge, said, (), faults, **ours | {"key": key, "version": 0, "origin": "page"})
    if found is None:
        raise InvalidChallenge(faults)
    return found


def _require_sound(definition: Challenge, active: Configuration) -> None:
    """Raises InvalidChallenge unless it fits, and does not go on when the next one of its campaign begins."""
    require_fit(definition, definitions_of(active))
    if faults := overlapping((), definition, active.time_zone):
        raise InvalidChallenge(faults)


def require_fit(definition: Challenge, active: Definitions) -> None:
    """Raises InvalidChallenge unless the challenge is sound among what is active."""
    if faults := check_definition(including(active, definition), "challenges", definition.key):
        raise InvalidChallenge([replace(fault, path=fault.path[2:]) for fault in faults])


def including(active: Definitions, definition: Challenge) -> Definitions:
    """The definitions with the challenge as it is here."""
    return replace(active, challenges=dict(sorted({**active.challenges, definition.key: definition}.items())))


async def check(session: AsyncSession, program_id: str, said: Mapping[str, Any]) -> Challenge:
    """What is said, checked as a draft is, and kept nowhere. Raises InvalidChallenge."""
    definition = _read(PREVIEWED, said)
    _require_sound(definition, await configurations.read_active(session, program_id))
    return definition


# -- What makes a new snapshot -------------------------------------------------------------------------------------


async def launch(
    session: AsyncSession, program_id: str, challenge_id: str, *, seen: str, actor: str, now: datetime
) -> Launched:
    """From now on what occurs in its window counts, if it says what was seen: `seen` is its fingerprint.

    Raises DraftChanged, InvalidChallenge, IllegalChallenge, LookupError, and NeedsSecondPerson where the program asks
    for one and who wrote the draft, as it is, would launch it.
    """
    await configurations.lock_alone(session, program_id)
    draft = await challenges.lock(session, program_id, challenge_id)
    challenge_after(draft.state, ChallengeEvent.LAUNCH)
    if seen != draft.fingerprint:
        raise DraftChanged(f"{draft.key} was written anew by {draft.written_by}: read it again")
    if draft.written_by == actor and await publishing.needs_second_person(session, program_id):
        raise NeedsSecondPerson(f"{draft.key} was written by {actor}: somebody else launches it")
    if draft.definition.ends_at <= now:
        raise InvalidChallenge([Fault(("ends_at",), "has passed already")])
    _require_sound(draft.definition, await configurations.read_active(session, program_id))
    await _make(session, draft, lambda _: draft.definition, actor=actor, now=now)
    asked = [draft.definition.audience] if draft.definition.audience else []
    warnings = [NOBODY] if await audiences.list_unmet(session, program_id, asked) else []
    return Launched(await challenges.get(session, program_id, challenge_id), warnings)


async def extend(
    session: AsyncSession, program_id: str, challenge_id: str, ends_at: datetime, *, actor: str, now: datetime
) -> StoredChallenge:
    """It ends later than it would have. Raises InvalidChallenge, IllegalChallenge once it has ended, LookupError."""
    await configurations.lock_alone(session, program_id)
    running = await challenges.lock(session, program_id, challenge_id)
    challenge_after(running.state, ChallengeEvent.EXTEND)
    if ends_at <= max(running.definition.until, now):
        raise InvalidChallenge([Fault(("ends_at",), "is not later than the end that it has, or has passed already")])
    if running.definition.until <= now:
        challenge_after(ChallengeState.CLOSED, ChallengeEvent.EXTEND)
    await _make(session, running, lambda found: replace(found, extended_to=ends_at), actor=actor, now=now)
    return await challenges.get(session, program_id, challenge_id)


async def cancel(
    session: AsyncSession, program_id: str, challenge_id: str, *, reason: str, actor: str, now: datetime
) -> StoredChallenge:
    """Nothing counts for it any more; what it has paid stays. Raises IllegalChallenge, LookupError."""
    await configurations.lock_alone(session, program_id)
    running = await challenges.lock(session, program_id, challenge_id)
    challenge_after(running.state, ChallengeEvent.CANCEL)
    if running.state is ChallengeState.DRAFT:
        return await challenges.move(session, running, ChallengeEvent.CANCEL, now=now, reason=reason)
    await challenges.say(session, running, running.definition, now=now, reason=reason)
    await _make(session, running, lambda found: replace(found, cancelled_at=now), actor=actor, now=now)
    return await challenges.get(session, program_id, challenge_id)


async def _make(
    session: AsyncSession,
    stored: StoredChallenge,
    edit: Callable[[Challenge], Challenge],
    *,
    actor: str,
    now: datetime,
) -> None:
    """The next snapshot, in which the challenge is as edited; one that is called off needs to fit nothing."""

    def edited(active: Definitions) -> Definitions:
        changed = edit(active.challenges.get(stored.key, stored.definition))
        if not changed.is_called_off:
            require_fit(changed, active)
        return including(active, changed)

    await configurations.change(session, stored.program_id, edited, applied_by=actor, applied_at=now)
