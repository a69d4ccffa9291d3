"""Commands carried out: what each kind does and why it is refused, and that a batch is the same as one by one."""

import itertools
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from domain.commands import (
    Accepted,
    Adjust,
    Cancel,
    CloseAccount,
    Command,
    Confirm,
    Convert,
    Earn,
    Outcome,
    PlaceHold,
    Refused,
    Release,
    Replayed,
    Reverse,
    Settle,
    Spend,
    Transfer,
)
from storage import commands, merges, verification
from storage.tables import (
    accounts,
    counters,
    crossings,
    entries,
    holds,
    lots,
    members,
    outbox,
    pendings,
    refusals,
    rewards,
    transactions,
)
from storage.tables import commands as commands_table
from tests.programs import NOW, SAMPLE, make_member, make_program

UNITS: dict[str, Any] = {
    **SAMPLE,
    "units": {
        "points": {"approval_above": 1_000, "backdate_days": 30, "transfer": {"at_once": 80, "per_day": 150}},
        "kudos": {"kind": "allowance", "debt": False, "expiry": {"policy": "end_of_period", "per": "month"}},
        "cashback": {"kind": "money", "currency": "USD", "exponent": 2, "debt": False, "renew_days": 30},
    },
    "conversions": {
        "to-cashback": {"from_unit": "points", "to_unit": "cashback", "from_amount": 10, "to_amount": 3},
    },
}
_numbers = itertools.count()


def order(kind: type[Command], **what: Any) -> Any:
    """A command under a reference of its own, of points where it does not say so."""
    named = {"reference": f"r{next(_numbers)}", "actor": "key_hr", **what}
    if "unit" in kind.__dataclass_fields__:
        named.setdefault("unit", "points")
    return kind(**named)


class Program:
    """A program with several units, and Ada and Ben in it."""

    def __init__(self, session: AsyncSession, program_id: str, ada: str, ben: str):
        self.session = session
        self.id = program_id
        self.ada = ada
        self.ben = ben

    async def execute(self, *several: Command, days: int = 0) -> list[Outcome]:
        return await commands.execute(self.session, self.id, several, as_of=NOW + timedelta(days=days))

    async def done(self, command: Command, days: int = 0) -> Accepted:
        [outcome] = await self.execute(command, days=days)
        assert isinstance(outcome, Accepted), outcome
        return outcome

    async def refused(self, command: Command, days: int = 0) -> str:
        [outcome] = await self.execute(command, days=days)
        assert isinstance(outcome, Refused), outcome
        return outcome.code

    async def earn(self, amount: int = 100, **what: Any) -> Accepted:
        return await self.done(order(Earn, **{"member_id": self.ada, "amount": amount, **what}))

    async def balance(self, member: str, unit: str = "points") -> int:
        query = select(accounts.c.balance).where(accounts.c.id == f"acc_{member[4:]}.{unit}")
        return (await self.session.execute(query)).scalar() or 0

    async def count(self, table: Any, *where: Any) -> int:
        return (await self.session.execute(select(func.count()).select_from(table).where(*where))).scalar_one()

    async def leave(self, member: str) -> None:
        await self.session.execute(update(members).where(members.c.id == member).values(status="left"))


async def make(session: AsyncSession) -> Program:
    program_id = await make_program(session, UNITS)
    ada, ben = [await make_member(session, program_id, name) for name in ("ada", "ben")]
    return Program(session, program_id, ada, ben)


@pytest.fixture
async def program(session: AsyncSession) -> Program:
    return await make(session)


@pytest.fixture(autouse=True)
async def the_ledger_verifies(program: Program):
    """Whatever a test did, every invariant of the ledger holds afterwards."""
    yield
    checks = await verification.verify(program.session, program.id)
    assert [check for check in checks if check.violations] == []


# -- References ----------------------------------------------------------------------------------------------------


async def test_the_same_command_again_is_answered_with_the_first_outcome(program: Program):
    command = order(Earn, member_id=program.ada, amount=100)

    first, twin = await program.execute(command, command)
    [later] = await program.execute(command, days=400)

    assert isinstance(first, Accepted)
    assert twin == later == Replayed(first)
    assert await program.balance(program.ada) == 100


