"""The xAPI routes: what is answered to a learning system, by the rules of its specification."""

import base64
from collections.abc import AsyncIterator
from typing import Any

import httpx
import orjson
import pytest
from fastapi import FastAPI
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from domain.connections import Connection
from settings import DEVELOPMENT_KEYS, SecretKeys
from storage import connections, programs, tables
from storage.keyring import Keyring
from tests.connectors.xapi_statements import STATEMENT_ID, statement
from tests.programs import NOW, make_program

OTHER_ID = "22222222-2222-4222-9222-222222222222"
VOIDING = statement(
    id=OTHER_ID,
    verb={"id": "http://adlnet.gov/expapi/verbs/voided"},
    object={"objectType": "StatementRef", "id": STATEMENT_ID},
    context={},
)
del VOIDING["context"]


async def make_connection(engine: AsyncEngine) -> Connection:
    async with AsyncSession(engine) as session, session.begin():
        program = await programs.get(session, await make_program(session))
        keyring = Keyring.from_setting(SecretKeys.parse(DEVELOPMENT_KEYS))
        return await connections.insert(
            session, keyring, program, kind="xapi", name="lms", config={}, secrets={"token": "shown"}, now=NOW
        )


def credentials(connection: Connection) -> str:
    return "Basic " + base64.b64encode(f"{connection.id}:shown".encode()).decode()


@pytest.fixture
async def connection(engine: AsyncEngine) -> Connection:
    return await make_connection(engine)


@pytest.fixture
async def lms(app: FastAPI, connection: Connection) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"authorization": credentials(connection), "x-experience-api-version": "1.0.3"}
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://api.test/xapi", headers=headers
    ) as client:
        yield client


async def stored(engine: AsyncEngine) -> list[str]:
    async with engine.connect() as connection:
        return sorted((await connection.execute(select(tables.statements.c.statement_id))).scalars())


async def test_one_statement_or_an_array_is_answered_with_its_ids(lms: httpx.AsyncClient) -> None:
    one = await lms.post("/statements", json=statement())
    many = await lms.post("/statements", json=[statement(id=OTHER_ID), statement()])

    assert (one.status_code, one.json()) == (200, [STATEMENT_ID])
    assert (many.status_code, many.json()) == (200, [OTHER_ID, STATEMENT_ID])


async def test_a_statement_without_an_id_is_given_one(lms: httpx.AsyncClient, engine: AsyncEngine) -> None:
    body = statement()
    del body["id"]

    answer = await lms.post("/statements", json=body)

    assert answer.json() == await stored(engine)


async def test_a_statement_is_put_under_its_id_and_read_back(lms: httpx.AsyncClient, connection: Connection) -> None:
    put = await lms.put("/statements", params={"statementId": STATEMENT_ID}, json=statement())
    read = await lms.get("/statements", params={"statementId": STATEMENT_ID.upper()})

    assert (put.status_code, put.content) == (204, b"")
    assert read.status_code == 200
    assert statement() | {"context": read.json()["context"]} == {
        name: value for name, value in read.json().items() if name in statement()
    }
    assert read.json()["authority"]["account"]["name"] == connection.id
    assert read.headers["last-modified"] == "Wed, 04 Mar 2026 12:00:00 GMT"


async def test_what_was_read_back_can_be_sent_again(lms: httpx.AsyncClient) -> None:
    await lms.post("/statements", json=statement())
    read = await lms.get("/statements", params={"statementId": STATEMENT_ID})

    again = await lms.post("/statements", json=read.json())

    assert again.status_code == 200


@pytest.mark.parametrize("method", ["POST", "PUT"])
async def test_the_same_id_with_other_content_conflicts_and_nothing_is_taken(
    lms: httpx.AsyncClient, engine: AsyncEngine, method: str
) -> None:
    await lms.post("/statements", json=statement())
    changed: Any = statement(result={"success": False})
    body, query = (
        ([statement(id=OTHER_ID), changed], {}) if method == "POST" else (changed, {"statementId": STATEMENT_ID})
    )

    answer = await lms.request(method, "/statements", json=body, params=query)

    assert answer.status_code == 409
    assert answer.json()["code"] == "statement_conflict"
    assert answer.json()["statement_id"] == STATEMENT_ID
    assert await stored(engine) == [STATEMENT_ID]


