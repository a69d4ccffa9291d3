"""Members: written by external id, read by any of their names, with what they have."""

import math
import re
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from api import bodies, idempotency, pages
from api.answers import answer
from api.auth import caller
from api.backends import backends
from api.idempotency import Answer
from api.operations import Operation, operation
from api.problems import Problem
from api.routes.account_statements import known
from api.schemas.account_statements import MomentQuery
from api.schemas.base import MemberId, Name, Page, PageQuery
from api.schemas.members import (
    BalanceDocument,
    HistoryDocument,
    MemberBody,
    MemberDocument,
    MemberOutcome,
    MembersBody,
    MembersResult,
    balance_document,
    history_document,
    member_document,
    outcome_document,
)
from domain.events import Identity
from domain.member_changes import ChangeStatus, InvalidMember, MemberChange, MemberResult, read
from domain.members import Balance, HistoryItem
from domain.scopes import Scope
from storage import account_statements, member_changes, members

router = APIRouter(route_class=Operation, tags=["members"])

REVALIDATED = {"Cache-Control": "private, no-cache"}
NEVER = 2**53  # seconds
# Proxies that compress make tags weak, which is good enough here.
_ETAG = re.compile(r'(?:W/)?"([0-9]{1,19})\.([0-9]{1,16})"', re.ASCII)

EXAMPLE = {
    "external_id": "e-1042",
    "name": "Ada Lovelace",
    "email": "ada@example.com",
    "time_zone": "Europe/London",
    "country": "GB",
    "department": "Engineering",
    "hired_on": "2024-03-01",
    "custom": {"mentor": True},
    "identities": [{"source": "crm", "external_id": "owner-12"}],
}


@router.post(
    "/v1/members",
    operation_id="write_member",
    summary="Create or change one member",
    **operation(
        Scope.MEMBERS_WRITE,
        {200: MemberOutcome, 201: MemberOutcome},
        body=MemberBody,
        examples={"member": EXAMPLE},
        refusals=("invalid_member",),
        takes_key=True,
    ),
)
async def write_member(request: Request) -> Response:
    """201 if it is new. Events that waited for one of its names are decided soon after."""
    body = await bodies.read_json(request)
    change = read(bodies.parse(MemberBody, body).row())

    async def write(session: AsyncSession) -> Answer:
        (result,) = await _write(request, session, [change])
        if result.status is ChangeStatus.FAILED:
            raise InvalidMember(result.faults)
        return Answer(201 if result.status is ChangeStatus.CREATED else 200, outcome_document(result))

    return await _once(request, body, write)


@router.post(
    "/v1/members/batch",
    operation_id="write_members",
    summary="Create or change up to 500 members",
    **operation(
        Scope.MEMBERS_WRITE,
        {207: MembersResult},
        body=MembersBody,
        examples={"one": {"members": [EXAMPLE]}},
        takes_key=True,
    ),
)
async def write_members(request: Request) -> Response:
    """In one transaction; a row with a fault is left out, the others go in."""
    body = await bodies.read_json(request, bodies.BATCH_BYTES)
    rows = [_readable(member.row()) for member in bodies.parse(MembersBody, body).members]

    async def write(session: AsyncSession) -> Answer:
        changes = [row for row in rows if isinstance(row, MemberChange)]
        written = iter(await _write(request, session, changes))
        results = [row if isinstance(row, MemberResult) else next(written) for row in rows]
        return Answer(207, {"results": [{"index": n} | outcome_document(one) for n, one in enumerate(results)]})

    return await _once(request, body, write)


def _readable(row: dict[str, Any]) -> MemberChange | MemberResult:
    """The change that a row describes, or its failure."""
    try:
        return read(row)
    except InvalidMember as error:
        return MemberResult(row["external_id"], ChangeStatus.FAILED, None, error.faults)


async def _write(request: Request, session: AsyncSession, changes: Sequence[MemberChange]) -> list[MemberResult]:
    now = backends(request).clock()
    return await member_changes.write(session, caller(request).program_id, changes, effective_at=now, now=now)


async def _once(request: Request, body: bytes, write: idempotency.Command) -> Response:
    here = backends(request)
    done = await idempotency.once(request, body, here.database, here.clock(), write)
    return done


@router.get(
    "/v1/members",
    operation_id="list_members",
    summary="List members",
    **operation(Scope.MEMBERS_READ, {200: Page[MemberDocument]}, refusals=("invalid_cursor",)),
)
async def list_members(request: Request, query: Annotated[PageQuery, Query()]) -> Response:
    """In the order in which they were created."""
    program_id = caller(request).program_id

    async def page(session: AsyncSession, after: Sequence[Any] | None, limit: int) -> list[dict[str, Any]]:
        found = await members.list_page(session, program_id, limit, after[0] if after else "")
        names = await members.list_identities(session, program_id, [member.id for member in found])
        return [member_document(member, names[member.id]) for member in found]

    return await pages.answer_page(request, query, ("members",), page, lambda member: (member["id"],), dict)


