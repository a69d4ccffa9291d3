"""The catalog as it is shown."""

from typing import Annotated, Any

from pydantic import Field, StringConstraints

from api.schemas.base import NAME_PATTERN, Country, Document, Money, PageQuery
from domain.catalog import Denomination, Listing


class DenominationDocument(Document):
    """One value, and its price."""

    value: Money
    price_points: int


class RangeDocument(Document):
    """Values between which any may be chosen."""

    least: DenominationDocument
    most: DenominationDocument


class ListingDocument(Document):
    """An item; `countries` null is everywhere."""

    key: str
    name: str
    description: str
    category: str
    images: list[str]
    countries: list[str] | None
    currency: str
    denominations: list[DenominationDocument]
    ranges: list[RangeDocument]
    points_per_unit: int = Field(description="The price in points of one major unit of the currency.")
    terms: str
    available: bool


class CatalogQuery(PageQuery):
    """Which items to list."""

    country: Country | None = Field(None, description="ISO 3166-1 alpha-2: items that can be had there.")
    category: Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=NAME_PATTERN)] | None = None


_SHOWN = ("key", "name", "description", "category", "images", "countries", "currency", "points_per_unit", "terms",
          "available")  # fmt: skip


def listing_document(listing: Listing) -> dict[str, Any]:
    """An item as ListingDocument."""
    return {name: getattr(listing, name) for name in _SHOWN} | {
        "denominations": [_denomination(one) for one in listing.denominations],
        "ranges": [{"least": _denomination(one.least), "most": _denomination(one.most)} for one in listing.ranges],
    }


def _denomination(one: Denomination) -> dict[str, Any]:
    return {
        "value": {"amount_minor": one.value.amount_minor, "currency": one.value.currency},
        "price_points": one.price_points,
    }
