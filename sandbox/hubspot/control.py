"""Not HubSpot's: plays the account's users and its bad days. Unauthenticated, for loopback only."""

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from sandbox.hubspot.crm import CLOSED_STAGES, Json
from sandbox.hubspot.errors import Refused
from sandbox.hubspot.faults import Fault
from sandbox.hubspot.routes import Account, DealInput, Listener, find_deal

OPEN_STAGE = "contractsent"

control = APIRouter(prefix="/_control")


class OwnerInput(BaseModel):
    """An owner; one with an id takes the place of the owner who had it."""

    email: str
    first_name: str = ""
    last_name: str = ""
    archived: bool = False
    id: str | None = Field(None, pattern="^[0-9]{1,18}$")


class WebhookInput(BaseModel):
    """Where notices go from now on, if a URL is given; `hold` keeps them back until they are delivered on request.

    What was delivered to another URL before is not sent again to this one.
    """

    url: str | None = None
    hold: bool = False


class Delivery(BaseModel):
    times: int = 1
    reverse: bool = False


@control.post("/owners", status_code=201)
async def add_owner(body: OwnerInput, crm: Account) -> Json:
    owner = crm.add_owner(body.email, body.first_name, body.last_name, archived=body.archived, owner_id=body.id)
    return owner.as_json()


@control.post("/deals", status_code=201)
async def create_deal(body: DealInput, crm: Account, webhook: Listener) -> Json:
    deal = crm.create(body.properties)
    await webhook.changed()
    return deal.as_json(deal.history, ())


@control.post("/deals/{deal_id}/win")
async def win_deal(deal_id: str, crm: Account, webhook: Listener) -> Json:
    return await _change(deal_id, {"dealstage": "closedwon"}, crm, webhook)


@control.post("/deals/{deal_id}/reopen")
async def reopen_deal(deal_id: str, crm: Account, webhook: Listener) -> Json:
    if find_deal(crm, deal_id).value("dealstage") not in CLOSED_STAGES:
        raise Refused(409, "CONFLICT", "the deal is open")
    return await _change(deal_id, {"dealstage": OPEN_STAGE}, crm, webhook)


@control.post("/deals/{deal_id}/edit")
async def edit_deal(deal_id: str, body: DealInput, crm: Account, webhook: Listener) -> Json:
    return await _change(deal_id, body.properties, crm, webhook)


@control.post("/deals/{deal_id}/delete")
async def delete_deal(deal_id: str, crm: Account, webhook: Listener) -> Json:
    deal = find_deal(crm, deal_id)
    crm.archive(deal)
    await webhook.changed()
    return deal.as_json((), ())


@control.post("/deals/{deal_id}/restore")
async def restore_deal(deal_id: str, crm: Account, webhook: Listener) -> Json:
    deal = find_deal(crm, deal_id, archived=True)
    crm.restore(deal)
    await webhook.changed()
    return deal.as_json((), ())


@control.post("/deals/{deal_id}/purge")
async def purge_deal(deal_id: str, crm: Account) -> Json:
    """Empties the bin of one deal: HubSpot does so 90 days after its deletion."""
    return {"purged": crm.deals.pop(find_deal(crm, deal_id, archived=True).id).id}


@control.put("/webhook")
async def set_webhook(body: WebhookInput, webhook: Listener) -> Json:
    if body.url not in (None, webhook.url):
        webhook.url, webhook.delivered = body.url, []
    webhook.hold = body.hold
    return {"url": webhook.url, "hold": webhook.hold}


@control.get("/notices")
async def list_notices(webhook: Listener) -> Json:
    return {"pending": webhook.pending, "delivered": webhook.delivered}


@control.post("/notices/deliver")
async def deliver(body: Delivery, webhook: Listener) -> Json:
    return {"statuses": await _listening(webhook).deliver(times=body.times, reverse=body.reverse)}


@control.post("/notices/deliver_again")
async def deliver_again(body: Delivery, webhook: Listener) -> Json:
    return {"statuses": await _listening(webhook).deliver_again(reverse=body.reverse)}


@control.post("/faults", status_code=201)
async def add_fault(body: Fault, request: Request) -> Fault:
    request.app.state.faults.append(body)
    return body


@control.get("/requests")
async def count_requests(request: Request) -> Json:
    """How often each path of the API was asked."""
    return dict(request.app.state.requests)


async def _change(deal_id: str, properties: dict[str, str | None], crm: Account, webhook: Listener) -> Json:
    deal = find_deal(crm, deal_id)
    crm.update(deal, properties)
    await webhook.changed()
    return deal.as_json(deal.history, ())


def _listening(webhook: Listener) -> Listener:
    if webhook.url is None:
        raise Refused(409, "CONFLICT", "no webhook URL is set")
    return webhook