async def test_another_command_under_the_same_reference_is_refused(program: Program):
    await program.done(order(Earn, reference="one", member_id=program.ada, amount=100))

    code = await program.refused(order(Earn, reference="one", member_id=program.ada, amount=101))

    assert code == "duplicate_request"
    assert await program.balance(program.ada) == 100


async def test_a_refusal_is_kept_and_takes_no_reference(program: Program):
    command = order(PlaceHold, member_id=program.ada, amount=60)
    assert await program.refused(command) == "insufficient_points"
    await program.earn(100)

    await program.done(command)

    [refusal] = await program.session.execute(select(refusals))
    assert (refusal.reference, refusal.kind, refusal.code) == (command.reference, "hold", "insufficient_points")
    assert (refusal.member_id, refusal.actor) == (program.ada, "key_hr")
    assert (refusal.detail["available"], refusal.detail["needed"]) == (0, 60)


# -- Earning -------------------------------------------------------------------------------------------------------


async def test_what_is_earned_lapses_as_its_unit_says(program: Program):
    await program.earn(30, unit="kudos")

    [lot] = await program.session.execute(select(lots))
    assert lot.expires_at.isoformat() == "2026-04-01T00:00:00+00:00"


async def test_an_earning_crosses_milestones_and_tells_the_boards(program: Program):
    await program.earn(1_100)

    found = await program.session.execute(select(crossings.c.milestone, crossings.c.n))
    assert sorted(found.tuples()) == [("every-500:500", 1), ("every-500:500", 2), ("first-1000:1000", 1)]
    assert await program.count(rewards, rewards.c.state == "unlocked") == 3
    kinds = (await program.session.execute(select(outbox.c.kind).order_by(outbox.c.id))).scalars().all()
    assert kinds == ["start_reward"] * 3 + ["score"]


async def test_value_of_another_unit_crosses_no_milestone_on_points(program: Program):
    await program.earn(1_100, unit="cashback")

    assert await program.count(crossings) == 0


async def test_an_earning_that_is_reversed_takes_its_crossings_along(program: Program):
    earned = await program.earn(1_100)

    await program.done(order(Reverse, transaction_id=earned.transaction_id, amount=200))

    standing = select(crossings.c.milestone, crossings.c.n).where(crossings.c.state == "standing")
    assert sorted((await program.session.execute(standing)).tuples()) == [
        ("every-500:500", 1),
        ("first-1000:1000", 1),
    ]
    assert await program.count(rewards, rewards.c.state == "withdrawn") == 1


async def test_promised_value_is_earned_when_it_is_confirmed(program: Program):
    promised = await program.earn(600, available_at=NOW + timedelta(days=3))
    assert await program.balance(program.ada) == 0

    await program.done(order(Confirm, pending_id=promised.pending_id))

    assert await program.balance(program.ada) == 600
    assert await program.count(crossings) == 1
    assert await program.refused(order(Cancel, pending_id=promised.pending_id)) == "pending_not_open"


async def test_a_promise_that_is_cancelled_earned_nothing(program: Program):
    promised = await program.earn(600, awaits_approval=True)

    await program.done(order(Cancel, pending_id=promised.pending_id))

    assert await program.count(lots) == 0
    assert await program.refused(order(Confirm, pending_id=promised.pending_id)) == "pending_not_open"


async def test_what_takes_effect_earlier_is_accepted_as_far_back_as_the_unit_says(program: Program):
    await program.earn(10, effective_at=NOW - timedelta(days=30))

    for unit, days in (("points", 31), ("kudos", 1)):
        late = order(Earn, member_id=program.ada, unit=unit, amount=10, effective_at=NOW - timedelta(days=days))
        assert await program.refused(late) == "backdating_refused"
    ahead = order(Earn, member_id=program.ada, amount=10, effective_at=NOW + timedelta(hours=1))
    assert await program.refused(ahead) == "effective_in_future"


# -- Correcting ----------------------------------------------------------------------------------------------------


async def test_an_adjustment_names_its_actor_and_reason(program: Program):
    done = await program.done(order(Adjust, member_id=program.ada, amount=70, reason="forgotten award"))

    query = select(transactions).where(transactions.c.id == done.transaction_id)
    [row] = await program.session.execute(query)
    assert (row.kind, row.actor, row.reason) == ("adjust", "key_hr", "forgotten award")


