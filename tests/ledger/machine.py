"""Every command in any order, with duplicates and clocks that go on, on the ledger and on the oracle.

A machine collects commands into batches, has the ledger carry a batch out, and compares each outcome and all that
everybody has. `came` counts what came of each kind of command, so that a search that reaches nothing shows.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, NamedTuple, Protocol, TypeVar

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

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
from tests.ledger.oracle import REVERSIBLE, Deed, Hold, Oracle, Person, Promise, Rate, Rules, Verdict

START = datetime(2026, 3, 4, 12, tzinfo=UTC)

# Each unit with what makes it different: the configuration's words, and the oracle's.
UNITS: dict[str, tuple[dict[str, Any], Rules]] = {
    "points": (
        {"approval_above": 500, "backdate_days": 31, "transfer": {}},
        Rules(approval_above=500, backdate_days=31, transfers=True),
    ),
    "kudos": (
        {
            "kind": "allowance",
            "expiry": {"policy": "rolling", "days": 20},
            "debt": False,
            "renew_days": 10,
            "transfer": {"at_once": 90, "per_day": 150, "per_month": 400},
        },
        Rules(
            lapses_after_days=20, may_owe=False, renewed_for_days=10, transfers=True, at_once=90, per_day=150,
            per_month=400,
        ),
    ),
    "miles": (
        {"expiry": {"policy": "end_of_period", "per": "month"}, "renew_days": 15, "transfer": {}},
        Rules(lapses_with_month=True, renewed_for_days=15, transfers=True),
    ),
    "cash": (
        {"kind": "money", "currency": "USD", "exponent": 2, "debt": False, "backdate_days": 3},
        Rules(may_owe=False, backdate_days=3),
    ),
}  # fmt: skip
RATES = {"points-to-cash": Rate("points", "cash", 10, 3), "cash-to-kudos": Rate("cash", "kudos", 2, 5)}
CONFIGURATION: dict[str, Any] = {
    "units": {key: said for key, (said, _) in UNITS.items()},
    "conversions": {
        key: {"from_unit": rate.from_unit, "to_unit": rate.to_unit, "from_amount": rate.give, "to_amount": rate.get}
        for key, rate in RATES.items()
    },
}
# Attributes by name; the last has left.
MEMBERS: dict[str, dict[str, str]] = {
    "ada": {"time_zone": "UTC", "status": "active"},
    "ben": {"time_zone": "Pacific/Auckland", "status": "active"},
    "cyd": {"time_zone": "America/Los_Angeles", "status": "active"},
    "dot": {"time_zone": "UTC", "status": "active"},
    "eve": {"time_zone": "UTC", "status": "left"},
}
MAX_BATCH = 40  # commands
MAX_MERGES = 2  # of one program
STEPS = 100  # of one program, at most
# That are played for one seed. Of more, hypothesis would make most by changing a step or two of one before.
PROGRAMS = 10
ENGINE = "engine"


class Purse(NamedTuple):
    """What somebody has of one unit, with the lots that are left in the order in which they are spent."""

    available: int = 0
    debt: int = 0
    lifetime: int = 0
    held: int = 0
    pending: int = 0
    closed: bool = False
    lots: tuple[tuple[datetime | None, int], ...] = ()


class State(NamedTuple):
    """All that a ledger comes to; what has lapsed counts as expired, whether or not somebody has looked."""

    purses: Mapping[tuple[str, str], Purse]
    program: Mapping[tuple[str, str], int]
    holds: Mapping[str, tuple[str, int, int]]
    pendings: Mapping[str, str]


class Ledger(Protocol):
    """A ledger to be judged."""

    members: dict[str, str]  # ids by name

    def carry_out(self, commands: Sequence[Command], at: datetime) -> list[Outcome]: ...

    def expire(self, member: str, at: datetime) -> int:
        """Expire what of theirs has lapsed; how many transactions that took."""

    def merge(self, member: str, into: str, at: datetime) -> None: ...

    def state(self, at: datetime) -> State: ...

    def verify(self) -> None:
        """Raise if it does not hold in itself."""


Thing = TypeVar("Thing")

WHO = st.sampled_from(["ada"] * 4 + ["ben"] * 4 + ["cyd"] * 3 + ["dot"] * 2 + ["eve", "nobody"])
UNIT = st.sampled_from(["points"] * 5 + ["kudos"] * 5 + ["miles"] * 3 + ["cash"] * 3 + ["nothing"])
# 0 is all that there is.
AMOUNT = st.sampled_from([0, 0, 0, 1, 2, 3, 5, 7, 10, 10, 20, 25, 30, 40, 50, 60, 70, 80, 100, 150, 200, 300, 501, 900])
BY_HAND = st.sampled_from([0, 0, 1, 5, 20, 50, 100, 200, 501, 900])
PART = st.sampled_from([None, None, None, None, None, None, 1, 1, 2, 3, 10, 500])
LAPSES = st.sampled_from([None, None, None, None, 1, 2, 3, 4, 5, 8, 13, 40, -1])  # days from now
WHEN = st.sampled_from([None] * 12 + [0, -1, -30, -100, -900, 1])  # hours from now
NUMBER = st.integers(0, 999)


class LedgerMachine(RuleBasedStateMachine):
    """Plays one program. A subclass says which ledger."""

    came: ClassVar[Counter[tuple[str, str]]]

    def new_ledger(self) -> Ledger:
        raise NotImplementedError

    def __init__(self) -> None:
        super().__init__()
        self.ledger = self.new_ledger()
        self.members = {**self.ledger.members, "nobody": "mem_nobody"}
        people = {
            self.members[name]: Person(said["time_zone"], said["status"] == "left") for name, said in MEMBERS.items()
        }
        self.oracle = Oracle(people, {key: rules for key, (_, rules) in UNITS.items()}, RATES, START)
        self.merges = 0
        self.sent: list[Command] = []
        self.deeds: list[Deed] = []
        self.holds: list[Hold] = []
        self.promises: list[Promise] = []
        self.batch: list[tuple[Command, Verdict]] = []

    @initialize(amounts=st.lists(st.integers(50, 400), min_size=8, max_size=8))
    def begin(self, amounts: list[int]) -> None:
        """Everybody who is there has something of what there is to have, and some of it held or promised."""
        for number, amount in enumerate(amounts):
            who = self.members[("ada", "ben", "cyd", "dot")[number // 2]]
            self.send(Earn, None, member_id=who, unit=("points", "kudos")[number % 2], amount=amount)
            if number % 2:
                self.send(Earn, None, member_id=who, unit="kudos", amount=amount // 2, awaits_approval=True)
            else:
                self.send(PlaceHold, None, member_id=who, unit="points", amount=amount // 2)

    # -- Commands --------------------------------------------------------------------------------------------------

    @rule(who=WHO, unit=UNIT, amount=AMOUNT, lapses=LAPSES, when=WHEN)
    def earn(self, who: str, unit: str, amount: int, lapses: int | None, when: int | None) -> None:
        what = {"amount": amount or 35, "expires_at": self.days(lapses)}
        self.send(Earn, when, member_id=self.members[who], unit=unit, **what)

    @rule(who=WHO, unit=UNIT, amount=AMOUNT, lapses=LAPSES, days=st.none() | st.integers(-1, 6))
    def promise(self, who: str, unit: str, amount: int, lapses: int | None, days: int | None) -> None:
        what = {"available_at": self.days(days), "awaits_approval": days is None, "expires_at": self.days(lapses)}
        self.send(Earn, None, member_id=self.members[who], unit=unit, amount=amount or 35, **what)

    @precondition(lambda self: self.promises)
    @rule(kind=st.sampled_from([Confirm, Confirm, Cancel]), number=NUMBER, when=WHEN)
    def end_promise(self, kind: type[Command], number: int, when: int | None) -> None:
        self.send(kind, when, pending_id=self.promise_like(number))

    @rule(who=WHO, unit=UNIT, amount=BY_HAND, takes=st.booleans(), lapses=LAPSES, second=st.booleans())
    def adjust(self, who: str, unit: str, amount: int, takes: bool, lapses: int | None, second: bool) -> None:
        amount = self.all_of(who, unit, amount)
        what = {"expires_at": self.days(lapses), "approved_by": "key_boss" if second else None, "reason": "by hand"}
        self.send(Adjust, None, member_id=self.members[who], unit=unit, amount=-amount if takes else amount, **what)

    @rule(who=WHO, unit=UNIT, amount=AMOUNT, lasts=LAPSES, when=WHEN)
    def hold(self, who: str, unit: str, amount: int, lasts: int | None, when: int | None) -> None:
        what = {"amount": self.all_of(who, unit, amount), "expires_at": self.days(lasts)}
        self.send(PlaceHold, when, member_id=self.members[who], unit=unit, **what)

    @rule(who=WHO, unit=UNIT, amount=AMOUNT, when=WHEN)
    def spend(self, who: str, unit: str, amount: int, when: int | None) -> None:
        self.send(Spend, when, member_id=self.members[who], unit=unit, amount=self.all_of(who, unit, amount))

    @precondition(lambda self: self.holds)
    @rule(kind=st.sampled_from([Settle, Release]), number=NUMBER, amount=PART, when=WHEN)
    def end_hold(self, kind: type[Command], number: int, amount: int | None, when: int | None) -> None:
        self.send(kind, when, hold_id=self.hold_like(number), amount=amount)

    @precondition(lambda self: self.deeds)
    @rule(number=NUMBER, amount=PART, when=WHEN)
    def reverse(self, number: int, amount: int | None, when: int | None) -> None:
        self.send(Reverse, when, transaction_id=self.deed_like(number), amount=amount)

    @rule(giver=WHO, further=st.sampled_from([1, 1, 1, 2, 2, 3, 4, 5, 0]), unit=UNIT, amount=AMOUNT, when=WHEN)
    def transfer(self, giver: str, further: int, unit: str, amount: int, when: int | None) -> None:
        names = list(self.members)
        taker = names[(names.index(giver) + further) % len(names)]
        members = {"from_member_id": self.members[giver], "to_member_id": self.members[taker]}
        self.send(Transfer, when, **members, unit=unit, amount=self.all_of(giver, unit, amount))

    @rule(who=WHO, conversion=st.sampled_from([*RATES, *RATES, "no-such"]), amount=AMOUNT, when=WHEN)
    def convert(self, who: str, conversion: str, amount: int, when: int | None) -> None:
        unit = RATES[conversion].from_unit if conversion in RATES else "nothing"
        what = {"conversion": conversion, "amount": self.all_of(who, unit, amount)}
        self.send(Convert, when, member_id=self.members[who], **what)

    @rule(who=WHO, unit=UNIT)
    def close(self, who: str, unit: str) -> None:
        self.send(CloseAccount, None, member_id=self.members[who], unit=unit)

    # -- Duplicates, time, and what no command does ----------------------------------------------------------------

    @rule(number=NUMBER, same=st.booleans())
    def again(self, number: int, same: bool) -> None:
        """The same command again by another caller, or another under its reference."""
        command = _recent(self.sent, number)
        self.put(replace(command, actor="key_other") if same else replace(command, reason="another"))

    @rule(hours=st.sampled_from([0, 1, 7, 24, 24, 72, 240]), look=WHO)
    def time_passes(self, hours: int, look: str) -> None:
        """Whoever looks at the accounts of somebody then, value lapses at its instant."""
        self.flush()
        self.oracle.pass_time(self.oracle.now + timedelta(hours=hours, minutes=1))
        if look in MEMBERS:
            self.came["expire", "accepted"] += self.ledger.expire(self.members[look], self.oracle.now)
        self.compare()

    @rule()
    def holds_expire(self) -> None:
        """What the engine does for holds whose time has come: release them, each under its own reference."""
        self.flush()
        due = [hold for hold in self.oracle.holds.values() if hold.left and hold.expires_at <= self.oracle.now]
        for hold in due:
            self.put(Release(reference=f"hold expiry:{hold.id}", actor=ENGINE, hold_id=hold.id))

    @rule(who=WHO.filter(lambda name: name != "nobody"))
    def refill(self, who: str) -> None:
        """An allowance is granted once in a period: its key says which."""
        month = f"{self.oracle.now:%Y-%m}"
        self.put(Earn(reference=f"refill:{who}:{month}", actor=ENGINE, member_id=self.members[who], unit="kudos",
                      amount=60, reason=month))  # fmt: skip

    @precondition(lambda self: self.merges < MAX_MERGES)
    @rule(member=WHO.filter(lambda name: name not in ("eve", "nobody")), further=st.integers(1, 3))
    def merge(self, member: str, further: int) -> None:
        """Two members turn out to be one, but where one of them has closed an account."""
        self.flush()
        names = ["ada", "ben", "cyd", "dot"]
        one, into = self.members[member], self.members[names[(names.index(member) + further) % len(names)]]
        closed = any(purse.closed for (who, _), purse in self.oracle.purses.items() if who in (one, into))
        if closed or {one, into} & {who for who, person in self.oracle.people.items() if person.merged_into}:
            return
        self.merges += 1
        self.ledger.merge(one, into, self.oracle.now)
        self.oracle.merge(one, into)
        self.came["merge", "accepted"] += 1
        self.compare()

    @rule()
    def flush(self) -> None:
        """Have the ledger carry out what was collected."""
        batch, self.batch = self.batch, []
        if not batch:
            return
        outcomes = self.ledger.carry_out([command for command, _ in batch], self.oracle.now)
        for (command, verdict), outcome in zip(batch, outcomes, strict=True):
            self.judge(command, verdict, outcome)
        self.compare()

    def teardown(self) -> None:
        self.flush()
        self.ledger.verify()

    @invariant()
    def count(self) -> None:
        self.came["", "step"] += 1

    # -- Judging ---------------------------------------------------------------------------------------------------

    def send(self, kind: type[Command], hours: int | None, **what: Any) -> None:
        at = None if hours is None else self.oracle.now + timedelta(hours=hours)
        self.put(kind(reference=f"r{len(self.sent)}", actor="key_one", effective_at=at, **what))

    def put(self, command: Command) -> None:
        self.sent.append(command)
        verdict = self.oracle.carry_out(command)
        if verdict.deed and not verdict.again:
            self.remember(verdict.deed)
        self.batch.append((command, verdict))
        if len(self.batch) >= MAX_BATCH:
            self.flush()

    def remember(self, deed: Deed) -> None:
        if deed.kind == "hold" and deed.hold:
            self.holds.append(deed.hold)
        if deed.kind == "pend" and deed.promise:
            self.promises.append(deed.promise)
        if deed.kind in REVERSIBLE or (len(self.deeds) % 4 == 0 and deed.kind != "close"):
            self.deeds.append(deed)

    def judge(self, command: Command, verdict: Verdict, outcome: Outcome) -> None:
        deed = verdict.deed
        match outcome:
            case Refused(code=code):
                assert code in verdict.codes, (command, outcome, verdict)
                self.came[command.kind, code] += 1
            case Replayed(first=first):
                assert verdict.again, (command, outcome, verdict)
                assert deed is not None
                assert first.transaction_id == (deed.id or None)
                self.came[command.kind, "replayed"] += 1
            case Accepted():
                assert deed is not None, (command, outcome, verdict)
                assert not verdict.again, (command, outcome)
                self.oracle.name(deed, outcome.transaction_id, outcome.hold_id, outcome.pending_id)
                balances = {(balance.member_id, balance.unit): balance.balance for balance in outcome.balances}
                assert balances == deed.balances, (command, outcome)
                self.came[_told(command, deed), "accepted"] += 1

    def compare(self) -> None:
        found, expected = self.ledger.state(self.oracle.now), expected_state(self.oracle)
        for key, purse in expected.purses.items():
            assert found.purses.get(key, Purse()) == purse, (key, found.purses.get(key), purse)
        assert found.program == expected.program, (found.program, expected.program)
        assert found.holds == expected.holds, (found.holds, expected.holds)
        assert found.pendings == expected.pendings, (found.pendings, expected.pendings)

    # -- Naming things ---------------------------------------------------------------------------------------------

    def all_of(self, who: str, unit: str, amount: int) -> int:
        """The amount, or for 0 all that somebody has."""
        if amount or self.members[who] not in self.oracle.people or unit not in UNITS:
            return amount or 1
        return max(1, self.oracle.purses[self.oracle.end_of(self.members[who]), unit].available)

    def days(self, days: int | None) -> datetime | None:
        return None if days is None else self.oracle.now + timedelta(days=days)

    def hold_like(self, number: int) -> str:
        return self._known(_open_first(self.holds, number)) if number % 40 else "hld_none"

    def promise_like(self, number: int) -> str:
        return self._known(_open_first(self.promises, number)) if number % 40 else "pnd_none"

    def deed_like(self, number: int) -> str:
        """Mostly one that was not reversed, of any kind that there is."""
        still = [deed for deed in self.deeds if not deed.reversed and deed.kind in REVERSIBLE]
        kinds = sorted({deed.kind for deed in still})
        of_kind = [deed for deed in still if deed.kind == kinds[number % len(kinds)]]
        return self._known(_recent((number % 8 and of_kind) or self.deeds, number)) if number % 40 else "txn_none"

    def _known(self, thing: Hold | Promise | Deed) -> str:
        if not thing.id:
            self.flush()
        assert thing.id
        return thing.id


def search(machine: type[LedgerMachine], seeds: Iterable[int]) -> None:
    """Play PROGRAMS programs for each seed; the same seed plays the same while the same modules are loaded."""
    how = settings(
        max_examples=PROGRAMS,
        stateful_step_count=STEPS,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    for number in seeds:
        run_state_machine_as_test(seed(number)(machine), settings=how)


def expected_state(oracle: Oracle) -> State:
    """What the oracle says that a ledger comes to."""
    return State(
        {
            key: Purse(
                purse.available,
                purse.debt,
                purse.lifetime,
                purse.held,
                purse.pending,
                purse.closed,
                tuple((lot.expires_at, lot.left) for lot in purse.open_lots),
            )
            for key, purse in oracle.purses.items()
        },
        {key: amount for key, amount in oracle.program.items() if amount},
        {id: (hold.state, hold.settled, hold.released) for id, hold in oracle.holds.items()},
        {id: promise.state for id, promise in oracle.promises.items()},
    )


def _told(command: Command, deed: Deed) -> str:
    """What was done, as it is counted."""
    if command.actor == ENGINE:
        return command.reference.split(":")[0]
    return f"reverse {deed.original.kind}" if deed.original else deed.kind


def _recent(things: Sequence[Thing], number: int) -> Thing:
    """One of the last; the last for 0."""
    return things[-1 - number % min(len(things), 12)]


def _open_first(things: Sequence[Any], number: int) -> Any:
    """Mostly one that is open still."""
    still = [one for one in things if one.state == "open"]
    return _recent(still if still and number % 8 else things, number)


# Every code by which a command may be refused, and the commands that nothing can refuse.
CODES = {
    "account_closed", "account_not_empty", "already_reversed", "amount_too_small", "backdating_refused",
    "conversion_not_found", "duplicate_request", "effective_in_future", "exceeds_original", "expires_in_past",
    "hold_not_open", "insufficient_points", "limit_reached", "member_inactive", "member_not_found", "needs_approval",
    "not_found", "not_reversible", "pending_not_open", "self_transfer", "transfers_not_allowed", "unknown_unit",
}  # fmt: skip
DONE = {
    "adjust", "cancel", "close", "confirm", "convert", "earn", "expire", "hold", "hold expiry", "pend", "refill",
    "release", "settle", "spend", "transfer", *(f"reverse {kind}" for kind in REVERSIBLE),
}  # fmt: skip
REFUSED = {
    "adjust", "cancel", "close", "confirm", "convert", "earn", "hold", "release", "reverse", "settle", "spend",
    "transfer",
}  # fmt: skip


def assert_thorough(came: Counter[tuple[str, str]], *, at_least: int) -> None:
    """Every kind of command was carried out and refused so often at least, some were repeated, every code was seen."""
    done = Counter({kind: n for (kind, code), n in came.items() if code == "accepted"})
    refused = Counter[str]()
    for (kind, code), n in came.items():
        refused[kind] += n if code in CODES else 0
    rare = {kind for kind in DONE if done[kind] < at_least}
    rare |= {f"refused {kind}" for kind in REFUSED if refused[kind] < at_least}
    rare |= (CODES | {"replayed"}) - {code for _, code in came}
    assert not rare, f"too seldom: {sorted(rare)}\n{shown(came)}"


def shown(came: Counter[tuple[str, str]]) -> str:
    """How often each kind of command came to what, a line each."""
    kinds = sorted({kind for kind, _ in came})
    return "\n".join(
        f"{kind or 'in all'}: " + ", ".join(f"{n} {code}" for (one, code), n in came.most_common() if one == kind)
        for kind in kinds
    )