@pytest.mark.parametrize("order", [(statement(), VOIDING), (VOIDING, statement())])
async def test_a_voided_statement_is_read_as_voided_only(lms: httpx.AsyncClient, order: tuple[Any, Any]) -> None:
    for body in order:
        await lms.post("/statements", json=body)

    plain = await lms.get("/statements", params={"statementId": STATEMENT_ID})
    voided = await lms.get("/statements", params={"voidedStatementId": STATEMENT_ID})
    voiding = await lms.get("/statements", params={"statementId": OTHER_ID})

    assert [answer.status_code for answer in (plain, voided, voiding)] == [404, 200, 200]


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"statementId": "7"},
        {"statementId": STATEMENT_ID, "voidedStatementId": STATEMENT_ID},
        {"statementId": STATEMENT_ID, "limit": "1"},
        {"verb": "urn:v"},
    ],
)
async def test_a_read_asks_for_one_statement(lms: httpx.AsyncClient, query: dict[str, str]) -> None:
    answer = await lms.get("/statements", params=query)

    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_notice")


async def test_a_put_names_its_statement(lms: httpx.AsyncClient) -> None:
    answer = await lms.put("/statements", json=statement())

    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_notice")


@pytest.mark.parametrize(("asked", "answered"), [("1.0", "1.0.3"), ("1.0.1", "1.0.3"), ("2.0.0", "2.0.0")])
async def test_every_answer_names_its_version(lms: httpx.AsyncClient, asked: str, answered: str) -> None:
    headers = {"x-experience-api-version": asked}
    taken = await lms.post("/statements", json=statement(), headers=headers)
    refused = await lms.post("/statements", json={}, headers=headers)

    assert (taken.status_code, refused.status_code) == (200, 400)
    for answer in (taken, refused):
        assert answer.headers["x-experience-api-version"] == answered
        assert answer.headers["x-experience-api-consistent-through"] == "2026-03-04T12:00:00.000Z"


@pytest.mark.parametrize("asked", ["", "0.95", "1.1.0", "3.0.0"])
async def test_another_version_is_refused(lms: httpx.AsyncClient, asked: str) -> None:
    answer = await lms.post("/statements", json=statement(), headers={"x-experience-api-version": asked})

    assert (answer.status_code, answer.json()["code"]) == (400, "wrong_version")
    assert answer.headers["x-experience-api-version"] == "1.0.3"


async def test_without_credentials_a_challenge_is_answered(app: FastAPI) -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api.test") as anyone:
        answers = [await anyone.request(method, "/xapi/statements") for method in ("GET", "POST", "PUT")]

    assert {answer.status_code for answer in answers} == {401}
    assert {answer.headers["www-authenticate"] for answer in answers} == {'Basic realm="laurel xapi"'}


async def test_an_api_key_or_another_kind_of_connection_opens_nothing(lms: httpx.AsyncClient) -> None:
    for authorization in ("Bearer lrl_something", "Bearer con_\0.x", "Bearer con_01a1fd1cfa630081c74091f5d2.shown"):
        answer = await lms.get("/statements", headers={b"authorization": authorization.encode()})

        assert answer.json()["code"] == "bad_signature"


async def test_one_connection_reads_nothing_of_another(lms: httpx.AsyncClient, engine: AsyncEngine) -> None:
    await lms.post("/statements", json=statement())
    stranger = {"authorization": credentials(await make_connection(engine))}

    read = await lms.get("/statements", params={"statementId": STATEMENT_ID}, headers=stranger)
    sent = await lms.post("/statements", json=statement(result={"success": False}), headers=stranger)

    assert (read.status_code, sent.status_code) == (404, 200)


async def test_the_versions_are_told_to_everybody(app: FastAPI) -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api.test") as anyone:
        answer = await anyone.get("/xapi/about")

    assert answer.json() == {"version": ["1.0.3", "2.0.0"]}


async def test_a_statement_that_is_no_valid_event_is_stored_all_the_same(
    lms: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    """The sample program's courses have other fields: its book stays empty, and the LMS is not told to try for ever."""
    answer = await lms.post(
        "/statements", content=orjson.dumps(statement()), headers={"content-type": "application/json"}
    )

    async with engine.connect() as connection:
        assert (await connection.execute(select(tables.events))).all() == []
    assert answer.status_code == 200
    assert await stored(engine) == [STATEMENT_ID]