async def test_a_large_adjustment_takes_a_second_person(program: Program):
    assert await program.refused(order(Adjust, member_id=program.ada, amount=1_001)) == "needs_approval"

    await program.done(order(Adjust, member_id=program.ada, amount=1_001, approved_by="key_cfo"))

    assert await program.balance(program.ada) == 1_001


async def test_an_adjustment_takes_no_more_than_there_is(program: Program):
    await program.earn(50)

    assert await program.refused(order(Adjust, member_id=program.ada, amount=-51)) == "insufficient_points"


async def test_a_transaction_is_reversed_once_and_never_for_more(program: Program):
    earned = await program.earn(100)
    more = order(Reverse, transaction_id=earned.transaction_id, amount=101)
    assert await program.refused(more) == "exceeds_original"
    part = order(Reverse, transaction_id=earned.transaction_id, amount=40)

    first, second = await program.execute(part, order(Reverse, transaction_id=earned.transaction_id))

    assert isinstance(first, Accepted)
    assert isinstance(second, Refused)
    assert second.code == "already_reversed"
    assert await program.refused(order(Reverse, transaction_id=earned.transaction_id)) == "already_reversed"
    assert await program.balance(program.ada) == 60


async def test_a_hold_is_not_reversed(program: Program):
    await program.earn(100)
    held = await program.done(order(PlaceHold, member_id=program.ada, amount=60))

    assert await program.refused(order(Reverse, transaction_id=held.transaction_id)) == "not_reversible"


# -- Spending ------------------------------------------------------------------------------------------------------


async def test_a_hold_is_settled_and_released_in_parts(program: Program):
    await program.earn(100)
    held = await program.done(order(PlaceHold, member_id=program.ada, amount=60))
    outcomes = await program.execute(
        order(Settle, hold_id=held.hold_id, amount=20),
        order(Release, hold_id=held.hold_id, amount=30),
        order(Settle, hold_id=held.hold_id, amount=11),
        order(Settle, hold_id=held.hold_id),
        order(Release, hold_id=held.hold_id),
    )

    assert [getattr(outcome, "code", None) for outcome in outcomes] == [
        None,
        None,
        "exceeds_original",
        None,
        "hold_not_open",
    ]
    assert await program.balance(program.ada) == 70
    [hold] = await program.session.execute(select(holds))
    assert (hold.state, hold.settled, hold.released) == ("settled", 30, 30)


async def test_a_settlement_that_is_reversed_gives_back_what_was_spent(program: Program):
    await program.earn(100)
    held = await program.done(order(PlaceHold, member_id=program.ada, amount=60))
    settled = await program.done(order(Settle, hold_id=held.hold_id))

    await program.done(order(Reverse, transaction_id=settled.transaction_id, amount=25))

    assert await program.balance(program.ada) == 65


async def test_a_hold_that_has_expired_is_settled_no_more(program: Program):
    await program.earn(100)
    held = await program.done(order(PlaceHold, member_id=program.ada, amount=60))

    assert await program.refused(order(Settle, hold_id=held.hold_id), days=7) == "hold_not_open"

    await program.done(order(Release, hold_id=held.hold_id), days=7)


async def test_what_belongs_to_an_order_is_none_of_a_commands_business(program: Program):
    await program.earn(100)
    held = await program.done(order(PlaceHold, member_id=program.ada, amount=60))
    await program.session.execute(update(holds).values(order_id="ord_1", expires_at=None))

    for kind in (Settle, Release):
        assert await program.refused(order(kind, hold_id=held.hold_id)) == "belongs_to_order"


# -- Moving --------------------------------------------------------------------------------------------------------


async def test_a_transfer_moves_value_as_far_as_its_limits_go(program: Program):
    await program.earn(500)
    give = {"from_member_id": program.ada, "to_member_id": program.ben}

    outcomes = await program.execute(*(order(Transfer, **give, amount=amount) for amount in (81, 80, 70, 1)))

    codes = [getattr(outcome, "code", None) for outcome in outcomes]
    assert codes == ["limit_reached", None, None, "limit_reached"]
    assert (await program.balance(program.ada), await program.balance(program.ben)) == (350, 150)
    assert await program.refused(order(Transfer, **give, amount=1)) == "limit_reached"
    await program.done(order(Transfer, **give, amount=1), days=1)


