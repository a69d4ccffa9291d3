"""A program's reviewed configuration: what happens, what it is worth and in which units, as one immutable snapshot.

Applying a folder makes a new snapshot with the next number; every definition inside carries the version at which it
last changed. Decisions name the number of the snapshot that made them, so they can be derived again for ever.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from domain.game import Badge, Board, Challenge, StreakPolicy, TierLadder
    from domain.nominations import NominationCategory
    from domain.notifications import NotificationPolicy
    from domain.recognitions import RecognitionPolicy


class Period(StrEnum):
    """A calendar period; weeks are ISO weeks. Member-scoped periods use the member's zone at occurred_at."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    QUARTER = "quarter"
    YEAR = "year"
    LIFETIME = "lifetime"


class Rounding(StrEnum):
    """How an award that is not a whole number becomes one."""

    FLOOR = "floor"
    CEILING = "ceiling"
    HALF_UP = "half_up"
    HALF_EVEN = "half_even"


class RuleState(StrEnum):
    """Whether a rule decides: a shadow is recorded and pays nothing; drafts and the retired are not judged."""

    DRAFT = "draft"
    SHADOW = "shadow"
    ACTIVE = "active"
    RETIRED = "retired"


class Stacking(StrEnum):
    """What a group pays when several of its rules would pay: all, the best, or the first.

    Of an exclusive group the first pays, and what stands beside the group pays nothing then.
    """

    SUM = "sum"
    BEST = "best"
    FIRST = "first"
    EXCLUSIVE = "exclusive"


class Combining(StrEnum):
    """How several multipliers make one: 1.5 and 2 make 2.5 (additive: 1 + 0.5 + 1) or 3 (multiplicative)."""

    ADDITIVE = "additive"
    MULTIPLICATIVE = "multiplicative"


@dataclass(frozen=True, slots=True)
class Field:
    """One field of an event type's data: its type and its limits (inclusive)."""

    type: str  # string, integer, number, boolean, timestamp, date
    required: bool = False
    description: str = ""
    enum: tuple[str, ...] = ()
    minimum: int | None = None
    maximum: int | None = None
    max_length: int = 500


@dataclass(frozen=True, slots=True)
class EventType:
    """What a kind of fact looks like; data with other fields or types is rejected."""

    key: str
    version: int
    fields: Mapping[str, Field]
    description: str = ""


@dataclass(frozen=True, slots=True)
class Source:
    """Whoever tells events and is believed for so long: among others, what it tells later counts from then."""

    key: str
    version: int
    late_hours: int
    title: str = ""


@dataclass(frozen=True, slots=True)
class Aggregate:
    """A count, or the sum of an integer field, of one event type of one member; CEL reads totals.name.

    It is over the calendar period `per` in which an event occurs, or over its day and those before it, `days` in all.
    """

    name: str
    event_type: str
    per: Period | None = None
    field: str | None = None  # None counts
    days: int | None = None

    @property
    def counted_per(self) -> Period:
        """The period of its counters: rolling days are added up."""
        return self.per or Period.DAY


@dataclass(frozen=True, slots=True)
class Condition:
    """One named CEL condition; the name of the first false one is the reason shown."""

    name: str
    expression: str


@dataclass(frozen=True, slots=True)
class Award:
    """Value of one unit, fixed ("50") or by a CEL expression, rounded as declared; never negative.

    Without `expires_after_days` it lapses as its unit says.
    """

    expression: str
    unit: str = "points"
    rounding: Rounding = Rounding.FLOOR
    expires_after_days: int | None = None


@dataclass(frozen=True, slots=True)
class Cap:
    """At most `points` points and `times` awards of one rule to one member per period (or per event)."""

    per: Period | None = field(metadata={"none": "event"})  # None is per event, written as "event"
    points: int | None = None
    times: int | None = None


@dataclass(frozen=True, slots=True)
class Budget:
    """At most so much by one rule to all members together per period, in the program's time zone."""

    points: int
    per: Period


