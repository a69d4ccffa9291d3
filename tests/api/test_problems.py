"""Whatever goes wrong is a problem of the table: FastAPI's own answers, a body's faults, what nobody foresaw."""

from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI

from api import problems
from api.bodies import SMALL_BYTES, pointer
from api.problems import MEDIA_TYPE, TABLE
from tests.api.conftest import Client
from tests.api.facts import deal

MEMBER = "mem_01a1fd1cfa630081c74091f5d2"


async def send(client: Client, body: bytes, content_type: str = "application/json") -> httpx.Response:
    """These bytes as an event."""
    return await client.http.post("/v1/events", content=body, headers={"Content-Type": content_type})


async def test_a_path_that_does_not_exist_is_a_problem(anyone: httpx.AsyncClient, client: Client) -> None:
    answers = [await anyone.get("/nowhere"), await client.get("/v1/nowhere"), await client.get("/v1/members/ada")]

    assert {(answer.status_code, answer.json()["code"]) for answer in answers} == {(404, "not_found")}
    assert {answer.headers["content-type"] for answer in answers} == {MEDIA_TYPE}


async def test_a_method_that_is_not_allowed_names_those_that_are(client: Client) -> None:
    answer = await client.http.request("DELETE", "/v1/events")

    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
    assert answer.headers["allow"] == "GET, POST"


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b'{"source": "\\ud800"}', b"[1,]"])
async def test_what_is_no_json_is_malformed(client: Client, body: bytes) -> None:
    answer = await send(client, body)

    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_json")


@pytest.mark.parametrize("content_type", ["", "text/plain", "application/json; charset=latin-1", "application/xml"])
async def test_what_is_not_declared_as_json_is_not_read(client: Client, content_type: str) -> None:
    answer = await send(client, b"{}", content_type)

    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize("content_type", ["application/json", "Application/JSON; charset=UTF-8"])
async def test_json_may_be_declared_as_it_is_customary(client: Client, content_type: str) -> None:
    answer = await send(client, b"{}", content_type)

    assert answer.json()["code"] == "invalid_request"


async def test_every_fault_of_a_body_is_named_with_its_pointer(client: Client) -> None:
    wrong = {"occurred_at": "yesterday", "member": {"source": "crm"}, "data": {"a/b": 1, "note": "a\0b"}}
    body = {**deal(), "colour": "red", **wrong}

    answer = await client.post("/v1/events", body)

    assert answer.status_code == 422
    pointers = {fault["pointer"] for fault in answer.json()["errors"]}
    assert pointers == {"/occurred_at", "/colour", "/member/external_id", "/data/a~1b/[key]", "/data/note"}


async def test_faults_of_an_item_are_named_by_its_place(client: Client) -> None:
    answer = await client.post("/v1/events/batch", {"events": [deal(), deal(version="two")]})

    assert [fault["pointer"] for fault in answer.json()["errors"]] == ["/events/1/version"]


async def test_faults_of_parameters_are_named(client: Client) -> None:
    answer = await client.get("/v1/events", limit=0, state="lost", colour="red")

    assert {fault["parameter"] for fault in answer.json()["errors"]} == {"limit", "state", "colour"}


async def test_a_body_beyond_the_limit_is_refused_whether_or_not_it_says_its_length(client: Client) -> None:
    large = b" " * (SMALL_BYTES + 1)

    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(large), 10_000):
            yield large[start : start + 10_000]

    declared = await send(client, large)
    chunked = await client.http.post("/v1/events", content=chunks(), headers={"Content-Type": "application/json"})

    assert {(answer.status_code, answer.json()["code"]) for answer in (declared, chunked)} == {(413, "body_too_large")}


async def test_what_nobody_foresaw_is_an_internal_error_that_says_nothing_of_it(
    app: FastAPI, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    @app.get("/broken")
    async def broken() -> None:
        raise RuntimeError("the database's password is swordfish")

    answer = await client.http.get("/broken")

    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert "swordfish" not in answer.text
    assert answer.headers["x-request-id"]


async def test_a_request_keeps_the_id_that_it_came_with_if_it_is_one(anyone: httpx.AsyncClient) -> None:
    given = await anyone.get("/healthz", headers={"X-Request-Id": "from-a-proxy_1.2"})
    strange = await anyone.get("/healthz", headers={"X-Request-Id": "two words"})

    assert given.headers["x-request-id"] == "from-a-proxy_1.2"
    assert strange.headers["x-request-id"].startswith("req_")


async def test_each_problems_type_leads_to_its_explanation(anyone: httpx.AsyncClient) -> None:
    missing = await anyone.get("/nowhere")

    explained = await anyone.get(missing.json()["type"])

    assert explained.status_code == 200
    assert explained.json()["meaning"] == TABLE["not_found"].meaning


def test_what_is_worth_another_try_says_when_or_is_our_fault() -> None:
    """Retryable are exactly the answers that another moment may change."""
    assert {kind.status for kind in TABLE.values() if kind.retryable} == {408, 409, 429, 500, 503}
    assert [kind.code for kind in TABLE.values() if kind.retryable and kind.status == 409] == ["idempotency_key_in_use"]


def test_pointers_escape_what_they_must() -> None:
    assert pointer(("a/b", 0, "c~d")) == "/a~1b/0/c~0d"


def test_a_lookup_that_is_our_own_mistake_is_no_404() -> None:
    assert problems.of(KeyError("points")).kind.code == "internal_error"
    assert problems.of(LookupError("no member")).kind.code == "not_found"
