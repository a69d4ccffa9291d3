"""The program of the caller's key: its switch, its limits, and whose pages may use its member tokens."""

from fastapi import APIRouter, Request, Response

from api import bodies
from api.answers import answer
from api.auth import caller
from api.backends import backends
from api.operations import Operation, operation
from api.schemas.programs import OriginsBody, OriginsDocument, ProgramBody, ProgramDocument, program_document
from domain.scopes import Scope
from storage import orders, programs

router = APIRouter(route_class=Operation, tags=["program"])

EXAMPLE = {
    "orders_paused": False,
    "daily_limit_minor": 50_000,
    "monthly_limit_minor": 500_000,
    "limit_currency": "USD",
}


@router.get(
    "/v1/program",
    operation_id="get_program",
    summary="Read the program",
    **operation(Scope.PROGRAMS_ADMIN, {200: ProgramDocument}),
)
async def get_program(request: Request) -> Response:
    """With its pause switch and the limits of its orders."""
    async with backends(request).database.begin() as session:
        program = await programs.get(session, caller(request).program_id)
    return answer(program_document(program))


@router.put(
    "/v1/program",
    operation_id="set_program",
    summary="Set the pause switch and the limits of orders",
    **operation(Scope.PROGRAMS_ADMIN, {200: ProgramDocument}, body=ProgramBody, examples={"limits": EXAMPLE}),
)
async def set_program(request: Request) -> Response:
    """Orders that waited for the switch go on when it is off again."""
    body = bodies.parse(ProgramBody, await bodies.read_json(request))
    here, program_id = backends(request), caller(request).program_id
    async with here.database.begin() as session:
        await programs.set_limits(
            session,
            program_id,
            daily_minor=body.daily_limit_minor,
            monthly_minor=body.monthly_limit_minor,
            currency=body.limit_currency,
        )
        if body.orders_paused:
            await orders.pause(session, program_id)
        else:
            await orders.resume(session, program_id, now=here.clock())
        program = await programs.get(session, program_id)
    return answer(program_document(program))


@router.get(
    "/v1/program/origins",
    operation_id="get_origins",
    summary="Read whose pages may use member tokens",
    **operation(Scope.PROGRAMS_ADMIN, {200: OriginsDocument}),
)
async def get_origins(request: Request) -> Response:
    """The origins of web sites; pages of others are refused."""
    async with backends(request).database.begin() as session:
        program = await programs.get(session, caller(request).program_id)
    return answer({"origins": program.origins})


@router.put(
    "/v1/program/origins",
    operation_id="set_origins",
    summary="Set whose pages may use member tokens",
    **operation(
        Scope.PROGRAMS_ADMIN,
        {200: OriginsDocument},
        body=OriginsBody,
        examples={"one": {"origins": ["https://app.example.com"]}},
    ),
)
async def set_origins(request: Request) -> Response:
    """Just these from now on, everywhere within five seconds; streams that are open to others end."""
    body = bodies.parse(OriginsBody, await bodies.read_json(request))
    program_id = caller(request).program_id
    async with backends(request).database.begin() as session:
        await programs.set_origins(session, program_id, body.origins)
        program = await programs.get(session, program_id)
    return answer({"origins": program.origins})