@dataclass(frozen=True, slots=True)
class Group:
    """Rules that are weighed against each other; groups may stand `within` another.

    Multipliers of the group's rules are combined, bounded by `ceiling` (as text, "3" or "2.5"), and rounded once. Rules
    and groups within it stand in the order of `priority`, then by key. Rules that name no group belong to the group
    `default`, which pays all and has no ceiling unless it is declared.
    """

    key: str
    version: int
    title: str = ""
    stacking: Stacking = Stacking.SUM
    within: str | None = None
    priority: int = 0
    combining: Combining = Combining.MULTIPLICATIVE
    ceiling: str | None = None
    rounding: Rounding = Rounding.FLOOR
    caps: tuple[Cap, ...] = ()


@dataclass(frozen=True, slots=True)
class Rule:
    """What one event type is worth when every condition holds inside the effective window [starts_at, ends_at).

    A rule with a `multiplier` (CEL) pays nothing itself: it multiplies what the other rules of its group award for the
    event. `audience` is CEL on the member alone. Within a group, rules of lower `priority` come first, then by key.
    """

    key: str
    version: int
    event_type: str
    title: str = ""
    when: tuple[Condition, ...] = ()
    award: Award | None = None
    reward: str | None = None
    caps: tuple[Cap, ...] = ()
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    state: RuleState = RuleState.ACTIVE
    audience: str | None = None
    multiplier: str | None = None
    group: str | None = None
    priority: int = 0
    budgets: tuple[Budget, ...] = ()


@dataclass(frozen=True, slots=True)
class Milestone:
    """A threshold in one unit that gives a reward: `every` on lifetime value, or `at` once on lifetime or balance."""

    key: str
    version: int
    reward: str
    on: str = "lifetime"  # lifetime, balance
    every: int | None = None
    at: int | None = None
    unit: str = "points"
    title: str = ""

    @property
    def mark(self) -> str:
        """What crossings are counted under: a milestone that moves its threshold starts counting anew."""
        return f"{self.key}:{self.every or self.at}"


@dataclass(frozen=True, slots=True)
class Reward:
    """What a milestone or a rule gives: one catalog item automatically, or the member's choice among items.

    `price_points` is paid by the member when above 0; at 0 the program pays. Value in minor units of `currency`.
    """

    key: str
    version: int
    title: str
    items: tuple[str, ...]
    value_minor: int
    currency: str
    automatic: bool = False
    price_points: int = 0
    offer_days: int = 30
    remind_days: int = 7


@dataclass(frozen=True, slots=True)
class CatalogItem:
    """Something a member can redeem: a vendor's product (by connection and product code) or the program's own.

    `denominations` are the offered values in minor units; `points_per_unit` is the price in points of one major unit.
    """

    key: str
    version: int
    name: str
    vendor: str  # a connection's name, or "own": fulfilled by an administrator
    product: str = ""
    description: str = ""
    category: str = ""
    images: tuple[str, ...] = ()
    countries: tuple[str, ...] = ()  # ISO 3166-1 alpha-2; empty means every country
    currency: str = ""
    denominations: tuple[int, ...] = ()
    points_per_unit: int = 100
    terms: str = ""
    available: bool = True


class UnitKind(StrEnum):
    """What a unit counts. An allowance is there to be given away, and what is not given lapses."""

    POINTS = "points"
    ALLOWANCE = "allowance"
    MONEY = "money"
    VOUCHER = "voucher"
    ASSET = "asset"


class ExpiryPolicy(StrEnum):
    """When value that is granted lapses, if its award does not say so itself."""

    NEVER = "never"
    FIXED = "fixed"
    ROLLING = "rolling"
    END_OF_PERIOD = "end_of_period"
    INACTIVITY = "inactivity"


class Calendar(StrEnum):
    """A calendar period of allowances and expiry, in the member's zone; weeks are ISO weeks."""

    WEEK = "week"
    MONTH = "month"
    QUARTER = "quarter"
    YEAR = "year"


