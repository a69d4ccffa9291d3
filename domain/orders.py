"""Orders: what may happen to one, in which state, and at what price; nothing here asks anybody anything.

An order and its delivery are two state machines, drawn in docs/states.md. Whatever is not an arrow there raises
IllegalTransition. A refusal (OrderRefused) is decided before anything is held, and the same request gives the same one.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from domain.configuration import CatalogItem
from domain.vendors import (
    DeliveryMethod,
    DeliveryState,
    FundingSource,
    Money,
    VendorOrder,
    VendorOrderState,
    VendorProduct,
    VendorRequest,
    differences,
    minor_digits,
)

OWN_VENDOR: Final = "own"
MAX_EMAIL_LENGTH = 254  # characters, RFC 5321
MAX_NAME_LENGTH = 200  # characters

# RFC 5321's dot-string at a host name of two labels or more.
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ADDRESS = re.compile(rf"{_ATOM}(?:\.{_ATOM})*@{_LABEL}(?:\.{_LABEL})+")
MAX_REASON_LENGTH = 500  # characters of a review's note or proof

# -- Refusals ------------------------------------------------------------------------------------------------------


class Refusal(StrEnum):
    """Why an order is not placed; the member's points are as before."""

    INSUFFICIENT_POINTS = "insufficient_points"
    ITEM_UNAVAILABLE = "item_unavailable"
    INVALID_DENOMINATION = "invalid_denomination"
    INVALID_RECIPIENT = "invalid_recipient"
    COUNTRY_NOT_SUPPORTED = "country_not_supported"
    VENDOR_UNAVAILABLE = "vendor_unavailable"
    LIMIT_REACHED = "limit_reached"
    MEMBER_NOT_ACTIVE = "member_not_active"
    REWARD_NOT_OFFERED = "reward_not_offered"


class OrderRefused(Exception):
    """The order cannot be placed; `code` is the reason, the message says it with its numbers."""

    def __init__(self, code: Refusal, message: str):
        super().__init__(message)
        self.code = code


class IllegalTransition(Exception):
    """This cannot happen to an order in this state."""


# -- The order's states --------------------------------------------------------------------------------------------


class OrderState(StrEnum):
    """Where an order stands; the comment is what it waits for."""

    PLACED = "placed"  # its hold stands; nothing was asked of the vendor yet, or it will be asked again
    PAUSED = "paused"  # the program's orders to be resumed
    AWAITING_FUNDS = "awaiting_funds"  # money at the vendor
    ORDERING = "ordering"  # the vendor's answer: the request may have been sent
    UNANSWERED = "unanswered"  # to be looked up at the vendor: the request was sent, its outcome is unknown
    REJECTED = "rejected"  # to be looked up at the vendor, then its hold is released
    ORDERED = "ordered"  # the vendor to accept what it has taken
    ACCEPTED = "accepted"  # its hold to be settled
    SENT = "sent"  # the card to arrive
    IN_REVIEW = "in_review"  # a person's decision
    CANCELLING = "cancelling"  # the vendor to take the card back
    DELIVERED = "delivered"  # nothing: the card has arrived
    REFUNDED = "refunded"  # nothing: the points are back, and no card is out
    FAILED = "failed"  # nothing: the vendor refused, and the points are back


# Why a card goes to the same address again: the vendor says that it may be taken later.
SAME_ADDRESS: Final = "same_address"
MAX_SAME_ADDRESS = 2  # times that a card goes to an address again before another is asked for

ENDED: Final = frozenset({OrderState.DELIVERED, OrderState.REFUNDED, OrderState.FAILED})


class OrderEvent(StrEnum):
    """What happens to an order."""

    PAUSE = "pause"
    RESUME = "resume"
    LACK_FUNDS = "lack_funds"
    BEGIN = "begin"
    LOSE_ANSWER = "lose_answer"
    MISS = "miss"
    REFUSE = "refuse"
    TAKE = "take"
    ACCEPT = "accept"
    SETTLE = "settle"
    DELIVER = "deliver"
    BOUNCE_LATE = "bounce_late"
    REVIEW = "review"
    RETRY = "retry"
    FULFIL = "fulfil"
    CANCEL = "cancel"
    REFUND = "refund"
    RELEASE = "release"


