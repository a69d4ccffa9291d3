"""HubSpot's HTTP API as far as deals, owners and the account's details go."""

from collections.abc import Iterable
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from sandbox.hubspot.crm import COMPANY_CURRENCY, PORTAL_ID, Crm, Deal, Json, iso
from sandbox.hubspot.errors import Refused
from sandbox.shared.notices import Listener

PAGE_MAX = 100
OWNERS_PAGE_MAX = 500

deals = APIRouter()
rest = APIRouter()


def _crm(request: Request) -> Crm:
    crm: Crm = request.app.state.crm
    return crm


Account = Annotated[Crm, Depends(_crm)]
Properties = Annotated[list[str], Query(default_factory=list)]
History = Annotated[list[str], Query(default_factory=list, alias="propertiesWithHistory")]
Limit = Annotated[int, Query(ge=1, le=PAGE_MAX)]


class DealInput(BaseModel):
    properties: dict[str, str | None]


class Id(BaseModel):
    id: str


class BatchRead(BaseModel):
    inputs: list[Id] = Field(max_length=PAGE_MAX)
    properties: list[str] = []
    with_history: list[str] = Field([], alias="propertiesWithHistory")


class Merge(BaseModel):
    primary_id: str = Field(alias="primaryObjectId")
    other_id: str = Field(alias="objectIdToMerge")


def _names(values: Iterable[str]) -> list[str]:
    """Property names, given as repeated parameters or with commas: HubSpot takes both."""
    return [name for value in values for name in value.split(",") if name]


def find_deal(crm: Crm, deal_id: str, *, archived: bool = False) -> Deal:
    deal = crm.find(deal_id, archived=archived)
    if deal is None:
        raise Refused(404, "OBJECT_NOT_FOUND", "resource not found")
    return deal


@deals.get("")
async def list_deals(
    crm: Account,
    properties: Properties,
    history: History,
    limit: Limit = 10,
    after: str = "0",
    archived: bool = False,
) -> Json:
    found = [d for d in crm.deals.values() if d.merged_into is None and (d.archived_at is not None) == archived]
    start = int(after)
    page = [deal.as_json(_names(properties), _names(history)) for deal in found[start : start + limit]]
    return _page(page, start + limit if len(found) > start + limit else None)


@deals.post("", status_code=201)
async def create_deal(body: DealInput, crm: Account, webhook: Listener) -> Json:
    deal = crm.create(body.properties)
    await webhook.changed()
    return deal.as_json(deal.history, ())


@deals.get("/{deal_id}")
async def get_deal(
    deal_id: str, crm: Account, properties: Properties, history: History, archived: bool = False
) -> Json:
    return find_deal(crm, deal_id, archived=archived).as_json(_names(properties), _names(history))


@deals.patch("/{deal_id}")
async def update_deal(deal_id: str, body: DealInput, crm: Account, webhook: Listener) -> Json:
    deal = find_deal(crm, deal_id)
    crm.update(deal, body.properties)
    await webhook.changed()
    return deal.as_json(body.properties, ())


@deals.delete("/{deal_id}", status_code=204)
async def archive_deal(deal_id: str, crm: Account, webhook: Listener) -> Response:
    deal = crm.find(deal_id, archived=False)
    if deal is not None:
        crm.archive(deal)
        await webhook.changed()
    return Response(status_code=204)


@deals.post("/batch/read")
async def read_deals(body: BatchRead, crm: Account, archived: bool = False) -> JSONResponse:
    """Unknown ids make the answer 207 with one error that names them."""
    started_at = iso(crm.now())
    found = {i.id: crm.find(i.id, archived=archived) for i in body.inputs}
    results = [deal.as_json(body.properties, body.with_history) for deal in found.values() if deal is not None]
    answer: Json = {"status": "COMPLETE", "results": results, "startedAt": started_at, "completedAt": iso(crm.now())}
    missing = [deal_id for deal_id, deal in found.items() if deal is None]
    if missing:
        message = "Could not get some DEAL objects, they may be deleted or not exist. Check that ids are valid."
        error = {"status": "error", "category": "OBJECT_NOT_FOUND", "message": message, "context": {"ids": missing}}
        answer |= {"numErrors": 1, "errors": [error]}
    return JSONResponse(answer, 207 if missing else 200)


@deals.post("/merge")
async def merge_deals(body: Merge, crm: Account, webhook: Listener) -> Json:
    merged = crm.merge(find_deal(crm, body.primary_id), find_deal(crm, body.other_id))
    await webhook.changed()
    return merged.as_json((), ())


@rest.get("/crm/v3/owners")
async def list_owners(
    crm: Account,
    limit: Annotated[int, Query(ge=1, le=OWNERS_PAGE_MAX)] = 100,
    after: str = "0",
    archived: bool = False,
    email: str | None = None,
) -> Json:
    found = [o for o in crm.owners.values() if o.archived == archived and email in (None, o.email)]
    start = int(after)
    page = [owner.as_json() for owner in found[start : start + limit]]
    return _page(page, start + limit if len(found) > start + limit else None)


@rest.get("/crm/v3/owners/{owner_id}")
async def get_owner(owner_id: str, crm: Account, archived: bool = False) -> Json:
    owner = crm.owners.get(owner_id)
    if owner is None or owner.archived != archived:
        raise Refused(404, "OBJECT_NOT_FOUND", "resource not found")
    return owner.as_json()


@rest.get("/account-info/v3/details")
async def get_account() -> Json:
    return {
        "portalId": PORTAL_ID,
        "accountType": "DEVELOPER_TEST",
        "timeZone": "Europe/Berlin",
        "companyCurrency": COMPANY_CURRENCY,
        "additionalCurrencies": [],
        "utcOffset": "+01:00",
        "utcOffsetMilliseconds": 3600000,
        "uiDomain": "app.hubspot.com",
        "dataHostingLocation": "eu1",
    }


def _page(results: list[Json], after: int | None) -> Json:
    return {"results": results} | ({} if after is None else {"paging": {"next": {"after": str(after)}}})
