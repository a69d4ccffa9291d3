"""Absences: said of one member or of many, listed, and withdrawn."""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from api import bodies, idempotency, pages
from api.auth import caller
from api.backends import backends
from api.idempotency import Answer
from api.operations import Operation, operation
from api.problems import faults_of_row
from api.schemas.absences import (
    AbsenceBody,
    AbsenceDocument,
    AbsenceItem,
    AbsenceOutcome,
    AbsenceQuery,
    AbsencesBody,
    AbsencesResult,
    WithdrawalItem,
    absence_document,
)
from api.schemas.base import AbsenceId, MemberId, Page
from domain.absences import Absence, AbsenceChange, AbsenceResult, AbsenceStatus, InvalidAbsence
from domain.scopes import Scope
from storage import absences, members

router = APIRouter(route_class=Operation, tags=["absences"])

EXAMPLE = {
    "source": "hr",
    "external_id": "sick-2031",
    "kind": "sick",
    "starts_on": "2026-11-16",
    "ends_on": "2026-11-18",
}
OF_MEMBER = EXAMPLE | {"member": {"source": "email", "external_id": "ada@example.com"}}
WITHDRAWAL = {"source": "hr", "external_id": "pto-1999", "withdrawn": True}


@router.post(
    "/v1/members/{member_id:mem}/absences",
    operation_id="write_absence",
    summary="Say that a member is away",
    **operation(
        Scope.ABSENCES_WRITE,
        {200: AbsenceOutcome, 201: AbsenceOutcome},
        body=AbsenceBody,
        examples={"sick": EXAMPLE},
        refusals=("not_found", "invalid_absence"),
        takes_key=True,
    ),
)
async def write_absence(request: Request, member_id: MemberId) -> Response:
    """201 if it is new, 200 if it was known or changed. Streaks that it protects are restored at once."""
    body = await bodies.read_json(request)
    change, here = bodies.parse(AbsenceBody, body).of_member(member_id), backends(request)

    async def write(session: AsyncSession) -> Answer:
        program_id = caller(request).program_id
        await members.get(session, program_id, member_id)
        [result] = await absences.write(session, program_id, [change], as_of=here.clock())
        return Answer(201 if result.status is AbsenceStatus.CREATED else 200, _result(result))

    return await idempotency.once(request, body, here.database, here.clock(), write)


@router.post(
    "/v1/absences",
    operation_id="write_absences",
    summary="Say of up to 500 absences what they are, or that they are none",
    **operation(
        Scope.ABSENCES_WRITE,
        {207: AbsencesResult},
        body=AbsencesBody,
        examples={"two": {"absences": [OF_MEMBER, WITHDRAWAL]}},
        takes_key=True,
    ),
)
async def write_absences(request: Request) -> Response:
    """In the given order, in one transaction; an item with a fault is left out, the others go in."""
    body = await bodies.read_json(request, bodies.BATCH_BYTES)
    items, here = [_readable(item) for item in bodies.parse(AbsencesBody, body).absences], backends(request)

    async def write(session: AsyncSession) -> Answer:
        changes = [item for item in items if isinstance(item, AbsenceChange)]
        written = iter(await absences.write(session, caller(request).program_id, changes, as_of=here.clock()))
        results = [item if isinstance(item, AbsenceResult) else next(written) for item in items]
        return Answer(207, {"results": [{"index": n} | _result(one) for n, one in enumerate(results)]})

    return await idempotency.once(request, body, here.database, here.clock(), write)


def _readable(item: AbsenceItem | WithdrawalItem) -> AbsenceChange | AbsenceResult:
    """The change that an item says, or its failure."""
    try:
        return item.change()
    except InvalidAbsence as error:
        return AbsenceResult(AbsenceStatus.FAILED, faults=error.faults)


@router.get(
    "/v1/members/{member_id:mem}/absences",
    operation_id="list_absences",
    summary="List a member's absences, told last first",
    **operation(Scope.ABSENCES_READ, {200: Page[AbsenceDocument]}, refusals=("not_found", "invalid_cursor")),
)
async def list_absences(request: Request, member_id: MemberId, query: Annotated[AbsenceQuery, Query()]) -> Response:
    """As they stand; or, with `ended`, all that was ever known of them."""
    program_id = caller(request).program_id

    async def page(session: AsyncSession, before: Sequence[Any] | None, limit: int) -> Sequence[Absence]:
        await members.get(session, program_id, member_id)
        below = before[0] if before else None
        return await absences.list_page(
            session, program_id, member_id=member_id, ended=query.ended, before=below, limit=limit
        )

    of = ("absences", member_id, query.ended)
    return await pages.answer_page(request, query, of, page, lambda one: (one.id,), absence_document)


@router.delete(
    "/v1/members/{member_id:mem}/absences/{absence_id:abs}",
    operation_id="withdraw_absence",
    summary="Withdraw an absence",
    **operation(Scope.ABSENCES_WRITE, {200: AbsenceDocument}, refusals=("not_found",), takes_key=True),
)
async def withdraw_absence(request: Request, member_id: MemberId, absence_id: AbsenceId) -> Response:
    """By the id of any of its versions. It stays on record, and protects nothing any more."""
    here = backends(request)

    async def withdraw(session: AsyncSession) -> Answer:
        program_id = caller(request).program_id
        ended = await absences.withdraw(session, program_id, member_id, absence_id, as_of=here.clock())
        return Answer(200, absence_document(ended))

    return await idempotency.once(request, b"", here.database, here.clock(), withdraw)


def _result(result: AbsenceResult) -> dict[str, Any]:
    document: dict[str, Any] = {"status": result.status}
    if result.absence:
        document["absence"] = absence_document(result.absence)
    if result.faults:
        document["errors"] = faults_of_row(result.faults)
    return document