async def test_a_transfer_that_is_turned_round_counts_for_its_limits_no_more(program: Program):
    await program.earn(500)
    give = {"from_member_id": program.ada, "to_member_id": program.ben}
    whole, part = [await program.done(order(Transfer, **give, amount=amount)) for amount in (80, 70)]
    assert await program.refused(order(Transfer, **give, amount=1)) == "limit_reached"

    await program.done(order(Reverse, transaction_id=whole.transaction_id))
    await program.done(order(Reverse, transaction_id=part.transaction_id, amount=30))

    assert await program.refused(order(Transfer, **give, amount=111)) == "limit_reached"
    outcomes = await program.execute(*(order(Transfer, **give, amount=amount) for amount in (80, 30, 1)))
    assert [getattr(outcome, "code", None) for outcome in outcomes] == [None, None, "limit_reached"]


async def test_a_transfer_of_another_day_gives_todays_limit_nothing_back(program: Program):
    await program.earn(500)
    give = {"from_member_id": program.ada, "to_member_id": program.ben}
    earlier = await program.done(order(Transfer, **give, amount=80))
    for amount in (80, 70):
        await program.done(order(Transfer, **give, amount=amount), days=1)

    await program.done(order(Reverse, transaction_id=earlier.transaction_id), days=1)

    assert await program.refused(order(Transfer, **give, amount=1), days=1) == "limit_reached"


async def test_a_limit_comes_back_to_whoever_the_giver_is_now(program: Program):
    cleo = await make_member(program.session, program.id, "cleo")
    await program.earn(500)
    given = [
        await program.done(order(Transfer, from_member_id=program.ada, to_member_id=cleo, amount=amount))
        for amount in (80, 70)
    ]
    named = {"source": program.ada, "destination": program.ben, "actor": "hr", "reason": "one"}
    await merges.merge(program.session, program.id, as_of=NOW, **named)
    on = {"from_member_id": program.ben, "to_member_id": cleo}
    assert await program.refused(order(Transfer, **on, amount=1)) == "limit_reached"

    await program.done(order(Reverse, transaction_id=given[0].transaction_id))

    await program.done(order(Transfer, **on, amount=80))


async def test_what_is_not_transferred_and_to_whom(program: Program):
    await program.earn(500)
    give = {"from_member_id": program.ada, "to_member_id": program.ben, "amount": 1}

    assert await program.refused(order(Transfer, **give, unit="kudos")) == "transfers_not_allowed"
    assert await program.refused(order(Transfer, **{**give, "to_member_id": program.ada})) == "self_transfer"


async def test_a_conversion_changes_the_unit_at_the_declared_rate(program: Program):
    await program.earn(100)
    change = {"member_id": program.ada, "conversion": "to-cashback"}

    done = await program.done(order(Convert, **change, amount=55))

    assert {one.unit: one.balance for one in done.balances} == {"points": 45, "cashback": 16}
    assert await program.refused(order(Convert, **change, amount=3)) == "amount_too_small"
    unknown = order(Convert, member_id=program.ada, conversion="to-gold", amount=10)
    assert await program.refused(unknown) == "conversion_not_found"


async def test_an_account_is_closed_when_it_is_empty(program: Program):
    await program.earn(100)
    close = {"member_id": program.ada}
    assert await program.refused(order(CloseAccount, **close)) == "account_not_empty"
    await program.done(order(Adjust, **close, amount=-100))

    await program.done(order(CloseAccount, **close))

    assert await program.refused(order(Earn, **close, amount=1)) == "account_closed"


# -- Who and what is unknown ---------------------------------------------------------------------------------------


async def test_who_and_what_is_unknown_is_refused(program: Program):
    nobody = "mem_" + "0" * 26

    assert await program.refused(order(Earn, member_id=nobody, amount=1)) == "member_not_found"
    assert await program.refused(order(Earn, member_id=program.ada, unit="gold", amount=1)) == "unknown_unit"
    assert await program.refused(order(Settle, hold_id="hld_none")) == "not_found"
    assert await program.refused(order(Confirm, pending_id="pnd_none")) == "not_found"
    assert await program.refused(order(Reverse, transaction_id="txn_none")) == "not_found"


