"""The catalog as people see it: the program's configured items, joined with the vendors' products as last told."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from domain.catalog import UNKNOWN, Listing, Sold, fits, list_item
from domain.configuration import CatalogItem
from domain.notices import ObjectToFetch
from domain.orders import OWN_VENDOR
from domain.vendors import VendorProduct
from storage import configurations, sets
from storage.hot_path import run
from storage.sets import Rows
from storage.tables import connections, outside_objects, vendor_products

MAX_PAGE = 100  # listings
MAX_DUE = 100  # connections

# What a vendor's whole catalog is called among the objects of its connection.
CATALOG = "catalog"

_PRODUCT = TypeAdapter(VendorProduct)
_COLUMNS = ("program_id", "connection_id", "code", "body", "on_sale", "seen_at")
_REPLACE = """ON CONFLICT (connection_id, code) DO UPDATE
    SET body = excluded.body, on_sale = excluded.on_sale, seen_at = excluded.seen_at"""


@dataclass(frozen=True, slots=True)
class Page:
    """Listings in key order; `next_after` continues behind the last one, None where nothing follows."""

    listings: tuple[Listing, ...]
    next_after: str | None


async def list_page(
    session: AsyncSession,
    program_id: str,
    *,
    country: str | None = None,
    category: str | None = None,
    after: str | None = None,
    limit: int = MAX_PAGE,
) -> Page:
    """Up to `limit` items of the active configuration behind the key `after`; vendors away show their last word."""
    every = await list_all(session, program_id, after=after)
    listings = [listing for listing in every if fits(listing, country, category)]
    page = listings[: min(limit, MAX_PAGE)]
    return Page(tuple(page), page[-1].key if len(listings) > len(page) else None)


async def list_all(session: AsyncSession, program_id: str, *, after: str | None = None) -> list[Listing]:
    """Every item of the active configuration, behind the key `after`, in key order: as many as it declares."""
    configuration = await configurations.read_active(session, program_id)
    items = [configuration.catalog[key] for key in sorted(configuration.catalog) if after is None or key > after]
    sold = await _sold(session, program_id, items)
    return [list_item(item, sold[item.key]) for item in items]


_FIND_SOLD = """SELECT EXISTS (SELECT FROM vendor_products
        WHERE program_id = %(program_id)s AND connection_id = %(connection_id)s),
    (SELECT body FROM vendor_products WHERE program_id = %(program_id)s AND connection_id = %(connection_id)s
        AND code = %(code)s AND on_sale)"""


async def find_sold(session: AsyncSession, program_id: str, connection_id: str, code: str) -> Sold:
    """What is known of one product of a vendor."""
    of = {"program_id": program_id, "connection_id": connection_id, "code": code}
    [(asked, body)] = await run(session, _FIND_SOLD, of)
    return Sold(asked=asked, product=None if body is None else _PRODUCT.validate_python(body))


async def _sold(session: AsyncSession, program_id: str, items: Collection[CatalogItem]) -> dict[str, Sold]:
    """By item, what is known of its product."""
    names = {item.vendor for item in items} - {OWN_VENDOR}
    by_name = await _connections_by_name(session, program_id, names)
    rows = await session.execute(
        select(vendor_products).where(
            vendor_products.c.program_id == program_id, vendor_products.c.connection_id.in_(by_name.values())
        )
    )
    told = {(row["connection_id"], row["code"]): row for row in rows.mappings()}
    asked = {connection_id for connection_id, _ in told}
    return {item.key: _sold_item(item, by_name.get(item.vendor), told, asked) for item in items}


def _sold_item(
    item: CatalogItem, connection_id: str | None, told: Mapping[tuple[str, str], Any], asked: Collection[str]
) -> Sold:
    if item.vendor == OWN_VENDOR:
        return UNKNOWN
    if connection_id is None:
        return Sold(asked=True)
    row = told.get((connection_id, item.product))
    product = _PRODUCT.validate_python(row["body"]) if row is not None and row["on_sale"] else None
    return Sold(asked=connection_id in asked, product=product)


async def _connections_by_name(session: AsyncSession, program_id: str, names: Collection[str]) -> dict[str, str]:
    named = select(connections.c.name, connections.c.id).where(
        connections.c.program_id == program_id, connections.c.name.in_(names)
    )
    return {row.name: row.id for row in await session.execute(named)}


# -- What the vendors tell -----------------------------------------------------------------------------------------


async def replace_products(
    session: AsyncSession, program_id: str, connection_id: str, products: Sequence[VendorProduct], *, now: datetime
) -> None:
    """These are the vendor's products from now on; earlier ones that are not among them are no longer on sale."""
    rows = [
        (program_id, connection_id, product.code, _PRODUCT.dump_python(product, mode="json"), True, now)
        for product in sorted(products, key=lambda product: product.code)
    ]
    await sets.insert(session, Rows(vendor_products, _COLUMNS, rows, _REPLACE))
    gone = update(vendor_products).where(
        vendor_products.c.program_id == program_id,
        vendor_products.c.connection_id == connection_id,
        vendor_products.c.code.not_in([product.code for product in products]),
    )
    await session.execute(gone.values(on_sale=False, seen_at=now))


async def list_due(
    session: AsyncSession, kinds: Collection[str], *, before: datetime, limit: int = MAX_DUE
) -> list[ObjectToFetch]:
    """The catalogs of vendors that were last asked before the instant, or never; longest ago first."""
    asked = outside_objects.c.fetched_at
    this = (outside_objects.c.connection_id == connections.c.id) & (outside_objects.c.object_id == CATALOG)
    due = (
        select(connections.c.program_id, connections.c.id, connections.c.kind)
        .outerjoin(outside_objects, this)
        .where(connections.c.kind.in_(kinds), asked.is_(None) | (asked < before))
        .order_by(asked.asc().nulls_first(), connections.c.id)
    )
    rows = await session.execute(due.limit(limit))
    return [ObjectToFetch(row.program_id, row.id, CATALOG, row.kind) for row in rows]
