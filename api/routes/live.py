"""Live balances as server-sent events or over a WebSocket: the present balance at once, then every newer one.

A balance is known by its version. Who names the version that it has is told nothing until there is something newer.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Header, Query, Request, Response, WebSocket
from starlette.requests import HTTPConnection
from starlette.types import Receive, Scope, Send

from api.answers import as_json
from api.auth import caller, require
from api.backends import backends
from api.live import Door, End, Watch
from api.operations import Events, Operation, operation
from api.problems import Problem
from api.routes.account_statements import known
from api.schemas.base import MemberId
from api.schemas.live import SocketQuery, StreamQuery
from api.schemas.members import BalanceDocument, balance_document
from domain.members import Balance
from domain.scopes import Scope as Permission
from storage import members
from storage.failures import is_transient

router = APIRouter(route_class=Operation, tags=["members"])

# Proxies give up on lines that are silent for a minute; within this time, too, a token that ended ends its streams.
HEARTBEAT_SECONDS = 15.0
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
# What pages name beside their token: a browser gives up unless the server takes one of those that it offers.
SUBPROTOCOL = "laurel.balance"
NO_PONG = 1011
REFUSED = 4000  # and the status with which the same credential is answered elsewhere

Tell = Callable[[Balance | None], Awaitable[None]]


@router.get(
    "/v1/members/{member_id:mem}/balance/stream",
    operation_id="stream_balance",
    summary="Watch a member's balance",
    **operation(
        Permission.BALANCES_READ,
        {200: Events("balance", BalanceDocument)},
        refusals=("not_found",),
        for_members=True,
    ),
)
async def stream_balance(
    request: Request,
    member_id: MemberId,
    query: Annotated[StreamQuery, Query()],
    last_event_id: Annotated[str, Header(description="The last `id` that the caller has.")] = "",
) -> Response:
    """Server-sent events `balance`: the present one first, then the newest after each change.

    `id` is the balance's version; who has it, by Last-Event-ID, is told nothing until there is a newer one. The stream
    ends when the credential does; connect again. `/balance/socket` tells the same over a WebSocket.
    """
    version = int(last_event_id) if last_event_id.isdecimal() and len(last_event_id) < 20 else None
    with ExitStack() as opened:
        watch = opened.enter_context(await _watch(request, Door.EVENTS, member_id, query.unit, version))
        return Stream(watch, opened.pop_all())


@router.websocket("/v1/members/{member_id:mem}/balance/socket")
async def open_socket(websocket: WebSocket, member_id: MemberId, query: Annotated[SocketQuery, Query()]) -> None:
    """The same as JSON texts with `event`, `id` and `data`."""
    require(websocket, Permission.BALANCES_READ, for_members=True)
    structlog.contextvars.bind_contextvars(member_id=member_id)
    with await _watch(websocket, Door.SOCKET, member_id, query.unit, query.last_event_id) as watch:
        websocket.scope["is_stream"] = True
        await websocket.accept(SUBPROTOCOL if SUBPROTOCOL in websocket.scope["subprotocols"] else None)

        async def tell(balance: Balance | None) -> None:
            if balance is not None:  # else the server's pings show that the line is alive
                await websocket.send_text(_message(balance))

        if refusal := await _follow(watch, tell, websocket.scope, websocket.receive):
            await websocket.close(REFUSED + refusal.kind.status, refusal.kind.code)


async def _watch(
    connection: HTTPConnection, door: Door, member_id: str, unit: str, version: int | None
) -> AbstractContextManager[Watch]:
    here, program_id, now = backends(connection), caller(connection).program_id, backends(connection).clock()
    async with here.database.begin() as session:
        await known(session, program_id, member_id, unit)
        seen = None
        if version is not None and not await members.has_lapsed(session, program_id, member_id, as_of=now, unit=unit):
            present = await members.balance(session, program_id, member_id, as_of=now, unit=unit)
            seen = present if present.version == version else None
    return here.live.watch(door, program_id, member_id, unit, seen)


class Stream(Response):
    """Server-sent events until the caller leaves or may no longer listen."""

    def __init__(self, watch: Watch, opened: ExitStack) -> None:
        super().__init__(headers=HEADERS, media_type="text/event-stream")
        del self.headers["content-length"]
        self._watch = watch
        self._opened = opened

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["is_stream"] = True

        async def tell(balance: Balance | None) -> None:
            event = _event(balance) if balance is not None else b": still here\n\n"
            await send({"type": "http.response.body", "body": event, "more_body": True})

        with self._opened:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            await send({"type": "http.response.body", "body": b": here\n\n", "more_body": True})  # nothing holds it up
            await _follow(self._watch, tell, scope, receive)
        await send({"type": "http.response.body", "body": b""})


async def _follow(watch: Watch, tell: Tell, scope: Scope, receive: Receive) -> Problem | None:
    """Tell what is newer until the caller leaves, or may no longer listen: then why."""
    telling = asyncio.create_task(_tell(watch, tell, scope))
    leaving = asyncio.create_task(_left(watch, receive))
    try:
        await asyncio.wait((telling, leaving), return_when=asyncio.FIRST_COMPLETED)
    finally:
        leaving.cancel()
        telling.cancel()
    return telling.result() if telling.done() and not telling.cancelled() else None


async def _tell(watch: Watch, tell: Tell, scope: Scope) -> Problem:
    while True:
        newest = await watch.next(HEARTBEAT_SECONDS)
        with watch.sending():
            await tell(newest)
        try:
            await scope["authenticate"](scope)
        except Exception as error:
            if isinstance(error, Problem):
                watch.end = End.REFUSED
                return error
            if not is_transient(error):  # while the database is away it has nothing to tell, either
                raise


async def _left(watch: Watch, receive: Receive) -> None:
    while not (message := await receive())["type"].endswith(".disconnect"):
        pass
    if watch.is_behind or message.get("code") == NO_PONG:
        watch.end = End.SLOW


def _event(balance: Balance) -> bytes:
    return b"id: %d\nevent: balance\ndata: %b\n\n" % (balance.version or 0, as_json(balance_document(balance)))


def _message(balance: Balance) -> str:
    told: Mapping[str, Any] = {"event": "balance", "id": balance.version or 0, "data": balance_document(balance)}
    return as_json(told).decode()
