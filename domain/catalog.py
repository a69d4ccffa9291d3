"""The catalog: what the program offers, joined with what the vendor says of it and priced in points."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from domain.configuration import CatalogItem
from domain.orders import countries_of, price
from domain.vendors import Money, VendorProduct


@dataclass(frozen=True, slots=True)
class Denomination:
    """One value in which an item is offered, and its price."""

    value: Money
    price_points: int


@dataclass(frozen=True, slots=True)
class Range:
    """Values between which any may be chosen, both ends included, with the prices of the ends."""

    least: Denomination
    most: Denomination


@dataclass(frozen=True, slots=True)
class Listing:
    """An item as people see it; `countries` None is everywhere."""

    key: str
    name: str
    description: str
    category: str
    images: tuple[str, ...]
    countries: tuple[str, ...] | None
    currency: str
    denominations: tuple[Denomination, ...]
    ranges: tuple[Range, ...]
    points_per_unit: int
    terms: str
    available: bool

    def comes_in(self, value: Money) -> bool:
        """Whether the item is listed in this value."""
        values = [(one.value, one.value) for one in self.denominations]
        values += [(one.least.value, one.most.value) for one in self.ranges]
        return value.currency == self.currency and any(
            least.amount_minor <= value.amount_minor <= most.amount_minor for least, most in values
        )


@dataclass(frozen=True, slots=True)
class Sold:
    """What is known of a vendor's product: `asked` is whether the vendor's catalog was ever read."""

    asked: bool
    product: VendorProduct | None = None

    @property
    def may_be_ordered(self) -> bool:
        return self.product is not None or not self.asked


UNKNOWN = Sold(asked=False)


def list_item(item: CatalogItem, sold: Sold) -> Listing:
    """The item with whatever it leaves open filled in from the vendor's product."""
    product = sold.product
    countries = countries_of(item, product)
    denominations, ranges = _values(item, product)
    return Listing(
        key=item.key,
        name=item.name,
        description=item.description or (product.description if product else ""),
        category=item.category or (product.category if product else ""),
        images=item.images or _image(product),
        countries=None if countries is None else tuple(sorted(countries)),
        currency=item.currency,
        denominations=denominations,
        ranges=ranges,
        points_per_unit=item.points_per_unit,
        terms=item.terms or (product.terms if product else ""),
        available=item.available and sold.may_be_ordered and bool(denominations or ranges),
    )


def _image(product: VendorProduct | None) -> tuple[str, ...]:
    return (product.image_url,) if product and product.image_url else ()


def _values(item: CatalogItem, product: VendorProduct | None) -> tuple[tuple[Denomination, ...], tuple[Range, ...]]:
    if item.denominations or product is None:
        offered = (Money(value, item.currency) for value in sorted(item.denominations))
        return tuple(_priced(item, value) for value in offered if product is None or product.accepts(value)), ()
    bands = [band for band in product.bands if band.currency == item.currency]
    fixed = tuple(_priced(item, Money(band.least_minor, band.currency)) for band in bands if band.fixed)
    return fixed, tuple(
        Range(
            _priced(item, Money(band.least_minor, band.currency)), _priced(item, Money(band.most_minor, band.currency))
        )
        for band in bands
        if not band.fixed
    )


def _priced(item: CatalogItem, value: Money) -> Denomination:
    return Denomination(value, price(value, item.points_per_unit))


def fits(listing: Listing, country: str | None, category: str | None) -> bool:
    """Whether the listing is offered in the country and belongs to the category; None asks for any."""
    if country is not None and listing.countries is not None and country not in listing.countries:
        return False
    return category is None or listing.category == category


def etag(listings: Iterable[Listing]) -> str:
    """Equal for equal listings in equal order, whenever and wherever it is made; without quotes."""
    digest = hashlib.sha256()
    for listing in listings:
        digest.update(repr(listing).encode())
    return digest.hexdigest()[:32]
