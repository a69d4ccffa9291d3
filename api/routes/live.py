"""Live balances as server-sent events: the present balance at once, then every newer one."""

import asyncio
from contextlib import ExitStack
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from starlette.types import Receive, Scope, Send

from api.answers import as_json
from api.auth import caller
from api.backends import backends
from api.live import Watch
from api.operations import Operation, operation
from api.problems import Problem
from api.routes.account_statements import known
from api.schemas.base import MemberId
from api.schemas.live import StreamQuery
from api.schemas.members import BalanceDocument, balance_document
from domain.members import Balance
from domain.scopes import Scope as Permission

router = APIRouter(route_class=Operation, tags=["members"])

# Proxies give up on lines that are silent for a minute; within this time, too, a token that ended ends its streams.
HEARTBEAT_SECONDS = 15.0
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


@router.get(
    "/v1/members/{member_id:mem}/balance/stream",
    operation_id="stream_balance",
    summary="Watch a member's balance",
    **operation(Permission.BALANCES_READ, {200: BalanceDocument}, refusals=("not_found",), for_members=True),
)
async def stream_balance(request: Request, member_id: MemberId, query: Annotated[StreamQuery, Query()]) -> Response:
    """Server-sent events `balance`: the present one first, whatever was missed, then the newest after each change.

    `id` is the balance's version. The stream ends when the credential does; connect again.
    """
    here, program_id = backends(request), caller(request).program_id
    async with here.database.begin() as session:
        await known(session, program_id, member_id, query.unit)
    with ExitStack() as opened:
        watch = opened.enter_context(here.live.watch(program_id, member_id, query.unit))
        return Stream(watch, opened.pop_all())


class Stream(Response):
    """Server-sent events until the caller leaves or may no longer listen."""

    def __init__(self, watch: Watch, opened: ExitStack) -> None:
        super().__init__(headers=HEADERS, media_type="text/event-stream")
        del self.headers["content-length"]
        self._watch = watch
        self._opened = opened

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._opened:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            telling = asyncio.create_task(self._tell(scope, send))
            leaving = asyncio.create_task(_left(receive))
            try:
                await asyncio.wait((telling, leaving), return_when=asyncio.FIRST_COMPLETED)
            finally:
                leaving.cancel()
                telling.cancel()
            if telling.done() and not telling.cancelled():
                telling.result()
        await send({"type": "http.response.body", "body": b""})

    async def _tell(self, scope: Scope, send: Send) -> None:
        while True:
            newest = await self._watch.next(HEARTBEAT_SECONDS)
            event = _event(newest) if newest is not None else b": still here\n\n"
            await send({"type": "http.response.body", "body": event, "more_body": True})
            try:
                await scope["authenticate"]()
            except Problem:
                return


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _event(balance: Balance) -> bytes:
    return b"id: %d\nevent: balance\ndata: %b\n\n" % (balance.version or 0, as_json(balance_document(balance)))
