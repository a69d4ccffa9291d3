"""One HubSpot account as a web application."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError

from sandbox.hubspot.control import control
from sandbox.hubspot.crm import Crm
from sandbox.hubspot.errors import Refused, answer_invalid, answer_refused, unauthenticated
from sandbox.hubspot.faults import Fault, spoil
from sandbox.hubspot.kept import Memory
from sandbox.hubspot.notices import Webhook
from sandbox.hubspot.routes import deals, rest
from sandbox.shared.control import count, furnish

ACCESS_TOKEN = "sandbox-access-token"
CLIENT_SECRET = "sandbox-client-secret"


def create_app(
    *,
    access_token: str = ACCESS_TOKEN,
    client_secret: str = CLIENT_SECRET,
    webhook_url: str | None = None,
    data: Path | None = None,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> FastAPI:
    """What happens in the account is delivered to `webhook_url` at once, until deliveries are held; kept in `data`."""
    app = FastAPI(title="HubSpot sandbox")
    app.state.access_token = access_token
    webhook = Webhook(client_secret, clock, webhook_url)
    app.state.crm = Crm(clock, webhook.tell)
    memory = Memory(data, app.state.crm, webhook) if data else None
    furnish(app, webhook=webhook, fault=Fault, refused=lambda message: Refused(409, "CONFLICT", message), memory=memory)
    guards = [Depends(count), Depends(_authenticate), Depends(spoil)]
    for object_type in ("deals", "0-3"):
        app.include_router(deals, prefix=f"/crm/v3/objects/{object_type}", dependencies=guards)
    app.include_router(rest, dependencies=guards)
    app.include_router(control)
    app.add_exception_handler(Refused, answer_refused)
    app.add_exception_handler(RequestValidationError, answer_invalid)
    return app


def _authenticate(request: Request) -> None:
    if request.headers.get("authorization") != f"Bearer {request.app.state.access_token}":
        raise unauthenticated()
