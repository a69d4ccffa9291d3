"""One HubSpot account as a web application."""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError

from sandbox.hubspot.control import control
from sandbox.hubspot.crm import Crm
from sandbox.hubspot.errors import Refused, answer_invalid, answer_refused, unauthenticated
from sandbox.hubspot.faults import Garbled, answer_garbled, spoil
from sandbox.hubspot.kept import Memory, Remembering
from sandbox.hubspot.notices import Webhook
from sandbox.hubspot.routes import deals, rest

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
    app.state.webhook = Webhook(client_secret, clock, webhook_url)
    app.state.crm = Crm(clock, app.state.webhook.tell)
    if data is not None:
        memory = Memory(data, app.state.crm, app.state.webhook)
        memory.recall()
        app.add_middleware(Remembering, memory=memory)
    app.state.faults = []
    app.state.requests = Counter()
    guards = [Depends(_count), Depends(_authenticate), Depends(spoil)]
    for object_type in ("deals", "0-3"):
        app.include_router(deals, prefix=f"/crm/v3/objects/{object_type}", dependencies=guards)
    app.include_router(rest, dependencies=guards)
    app.include_router(control)
    app.add_exception_handler(Refused, answer_refused)
    app.add_exception_handler(Garbled, answer_garbled)
    app.add_exception_handler(RequestValidationError, answer_invalid)
    return app


def _count(request: Request) -> None:
    request.app.state.requests[request.url.path] += 1


def _authenticate(request: Request) -> None:
    if request.headers.get("authorization") != f"Bearer {request.app.state.access_token}":
        raise unauthenticated()