@router.get(
    "/v1/members/{member_id:mem}",
    operation_id="get_member",
    summary="Read one member",
    **operation(Scope.MEMBERS_READ, {200: MemberDocument}, refusals=("not_found",)),
)
async def get_member(request: Request, member_id: MemberId) -> Response:
    """By Laurel's own id."""
    program_id = caller(request).program_id
    async with backends(request).database.begin() as session:
        member = await members.get(session, program_id, member_id)
        names = await members.list_identities(session, program_id, [member.id])
    return answer(member_document(member, names[member.id]))


@router.get(
    "/v1/members/by-identity/{source}/{external_id:any}",
    operation_id="get_member_by_identity",
    summary="Read the member of a name",
    **operation(Scope.MEMBERS_READ, {200: MemberDocument}, refusals=("not_found",)),
)
async def get_member_by_identity(
    request: Request,
    source: Annotated[Name, Path(examples=["email"])],
    external_id: Annotated[Name, Path(examples=["ada@example.com"])],
) -> Response:
    """By a name in any system: `email`, `laurel.external_id` for the program's own, or another source's."""
    program_id = caller(request).program_id
    async with backends(request).database.begin() as session:
        member = await members.find_by_identity(session, program_id, Identity(source, external_id))
        if member is None:
            raise Problem("not_found", "no member has this name")
        names = await members.list_identities(session, program_id, [member.id])
    return answer(member_document(member, names[member.id]))


@router.get(
    "/v1/members/{member_id:mem}/balance",
    operation_id="get_balance",
    summary="Read a member's balance",
    **operation(
        Scope.BALANCES_READ,
        {200: BalanceDocument, 304: None},
        refusals=("not_found",),
        takes_etag=True,
        for_members=True,
    ),
)
async def get_balance(request: Request, member_id: MemberId, query: Annotated[MomentQuery, Query()]) -> Response:
    """What can be spent now, what is held, and what expires next; or the same as of any moment.

    Of now with an ETag: sent back as If-None-Match it is answered with 304 while nothing has changed.
    """
    here, program_id = backends(request), caller(request).program_id
    now = here.clock()
    async with here.database.begin() as session:
        member = await known(session, program_id, member_id, query.unit)
        if query.at is not None or query.known_at is not None:
            period = query.period(member_id, now)
            return answer(
                balance_document(await account_statements.balance(session, program_id, period, member.time_zone))
            )
        version = await members.balance_version(session, program_id, member_id, query.unit)
        given = request.headers.get("if-none-match", "")
        if still_right(given, version, now):
            return Response(status_code=304, headers=REVALIDATED | {"ETag": given})
        balance = await members.balance(session, program_id, member_id, as_of=now, unit=query.unit)
    return answer(balance_document(balance), headers=REVALIDATED | {"ETag": etag(balance)})


def etag(balance: Balance) -> str:
    """The version, and the second from which on it is another balance though nothing was posted: value lapses then."""
    until = math.floor(balance.next_expiry_at.timestamp()) if balance.next_expiry_at else NEVER
    return f'"{balance.version}.{until}"'


def still_right(given: str, version: int, now: datetime) -> bool:
    """Whether the caller has the balance of this version, and nothing has lapsed of it since."""
    tag = _ETAG.fullmatch(given)
    return tag is not None and int(tag[1]) == version and now.timestamp() < int(tag[2])


@router.get(
    "/v1/members/{member_id:mem}/history",
    operation_id="list_history",
    summary="List what a member earned and redeemed, newest first",
    **operation(
        Scope.BALANCES_READ, {200: Page[HistoryDocument]}, refusals=("not_found", "invalid_cursor"), for_members=True
    ),
)
async def list_history(request: Request, member_id: MemberId, query: Annotated[PageQuery, Query()]) -> Response:
    """Each transaction of the ledger with the event or the order behind it."""
    program_id = caller(request).program_id

    async def page(session: AsyncSession, before: Sequence[Any] | None, limit: int) -> Sequence[HistoryItem]:
        await members.get(session, program_id, member_id)
        below = {"before": before[0]} if before else {}
        return await members.history(session, program_id, member_id, limit, **below)

    of = ("history", member_id)
    return await pages.answer_page(request, query, of, page, lambda item: (item.position,), history_document)
