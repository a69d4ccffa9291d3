"""What OpenAPI says is what the API does: keys on every route, problems in the table, schemas without holes."""

import re
from collections.abc import Iterator
from typing import Any

import httpx
import jsonschema_rs
import orjson
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from pydantic import TypeAdapter
from sqlalchemy.ext.asyncio import AsyncEngine

from api.app import create_app
from api.problems import MEDIA_TYPE, TABLE
from api.routes import ROUTERS
from settings import Settings
from tests.api.test_intake import make_connection

METHODS = ("get", "post", "put", "patch", "delete")
IDS = {
    "member_id": "mem_01a1fd1cfa630081c74091f5d2",
    "event_id": "evt_01a1fd1cfa630081c74091f5d2",
    "order_id": "ord_01a1fd1cfa630081c74091f5d2",
    "reward_id": "rwd_01a1fd1cfa630081c74091f5d2",
    "notification_id": "ntf_01a1fd1cfa630081c74091f5d2",
    "hold_id": "hld_01a1fd1cfa630081c74091f5d2",
    "pending_id": "pnd_01a1fd1cfa630081c74091f5d2",
    "adjustment_id": "adj_01a1fd1cfa630081c74091f5d2",
    "merge_id": "mrg_01a1fd1cfa630081c74091f5d2",
    "absence_id": "abs_01a1fd1cfa630081c74091f5d2",
    "recognition_id": "rcg_01a1fd1cfa630081c74091f5d2",
    "challenge_id": "chl_01a1fd1cfa630081c74091f5d2",
    "nomination_id": "nom_01a1fd1cfa630081c74091f5d2",
    "proposal_id": "prp_01a1fd1cfa630081c74091f5d2",
    "first_day": "2026-03-02",
    "number": "11",
    "source": "email",
    "external_id": "ada@example.com",
    "board": "company",
    "streak_type": "daily-learning",
}
DOCUMENT = create_app(Settings()).openapi()


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(method, path, operation) of everything that OpenAPI tells."""
    for path, item in DOCUMENT["paths"].items():
        for method in METHODS:
            if method in item:
                yield method, path, item[method]


def routes() -> list[APIRoute]:
    return [route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)]


OPERATIONS = list(operations())
OPEN = ("/healthz", "/readyz", "/version", "/errors/{code}", "/metrics", "/xapi/about")
GUARDED = [(method, path) for method, path, _ in OPERATIONS if path.startswith("/v1/")]
OUTSIDE = [(method, path) for method, path, _ in OPERATIONS if not path.startswith(("/v1/", *OPEN))]


async def test_nothing_below_v1_is_answered_without_a_key(anyone: httpx.AsyncClient) -> None:
    """Before anything is read of the request, whatever it is."""
    for method, path in GUARDED:
        answer = await anyone.request(method, path.format(**IDS), content=b"not even JSON")

        assert answer.status_code == 401, (method, path)
        assert answer.headers["content-type"] == MEDIA_TYPE
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert answer.json()["code"] == "unauthenticated"


async def test_nothing_that_outside_systems_call_is_answered_without_their_credentials(
    anyone: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    connection = await make_connection(engine, "hubspot")

    for method, path in OUTSIDE:
        answer = await anyone.request(method, path.format(connection=connection.id), content=b"not even JSON")

        assert answer.status_code == 401, (method, path)
        assert answer.headers["content-type"] == MEDIA_TYPE
        assert answer.json()["code"] == "bad_signature"


@pytest.mark.parametrize(("method", "path", "operation"), OPERATIONS)
def test_every_body_that_is_shown_is_taken(method: str, path: str, operation: dict[str, Any]) -> None:
    """By the schema beside it, references and all."""
    for content in operation.get("requestBody", {}).get("content", {}).values():
        schema = content["schema"] | {"components": DOCUMENT["components"]}
        for example in content["examples"].values():
            jsonschema_rs.validate(schema, example["value"])


@pytest.mark.parametrize(("method", "path", "operation"), OPERATIONS)
def test_every_security_scheme_is_described(method: str, path: str, operation: dict[str, Any]) -> None:
    named = {scheme for one in operation.get("security", ()) for scheme in one}

    assert named <= DOCUMENT["components"]["securitySchemes"].keys()


@pytest.mark.parametrize(("method", "path", "operation"), OPERATIONS)
def test_every_operation_says_all_that_a_caller_needs(method: str, path: str, operation: dict[str, Any]) -> None:
    """An id, a summary, a description; below /v1 also the scope, an example of the body and every common problem."""
    assert operation["operationId"]
    assert operation["summary"]
    assert operation["description"]
    for parameter in operation.get("parameters", ()):
        if parameter["in"] == "path":
            assert parameter.get("examples") or parameter["schema"]["examples"], parameter["name"]
    if path.startswith("/v1/"):
        assert {"403", "422"} <= operation["responses"].keys()
    if path not in OPEN:
        assert operation["security"]
        assert {"401", "429", "500", "503"} <= operation["responses"].keys()
        for content in operation.get("requestBody", {}).get("content", {}).values():
            assert content["schema"]
            assert content["examples"]


def test_every_answer_has_an_example_that_fits_it() -> None:
    guarded = [route for route in routes() if route.path.startswith("/v1/")]
    answers = [answer for route in guarded for answer in route.responses.values() if "model" in answer]

    assert len(answers) >= len(guarded)
    for answer in answers:
        example = answer["content"]["application/json"]["example"]
        assert TypeAdapter(answer["model"]).validate_json(orjson.dumps(example))


def test_every_reference_in_the_document_leads_somewhere(app: FastAPI) -> None:
    document = app.openapi()

    references = set(re.findall(r"#/components/schemas/(\w+)", str(document)))

    assert references <= document["components"]["schemas"].keys()


def test_operation_ids_are_unique() -> None:
    ids = [operation["operationId"] for _, _, operation in OPERATIONS]

    assert sorted(set(ids)) == sorted(ids)


@pytest.mark.parametrize(("method", "path", "operation"), OPERATIONS)
def test_documented_problems_are_in_the_table_under_their_status(
    method: str, path: str, operation: dict[str, Any]
) -> None:
    for status, response in operation["responses"].items():
        for code, example in response.get("content", {}).get(MEDIA_TYPE, {}).get("examples", {}).items():
            assert TABLE[code].status == int(status)
            assert example["value"]["code"] == code
