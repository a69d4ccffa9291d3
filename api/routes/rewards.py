"""Rewards: what a member was given, and the member's choice."""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from api import bodies, idempotency, pages
from api.answers import answer
from api.auth import actor, caller
from api.backends import backends
from api.idempotency import Answer
from api.operations import Operation, operation
from api.routes.orders import REFUSALS
from api.schemas.base import MemberId, Page, RewardId
from api.schemas.orders import ChoiceBody, OrderDocument, order_document
from api.schemas.rewards import RewardDocument, RewardQuery, reward_document
from connectors.vendors import REQUEST_BODIES
from domain.scopes import Scope
from storage import members, milestones, rewards
from storage.milestones import RewardExplained

router = APIRouter(route_class=Operation, tags=["rewards"])


@router.get(
    "/v1/members/{member_id:mem}/rewards",
    operation_id="list_rewards",
    summary="List a member's rewards, newest first",
    **operation(Scope.ORDERS_READ, {200: Page[RewardDocument]}, refusals=("not_found", "invalid_cursor")),
)
async def list_rewards(request: Request, member_id: MemberId, query: Annotated[RewardQuery, Query()]) -> Response:
    """Those that wait for the member's choice: `state=offered`."""
    program_id = caller(request).program_id

    async def page(session: AsyncSession, before: Sequence[Any] | None, limit: int) -> list[dict[str, Any]]:
        await members.get(session, program_id, member_id)
        found = await rewards.list_page(
            session,
            program_id,
            member_id=member_id,
            state=query.state,
            before=before[0] if before else None,
            limit=limit,
        )
        return [reward_document(given, await rewards.get_definition(session, given)) for given in found]

    of = ("rewards", member_id, query.state)
    return await pages.answer_page(request, query, of, page, lambda reward: (reward["id"],), dict)


@router.get(
    "/v1/rewards/{reward_id:rwd}",
    operation_id="get_reward",
    summary="Read one reward",
    **operation(Scope.ORDERS_READ, {200: RewardDocument}, refusals=("not_found",)),
)
async def get_reward(request: Request, reward_id: RewardId) -> Response:
    """With the items from which the member chooses."""
    async with backends(request).database.begin() as session:
        given = await rewards.get(session, caller(request).program_id, reward_id)
        definition = await rewards.get_definition(session, given)
    return answer(reward_document(given, definition))


@router.get(
    "/v1/rewards/{reward_id:rwd}/explanation",
    operation_id="explain_reward",
    summary="Explain by what a reward was given",
    **operation(Scope.ORDERS_READ, {200: RewardExplained}, refusals=("not_found",)),
)
async def explain_reward(request: Request, reward_id: RewardId) -> Response:
    """By a rule for an event; or for crossing a milestone, with what there was before and after."""
    async with backends(request).database.begin() as session:
        explained = await milestones.explain_reward(session, caller(request).program_id, reward_id)
    return answer(explained)


@router.post(
    "/v1/rewards/{reward_id:rwd}/choose",
    operation_id="choose_reward",
    summary="Choose an item of a reward",
    **operation(
        Scope.ORDERS_WRITE,
        {201: OrderDocument},
        body=ChoiceBody,
        examples={"card": {"item": "coffee-card", "recipient_email": "ada@example.com"}},
        refusals=(*REFUSALS, "reward_not_offered", "not_found"),
        takes_key=True,
    ),
)
async def choose_reward(request: Request, reward_id: RewardId) -> Response:
    """Ordered at once; a refusal leaves the reward on offer."""
    body = await bodies.read_json(request)
    choice, here = bodies.parse(ChoiceBody, body), backends(request)

    async def choose(session: AsyncSession) -> Answer:
        order = await rewards.choose(
            session,
            caller(request).program_id,
            reward_id,
            item=choice.item,
            request_bodies=REQUEST_BODIES,
            actor=actor(request),
            now=here.clock(),
            **choice.delivery,
        )
        return Answer(201, order_document(order))

    done = await idempotency.once(request, body, here.database, here.clock(), choose)
    return done


@router.post(
    "/v1/rewards/{reward_id:rwd}/decline",
    operation_id="decline_reward",
    summary="Decline a reward",
    **operation(
        Scope.ORDERS_WRITE,
        {200: RewardDocument},
        refusals=("reward_not_offered", "not_found"),
        takes_key=True,
    ),
)
async def decline_reward(request: Request, reward_id: RewardId) -> Response:
    """For ever; nothing is ordered."""
    here = backends(request)

    async def decline(session: AsyncSession) -> Answer:
        given = await rewards.decline(session, caller(request).program_id, reward_id, now=here.clock())
        return Answer(200, reward_document(given, await rewards.get_definition(session, given)))

    done = await idempotency.once(request, b"", here.database, here.clock(), decline)
    return done
