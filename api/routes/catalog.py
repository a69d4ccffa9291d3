"""The catalog: what can be had for how many points."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from api.answers import answer
from api.auth import caller
from api.backends import backends
from api.operations import Operation, operation
from api.schemas.base import Page
from api.schemas.catalog import CatalogQuery, ListingDocument, listing_document
from domain.catalog import etag
from domain.scopes import Scope
from storage import catalog

router = APIRouter(route_class=Operation, tags=["catalog"])

CACHE_CONTROL = "private, max-age=60"


@router.get(
    "/v1/catalog",
    operation_id="list_catalog",
    summary="List the catalog",
    **operation(
        Scope.CATALOG_READ, {200: Page[ListingDocument], 304: None}, refusals=("invalid_cursor",), takes_etag=True
    ),
)
async def list_catalog(request: Request, query: Annotated[CatalogQuery, Query()]) -> Response:
    """In the order of keys. Send the ETag back as If-None-Match: 304 while nothing has changed."""
    here, program_id = backends(request), caller(request).program_id
    of = ("catalog", query.country, query.category)
    after = here.cursors.read(program_id, of, query.cursor)[0] if query.cursor else None
    async with here.database.begin() as session:
        page = await catalog.list_page(
            session, program_id, country=query.country, category=query.category, after=after, limit=query.limit
        )
    more = "+" if page.next_after is not None else ""
    headers = {"ETag": f'"{etag(page.listings)}{more}"', "Cache-Control": CACHE_CONTROL}
    if _matches(request.headers.get("if-none-match"), headers["ETag"]):
        return Response(status_code=304, headers=headers)
    found: dict[str, Any] = {"items": [listing_document(listing) for listing in page.listings]}
    if page.next_after is not None:
        found["next_cursor"] = here.cursors.write(program_id, of, (page.next_after,))
    return answer(found, headers=headers)


def _matches(given: str | None, tag: str) -> bool:
    """Whether If-None-Match names this tag, compared weakly (RFC 9110, section 13.1.2)."""
    named = [one.strip().removeprefix("W/") for one in (given or "").split(",")]
    return tag in named or "*" in named