async def test_who_has_left_earns_and_spends_nothing_but_is_corrected(program: Program):
    await program.earn(100)
    held = await program.done(order(PlaceHold, member_id=program.ada, amount=60))
    await program.leave(program.ada)
    named = {"member_id": program.ada, "amount": 10}

    for command in (
        order(Earn, **named),
        order(PlaceHold, **named),
        order(Convert, **named, conversion="to-cashback"),
        order(Transfer, from_member_id=program.ben, to_member_id=program.ada, amount=1),
    ):
        assert await program.refused(command) == "member_inactive"
    await program.done(order(Release, hold_id=held.hold_id))
    await program.done(order(Adjust, **{**named, "amount": -100}))


async def test_another_programs_members_and_holds_are_unknown(program: Program):
    other = await make(program.session)
    await program.earn(100)
    held = await program.done(order(PlaceHold, member_id=program.ada, amount=60))

    assert await other.refused(order(Release, hold_id=held.hold_id)) == "not_found"
    assert await other.refused(order(Earn, member_id=program.ada, amount=1)) == "member_not_found"


async def test_a_command_that_fails_on_data_stands_alone(program: Program):
    beyond = order(Earn, member_id=program.ada, unit="cashback", amount=2**63)

    before, failed, after = await program.execute(
        order(Earn, member_id=program.ada, amount=1), beyond, order(Earn, member_id=program.ada, amount=1)
    )

    assert isinstance(failed, Refused)
    assert failed.code == "command_failed"
    assert isinstance(before, Accepted)
    assert isinstance(after, Accepted)
    assert await program.balance(program.ada) == 2


# -- A batch is its commands one by one ----------------------------------------------------------------------------

AMOUNTS = st.sampled_from([1, 20, 45, 80])
PARTS = st.none() | AMOUNTS
# Members and what stands already are named by their places, for each program has its own.
STEPS = st.lists(
    st.tuples(st.just(Earn), st.integers(0, 1), AMOUNTS, st.sampled_from(["points", "kudos", "cashback"]))
    | st.tuples(st.just(Adjust), st.integers(0, 1), st.sampled_from([-200, -30, 15, 1_001]))
    | st.tuples(st.sampled_from([PlaceHold, Spend]), st.integers(0, 1), AMOUNTS)
    | st.tuples(st.just(Transfer), st.integers(0, 1), st.integers(0, 1), AMOUNTS)
    | st.tuples(st.just(Convert), st.integers(0, 1), AMOUNTS)
    | st.tuples(st.sampled_from([Settle, Release]), st.integers(0, 2), PARTS)
    | st.tuples(st.sampled_from([Confirm, Cancel]), st.integers(0, 1))
    | st.tuples(st.just(Reverse), st.integers(0, 6), PARTS)
    | st.tuples(st.just(CloseAccount), st.integers(0, 1)),
    min_size=2,
    max_size=16,
)