ARROWS: Final[Mapping[tuple[OrderState, OrderEvent], OrderState]] = {
    (OrderState.PLACED, OrderEvent.PAUSE): OrderState.PAUSED,
    (OrderState.PLACED, OrderEvent.LACK_FUNDS): OrderState.AWAITING_FUNDS,
    (OrderState.PLACED, OrderEvent.BEGIN): OrderState.ORDERING,
    (OrderState.PLACED, OrderEvent.REVIEW): OrderState.IN_REVIEW,
    (OrderState.PLACED, OrderEvent.CANCEL): OrderState.CANCELLING,
    (OrderState.PAUSED, OrderEvent.RESUME): OrderState.PLACED,
    (OrderState.PAUSED, OrderEvent.CANCEL): OrderState.CANCELLING,
    (OrderState.AWAITING_FUNDS, OrderEvent.PAUSE): OrderState.PAUSED,
    (OrderState.AWAITING_FUNDS, OrderEvent.BEGIN): OrderState.ORDERING,
    (OrderState.AWAITING_FUNDS, OrderEvent.REVIEW): OrderState.IN_REVIEW,
    (OrderState.AWAITING_FUNDS, OrderEvent.CANCEL): OrderState.CANCELLING,
    (OrderState.ORDERING, OrderEvent.LACK_FUNDS): OrderState.AWAITING_FUNDS,
    (OrderState.ORDERING, OrderEvent.LOSE_ANSWER): OrderState.UNANSWERED,
    (OrderState.ORDERING, OrderEvent.REFUSE): OrderState.REJECTED,
    (OrderState.ORDERING, OrderEvent.TAKE): OrderState.ORDERED,
    (OrderState.ORDERING, OrderEvent.ACCEPT): OrderState.ACCEPTED,
    (OrderState.ORDERING, OrderEvent.REVIEW): OrderState.IN_REVIEW,
    (OrderState.UNANSWERED, OrderEvent.MISS): OrderState.ORDERING,
    (OrderState.UNANSWERED, OrderEvent.REFUSE): OrderState.REJECTED,
    (OrderState.UNANSWERED, OrderEvent.TAKE): OrderState.ORDERED,
    (OrderState.UNANSWERED, OrderEvent.ACCEPT): OrderState.ACCEPTED,
    (OrderState.UNANSWERED, OrderEvent.REVIEW): OrderState.IN_REVIEW,
    (OrderState.REJECTED, OrderEvent.TAKE): OrderState.ORDERED,
    (OrderState.REJECTED, OrderEvent.ACCEPT): OrderState.ACCEPTED,
    (OrderState.REJECTED, OrderEvent.RELEASE): OrderState.FAILED,
    (OrderState.REJECTED, OrderEvent.REVIEW): OrderState.IN_REVIEW,
    (OrderState.ORDERED, OrderEvent.ACCEPT): OrderState.ACCEPTED,
    (OrderState.ORDERED, OrderEvent.REFUSE): OrderState.REJECTED,
    (OrderState.ORDERED, OrderEvent.REVIEW): OrderState.IN_REVIEW,
    (OrderState.ACCEPTED, OrderEvent.SETTLE): OrderState.SENT,
    (OrderState.SENT, OrderEvent.DELIVER): OrderState.DELIVERED,
    (OrderState.SENT, OrderEvent.CANCEL): OrderState.CANCELLING,
    (OrderState.SENT, OrderEvent.REVIEW): OrderState.IN_REVIEW,
    (OrderState.DELIVERED, OrderEvent.BOUNCE_LATE): OrderState.SENT,
    (OrderState.IN_REVIEW, OrderEvent.RETRY): OrderState.PLACED,
    (OrderState.IN_REVIEW, OrderEvent.FULFIL): OrderState.DELIVERED,
    (OrderState.IN_REVIEW, OrderEvent.CANCEL): OrderState.CANCELLING,
    (OrderState.CANCELLING, OrderEvent.REFUND): OrderState.REFUNDED,
    (OrderState.CANCELLING, OrderEvent.REVIEW): OrderState.IN_REVIEW,
}


def after(state: OrderState, event: OrderEvent) -> OrderState:
    """The state after the event; raises IllegalTransition if this state has no such arrow."""
    try:
        return ARROWS[state, event]
    except KeyError:
        raise IllegalTransition(f"an order that is {state} cannot {event}") from None


# -- Delivery ------------------------------------------------------------------------------------------------------


class Delivery(StrEnum):
    """Where the card is; the comment is what it waits for."""

    NONE = "none"  # the vendor to accept the order
    PENDING = "pending"  # the vendor to deliver it, or to say that it could not
    BOUNCED = "bounced"  # another address, or the order's cancellation
    READDRESSED = "readdressed"  # to be sent again
    DELIVERED = "delivered"  # nothing
    CANCELLED = "cancelled"  # nothing


class DeliveryEvent(StrEnum):
    """What happens to a delivery."""

    SEND = "send"
    ARRIVE = "arrive"
    BOUNCE = "bounce"
    READDRESS = "readdress"
    RESEND = "resend"
    CANCEL = "cancel"


