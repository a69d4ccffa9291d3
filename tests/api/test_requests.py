"""What a request leaves behind when it is answered: nothing that would have to be searched for."""

import gc
import weakref
from typing import Any

import orjson
import pytest
from fastapi import FastAPI
from starlette.types import Message

from tests.api.conftest import MakeClient
from tests.programs import NOW

FACT = {
    "source": "crm",
    "external_id": "deal-1",
    "type": "deal.won",
    "member": {"source": "crm", "external_id": "ada"},
    "occurred_at": NOW.isoformat(),
    "data": {"amount_minor": 100_000, "currency": "EUR"},
}


class Kept:
    """Something that lives for as long as the request does."""


@pytest.mark.parametrize(("body", "status"), [(FACT, 201), ({}, 422)])
async def test_an_answered_request_is_gone_at_once(
    app: FastAPI, make_client: MakeClient, body: dict[str, Any], status: int
) -> None:
    key = (await make_client()).key
    gc.collect()
    gc.disable()
    try:
        gone = weakref.ref(kept := Kept())
        assert await _post(app, key, body, kept) == status
        del kept
        assert gone() is None, "it is in a cycle: the collector must find it"
    finally:
        gc.enable()


async def _post(app: FastAPI, key: str, body: dict[str, Any], kept: Kept) -> int:
    headers = [(b"authorization", f"Bearer {key}".encode()), (b"content-type", b"application/json")]
    path = {"path": "/v1/events", "raw_path": b"/v1/events", "query_string": b"", "root_path": ""}
    scope = {"type": "http", "method": "POST", "headers": headers, "kept": kept, **path}
    statuses: list[int] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": orjson.dumps(body), "more_body": False}

    async def send(message: Message) -> None:
        statuses.extend([message["status"]] if "status" in message else [])

    await app(scope, receive, send)
    return statuses[0]
