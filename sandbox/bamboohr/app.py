"""One company's BambooHR as a web application."""

import base64
import hmac
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError

from sandbox.bamboohr.company import Company
from sandbox.bamboohr.control import control
from sandbox.bamboohr.errors import Refused, answer_invalid, answer_refused
from sandbox.bamboohr.faults import Fault, spoil
from sandbox.bamboohr.kept import Memory
from sandbox.bamboohr.notices import Webhook
from sandbox.bamboohr.routes import api
from sandbox.shared.control import count, furnish

API_KEY = "sandbox-api-key"
WEBHOOK_KEY = "sandbox-webhook-key"


def create_app(
    *,
    api_key: str = API_KEY,
    webhook_key: str = WEBHOOK_KEY,
    webhook_url: str | None = None,
    data: Path | None = None,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> FastAPI:
    """What happens in the company is delivered to `webhook_url` at once, until deliveries are held; kept in `data`."""
    app = FastAPI(title="BambooHR sandbox")
    app.state.api_key = api_key
    webhook = Webhook(webhook_key, clock, webhook_url)
    app.state.company = Company(clock, webhook.tell)
    memory = Memory(data, app.state.company, webhook) if data else None
    furnish(app, webhook=webhook, fault=Fault, refused=lambda message: Refused(409, message), memory=memory)
    app.include_router(api, dependencies=[Depends(count), Depends(_authenticate), Depends(spoil)])
    app.include_router(control)
    app.add_exception_handler(Refused, answer_refused)
    app.add_exception_handler(RequestValidationError, answer_invalid)
    return app


def _authenticate(request: Request) -> None:
    """The key is the user name, and the password may be anything."""
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    try:
        user, _, _ = base64.b64decode(given, validate=True).decode().partition(":")
    except ValueError:
        user = ""
    if scheme.lower() != "basic" or not hmac.compare_digest(user.encode(), request.app.state.api_key.encode()):
        raise Refused(401, "Invalid API key")
