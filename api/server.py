"""The HTTP server: uvicorn, but nobody keeps it waiting for long, and no number of connections shuts others out.

A peer is the other end of one TCP connection. It is late while it owes us something: the whole head of a request,
taking what we send, or the end of a WebSocket that is closing. Nobody is late for longer than HTTP_PATIENCE_SECONDS,
and at most HTTP_CONNECTIONS are open: a newcomer takes the place of who has been late longest. Bodies have a deadline
of their own (`api.bodies`).
"""

import logging
import socket
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import Any, cast

import uvicorn
from starlette.types import ASGIApp, Scope
from uvicorn._types import ASGISendEvent
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState
from websockets.datastructures import Headers
from websockets.frames import CloseCode, Frame
from websockets.http11 import Response
from websockets.server import ServerProtocol

import runtime
from api import problems
from api.problems import Problem
from settings import Settings

HEAD_MAX_BYTES = 64 * 1024
# How often we ping who is at a WebSocket, and how long we wait for the pong.
PING_SECONDS = 15.0
PONG_SECONDS = 15.0
SAID_MAX_BYTES = 125  # of one message: the most that a ping or a close holds
# What the kernel keeps for a reader that does not read; beyond it, newer balances take the place of older ones.
UNREAD_BYTES = 8 * 1024


class Late:
    """The peers that owe us something, who has owed longest first."""

    def __init__(self, patience_seconds: float) -> None:
        self._patience_seconds = patience_seconds
        self._since: OrderedDict[Peer | Socket, float] = OrderedDict()

    def add(self, peer: "Peer | Socket") -> None:
        """It owes something from now on."""
        self._since[peer] = time.monotonic()
        self._since.move_to_end(peer)

    def discard(self, peer: "Peer | Socket") -> None:
        """It owes nothing."""
        self._since.pop(peer, None)

    def hang_up_on_longest(self) -> None:
        """Close the connection of who has been late longest, if anybody is."""
        if self._since:
            peer, _ = self._since.popitem(last=False)
            peer.transport.abort()

    def hang_up_on_overdue(self) -> None:
        """Close the connections of all who have been late for too long."""
        bound = time.monotonic() - self._patience_seconds
        while self._since and next(iter(self._since.values())) <= bound:
            self.hang_up_on_longest()


class Config(uvicorn.Config):
    """Every option of the server, taken from the settings."""

    def __init__(self, create_app: Callable[[], ASGIApp], settings: Settings) -> None:
        super().__init__(
            create_app,
            factory=True,
            host=settings.laurel_host,
            port=settings.laurel_port,
            http=Peer,
            ws=Socket,
            ws_ping_interval=PING_SECONDS,
            ws_ping_timeout=PONG_SECONDS,
            log_config=None,
            access_log=False,
            timeout_keep_alive=settings.http_patience_seconds,
            timeout_graceful_shutdown=settings.shutdown_seconds,
        )
        self.connections_max = settings.http_connections
        self.late = Late(settings.http_patience_seconds)