class Standing:
    """What stands in a program before commands come: lots with several expiries, holds and promises."""

    def __init__(self, program: Program, outcomes: Sequence[Outcome]):
        made = [one for one in outcomes if isinstance(one, Accepted)]
        self.program = program
        self.holds = [one.hold_id for one in made if one.hold_id]
        self.pendings = [one.pending_id for one in made if one.pending_id]
        self.transactions = [one.transaction_id for one in made]

    @classmethod
    async def make(cls, session: AsyncSession) -> "Standing":
        program = await make(session)
        ada, ben = program.ada, program.ben
        made = await program.execute(
            order(Earn, member_id=ada, amount=90, expires_at=NOW + timedelta(days=40)),
            order(Earn, member_id=ada, amount=30, expires_at=NOW - timedelta(days=1)),
            order(PlaceHold, member_id=ada, amount=25),
            order(PlaceHold, member_id=ada, amount=50),
            order(Earn, member_id=ben, amount=480),
            order(PlaceHold, member_id=ben, amount=70),
            order(Transfer, from_member_id=ben, to_member_id=ada, amount=60),
            order(Earn, member_id=ada, amount=45, awaits_approval=True),
            order(Earn, member_id=ben, amount=600, available_at=NOW),
            days=-2,
        )
        return cls(program, made)

    def command(self, step: tuple[Any, ...], reference: str) -> Any:
        kind, *what = step
        people, named = (self.program.ada, self.program.ben), {"reference": reference}
        if kind in (Settle, Release):
            return order(kind, hold_id=self.holds[what[0]], amount=what[1], **named)
        if kind in (Confirm, Cancel):
            return order(kind, pending_id=self.pendings[what[0]], **named)
        if kind is Reverse:
            return order(kind, transaction_id=self.transactions[what[0]], amount=what[1], **named)
        if kind is Transfer:
            return order(kind, from_member_id=people[what[0]], to_member_id=people[what[1]], amount=what[2], **named)
        named |= {"member_id": people[what[0]]}
        if kind is CloseAccount:
            return order(kind, **named)
        if kind is Convert:
            return order(kind, conversion="to-cashback", amount=what[1], **named)
        return order(kind, amount=what[1], **named, **({"unit": what[2]} if len(what) > 2 else {}))


async def snapshot(session: AsyncSession, program_id: str) -> dict[str, Any]:
    """What a program's ledger came to, without ids that differ from run to run."""
    queries = {
        "accounts": select(
            accounts.c.unit, accounts.c.balance, accounts.c.version, accounts.c.debt, accounts.c.lifetime
        ).where(accounts.c.running),
        "entries": select(entries.c.amount, entries.c.balance, entries.c.version),
        "lots": select(lots.c.granted, lots.c.allocated, lots.c.expired, lots.c.reversed, lots.c.expires_at),
        "holds": select(holds.c.amount, holds.c.state, holds.c.settled, holds.c.released),
        "pendings": select(pendings.c.amount, pendings.c.state),
        "crossings": select(crossings.c.milestone, crossings.c.n, crossings.c.state),
        "rewards": select(rewards.c.reward, rewards.c.state),
        "counters": select(counters.c.name, counters.c.period_on, counters.c.uses, counters.c.total),
        "commands": select(commands_table.c.reference, commands_table.c.kind),
        "refusals": select(refusals.c.reference, refusals.c.code),
    }
    found = {}
    for name, query in queries.items():
        program = query.get_final_froms()[0].c.program_id
        rows = (await session.execute(query.where(program == program_id))).all()
        found[name] = sorted((tuple(row) for row in rows), key=repr)
    return found


def outline(outcomes: Sequence[Outcome]) -> list[Any]:
    return [told(outcome) for outcome in outcomes]


def told(outcome: Outcome) -> Any:
    if isinstance(outcome, Replayed):
        return "replayed", told(outcome.first)
    return outcome.code if isinstance(outcome, Refused) else [one.balance for one in outcome.balances]


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS, names=st.lists(st.integers(0, 12), min_size=16, max_size=16), cuts=st.lists(st.integers(1, 15)))
async def test_carrying_out_a_batch_equals_carrying_out_its_commands_one_by_one(
    session: AsyncSession, steps: list[tuple[Any, ...]], names: list[int], cuts: list[int]
):
    alone, split = [await Standing.make(session) for _ in range(2)]
    bounds = sorted({0, len(steps), *(cut for cut in cuts if cut < len(steps))})
    singles, batch = [
        [standing.command(step, f"step-{name}") for step, name in zip(steps, names, strict=False)]
        for standing in (alone, split)
    ]

    one_by_one = [outcome for one in singles for outcome in await alone.program.execute(one)]
    batched = [
        outcome
        for start, end in itertools.pairwise(bounds)
        for outcome in await split.program.execute(*batch[start:end])
    ]

    assert outline(batched) == outline(one_by_one)
    mine, theirs = [await snapshot(session, one.program.id) for one in (alone, split)]
    mine["commands"], theirs["commands"] = [[c for c in m["commands"] if "step" in c[0]] for m in (mine, theirs)]
    assert theirs == mine
    for standing in (alone, split):
        checks = await verification.verify(session, standing.program.id)
        assert [check for check in checks if check.violations] == []
