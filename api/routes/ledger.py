"""The ledger's commands, each by a route of its own or several in one request; and accounts, lots, holds, promises.

Single commands of one program share a transaction with whatever else waits (`api.writer`).
"""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from api import bodies, idempotency, pages, problems
from api.answers import answer
from api.auth import actor, caller
from api.backends import backends
from api.idempotency import REPLAYED, Answer
from api.operations import Operation, operation
from api.problems import Problem
from api.schemas.base import HoldId, MemberId, Page, PendingId
from api.schemas.ledger import (
    BalancesDocument,
    CancellationBody,
    ClosingBody,
    CommandBody,
    CommandDocument,
    CommandsBody,
    CommandsResult,
    ConfirmationBody,
    ConversionBody,
    EarningBody,
    HoldBody,
    HoldDocument,
    HoldQuery,
    LotDocument,
    LotQuery,
    PendingDocument,
    PendingQuery,
    ReleaseBody,
    ReversalBody,
    SettlementBody,
    TransferBody,
    command_document,
    command_problem,
    command_status,
    hold_document,
    lot_document,
    pending_document,
    results_document,
)
from api.schemas.members import balance_document
from domain.commands import Refused
from domain.ledger import Lot
from domain.scopes import Scope
from storage import accounts, commands, members
from storage.accounts import StoredHold, StoredPending

router = APIRouter(route_class=Operation, tags=["ledger"])

MEMBER, OTHER = "mem_01a1fd1cfa630081c74091f5d2", "mem_01a1fd1cfa630082c74091f5d2"
TRANSACTION = "txn_01a1fd1cfa630081c74091f5d2"
EARNING = {"reference": "survey-2026-03/ada", "member_id": MEMBER, "amount": 50, "reason": "Took part in the survey"}
TRANSFER = {"reference": "gift-77", "from_member_id": MEMBER, "to_member_id": OTHER, "unit": "kudos", "amount": 10}

# Any command may be refused with these.
ANY = ("duplicate_request", "backdating_refused", "effective_in_future", "unknown_unit", "command_failed")
OF_MEMBER = (*ANY, "member_not_found", "member_inactive", "account_closed")
OF_HOLD = (*ANY, "not_found", "hold_not_open", "belongs_to_order", "exceeds_original")


def _command(scope: Scope, refusals: Sequence[str], body: Any, example: dict[str, Any]) -> dict[str, Any]:
    return operation(
        scope,
        {201: CommandDocument, 200: CommandDocument},
        body=body,
        examples={"command": example},
        refusals=refusals,
        takes_key=True,
    )


async def _carry_out(request: Request, model: type[CommandBody], **named: str) -> Response:
    """Answered once it is committed: 201 if it was carried out now, 200 if it was before."""
    body = await bodies.read_json(request)
    command = bodies.parse(model, body).command(actor(request), **named)
    program_id, key = caller(request).program_id, idempotency.key_of(request, body)
    done = await backends(request).writer.command(program_id, command, key)
    headers = REPLAYED if done.replayed else None
    if isinstance(done.outcome, Refused):
        problem = command_problem(done.outcome)
        problem.headers |= headers or {}
        return problems.answer(problem, request.scope["path"])
    return answer(command_document(command.reference, done.outcome), command_status(done.outcome), headers)


# -- Commands ------------------------------------------------------------------------------------------------------


@router.post(
    "/v1/ledger/commands",
    operation_id="execute_commands",
    summary="Carry out up to 500 commands",
    **operation(
        Scope.LEDGER_WRITE,
        {207: CommandsResult},
        body=CommandsBody,
        examples={"two": {"commands": [{"kind": "earn", **EARNING}, {"kind": "transfer", **TRANSFER}]}},
        takes_key=True,
    ),
)
async def execute_commands(request: Request) -> Response:
    """Carried out in the given order, in one transaction; each has a result of its own."""
    body = await bodies.read_json(request, bodies.BATCH_BYTES)
    wanted = [one.command(actor(request)) for one in bodies.parse(CommandsBody, body).commands]
    program_id, here = caller(request).program_id, backends(request)

    async def execute(session: AsyncSession) -> Answer:
        outcomes = await commands.execute(session, program_id, wanted, as_of=here.clock())
        return Answer(207, results_document(wanted, outcomes))

    done = await idempotency.once(request, body, here.database, here.clock(), execute)
    return done


