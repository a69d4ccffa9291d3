"""Statements: the part of an xAPI learning record store (1.0.3 and 2.0.0) that a learning system needs to tell us.

Statements are stored and recorded as facts in the same transaction. What is read back is one statement by its id.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from email.utils import format_datetime
from typing import Any
from uuid import uuid4

import structlog
from fastapi import APIRouter, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from api import examples, incoming, problems
from api.answers import answer
from api.backends import Backends, backends
from api.operations import REF, Operation, by_outside
from api.problems import Problem
from connectors import sources, xapi
from connectors.errors import BadSignature, MalformedNotice
from connectors.xapi import Sent, Statement
from domain.connections import Connection
from domain.outcomes import CONFLICT, REJECTED
from storage import intake, statements
from storage.failures import retry
from storage.statements import StoredStatement

VERSION_HEADER = "X-Experience-API-Version"
CONSISTENT_HEADER = "X-Experience-API-Consistent-Through"
LATEST_VERSION = "1.0.3"
CHALLENGE = {"WWW-Authenticate": 'Basic realm="laurel xapi"'}
READABLE = {"statementId", "voidedStatementId", "format", "attachments"}

SCHEMES = ["xapi_basic", "xapi_bearer"]
HEADERS = {
    VERSION_HEADER: {"description": "The version that the answer is in.", "schema": {"type": "string"}},
    CONSISTENT_HEADER: {
        "description": "Everything stored until then can be read.",
        "schema": {"type": "string", "format": "date-time"},
    },
}
VERSION_PARAMETER = {
    "name": VERSION_HEADER,
    "in": "header",
    "required": True,
    "description": "The version of xAPI that the request is in.",
    "schema": {"type": "string", "pattern": r"^(1\.0(\.[0-9]{1,3})?|2\.0\.[0-9]{1,3})$"},
    "example": LATEST_VERSION,
}
STATEMENT = {"$ref": REF.format(model=Statement.__name__)}
UUID = {"type": "string", "format": "uuid"}


def _id_parameter(name: str, description: str, *, required: bool) -> dict[str, Any]:
    return {
        "name": name,
        "in": "query",
        "required": required,
        "description": description,
        "schema": UUID,
        "example": examples.STATEMENT_ID,
    }


router = APIRouter(route_class=Operation, tags=["xapi"])
log = structlog.get_logger()

Handle = Callable[[sources.Request, Connection, datetime], Awaitable[Response]]


@router.post(
    "/xapi/statements",
    operation_id="post_statements",
    summary="Take one statement or an array of them",
    **by_outside(
        SCHEMES,
        200,
        ["wrong_version", "statement_conflict"],
        answer={"schema": {"type": "array", "items": UUID}, "example": [examples.STATEMENT_ID]},
        body={
            "schema": {"oneOf": [STATEMENT, {"type": "array", "maxItems": xapi.STATEMENTS_MAX, "items": STATEMENT}]},
            "examples": {"one": {"value": examples.STATEMENT}, "several": {"value": [examples.STATEMENT]}},
        },
        models=[Statement],
        parameters=[VERSION_PARAMETER],
        headers=HEADERS,
    ),
)
async def post_statements(request: Request) -> Response:
    """Basic credentials (the connection's id and token) or Bearer `<id>.<token>`. Answers the statements' ids in order.

    A statement that was sent before is taken again only if it is the same; else nothing of the request is taken.
    """

    async def handle(sent: sources.Request, connection: Connection, now: datetime) -> Response:
        arrived = xapi.statements(sent, lambda: str(uuid4()))
        await _record(backends(request), connection, arrived, now)
        return answer([one.id for one in arrived])

    return await _speak(request, handle)


@router.put(
    "/xapi/statements",
    operation_id="put_statement",
    summary="Take one statement under its id",
    **by_outside(
        SCHEMES,
        204,
        ["wrong_version", "statement_conflict"],
        body={"schema": STATEMENT, "examples": {"one": {"value": examples.STATEMENT}}},
        parameters=[VERSION_PARAMETER, _id_parameter("statementId", "The id to keep it under.", required=True)],
        headers=HEADERS,
    ),
)
async def put_statement(request: Request) -> Response:
    """`statementId` names it; the statement's own id, if it has one, is the same."""

    async def handle(sent: sources.Request, connection: Connection, now: datetime) -> Response:
        statement_id = request.query_params.get("statementId")
        if statement_id is None:
            raise MalformedNotice("statementId is missing")
        arrived = xapi.statements(sent, lambda: str(uuid4()), statement_id)
        await _record(backends(request), connection, arrived, now)
        return Response(status_code=204)

    return await _speak(request, handle)


@router.get(
    "/xapi/statements",
    operation_id="get_statement",
    summary="Read one statement",
    **by_outside(
        SCHEMES,
        200,
        ["wrong_version", "malformed_notice", "not_found", "request_timeout", "body_too_large"],
        answer={"schema": STATEMENT, "example": examples.STATEMENT},
        parameters=[
            VERSION_PARAMETER,
            _id_parameter("statementId", "A statement that stands.", required=False),
            _id_parameter("voidedStatementId", "A statement that was voided.", required=False),
        ],
        headers=HEADERS,
    ),
)
async def get_statement(request: Request) -> Response:
    """By `statementId`, or by `voidedStatementId` once it was voided; statements cannot be listed."""

    async def handle(sent: sources.Request, connection: Connection, now: datetime) -> Response:
        statement_id, voided = _wanted(request)
        async with backends(request).database.begin() as session:
            found = await statements.find(session, connection, statement_id, voided=voided)
        if found is None:
            raise Problem("not_found", f"no statement {statement_id}")
        home_page = backends(request).settings.laurel_public_url
        authority = {"objectType": "Agent", "account": {"homePage": home_page, "name": connection.id}}
        headers = {"Last-Modified": format_datetime(found.stored_at, usegmt=True)}
        return answer(xapi.as_stored(found.body, found.id, found.stored_at, authority), headers=headers)

    return await _speak(request, handle)


@router.get("/xapi/about", operation_id="about_xapi", summary="Which versions of xAPI are spoken")
async def about() -> Response:
    """Open to everybody, as the specification asks."""
    return answer({"version": ["1.0.3", "2.0.0"]}, headers={VERSION_HEADER: LATEST_VERSION})


async def _speak(request: Request, handle: Handle) -> Response:
    """Every answer names the version it is in, refusals included."""
    version = LATEST_VERSION
    now = backends(request).clock()
    try:
        connection = await _find_connection(request)
        sent = await incoming.read(request, connection, xapi.BODY_MAX_BYTES)
        xapi.verify(sent, connection.secrets["token"], now)
        version = xapi.answer_version(sent)
        response = await handle(sent, connection, now)
    except Exception as error:
        problem = problems.of(error)
        if problem.kind.code == "internal_error":
            raise
        if problem.kind.status == 401:
            problem.headers |= CHALLENGE
        response = problems.answer(problem, request.scope["path"])
    response.headers[VERSION_HEADER] = version
    response.headers[CONSISTENT_HEADER] = xapi.timestamp(now)
    return response


async def _find_connection(request: Request) -> Connection:
    """The connection that the request's credentials name; an unknown one is refused like a wrong token."""
    connection_id, _ = xapi.credentials(incoming.head(request))
    connection = await incoming.find_connection(backends(request), connection_id)
    if connection is None or connection.kind != xapi.KIND:
        raise BadSignature("the credentials are not the connection's")
    return connection


def _wanted(request: Request) -> tuple[str, bool]:
    """The statement asked for, and whether as a voided one."""
    query = request.query_params
    given = [name for name in ("statementId", "voidedStatementId") if name in query]
    if len(given) != 1 or not READABLE.issuperset(query):
        raise MalformedNotice("ask for one statement, by statementId or by voidedStatementId")
    return xapi.parse_id(query[given[0]]), given[0] == "voidedStatementId"


async def _record(here: Backends, connection: Connection, arrived: Sequence[Sent], now: datetime) -> None:
    """Store what is new and record its facts; raises Problem statement_conflict, and then nothing is taken."""

    async def record() -> None:
        async with here.database.begin() as session:
            new = await statements.insert_new(session, connection, [_row(one, now) for one in arrived])
            repeats = {one.id: one for one in arrived if one.id not in new}
            for stored in await statements.list_by_id(session, connection, repeats) if repeats else ():
                if not xapi.is_same(stored.body, repeats[stored.id].body):
                    raise Problem("statement_conflict", more={"statement_id": stored.id})
            await _record_facts(session, connection, [one for one in arrived if one.id in new], now)

    await retry(record)


async def _record_facts(session: AsyncSession, connection: Connection, new: Sequence[Sent], now: datetime) -> None:
    translated = (xapi.translate(connection.name, one, now) for one in new)
    events = [event for event in translated if event is not None]
    if not events:
        return
    outcomes = await intake.record(session, connection.program_id, events, xapi.POLICY, as_of=now)
    for event, outcome in zip(events, outcomes, strict=True):
        if outcome.status in (REJECTED, CONFLICT):
            log.warning(
                "statement is no fact", connection=connection.id, statement=event.external_id, code=outcome.code
            )


def _row(one: Sent, now: datetime) -> StoredStatement:
    return StoredStatement(one.id, one.body, one.voids, now)
