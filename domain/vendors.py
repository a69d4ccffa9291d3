"""Vendors in their own terms but in nobody's dialect: what can be ordered, what was ordered, and what came back.

Everything here may pass through a workflow, so nothing here can hold a gift link: that is a `GiftLink`, which no
serialiser writes down and which goes from the vendor's answer straight into its encrypted column.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import NoReturn

# ISO 4217 list one; every other currency's minor unit is a hundredth.
MINOR_DIGITS = (
    dict.fromkeys(("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG"), 0)
    | dict.fromkeys(("RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF"), 0)
    | dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3)
    | dict.fromkeys(("CLF", "UYW"), 4)
)


def minor_digits(currency: str) -> int:
    """How many decimal places the currency's minor unit has (2 for USD, 0 for JPY)."""
    return MINOR_DIGITS.get(currency, 2)


# What fits into the database's bigint.
MOST_MINOR = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in minor units of an ISO 4217 currency."""

    amount_minor: int
    currency: str

    @classmethod
    def of(cls, amount: Decimal | int, currency: str) -> "Money":
        """Money from an amount in major units; raises ValueError if it is beyond reason or too fine."""
        exact, digits = Decimal(amount), minor_digits(currency)
        if not exact.is_finite() or abs(exact) > Decimal(MOST_MINOR).scaleb(-digits):
            raise ValueError("an amount beyond reason")
        minor = exact.scaleb(digits)
        if minor != minor.to_integral_value():
            raise ValueError(f"{amount} {currency} is finer than the currency's minor unit")
        return cls(int(minor), currency)

    @property
    def amount(self) -> Decimal:
        """The amount in major units."""
        return Decimal(self.amount_minor).scaleb(-minor_digits(self.currency))

    def __str__(self) -> str:
        return f"{self.amount} {self.currency}"


@dataclass(frozen=True, slots=True)
class Band:
    """Amounts that a product can be ordered in, both ends included; a fixed denomination has equal ends."""

    least_minor: int
    most_minor: int
    currency: str

    @property
    def fixed(self) -> bool:
        return self.least_minor == self.most_minor

    def holds(self, money: Money) -> bool:
        return money.currency == self.currency and self.least_minor <= money.amount_minor <= self.most_minor


@dataclass(frozen=True, slots=True)
class VendorProduct:
    """One thing that a vendor sells, under the vendor's own code; countries are ISO 3166, currencies ISO 4217."""

    code: str
    name: str
    description: str
    category: str
    image_url: str | None
    countries: tuple[str, ...]
    currencies: tuple[str, ...]
    bands: tuple[Band, ...]
    terms: str
    usage: str = ""

    def accepts(self, money: Money) -> bool:
        """Whether the amount can be ordered, as far as is known: without a band in its currency the vendor decides."""
        bands = [band for band in self.bands if band.currency == money.currency]
        return money.currency in self.currencies and (not bands or any(band.holds(money) for band in bands))


@dataclass(frozen=True, slots=True)
class FundingSource:
    """Money at the vendor that can pay for orders; `available` is None where the vendor names no amount."""

    funding_source_id: str
    method: str
    active: bool
    available: Money | None = None
    pending: Money | None = None


class DeliveryMethod(StrEnum):
    EMAIL = "email"
    LINK = "link"


class DeliveryState(StrEnum):
    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


class VendorOrderState(StrEnum):
    """PENDING also stands for every status that is not known here: never taken for success, asked for again."""

    PENDING = "pending"
    ACCEPTED = "accepted"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class VendorRequest:
    """What is to be ordered: one card for one recipient, under the key that names it at the vendor for ever."""

    key: str
    product_code: str
    money: Money
    recipient_name: str
    recipient_email: str
    delivery: DeliveryMethod = DeliveryMethod.EMAIL
    funding_source_id: str | None = None
    sender_name: str | None = None
    message: str | None = None


@dataclass(frozen=True, slots=True)
class VendorReward:
    """One card of an order; `product_codes` is empty where the vendor does not repeat them."""

    reward_id: str
    money: Money
    recipient_email: str | None
    product_codes: tuple[str, ...]
    method: DeliveryMethod
    delivery: DeliveryState
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class VendorOrder:
    """An order as the vendor tells it; `external_id` is our key, `total` what it cost with fees, in their currency."""

    vendor_order_id: str
    external_id: str | None
    state: VendorOrderState
    rewards: tuple[VendorReward, ...]
    total: Money | None = None
    fees: Money | None = None
    refunded: Money | None = None


class NoticeKind(StrEnum):
    """What a vendor's notice is about; what is true now is fetched from the vendor."""

    ORDER = "order"
    REWARD = "reward"
    FUNDING = "funding"
    CATALOG = "catalog"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class VendorNotice:
    """A verified notice: `notice_key` is the same for each repetition, `event` is the vendor's own name for it.

    A failed delivery carries the vendor's reason and whether the same address is worth another try.
    """

    notice_key: str
    kind: NoticeKind
    event: str
    resource_type: str
    resource_id: str
    occurred_at: datetime
    failure_reason: str | None = None
    retryable: bool | None = None


@dataclass(frozen=True, slots=True)
class VendorCapabilities:
    """What this vendor can do, as data.

    `cancel_when` and `resend_when` name the delivery states in which a card may be cancelled or sent again. Empty
    `countries` means as the catalog says; `minimum` None means as the product says.
    """

    delivery_methods: tuple[DeliveryMethod, ...]
    cancel_when: tuple[DeliveryState, ...]
    resend_when: tuple[DeliveryState, ...]
    sends_notices: bool
    tells_redemption: bool
    charges_fees: bool
    requests_per_second: int
    minimum: Money | None = None
    countries: tuple[str, ...] = ()


class GiftLink:
    """A link worth money to whoever reads it: hidden in repr, refused by serialisers, read by `reveal` alone."""

    __slots__ = ("_url",)

    def __init__(self, url: str) -> None:
        self._url = url

    def reveal(self) -> str:
        return self._url

    def __repr__(self) -> str:
        return "GiftLink(hidden)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a gift link is never serialised")


def differences(ordered: VendorRequest, got: VendorOrder) -> tuple[str, ...]:
    """What in the vendor's order is not as ordered, one sentence each and no personal data; empty when all agrees."""
    found = []
    if got.external_id != ordered.key:
        found.append(f"the vendor's order carries the key {got.external_id}, not {ordered.key}")
    if len(got.rewards) != 1:
        return (*found, f"the vendor's order has {len(got.rewards)} rewards, not 1")
    return (*found, *_reward_differences(ordered, got.rewards[0]))


def _reward_differences(ordered: VendorRequest, reward: VendorReward) -> list[str]:
    found = []
    if reward.money.currency != ordered.money.currency:
        found.append(f"currency {reward.money.currency}, ordered {ordered.money.currency}")
    elif reward.money != ordered.money:
        found.append(f"amount {reward.money}, ordered {ordered.money}")
    if reward.product_codes and reward.product_codes != (ordered.product_code,):
        found.append(f"product {', '.join(reward.product_codes)}, ordered {ordered.product_code}")
    if reward.method != ordered.delivery:
        found.append(f"delivery by {reward.method}, ordered by {ordered.delivery}")
    if not _same_address(reward.recipient_email, ordered.recipient_email):
        found.append("recipient's address is not the one ordered")
    return found


def _same_address(got: str | None, ordered: str) -> bool:
    return (got or "").strip().casefold() == ordered.strip().casefold()