class Peer(HttpToolsProtocol):
    """One connection, which says when its caller begins and ceases to be late."""

    def __init__(self, config: Config, server_state: ServerState, app_state: dict[str, Any], _loop: Any = None) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._late = config.late
        self._connections_max = config.connections_max
        self._is_in_head = False
        self._head_bytes = 0

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._late.add(self)
        if len(self.connections) > self._connections_max:
            self._late.hang_up_on_longest()

    def connection_lost(self, exc: Exception | None) -> None:
        self._late.discard(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        was_in_head = self._is_in_head
        super().data_received(data)
        if was_in_head and self._is_in_head:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_MAX_BYTES:
                self._refuse("head_too_large")

    def on_message_begin(self) -> None:
        self._is_in_head, self._head_bytes = True, 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._is_in_head = False
        if not self.flow.write_paused:  # else it asks for more, and has not yet taken what it asked for before
            self._late.discard(self)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        cast("Scope", self.scope)["is_whole"] = True  # no part of its body is waited for (`api.bodies`)
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.cycle.response_complete:  # no further request is waiting for its turn
            self._late.add(self)

    def handle_websocket_upgrade(self) -> None:
        if self.cycle is None or self.cycle.response_complete:
            super().handle_websocket_upgrade()
        else:
            self.transport.close()  # its earlier request is not answered yet

    def shutdown(self) -> None:
        if self.cycle is not None and self.cycle.response_started and not self.cycle.response_complete:
            self.transport.close()  # a stream, which has no end of its own: its caller connects again
        else:
            super().shutdown()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._late.add(self)

    def resume_writing(self) -> None:
        super().resume_writing()
        if not self.cycle.response_complete:
            self._late.discard(self)

    def send_400_response(self, _msg: str) -> None:
        """What uvicorn calls for bytes that are no HTTP."""
        self._refuse("malformed_request")

    def _refuse(self, code: str) -> None:
        answer = problems.answer(Problem(code))
        headers = [*answer.raw_headers, (b"connection", b"close")]
        head = b"".join(b"%b: %b\r\n" % header for header in headers)
        self.transport.write(STATUS_LINE[answer.status_code] + head + b"\r\n" + bytes(answer.body))
        self.transport.close()


class Socket(WebSocketsSansIOProtocol):
    """One WebSocket, to which its caller may send nothing but pings, pongs and a close."""

    def __init__(self, config: Config, server_state: ServerState, app_state: dict[str, Any], _loop: Any = None) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.logger = logging.getLogger("uvicorn.access")  # `telemetry` keeps it quiet: we write such lines ourselves
        self.conn = Handshake(max_size=SAID_MAX_BYTES, logger=self.logger)
        self._late = config.late

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._late.add(self)
        transport.set_write_buffer_limits(high=0)
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, UNREAD_BYTES)

    def connection_lost(self, exc: Exception | None) -> None:
        self._late.discard(self)
        super().connection_lost(exc)

    def handle_connect(self, event: Any) -> None:
        self._late.discard(self)
        super().handle_connect(event)

    def handle_text(self, event: Frame) -> None:
        self._refuse()

    handle_bytes = handle_cont = handle_text

    def _refuse(self) -> None:
        self.conn.fail(CloseCode.UNSUPPORTED_DATA, "there is nothing to send here")
        self.handle_parser_exception()

    def handle_parser_exception(self) -> None:
        super().handle_parser_exception()
        self._late.add(self)

    def keepalive_timeout(self) -> None:
        """What uvicorn calls when a ping was not answered in time."""
        self.queue.put_nowait({"type": "websocket.disconnect", "code": CloseCode.INTERNAL_ERROR})
        super().keepalive_timeout()
        self._late.add(self)

    async def send(self, message: ASGISendEvent) -> None:
        await super().send(message)
        if self.close_sent:
            self.handshake_complete = True  # also by a refusal, or uvicorn would log that it misses an answer
            self._late.add(self)

    def pause_writing(self) -> None:
        super().pause_writing()
        self.transport.pause_reading()  # else each of its pings would leave a pong to be kept
        self._late.add(self)

    def resume_writing(self) -> None:
        super().resume_writing()
        self.transport.resume_reading()
        if not self.close_sent:
            self._late.discard(self)


class Handshake(ServerProtocol):
    """The library's part of a WebSocket, which refuses handshakes with problems."""

    def reject(self, status: int, text: str) -> Response:
        answer = problems.answer(Problem("internal_error" if status == 500 else "malformed_request"))
        headers = [(key.decode(), value.decode()) for key, value in answer.raw_headers]
        return Response(answer.status_code, "", Headers([*headers, ("connection", "close")]), bytes(answer.body))


class Server(uvicorn.Server):
    """Serves one application until a signal."""

    def __init__(self, create_app: Callable[[], ASGIApp], settings: Settings) -> None:
        config = Config(create_app, settings)
        super().__init__(config)
        self._late = config.late
        self._grace_seconds = settings.shutdown_seconds

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        runtime.leave_after(self._grace_seconds)
        super().handle_exit(sig, frame)

    async def on_tick(self, counter: int) -> bool:
        self._late.hang_up_on_overdue()
        return await super().on_tick(counter)


def run(create_app: Callable[[], ASGIApp], settings: Settings) -> None:
    """Serve until SIGTERM or Ctrl-C, and let what has begun end within SHUTDOWN_SECONDS."""
    with suppress(KeyboardInterrupt):
        Server(create_app, settings).run()
