"""Not HubSpot's: plays the account's users. Unauthenticated, for loopback only."""

from fastapi import APIRouter
from pydantic import BaseModel, Field

from sandbox.hubspot.crm import CLOSED_STAGES, Json
from sandbox.hubspot.errors import Refused
from sandbox.hubspot.routes import Account, DealInput, find_deal
from sandbox.shared.notices import Listener

OPEN_STAGE = "contractsent"

control = APIRouter(prefix="/_control")


class OwnerInput(BaseModel):
    """An owner; one with an id takes the place of the owner who had it."""

    email: str
    first_name: str = ""
    last_name: str = ""
    archived: bool = False
    id: str | None = Field(None, pattern="^[0-9]{1,18}$")


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


async def _change(deal_id: str, properties: dict[str, str | None], crm: Account, webhook: Listener) -> Json:
    deal = find_deal(crm, deal_id)
    crm.update(deal, properties)
    await webhook.changed()
    return deal.as_json(deal.history, ())
