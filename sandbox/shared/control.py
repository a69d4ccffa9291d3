"""The controls that every sandbox has: webhook, notices, faults, and how often it was asked. For loopback only."""

from collections import Counter
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError

from sandbox.shared.faults import Fault, Garbled, answer_garbled
from sandbox.shared.kept import Memory, Remembering
from sandbox.shared.notices import Json, Listener, Webhook

control = APIRouter(prefix="/_control")


def furnish(
    app: FastAPI,
    *,
    webhook: Webhook,
    fault: type[Fault],
    refused: Callable[[str], Exception],
    memory: Memory[Any] | None,
) -> None:
    """The application has these controls, and remembers what it did before.

    `fault` says what can go wrong with the vendor, `refused` words a 409 as the vendor does.
    """
    app.state.webhook = webhook
    app.state.fault = fault
    app.state.faults = []
    app.state.refused = refused
    app.state.requests = Counter()
    if memory is not None:
        memory.recall()
        app.add_middleware(Remembering, memory=memory)
    app.include_router(control)
    app.add_exception_handler(Garbled, answer_garbled)


def count(request: Request) -> None:
    """A dependency of the vendor's API: how often each path was asked."""
    request.app.state.requests[request.url.path] += 1


class WebhookInput(BaseModel):
    """Where notices go from now on, if a URL is given; `hold` keeps them back until they are delivered on request.

    What was delivered to another URL before is not sent again to this one.
    """

    url: str | None = None
    hold: bool = False


class Delivery(BaseModel):
    times: int = 1
    reverse: bool = False


@control.put("/webhook")
async def set_webhook(body: WebhookInput, webhook: Listener) -> Json:
    if body.url not in (None, webhook.url):
        webhook.url, webhook.delivered = body.url, []
    webhook.hold = body.hold
    return {"url": webhook.url, "hold": webhook.hold}


@control.get("/notices")
async def list_notices(webhook: Listener) -> Json:
    return {"pending": webhook.pending, "delivered": webhook.delivered}


def _heard(request: Request, webhook: Listener) -> Webhook:
    if webhook.url is None:
        raise request.app.state.refused("no webhook URL is set")
    return webhook


Heard = Annotated[Webhook, Depends(_heard)]


@control.post("/notices/deliver")
async def deliver(body: Delivery, webhook: Heard) -> Json:
    return {"statuses": await webhook.deliver(times=body.times, reverse=body.reverse)}


@control.post("/notices/deliver_again")
async def deliver_again(body: Delivery, webhook: Heard) -> Json:
    return {"statuses": await webhook.deliver_again(reverse=body.reverse)}


async def _fault(request: Request) -> Fault:
    """One of the vendor's kinds."""
    kinds: type[Fault] = request.app.state.fault
    try:
        return kinds.model_validate_json(await request.body())
    except ValidationError as error:
        raise RequestValidationError(error.errors()) from None


@control.post("/faults", status_code=201)
async def add_fault(fault: Annotated[Fault, Depends(_fault)], request: Request) -> Fault:
    request.app.state.faults.append(fault)
    return fault


@control.delete("/faults", status_code=204)
async def clear_faults(request: Request) -> None:
    """Good days from now on."""
    request.app.state.faults.clear()


@control.get("/requests")
async def count_requests(request: Request) -> Json:
    """How often each path of the API was asked."""
    return dict(request.app.state.requests)
