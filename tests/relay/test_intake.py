"""Parked events are decided once their members are known, by a row or by the sweep."""

from collections.abc import Sequence

import pytest
from sqlalchemy import select

from domain.events import Event
from domain.outbox import ClaimedRow, Kind
from relay.intake import IntakeLane
from storage import intake
from storage.database import Database
from storage.tables import events
from tests.programs import deal, make_member, make_program
from tests.relay.conftest import now
from tests.storage.test_intake import POLICY


class Parked:
    """A program with events of people whom it does not know yet."""

    def __init__(self, db: Database, program_id: str, event_ids: Sequence[str]) -> None:
        self.db = db
        self.id = program_id
        self.event_ids = list(event_ids)

    async def meet(self, name: str) -> None:
        async with self.db.begin() as session:
            await make_member(session, self.id, name)

    async def states(self) -> list[str]:
        async with self.db.begin() as session:
            query = select(events.c.state).where(events.c.program_id == self.id).order_by(events.c.id)
            return list((await session.execute(query)).scalars())


async def park(db: Database, *taken: Event) -> Parked:
    async with db.begin() as session:
        program_id = await make_program(session)
        outcomes = await intake.record(session, program_id, taken, POLICY, as_of=now())
    return Parked(db, program_id, [outcome.event_id or "" for outcome in outcomes])


def row(parked: Parked, kind: Kind, **payload: object) -> ClaimedRow:
    return ClaimedRow(1, parked.id, "intake", kind, payload, 0)


@pytest.fixture
def lane(db: Database) -> IntakeLane:
    return IntakeLane(db, clock=now)


async def test_an_identity_that_arrives_has_its_events_decided_and_no_others(db: Database, lane: IntakeLane) -> None:
    parked = await park(db, deal(1, "bob"), deal(2, "eve"), deal(3, "bob"))
    await parked.meet("bob")

    await lane(row(parked, Kind.IDENTITY_ARRIVED, identities=[["crm", "bob"]]))

    assert await parked.states() == ["decided", "parked", "decided"]


async def test_named_events_are_decided_if_their_members_are_known(db: Database, lane: IntakeLane) -> None:
    parked = await park(db, deal(1, "bob"), deal(2, "eve"))
    await parked.meet("bob")

    await lane(row(parked, Kind.DECIDE, event_ids=parked.event_ids))

    assert await parked.states() == ["decided", "parked"]


async def test_an_identity_without_events_changes_nothing(db: Database, lane: IntakeLane) -> None:
    parked = await park(db, deal(1, "bob"))

    await lane(row(parked, Kind.IDENTITY_ARRIVED, identities=[["crm", "eve"]]))

    assert await parked.states() == ["parked"]


async def test_the_sweep_decides_what_every_row_has_missed_in_all_programs(db: Database, lane: IntakeLane) -> None:
    first, second = await park(db, deal(1, "bob"), deal(2, "eve")), await park(db, deal(1, "bob"))
    await first.meet("bob")
    await second.meet("bob")

    await lane.sweep()

    assert await first.states() == ["decided", "parked"]
    assert await second.states() == ["decided"]


async def test_the_sweep_goes_on_until_nothing_is_left(
    db: Database, lane: IntakeLane, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "MAX_BATCH", 2)
    parked = await park(db, deal(1, "bob"), deal(2, "bob"))
    async with db.begin() as session:
        await intake.record(session, parked.id, [deal(3, "bob")], POLICY, as_of=now())
    await parked.meet("bob")

    await lane.sweep()

    assert await parked.states() == ["decided", "decided", "decided"]


async def test_a_kind_of_another_lane_is_refused(db: Database, lane: IntakeLane) -> None:
    with pytest.raises(ValueError, match="score"):
        await lane(row(await park(db, deal(1, "bob")), Kind.SCORE))