DELIVERY_ARROWS: Final[Mapping[tuple[Delivery, DeliveryEvent], Delivery]] = {
    (Delivery.NONE, DeliveryEvent.SEND): Delivery.PENDING,
    (Delivery.NONE, DeliveryEvent.ARRIVE): Delivery.DELIVERED,
    (Delivery.PENDING, DeliveryEvent.ARRIVE): Delivery.DELIVERED,
    (Delivery.PENDING, DeliveryEvent.BOUNCE): Delivery.BOUNCED,
    (Delivery.PENDING, DeliveryEvent.CANCEL): Delivery.CANCELLED,
    (Delivery.BOUNCED, DeliveryEvent.READDRESS): Delivery.READDRESSED,
    (Delivery.BOUNCED, DeliveryEvent.ARRIVE): Delivery.DELIVERED,
    (Delivery.BOUNCED, DeliveryEvent.CANCEL): Delivery.CANCELLED,
    (Delivery.READDRESSED, DeliveryEvent.READDRESS): Delivery.READDRESSED,
    (Delivery.READDRESSED, DeliveryEvent.RESEND): Delivery.PENDING,
    (Delivery.READDRESSED, DeliveryEvent.BOUNCE): Delivery.BOUNCED,
    (Delivery.READDRESSED, DeliveryEvent.ARRIVE): Delivery.DELIVERED,
    (Delivery.READDRESSED, DeliveryEvent.CANCEL): Delivery.CANCELLED,
    (Delivery.DELIVERED, DeliveryEvent.BOUNCE): Delivery.BOUNCED,
}


def delivery_after(delivery: Delivery, event: DeliveryEvent) -> Delivery:
    """The delivery's state after the event; raises IllegalTransition if this state has no such arrow."""
    try:
        return DELIVERY_ARROWS[delivery, event]
    except KeyError:
        raise IllegalTransition(f"a delivery that is {delivery} cannot {event}") from None


# -- The order -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OrderRequest:
    """What a member, or the system for a member, wants: `value_minor` in minor units of the item's currency.

    A `currency` that is not the item's is refused. Without a recipient it goes to the member; `price_points` replaces
    the item's price (a reward names its own).
    """

    member_id: str
    item: str
    value_minor: int
    currency: str | None = None
    recipient_email: str | None = None
    recipient_name: str | None = None
    delivery_method: DeliveryMethod = DeliveryMethod.EMAIL
    reward_id: str | None = None
    price_points: int | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """One order as it is now; never its gift link, nor the vendor's frozen request.

    One without a connection is fulfilled by an administrator.
    """

    id: str
    program_id: str
    member_id: str
    reward_id: str | None
    item: str
    item_name: str
    connection_id: str | None
    product: str | None
    value: Money
    price_points: int
    hold_id: str | None
    recipient_name: str
    recipient_email: str
    delivery_method: DeliveryMethod
    state: OrderState
    reason: str | None
    delivery: Delivery
    vendor_order_id: str | None
    vendor_reward_id: str | None
    has_link: bool
    created_at: datetime
    updated_at: datetime

    @property
    def title(self) -> str:
        """One line for people: what and how much, nobody's name."""
        return f"{self.item_name}, {self.value}"

    @property
    def about(self) -> str:
        """One line for engineers: what, for whom, and which order."""
        return about(self.id, self.item_name, self.value, self.member_id)


def about(order_id: str, item_name: str, value: Money, member_id: str) -> str:
    """What an order is, in a line without a person's name."""
    return f"{value} {item_name} for {member_id}, order {order_id}"


@dataclass(frozen=True, slots=True)
class OrderStep:
    """One line of an order's record: what happened, the state after it, who or what did it. No secrets."""

    id: int
    step: str
    state: OrderState
    detail: Mapping[str, object]
    actor: str
    recorded_at: datetime


def vendor_request(order: Order, *, funding_source_id: str | None = None) -> VendorRequest:
    """What is ordered at the vendor, under the order's own id as its key for ever."""
    return VendorRequest(
        key=order.id,
        product_code=order.product or "",
        money=order.value,
        recipient_name=order.recipient_name,
        recipient_email=order.recipient_email,
        delivery=order.delivery_method,
        funding_source_id=funding_source_id,
    )


# -- Checks before anything is held --------------------------------------------------------------------------------


