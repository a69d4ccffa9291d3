"""The codec endpoint opens for the operator, and for the UI's page on this machine; for nobody else it exists."""

from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from google.protobuf.json_format import MessageToDict
from pydantic import SecretStr
from redis.asyncio import Redis
from temporalio.api.common.v1 import Payload, Payloads

from api.app import create_app
from settings import DEVELOPMENT_KEYS, SecretKeys, Settings
from storage.keyring import Keyring
from tests.api.conftest import Client
from workflows.codec import EncryptingCodec

UI = "http://127.0.0.1:8705"


async def sealed(text: bytes = b'"ada"') -> dict[str, Any]:
    """A payload as a history holds it, as the UI sends it."""
    codec = EncryptingCodec(Keyring.from_setting(SecretKeys.parse(DEVELOPMENT_KEYS)))
    clear = Payload(metadata={"encoding": b"json/plain"}, data=text)
    return MessageToDict(Payloads(payloads=await codec.encode([clear])))


def caller(app: FastAPI, address: str = "127.0.0.1", url: str = "http://127.0.0.1:8700") -> httpx.AsyncClient:
    """Calls from this address."""
    return httpx.AsyncClient(transport=httpx.ASGITransport(app, client=(address, 50_000)), base_url=url)


@pytest.mark.parametrize("origin", [UI, "http://localhost:8705"])
async def test_the_ui_on_this_machine_reads_payloads(app: FastAPI, origin: str) -> None:
    async with caller(app) as http:
        answer = await http.post("/codec/decode", json=await sealed(), headers={"Origin": origin})

    assert answer.status_code == 200
    assert answer.json()["payloads"][0]["data"] == "ImFkYSI="
    assert answer.headers["access-control-allow-origin"] == origin


@pytest.mark.parametrize(
    ("address", "url", "headers"),
    [
        ("127.0.0.1", "http://127.0.0.1:8700", {}),
        ("127.0.0.1", "http://127.0.0.1:8700", {"Origin": "http://127.0.0.1:9999"}),
        ("127.0.0.1", "http://127.0.0.1:8700", {"Origin": "http://evil.example.com:8705"}),
        ("127.0.0.1", "http://rebound.example.com", {"Origin": UI}),
        ("192.0.2.7", "http://127.0.0.1:8700", {"Origin": UI}),
        ("127.0.0.1", "http://127.0.0.1:8700", {"Origin": UI, "X-Forwarded-For": "192.0.2.7"}),
    ],
)
async def test_nobody_else_finds_it(app: FastAPI, address: str, url: str, headers: dict[str, str]) -> None:
    """Another page, another machine, a rebound name, or a proxy in between."""
    async with caller(app, address, url) as http:
        answer = await http.post("/codec/decode", json=await sealed(), headers=headers)

    assert answer.status_code == 404


async def test_no_programs_key_opens_it(client: Client) -> None:
    answer = await client.post("/codec/decode", await sealed())

    assert answer.status_code == 404


async def test_the_operators_credential_opens_it_from_anywhere(settings: Settings, redis: Redis) -> None:
    guarded = settings.model_copy(update={"laurel_operator_token": SecretStr("open-sesame-of-the-operator")})
    app = create_app(guarded)
    async with app.router.lifespan_context(app), caller(app, "192.0.2.7", "https://laurel.example.com") as http:
        body = await sealed()
        good = await http.post(
            "/codec/decode", json=body, headers={"Authorization": "Bearer open-sesame-of-the-operator"}
        )
        wrong = await http.post("/codec/decode", json=body, headers={"Authorization": "Bearer guess"})
        none = await http.post("/codec/decode", json=body)

    assert [answer.status_code for answer in (good, wrong, none)] == [200, 401, 401]


async def test_what_was_changed_is_not_decoded(app: FastAPI) -> None:
    payloads = await sealed()
    payloads["payloads"][0]["data"] = "AAAA" + payloads["payloads"][0]["data"][4:]
    async with caller(app) as http:
        answer = await http.post("/codec/decode", json=payloads, headers={"Origin": UI})

    assert (answer.status_code, answer.json()["code"]) == (422, "cannot_decode")


async def test_a_browser_is_told_that_the_ui_may_call(app: FastAPI) -> None:
    async with caller(app) as http:
        allowed = await http.options("/codec/decode", headers={"Origin": UI})
        refused = await http.options("/codec/decode", headers={"Origin": "http://evil.example.com"})

    assert allowed.headers["access-control-allow-origin"] == UI
    assert "x-namespace" in allowed.headers["access-control-allow-headers"]
    assert "access-control-allow-origin" not in refused.headers
