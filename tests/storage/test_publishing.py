"""Publishing: one person proposes, another publishes just what was shown; and the way back to an earlier snapshot."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from domain.challenges import ChallengeEvent
from domain.definitions import KeyTaken
from domain.proposals import IllegalProposal, NeedsSecondPerson, Proposal, ProposalState
from storage import challenge_commands, challenges, configurations, programs, proposals, publishing
from storage.configurations import Applied, Outdated
from storage.publishing import NotSound
from storage.tables import configuration_proposals
from tests.programs import NOW, SAMPLE, definitions, make_program

LATER = NOW + timedelta(hours=1)
DEARER = SAMPLE | {"rules": SAMPLE["rules"] | {"deal-won": {"event_type": "deal.won", "award": {"expression": "60"}}}}
CHEAPER = SAMPLE | {"rules": SAMPLE["rules"] | {"deal-won": {"event_type": "deal.won", "award": {"expression": "40"}}}}
SPRINT = {
    "event_types": ["deal.won"],
    "bonus": "5",
    "starts_at": "2026-03-05T00:00:00Z",
    "ends_at": "2026-03-09T00:00:00Z",
}


@pytest.fixture
async def program_id(session: AsyncSession) -> str:
    """A program that asks for a second person."""
    made = await make_program(session)
    await programs.set_publishing(session, made, second_person=True)
    return made


async def propose(session: AsyncSession, program_id: str, body: Any = DEARER, actor: str = "ada") -> Proposal:
    proposed = await publishing.submit(session, program_id, definitions(body), actor=actor, at=NOW)
    assert isinstance(proposed, Proposal)
    return proposed


async def active(session: AsyncSession, program_id: str) -> tuple[int, str]:
    """The number of the active snapshot, and what it awards for a deal."""
    found = await configurations.read_active(session, program_id)
    [award] = [rule.award for rule in found.rules["deal.won"] if rule.key == "deal-won"]
    assert award is not None
    return found.number, award.expression


async def test_without_the_setting_one_person_is_enough(session: AsyncSession) -> None:
    program_id = await make_program(session)

    applied = await publishing.submit(session, program_id, definitions(DEARER), actor="ada", at=NOW)

    assert isinstance(applied, Applied)
    assert await active(session, program_id) == (2, "60")


async def test_what_is_proposed_waits_for_somebody_else(session: AsyncSession, program_id: str) -> None:
    proposed = await propose(session, program_id)

    assert await active(session, program_id) == (1, "50")
    assert (proposed.state, proposed.expected, proposed.proposed_by) == (ProposalState.PROPOSED, 1, "ada")
    assert [(change["key"], change["fields"]) for change in proposed.changes] == [
        ("deal-won", [{"field": "award.expression", "before": "50", "after": "60"}])
    ]
    with pytest.raises(NeedsSecondPerson):
        await publishing.publish(session, program_id, proposed.id, actor="ada", at=LATER)
    published = await publishing.publish(session, program_id, proposed.id, actor="ben", at=LATER)
    assert (published.state, published.decided_by, published.published_as) == (ProposalState.PUBLISHED, "ben", 2)
    assert published == await proposals.get(session, program_id, proposed.id)
    assert await active(session, program_id) == (2, "60")


async def test_no_row_can_say_that_one_person_was_both(session: AsyncSession, program_id: str) -> None:
    values = {"program_id": program_id, "expected": 1, "body": {}, "digest": b"", "diff": [], "proposed_at": NOW}
    both = {"proposed_by": "ada", "decided_by": "ada", "decided_at": NOW, "state": "published", "published_as": 2}

    with pytest.raises(IntegrityError, match="second_person"):
        await session.execute(insert(configuration_proposals).values(id="prp_x", **values, **both))


async def test_a_folder_that_changes_nothing_proposes_nothing(session: AsyncSession, program_id: str) -> None:
    found = await publishing.submit(session, program_id, definitions(SAMPLE), actor="ada", at=NOW)

    assert isinstance(found, Applied)
    assert found.changes == ()


async def test_the_same_proposal_is_made_once_while_it_is_open(session: AsyncSession, program_id: str) -> None:
    first = await propose(session, program_id)
    again = await propose(session, program_id, actor="ben")
    await publishing.withdraw(session, program_id, first.id, actor="ada", at=NOW)
    third = await propose(session, program_id)

    assert again == first
    assert third.id != first.id


async def test_a_proposal_is_decided_once(session: AsyncSession, program_id: str) -> None:
    proposed = await propose(session, program_id)
    withdrawn = await publishing.withdraw(session, program_id, proposed.id, actor="ada", at=LATER)

    assert (withdrawn.state, withdrawn.decided_by, withdrawn.published_as) == (ProposalState.WITHDRAWN, "ada", None)
    with pytest.raises(IllegalProposal):
        await publishing.publish(session, program_id, proposed.id, actor="ben", at=LATER)
    with pytest.raises(IllegalProposal):
        await publishing.withdraw(session, program_id, proposed.id, actor="ben", at=LATER)


async def test_what_would_change_something_else_by_now_is_outdated(session: AsyncSession, program_id: str) -> None:
    dearer, cheaper = await propose(session, program_id), await propose(session, program_id, CHEAPER)

    await publishing.publish(session, program_id, cheaper.id, actor="ben", at=LATER)
    overtaken = await proposals.get(session, program_id, dearer.id)

    assert (overtaken.state, overtaken.decided_by, overtaken.decided_at) == (ProposalState.OUTDATED, "ben", LATER)
    with pytest.raises(IllegalProposal):
        await publishing.publish(session, program_id, dearer.id, actor="ben", at=LATER)
    assert await active(session, program_id) == (2, "40")


async def test_a_snapshot_that_changes_nothing_of_it_leaves_a_proposal_open(
    session: AsyncSession, program_id: str
) -> None:
    """A challenge that is launched makes a snapshot, and a proposal says nothing of it."""
    proposed = await propose(session, program_id)
    draft = await challenge_commands.create(session, program_id, "sprint", SPRINT, actor="cleo", now=NOW)
    await challenge_commands.launch(session, program_id, draft.id, seen=draft.fingerprint, actor="ben", now=NOW)

    published = await publishing.publish(session, program_id, proposed.id, actor="ben", at=LATER)
    snapshot = await configurations.read_active(session, program_id)

    assert published.published_as == 3
    assert list(snapshot.challenges) == ["sprint"]


async def test_only_what_was_seen_is_proposed(session: AsyncSession, program_id: str) -> None:
    with pytest.raises(Outdated):
        await publishing.submit(session, program_id, definitions(DEARER), actor="ada", at=NOW, expected=0)


async def test_too_many_proposals_are_refused(
    session: AsyncSession, program_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proposals, "MAX_OPEN", 1)
    await propose(session, program_id)

    with pytest.raises(proposals.TooManyProposals):
        await propose(session, program_id, CHEAPER)


async def test_proposals_are_listed_newest_first_by_state(session: AsyncSession, program_id: str) -> None:
    first, second = await propose(session, program_id), await propose(session, program_id, CHEAPER)
    await publishing.withdraw(session, program_id, first.id, actor="ada", at=NOW)

    listed = await proposals.list_page(session, program_id)
    open_ = await proposals.list_page(session, program_id, state=ProposalState.PROPOSED)
    older = await proposals.list_page(session, program_id, before=second.id)

    assert [one.id for one in listed] == [second.id, first.id]
    assert [one.id for one in open_] == [second.id]
    assert [one.id for one in older] == [first.id]


@pytest.mark.parametrize("step", [proposals.get, proposals.lock])
async def test_another_programs_proposal_is_not_there(
    session: AsyncSession, program_id: str, step: Callable[..., Awaitable[Proposal]]
) -> None:
    proposed = await propose(session, program_id)

    with pytest.raises(LookupError):
        await step(session, await make_program(session), proposed.id)


async def test_who_writes_a_challenge_does_not_launch_it(session: AsyncSession, program_id: str) -> None:
    draft = await challenge_commands.create(session, program_id, "sprint", SPRINT, actor="cleo", now=NOW)

    with pytest.raises(NeedsSecondPerson):
        await challenge_commands.launch(session, program_id, draft.id, seen=draft.fingerprint, actor="cleo", now=NOW)
    launched = await challenge_commands.launch(
        session, program_id, draft.id, seen=draft.fingerprint, actor="ben", now=NOW
    )
    assert launched.challenge.state == "scheduled"


# -- Back to an earlier snapshot -----------------------------------------------------------------------------------


async def test_a_rollback_is_a_new_snapshot_of_an_earlier_one(session: AsyncSession) -> None:
    program_id = await make_program(session)
    await publishing.submit(session, program_id, definitions(DEARER), actor="ada", at=NOW)

    applied = await publishing.roll_back(session, program_id, 1, actor="ben", at=LATER)

    assert isinstance(applied, Applied)
    assert [change.key for change in applied.changes] == ["deal-won"]
    assert await active(session, program_id) == (3, "50")


async def test_a_rollback_takes_a_second_person_too(session: AsyncSession, program_id: str) -> None:
    proposed = await propose(session, program_id)
    await publishing.publish(session, program_id, proposed.id, actor="ben", at=NOW)

    back = await publishing.roll_back(session, program_id, 1, actor="ben", at=LATER)

    assert isinstance(back, Proposal)
    assert await active(session, program_id) == (2, "60")


async def test_a_rollback_keeps_what_commands_made(session: AsyncSession) -> None:
    program_id = await make_program(session)
    draft = await challenge_commands.create(session, program_id, "sprint", SPRINT, actor="cleo", now=NOW)
    await challenge_commands.launch(session, program_id, draft.id, seen=draft.fingerprint, actor="cleo", now=NOW)
    await publishing.submit(session, program_id, definitions(DEARER), actor="ada", at=NOW)

    await publishing.roll_back(session, program_id, 1, actor="ben", at=LATER)
    snapshot = await configurations.read_active(session, program_id)

    assert (snapshot.number, list(snapshot.challenges)) == (4, ["sprint"])


async def test_what_a_running_challenge_needs_cannot_go(session: AsyncSession) -> None:
    program_id = await make_program(session, {"event_types": {"survey.submitted": {"fields": {}}}})
    await publishing.submit(session, program_id, definitions(SAMPLE), actor="ada", at=NOW)
    draft = await challenge_commands.create(session, program_id, "sprint", SPRINT, actor="cleo", now=NOW)
    await challenge_commands.launch(session, program_id, draft.id, seen=draft.fingerprint, actor="cleo", now=NOW)

    with pytest.raises(NotSound, match=r"no event type deal\.won"):
        await publishing.roll_back(session, program_id, 1, actor="ben", at=LATER)
    long_after = NOW + timedelta(days=30)
    assert isinstance(await publishing.roll_back(session, program_id, 1, actor="ben", at=long_after), Applied)


async def test_a_rollback_is_refused_for_what_an_application_is_refused_for(session: AsyncSession) -> None:
    program_id = await make_program(session)
    with_challenge = SAMPLE | {"challenges": {"sprint": SPRINT}}
    await publishing.submit(session, program_id, definitions(with_challenge), actor="ada", at=NOW)
    await publishing.submit(session, program_id, definitions(SAMPLE), actor="ada", at=NOW)

    with pytest.raises(KeyTaken):
        await publishing.roll_back(session, program_id, 2, actor="ben", at=LATER)
    with pytest.raises(LookupError):
        await publishing.roll_back(session, program_id, 9, actor="ben", at=LATER)


async def test_a_rollback_leaves_what_has_had_its_course(session: AsyncSession) -> None:
    program_id = await make_program(session)
    with_challenge, dearer = ({"challenges": {"sprint": SPRINT | {"bonus": bonus}}} for bonus in ("5", "6"))
    await publishing.submit(session, program_id, definitions(SAMPLE | with_challenge), actor="ada", at=NOW)
    await publishing.submit(session, program_id, definitions(DEARER | dearer), actor="ada", at=NOW)
    stored = await challenges.find(session, program_id, "sprint")
    assert stored is not None
    for event in (ChallengeEvent.BEGIN, ChallengeEvent.END):
        stored = await challenges.move(session, stored, event, now=LATER)

    await publishing.roll_back(session, program_id, 2, actor="ben", at=LATER)
    snapshot = await configurations.read_active(session, program_id)

    assert await active(session, program_id) == (4, "50")
    assert snapshot.challenges["sprint"].bonus == "6"


async def test_who_writes_a_draft_anew_does_not_launch_it_either(session: AsyncSession, program_id: str) -> None:
    draft = await challenge_commands.create(session, program_id, "sprint", SPRINT, actor="cleo", now=NOW)
    await challenge_commands.rewrite(session, program_id, draft.id, SPRINT, actor="ben", now=NOW)

    with pytest.raises(NeedsSecondPerson):
        await challenge_commands.launch(session, program_id, draft.id, seen=draft.fingerprint, actor="ben", now=NOW)
    launched = await challenge_commands.launch(
        session, program_id, draft.id, seen=draft.fingerprint, actor="cleo", now=NOW
    )
    assert launched.challenge.state == "scheduled"