@router.post(
    "/v1/earnings",
    operation_id="grant_earning",
    summary="Grant value, at once or promised",
    **_command(Scope.EARNINGS_WRITE, (*OF_MEMBER, "expires_in_past"), EarningBody, EARNING),
)
async def grant_earning(request: Request) -> Response:
    """For what no event earns. Promised value is confirmed or cancelled later."""
    return await _carry_out(request, EarningBody)


@router.post(
    "/v1/holds",
    operation_id="place_hold",
    summary="Set value aside",
    **_command(
        Scope.HOLDS_WRITE,
        (*OF_MEMBER, "insufficient_points", "expires_in_past"),
        HoldBody,
        {"reference": "booking-12", "member_id": MEMBER, "amount": 100, "expires_at": "2027-03-04T12:00:00Z"},
    ),
)
async def place_hold(request: Request) -> Response:
    """Until it is settled or released, or expires; what is held does not lapse."""
    return await _carry_out(request, HoldBody)


@router.post(
    "/v1/holds/{hold_id:hld}/settle",
    operation_id="settle_hold",
    summary="Spend what is held, or a part",
    **_command(Scope.HOLDS_WRITE, OF_HOLD, SettlementBody, {"reference": "booking-12/paid", "amount": 80}),
)
async def settle_hold(request: Request, hold_id: HoldId) -> Response:
    """For good; a settlement can be reversed."""
    return await _carry_out(request, SettlementBody, hold_id=hold_id)


@router.post(
    "/v1/holds/{hold_id:hld}/release",
    operation_id="release_hold",
    summary="Give back what is held, or a part",
    **_command(Scope.HOLDS_WRITE, OF_HOLD, ReleaseBody, {"reference": "booking-12/rest"}),
)
async def release_hold(request: Request, hold_id: HoldId) -> Response:
    """Into the lots it came from; what has lapsed meanwhile follows the unit's policy."""
    return await _carry_out(request, ReleaseBody, hold_id=hold_id)


@router.post(
    "/v1/transfers",
    operation_id="transfer",
    summary="Transfer value to another member",
    **_command(
        Scope.TRANSFERS_WRITE,
        (*OF_MEMBER, "insufficient_points", "limit_reached", "transfers_not_allowed", "self_transfer"),
        TransferBody,
        TRANSFER,
    ),
)
async def transfer(request: Request) -> Response:
    """Within the unit's limits; what arrives lapses when it would have lapsed before."""
    return await _carry_out(request, TransferBody)


@router.post(
    "/v1/conversions",
    operation_id="convert",
    summary="Convert value into another unit",
    **_command(
        Scope.CONVERSIONS_WRITE,
        (*OF_MEMBER, "insufficient_points", "conversion_not_found", "amount_too_small", "expires_in_past"),
        ConversionBody,
        {"reference": "payout-5", "member_id": MEMBER, "conversion": "points-to-cashback", "amount": 500},
    ),
)
async def convert(request: Request) -> Response:
    """At the declared rate, which is recorded; rounded down."""
    return await _carry_out(request, ConversionBody)


@router.post(
    "/v1/reversals",
    operation_id="reverse",
    summary="Reverse a transaction, or a part",
    **_command(
        Scope.REVERSALS_WRITE,
        (*ANY, "not_found", "already_reversed", "not_reversible", "exceeds_original", "belongs_to_order",
         "insufficient_points", "account_closed"),
        ReversalBody,
        {"reference": "booking-12/refund", "transaction_id": TRANSACTION, "amount": 30},
    ),
)  # fmt: skip
async def reverse(request: Request) -> Response:
    """Once, never for more than it moved; value goes back into its lots. What is spent already may become debt."""
    return await _carry_out(request, ReversalBody)


@router.post(
    "/v1/pendings/{pending_id:pnd}/confirm",
    operation_id="confirm_pending",
    summary="Make promised value available",
    **_command(
        Scope.EARNINGS_WRITE,
        (*ANY, "not_found", "pending_not_open", "member_inactive", "account_closed"),
        ConfirmationBody,
        {"reference": "survey-2026-03/ada/ok"},
    ),
)
async def confirm_pending(request: Request, pending_id: PendingId) -> Response:
    """It counts as earned from now on."""
    return await _carry_out(request, ConfirmationBody, pending_id=pending_id)


@router.post(
    "/v1/pendings/{pending_id:pnd}/cancel",
    operation_id="cancel_pending",
    summary="Take promised value back",
    **_command(
        Scope.EARNINGS_WRITE,
        (*ANY, "not_found", "pending_not_open"),
        CancellationBody,
        {"reference": "survey-2026-03/ada/no"},
    ),
)
async def cancel_pending(request: Request, pending_id: PendingId) -> Response:
    """It was never earned."""
    return await _carry_out(request, CancellationBody, pending_id=pending_id)


