"""Proofs: what convinces a member, or whom the member shows it to, that a line of the statement stands in the book."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from api.answers import answer
from api.auth import caller
from api.backends import backends
from api.operations import Operation, operation
from api.problems import Problem
from api.schemas.base import MemberId
from api.schemas.proofs import ProofDocument, ProofQuery
from domain.ledger import member_account
from domain.scopes import Scope
from storage import members, proofs

router = APIRouter(route_class=Operation, tags=["members"])


@router.get(
    "/v1/members/{member_id:mem}/proof",
    operation_id="get_proof",
    summary="Prove a line of a member's statement",
    **operation(Scope.BALANCES_READ, {200: ProofDocument}, refusals=("not_found",)),
)
async def get_proof(request: Request, member_id: MemberId, query: Annotated[ProofQuery, Query()]) -> Response:
    """It shows that line and nobody else's. Not found until a checkpoint is signed, some ten minutes after the line."""
    here, program_id = backends(request), caller(request).program_id
    async with here.database.snapshot() as session:
        await members.get(session, program_id, member_id)
        account_id = member_account(member_id, query.unit)
        try:
            proof = await proofs.get(session, program_id, query.transaction_id, account_id=account_id, n=query.n)
        except proofs.NotProvable as error:
            raise Problem("not_found", str(error)) from None
    return answer(proof.as_json())