def price(value: Money, points_per_unit: int) -> int:
    """Points for a value: major units times the price of one, rounded up to a whole point."""
    minor_units: int = 10 ** minor_digits(value.currency)
    return -(-value.amount_minor * points_per_unit // minor_units)


def check_item(item: CatalogItem, value: Money, country: str | None, product: VendorProduct | None) -> None:
    """Raises OrderRefused unless the item is offered in this value and country; `product` None is not known."""
    if not item.available:
        raise OrderRefused(Refusal.ITEM_UNAVAILABLE, f"{item.key} is not available")
    allowed = countries_of(item, product)
    if allowed is not None and country not in allowed:
        where = country or "an unknown country"
        raise OrderRefused(Refusal.COUNTRY_NOT_SUPPORTED, f"{item.key} is not available in {where}")
    listed = value.amount_minor in item.denominations if item.denominations else product is not None
    if value.currency != item.currency or not listed or (product is not None and not product.accepts(value)):
        raise OrderRefused(Refusal.INVALID_DENOMINATION, f"{item.key} is not offered as {value}")


def countries_of(item: CatalogItem, product: VendorProduct | None) -> frozenset[str] | None:
    """Where the item can be had: the item's countries that are also the product's; None is everywhere."""
    limits = [set(countries) for countries in (item.countries, product.countries if product else ()) if countries]
    return frozenset(set.intersection(*limits)) if limits else None


def check_recipient(name: str | None, email: str | None) -> tuple[str, str]:
    """The recipient's name and address without outer spaces; raises OrderRefused if they cannot be used."""
    name, email = (name or "").strip(), (email or "").strip()
    if not 1 <= len(name) <= MAX_NAME_LENGTH or not name.isprintable():
        raise OrderRefused(Refusal.INVALID_RECIPIENT, f"the recipient's name has 1 to {MAX_NAME_LENGTH} characters")
    if not _is_address(email):
        raise OrderRefused(Refusal.INVALID_RECIPIENT, "the recipient has no valid e-mail address")
    return name, email


def _is_address(email: str) -> bool:
    return len(email) <= MAX_EMAIL_LENGTH and _ADDRESS.fullmatch(email) is not None


@dataclass(frozen=True, slots=True)
class Limits:
    """A program's guard: value ordered per day and month in minor units of one currency; None is no limit."""

    currency: str
    daily_minor: int | None = None
    monthly_minor: int | None = None

    @property
    def any(self) -> bool:
        return self.daily_minor is not None or self.monthly_minor is not None


def check_limits(limits: Limits, value: Money, ordered_today_minor: int, ordered_this_month_minor: int) -> None:
    """Raises OrderRefused if the order would pass a limit, or cannot be measured by it because of its currency."""
    if not limits.any:
        return
    if value.currency != limits.currency:
        message = f"the program's limits are in {limits.currency}, so nothing is ordered in {value.currency}"
        raise OrderRefused(Refusal.LIMIT_REACHED, message)
    for name, limit, ordered in (
        ("daily", limits.daily_minor, ordered_today_minor),
        ("monthly", limits.monthly_minor, ordered_this_month_minor),
    ):
        if limit is not None and ordered + value.amount_minor > limit:
            left = Money(max(limit - ordered, 0), limits.currency)
            raise OrderRefused(Refusal.LIMIT_REACHED, f"the program's {name} limit leaves {left}")


# -- What came back ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Answer:
    """What a vendor's answer means for the order: the event, and why in words if that is not plain."""

    event: OrderEvent
    reason: str | None = None
    differences: tuple[str, ...] = ()


def judge(ordered: VendorRequest, got: VendorOrder) -> Answer:
    """Compare the vendor's order with what was ordered: any difference needs a person."""
    if is_void(got):
        return Answer(OrderEvent.REFUSE, f"{got.state}_at_vendor")
    if found := differences(ordered, got):
        return Answer(OrderEvent.REVIEW, "difference", found)
    return Answer(OrderEvent.ACCEPT if got.state is VendorOrderState.ACCEPTED else OrderEvent.TAKE)


def is_void(got: VendorOrder) -> bool:
    """Whether the vendor's order leaves no card out: it failed, was cancelled, or was paid back in full."""
    paid_back = got.refunded is not None and got.refunded.amount_minor > 0 and got.refunded == got.total
    return got.state in (VendorOrderState.FAILED, VendorOrderState.CANCELLED) or paid_back


def has_funds(sources: Iterable[FundingSource], value: Money, funding_source_id: str | None) -> bool:
    """Whether the source that pays could pay; where that cannot be told from here, the vendor will tell."""
    for source in sources:
        if source.funding_source_id == funding_source_id or (funding_source_id is None and source.method == "balance"):
            return source.active and _covers(source.available, value)
    return True


def _covers(available: Money | None, value: Money) -> bool:
    if available is None:
        return True
    return available.amount_minor >= (value.amount_minor if available.currency == value.currency else 1)


def delivery_event(delivery: Delivery, told: DeliveryState) -> DeliveryEvent | None:
    """What the vendor's word about the delivery changes, or None if it is nothing new."""
    event = {DeliveryState.SUCCEEDED: DeliveryEvent.ARRIVE, DeliveryState.FAILED: DeliveryEvent.BOUNCE}.get(told)
    # A new address has been given: that the card bounced before is not news.
    if event is None or (delivery is Delivery.READDRESSED and event is DeliveryEvent.BOUNCE):
        return None
    return event if (delivery, event) in DELIVERY_ARROWS else None
