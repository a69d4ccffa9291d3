"""One company's BambooHR as a web application."""

import base64
import hmac
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError

from sandbox.bamboohr.company import Company
from sandbox.bamboohr.control import control
from sandbox.bamboohr.errors import Refused, answer_invalid, answer_refused
from sandbox.bamboohr.faults import Garbled, answer_garbled, spoil
from sandbox.bamboohr.kept import Memory, Remembering
from sandbox.bamboohr.notices import Webhook
from sandbox.bamboohr.routes import api

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
    app.state.webhook = Webhook(webhook_key, clock, webhook_url)
    app.state.company = Company(clock, app.state.webhook.tell)
    if data is not None:
        memory = Memory(data, app.state.company, app.state.webhook)
        memory.recall()
        app.add_middleware(Remembering, memory=memory)
    app.state.faults = []
    app.state.requests = Counter()
    app.include_router(api, dependencies=[Depends(_count), Depends(_authenticate), Depends(spoil)])
    app.include_router(control)
    app.add_exception_handler(Refused, answer_refused)
    app.add_exception_handler(Garbled, answer_garbled)
    app.add_exception_handler(RequestValidationError, answer_invalid)
    return app


def _count(request: Request) -> None:
    request.app.state.requests[request.url.path] += 1


def _authenticate(request: Request) -> None:
    """The key is the user name, and the password may be anything."""
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    try:
        user, _, _ = base64.b64decode(given, validate=True).decode().partition(":")
    except ValueError:
        user = ""
    if scheme.lower() != "basic" or not hmac.compare_digest(user.encode(), request.app.state.api_key.encode()):
        raise Refused(401, "Invalid API key")