@dataclass(frozen=True, slots=True)
class Expiry:
    """`rolling` lapses `days` after the grant, `inactivity` after the account's last earning or spending, `fixed` `at`
    an instant, `end_of_period` with the calendar period of the grant. Members are warned so many days before."""

    policy: ExpiryPolicy = ExpiryPolicy.NEVER
    days: int | None = None
    at: datetime | None = None
    per: Calendar | None = None
    warn_days: tuple[int, ...] = (30, 7)


@dataclass(frozen=True, slots=True)
class Transferring:
    """Members may give each other value of the unit, so much at once and by one member in a day and a month."""

    at_once: int | None = None
    per_day: int | None = None
    per_month: int | None = None


@dataclass(frozen=True, slots=True)
class Refill:
    """What an allowance is granted anew each period: so much, or what a member's role has `by_role`."""

    amount: int
    per: Calendar = Calendar.MONTH
    by_role: Mapping[str, int] = field(default_factory=dict)

    def of(self, role: str | None) -> int:
        """What a member of the role is granted."""
        return self.amount if role is None else self.by_role.get(role, self.amount)


@dataclass(frozen=True, slots=True)
class Unit:
    """What value is counted in: whole numbers of its smallest part, of which 10 to the `exponent` make one.

    `debt` is whether taking back may leave a member owing. Value that is given back to a lot which has lapsed expires
    at once, or is renewed for `renew_days`. Adjustments above `approval_above` need a second person. What took effect
    up to `backdate_days` ago is accepted, older is refused.
    """

    key: str
    version: int
    title: str = ""
    kind: UnitKind = UnitKind.POINTS
    currency: str = ""
    exponent: int = 0
    expiry: Expiry = Expiry()
    debt: bool = True
    renew_days: int | None = None
    transfer: Transferring | None = None
    refill: Refill | None = None
    approval_above: int | None = None
    backdate_days: int = 0


@dataclass(frozen=True, slots=True)
class Conversion:
    """A rate at which members may change value: `from_amount` of one unit for `to_amount` of another, rounded down."""

    key: str
    version: int
    from_unit: str
    to_unit: str
    from_amount: int
    to_amount: int


POINTS = Unit("points", 0, "Points")  # unless the program declares its own


@dataclass(frozen=True, slots=True)
class Configuration:
    """One applied snapshot, indexed as deciding needs it; `time_zone` is the program's, which never changes."""

    program_id: str
    number: int
    time_zone: str = "UTC"
    event_types: Mapping[str, EventType] = field(default_factory=dict)
    rules: Mapping[str, tuple[Rule, ...]] = field(default_factory=dict)  # by event type, in key order
    aggregates: Mapping[str, Aggregate] = field(default_factory=dict)  # by name
    milestones: tuple[Milestone, ...] = ()
    rewards: Mapping[str, Reward] = field(default_factory=dict)
    catalog: Mapping[str, CatalogItem] = field(default_factory=dict)
    units: Mapping[str, Unit] = field(default_factory=dict)
    conversions: Mapping[str, Conversion] = field(default_factory=dict)
    groups: Mapping[str, Group] = field(default_factory=dict)
    streaks: "Mapping[str, StreakPolicy]" = field(default_factory=dict)
    challenges: "Mapping[str, Challenge]" = field(default_factory=dict)
    tiers: "Mapping[str, TierLadder]" = field(default_factory=dict)
    badges: "Mapping[str, Badge]" = field(default_factory=dict)
    boards: "Mapping[str, Board]" = field(default_factory=dict)
    recognition: "Mapping[str, RecognitionPolicy]" = field(default_factory=dict)
    sources: Mapping[str, Source] = field(default_factory=dict)
    nominations: "Mapping[str, NominationCategory]" = field(default_factory=dict)
    notifications: "Mapping[str, NotificationPolicy]" = field(default_factory=dict)
    # What domain.deciding derives per event type, once.
    plans: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)
    # What storage.streak_policies reads of its streaks, once.
    streak_versions: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def every_unit(self) -> Mapping[str, Unit]:
        """The units by key; every program has points."""
        return {POINTS.key: POINTS, **self.units}

    def unit(self, key: str) -> Unit | None:
        """The unit of this key, if there is one."""
        return self.units.get(key, POINTS if key == POINTS.key else None)