@router.post(
    "/v1/accounts/close",
    operation_id="close_account",
    summary="Close a member's account",
    **_command(
        Scope.LEDGER_WRITE,
        (*ANY, "member_not_found", "account_not_empty"),
        ClosingBody,
        {"reference": "left-2026/ada/kudos", "member_id": MEMBER, "unit": "kudos"},
    ),
)
async def close_account(request: Request) -> Response:
    """Of one unit, when nothing is in it, held, promised or owed; it takes nothing any more."""
    return await _carry_out(request, ClosingBody)


# -- Reading -------------------------------------------------------------------------------------------------------


@router.get(
    "/v1/members/{member_id:mem}/balances",
    operation_id="list_balances",
    summary="Read a member's balances of every unit",
    **operation(Scope.BALANCES_READ, {200: BalancesDocument}, refusals=("not_found",)),
)
async def list_balances(request: Request, member_id: MemberId) -> Response:
    """Those that the program declares, and those that the member ever had."""
    here, program_id = backends(request), caller(request).program_id
    async with here.database.snapshot() as session:
        await members.get(session, program_id, member_id)
        found = await accounts.list_balances(session, program_id, member_id, as_of=here.clock())
    return answer({"member_id": member_id, "balances": [balance_document(balance) for balance in found]})


@router.get(
    "/v1/members/{member_id:mem}/lots",
    operation_id="list_lots",
    summary="List a member's open lots",
    **operation(Scope.LEDGER_READ, {200: Page[LotDocument]}, refusals=("not_found", "invalid_cursor")),
)
async def list_lots(request: Request, member_id: MemberId, query: Annotated[LotQuery, Query()]) -> Response:
    """In the order in which they were granted; they are spent in the order in which they lapse."""
    program_id = caller(request).program_id

    async def page(session: AsyncSession, after: Sequence[Any] | None, limit: int) -> Sequence[Lot]:
        await members.get(session, program_id, member_id)
        begin = after[0] if after else ""
        return await accounts.list_lots(session, program_id, member_id, query.unit, after=begin, limit=limit)

    of = ("lots", member_id, query.unit)
    return await pages.answer_page(request, query, of, page, lambda lot: (lot.id,), lot_document)


@router.get(
    "/v1/holds",
    operation_id="list_holds",
    summary="List holds, newest first",
    **operation(Scope.LEDGER_READ, {200: Page[HoldDocument]}, refusals=("invalid_cursor",)),
)
async def list_holds(request: Request, query: Annotated[HoldQuery, Query()]) -> Response:
    """Those of orders as well, which end with their orders."""
    program_id, member_id, state = caller(request).program_id, query.member_id, query.state

    async def page(session: AsyncSession, before: Sequence[Any] | None, limit: int) -> Sequence[StoredHold]:
        below = before[0] if before else None
        return await accounts.list_holds(
            session, program_id, member_id=member_id, state=state, before=below, limit=limit
        )

    of = ("holds", member_id, state)
    return await pages.answer_page(request, query, of, page, lambda one: (one.id,), hold_document)


@router.get(
    "/v1/holds/{hold_id:hld}",
    operation_id="get_hold",
    summary="Read one hold",
    **operation(Scope.LEDGER_READ, {200: HoldDocument}, refusals=("not_found",)),
)
async def get_hold(request: Request, hold_id: HoldId) -> Response:
    """With what of it was settled and released."""
    async with backends(request).database.begin() as session:
        hold = await accounts.find_hold(session, caller(request).program_id, hold_id)
    if hold is None:
        raise Problem("not_found", f"no hold {hold_id}")
    return answer(hold_document(hold))


@router.get(
    "/v1/pendings",
    operation_id="list_pendings",
    summary="List promised value, newest first",
    **operation(Scope.LEDGER_READ, {200: Page[PendingDocument]}, refusals=("invalid_cursor",)),
)
async def list_pendings(request: Request, query: Annotated[PendingQuery, Query()]) -> Response:
    """What waits for a date, or (available_at is null) for somebody to confirm it."""
    program_id, member_id, state = caller(request).program_id, query.member_id, query.state

    async def page(session: AsyncSession, before: Sequence[Any] | None, limit: int) -> Sequence[StoredPending]:
        below = before[0] if before else None
        return await accounts.list_pendings(
            session, program_id, member_id=member_id, state=state, before=below, limit=limit
        )

    of = ("pendings", member_id, state)
    return await pages.answer_page(request, query, of, page, lambda one: (one.id,), pending_document)
