"""Redemptions: what a member chooses to have, in points or by an offer, and what comes of it."""

from dataclasses import dataclass

from domain.answers import Shop
from domain.catalog import Denomination, Listing, Range
from domain.orders import Order, Refusal, price
from domain.vendors import Money


@dataclass(frozen=True, slots=True)
class Purchase:
    """An item of the catalog in this value, for points."""

    item: str
    value: Money
    recipient_email: str


@dataclass(frozen=True, slots=True)
class Pick:
    """One of the items of a reward that the member was offered."""

    reward_id: str
    item: str
    recipient_email: str


Choice = Purchase | Pick


@dataclass(frozen=True, slots=True)
class Placed:
    """It is ordered, and its price is set aside. What is the program's own, a person fulfils."""

    order: Order

    @property
    def needs_a_person(self) -> bool:
        return self.order.connection_id is None


@dataclass(frozen=True, slots=True)
class Refused:
    """It is not ordered, and nothing was charged; `missing` points are too few."""

    refusal: Refusal
    missing: int = 0


Outcome = Placed | Refused


# -- What was picked in a list -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Selection:
    """A line of the shop: an item in one of its values, or (no value) in one that is still to be said."""

    item: str
    minor: int | None = None
    reward_id: str | None = None


@dataclass(frozen=True, slots=True)
class Selected:
    """A selection that the shop has: the item, and its value and price, or the range in which they are to be."""

    selection: Selection
    listing: Listing
    at: Denomination | None = None
    between: Range | None = None

    @property
    def price_points(self) -> int:
        """What is shown as its price: of a range, what each unit of the currency costs."""
        return self.at.price_points if self.at else self.listing.points_per_unit


def find(shop: Shop, selection: Selection) -> Selected | None:
    """What the member selected, as it is now; None if it is not to be had any more."""
    if selection.reward_id is not None:
        return _offered(shop, selection)
    listing = next((one for one in shop.listings if one.key == selection.item), None)
    if listing is None:
        return None
    if selection.minor is None:
        return Selected(selection, listing, between=listing.ranges[0]) if listing.ranges else None
    value = Money(selection.minor, listing.currency)
    if not listing.comes_in(value):
        return None
    return Selected(selection, listing, Denomination(value, price(value, listing.points_per_unit)))


def _offered(shop: Shop, selection: Selection) -> Selected | None:
    offer = next((one for one in shop.offers if one.reward_id == selection.reward_id), None)
    listing = next((one for one in offer.items if one.key == selection.item), None) if offer else None
    if offer is None or listing is None:
        return None
    return Selected(selection, listing, Denomination(offer.value, offer.price_points))
