"""Every operation meets every state that a member can be in: what comes of it is certain, and the ledger verifies."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from domain.commands import (
    Accepted,
    Adjust,
    Cancel,
    CloseAccount,
    Confirm,
    Convert,
    Earn,
    PlaceHold,
    Refused,
    Release,
    Reverse,
    Settle,
    Transfer,
)
from domain.events import SourcePolicy
from domain.merges import Merge
from storage import intake, merges, verification
from storage.tables import transactions
from tests.programs import NOW, deal, make_member, make_program, retraction
from tests.storage.test_commands import UNITS, Program, order

LATE = 20  # days after everything was set up: what lapses in ten has lapsed
AMENDING = SourcePolicy(amendments="compensate")


class Scene:
    """Ada has 100 points, of which 30 were given to Ben, 40 are held, and 10 of an earlier hold were spent; 25 are
    promised. Ben has 200. All of it lapses or none."""

    def __init__(self, program: Program, days: int | None):
        self.program = program
        self.lapses = None if days is None else NOW + timedelta(days=days)
        self.at = 0
        self.merged: Merge | None = None
        self.ids: dict[str, str] = {}

    async def set_up(self) -> None:
        program, ada, ben = self.program, self.program.ada, self.program.ben
        earned = await program.earn(100, expires_at=self.lapses)
        await program.earn(200, member_id=ben)
        spent = await program.done(order(PlaceHold, member_id=ada, amount=20))
        settled = await program.done(order(Settle, hold_id=spent.hold_id, amount=10))
        await program.done(order(Release, hold_id=spent.hold_id))
        given = await program.done(order(Transfer, from_member_id=ada, to_member_id=ben, amount=30))
        held = await program.done(order(PlaceHold, member_id=ada, amount=40, expires_at=NOW + timedelta(days=90)))
        promised = await program.earn(25, awaits_approval=True)
        taken = await program.done(order(Adjust, member_id=ada, amount=-5))
        changed = await program.done(order(Convert, member_id=ada, amount=10, conversion="to-cashback"))
        done = {"earn": earned, "settle": settled, "transfer": given, "adjust": taken, "convert": changed}
        self.ids = {kind: one.transaction_id or "" for kind, one in done.items()}
        self.ids |= {"hold": held.hold_id or "", "promise": promised.pending_id or ""}
        await intake.record(program.session, program.id, [deal(1, "ada")], AMENDING, as_of=NOW)

    async def tell(self, *events: Any) -> Any:
        as_of = NOW + timedelta(days=self.at)
        [outcome] = await intake.record(self.program.session, self.program.id, events, AMENDING, as_of=as_of)
        return outcome.code or outcome.status


async def as_it_is(scene: Scene) -> None:
    pass


async def lapsed(scene: Scene) -> None:
    scene.at = LATE


async def left(scene: Scene) -> None:
    await scene.program.leave(scene.program.ada)


async def merged(scene: Scene) -> None:
    named = {"source": scene.program.ada, "destination": scene.program.ben, "actor": "hr", "reason": "one"}
    found = await merges.merge(scene.program.session, scene.program.id, as_of=NOW, **named)
    assert isinstance(found, Merge)
    scene.merged = found


async def parted(scene: Scene) -> None:
    await merged(scene)
    assert scene.merged is not None
    named: dict[str, Any] = {"actor": "hr", "reason": "two", "as_of": NOW}
    assert isinstance(await merges.undo(scene.program.session, scene.program.id, scene.merged.id, **named), Merge)


async def merged_and_lapsed(scene: Scene) -> None:
    await merged(scene)
    await lapsed(scene)


async def parted_and_lapsed(scene: Scene) -> None:
    await parted(scene)
    await lapsed(scene)


async def owing(scene: Scene) -> None:
    """Ada spent what is taken back from her then, so that she owes it."""
    program = scene.program
    extra = await program.earn(60)
    await program.done(order(Adjust, member_id=program.ada, amount=-(await program.balance(program.ada))))
    await program.done(order(Reverse, transaction_id=extra.transaction_id))
    assert await program.balance(program.ada) == -60


async def partly_reversed(scene: Scene) -> None:
    for kind in ("earn", "settle", "transfer", "adjust"):
        await scene.program.done(order(Reverse, transaction_id=scene.ids[kind], amount=3))


async def partly_ended(scene: Scene) -> None:
    await scene.program.done(order(Settle, hold_id=scene.ids["hold"], amount=15))
    await scene.program.done(order(Release, hold_id=scene.ids["hold"], amount=5))


async def closed(scene: Scene) -> None:
    program, ada = scene.program, scene.program.ada
    await program.done(order(Release, hold_id=scene.ids["hold"]))
    await program.done(order(Cancel, pending_id=scene.ids["promise"]))
    for unit in ("points", "cashback"):
        if balance := await program.balance(ada, unit):
            await program.done(order(Adjust, member_id=ada, unit=unit, amount=-balance))
        await program.done(order(CloseAccount, member_id=ada, unit=unit))


Condition = Callable[[Scene], Awaitable[None]]
Operation = Callable[[Scene], Awaitable[Any]]


def commanded(kind: Any, who: str = "", names: Mapping[str, str] | None = None, **what: Any) -> Operation:
    """The outcome of a command: what refuses it, or `done`."""

    async def carry_out(scene: Scene) -> str:
        named: dict[str, Any] = {field: scene.ids[name] for field, name in (names or {}).items()}
        named |= {who: scene.program.ada} if who else {}
        others = {field: scene.program.ben for field in ("to_member_id", "from_member_id") if field in kind.__slots__}
        [outcome] = await scene.program.execute(order(kind, **(others | named | what)), days=scene.at)
        assert isinstance(outcome, Accepted | Refused)
        return outcome.code if isinstance(outcome, Refused) else "done"

    return carry_out


OPERATIONS: dict[str, Operation] = {
    "earn": commanded(Earn, "member_id", amount=10),
    "promise": commanded(Earn, "member_id", amount=10, awaits_approval=True),
    "confirm": commanded(Confirm, names={"pending_id": "promise"}),
    "cancel": commanded(Cancel, names={"pending_id": "promise"}),
    "adjust up": commanded(Adjust, "member_id", amount=10),
    "adjust down": commanded(Adjust, "member_id", amount=-2),
    "hold": commanded(PlaceHold, "member_id", amount=2),
    "settle": commanded(Settle, names={"hold_id": "hold"}, amount=20),
    "settle all": commanded(Settle, names={"hold_id": "hold"}),
    "release": commanded(Release, names={"hold_id": "hold"}, amount=20),
    "release all": commanded(Release, names={"hold_id": "hold"}),
    "give": commanded(Transfer, "from_member_id", amount=2),
    "be given": commanded(Transfer, "to_member_id", amount=2),
    "convert": commanded(Convert, "member_id", amount=5, conversion="to-cashback"),
    "reverse earn": commanded(Reverse, names={"transaction_id": "earn"}),
    "reverse part": commanded(Reverse, names={"transaction_id": "earn"}, amount=60),
    "reverse settle": commanded(Reverse, names={"transaction_id": "settle"}),
    "reverse transfer": commanded(Reverse, names={"transaction_id": "transfer"}),
    "reverse adjust": commanded(Reverse, names={"transaction_id": "adjust"}, amount=4),
    "reverse convert": commanded(Reverse, names={"transaction_id": "convert"}),
    "close": commanded(CloseAccount, "member_id"),
    "event": lambda scene: scene.tell(deal(2, "ada")),
    "amend": lambda scene: scene.tell(deal(1, "ada", amount_minor=2_000_000)),
    "retract": lambda scene: scene.tell(retraction(deal(1, "ada"))),
    "merge": lambda scene: _merge(scene),
    "part": lambda scene: _part(scene),
}


async def _merge(scene: Scene) -> str:
    program, as_of = scene.program, NOW + timedelta(days=scene.at)
    cleo = await make_member(program.session, program.id, "cleo")
    named = {"source": program.ada, "destination": cleo, "actor": "hr", "reason": "one"}
    found = await merges.merge(program.session, program.id, as_of=as_of, **named)
    return found.code if isinstance(found, Refused) else "done"


async def _part(scene: Scene) -> str:
    if scene.merged is None:
        return "done"
    program, as_of = scene.program, NOW + timedelta(days=scene.at)
    named = {"actor": "hr", "reason": "two"}
    found = await merges.undo(program.session, program.id, scene.merged.id, as_of=as_of, **named)
    return found.code if isinstance(found, Refused) else "done"


DONE = dict.fromkeys(OPERATIONS, "done") | {
    "close": "account_not_empty", "event": "recorded", "amend": "amended", "retract": "recorded",
}  # fmt: skip
ENDED = {"confirm": "pending_not_open", "cancel": "pending_not_open"} | dict.fromkeys(
    ("settle", "settle all", "release", "release all"), "hold_not_open"
)
REVERSED = dict.fromkeys(
    ("reverse earn", "reverse part", "reverse settle", "reverse transfer", "reverse adjust"), "already_reversed"
)
# What differs from DONE.
MEETINGS: dict[Condition, dict[str, str]] = {
    as_it_is: {},
    lapsed: {},
    left: dict.fromkeys(
        ("earn", "promise", "confirm", "hold", "give", "be given", "convert"), "member_inactive"
    ),
    merged: {"give": "self_transfer", "be given": "self_transfer", "merge": "already_merged"},
    parted: {},
    owing: dict.fromkeys(("adjust down", "hold", "give", "convert"), "insufficient_points"),
    partly_reversed: REVERSED,
    partly_ended: {},
    merged_and_lapsed: {"give": "self_transfer", "be given": "self_transfer", "merge": "already_merged"},
    parted_and_lapsed: {},
    closed: {
        **dict.fromkeys(("earn", "promise", "adjust up", "adjust down", "be given", "convert"), "account_closed"),
        **dict.fromkeys((*REVERSED, "reverse convert"), "account_closed"),
        **dict.fromkeys(("hold", "give"), "insufficient_points"),
        **dict.fromkeys(("event", "amend", "retract"), "event_quarantined"),
        **ENDED,
        "close": "done",
    },
}  # fmt: skip


@pytest.fixture
async def program(session: AsyncSession) -> Program:
    program_id = await make_program(session, UNITS)
    ada, ben = [await make_member(session, program_id, name) for name in ("ada", "ben")]
    return Program(session, program_id, ada, ben)


async def test_what_was_reversed_in_part_by_hand_is_left_to_people(program: Program):
    """Taking the rest back would be a second reversal; paying an amendment on top of it would pay twice."""
    ada, told = program.ada, [deal(1, "ada", amount_minor=2_000_000), retraction(deal(1, "ada"))]
    await intake.record(program.session, program.id, [deal(1, "ada")], AMENDING, as_of=NOW)
    [earned] = (await program.session.execute(select(transactions.c.id))).scalars()
    await program.done(order(Reverse, transaction_id=earned, amount=20))

    outcomes = [await intake.record(program.session, program.id, [one], AMENDING, as_of=NOW) for one in told]

    assert [(one.code, one.detail) for [one] in outcomes] == [("event_quarantined", "ReversedInPart")] * 2
    assert await program.balance(ada) == 30


async def test_what_was_reversed_whole_by_hand_is_earned_anew_by_an_amendment(program: Program):
    await intake.record(program.session, program.id, [deal(1, "ada")], AMENDING, as_of=NOW)
    [earned] = (await program.session.execute(select(transactions.c.id))).scalars()
    await program.done(order(Reverse, transaction_id=earned))

    amended = deal(1, "ada", amount_minor=200)
    [outcome] = await intake.record(program.session, program.id, [amended], AMENDING, as_of=NOW)

    assert (outcome.status, await program.balance(program.ada)) == ("amended", 50)


@pytest.mark.parametrize("lapses", [None, 10], ids=["lasting", "lapsing"])
@pytest.mark.parametrize("condition", MEETINGS, ids=lambda condition: condition.__name__)
async def test_every_operation_has_a_certain_outcome(program: Program, condition: Condition, lapses: int | None):
    scene = Scene(program, lapses)
    await scene.set_up()
    await condition(scene)
    came = {}

    for name, operation in OPERATIONS.items():
        await program.session.execute(text("SAVEPOINT before"))
        came[name] = await operation(scene)
        checks = await verification.verify(program.session, program.id)
        assert [check for check in checks if check.violations] == [], name
        await program.session.execute(text("ROLLBACK TO before"))

    assert came == DONE | MEETINGS[condition]
