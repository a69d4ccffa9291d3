"""Socket Mode: while an app has a WebSocket open, everything goes through it, and it acknowledges by envelope id."""

import asyncio
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from fastapi import APIRouter, WebSocket, WebSocketDisconnect

from sandbox.shared.notices import Written
from sandbox.slack.workspace import APP_ID

Json = dict[str, Any]

socket_mode = APIRouter()


@dataclass(slots=True)
class Socket:
    """One connection; it belongs to the event loop of the server, and may be used from any other."""

    socket: WebSocket
    loop: asyncio.AbstractEventLoop
    waiting: dict[str, asyncio.Future[bytes]] = field(default_factory=dict)

    async def ask(self, request: Written, seconds: float) -> bytes:
        """What the app acknowledges with; raises TimeoutError."""
        asked = asyncio.run_coroutine_threadsafe(self._ask(enveloped(request), seconds), self.loop)
        answer: bytes = await asyncio.wrap_future(asked)
        return answer

    async def _ask(self, envelope: Json, seconds: float) -> bytes:
        answer: asyncio.Future[bytes] = self.loop.create_future()
        self.waiting[envelope["envelope_id"]] = answer
        try:
            async with asyncio.timeout(seconds):
                await self.socket.send_json(envelope)
                return await answer
        finally:
            del self.waiting[envelope["envelope_id"]]

    async def listen(self) -> None:
        """Until the app hangs up."""
        while True:
            said = await self.socket.receive_json()
            answer = self.waiting.get(said.get("envelope_id", ""))
            if answer is not None and not answer.done():
                answer.set_result(json.dumps(said["payload"]).encode() if said.get("payload") else b"")


def enveloped(request: Written) -> Json:
    """The same as over HTTP, without its signature: whoever has the app's token opened the socket."""
    kind, payload = _read(request)
    retries = {
        "retry_attempt": int(request.headers.get("x-slack-retry-num", 0)),
        "retry_reason": request.headers.get("x-slack-retry-reason", ""),
    }
    envelope = {"envelope_id": secrets.token_hex(16), "type": kind, "payload": payload}
    return envelope | {"accepts_response_payload": kind != "events_api"} | (retries if kind == "events_api" else {})


def _read(request: Written) -> tuple[str, Mapping[str, Any]]:
    if "json" in request.headers["content-type"]:
        return "events_api", json.loads(request.body)
    form = dict(parse_qsl(request.body.decode(), keep_blank_values=True))
    return ("interactive", json.loads(form["payload"])) if "payload" in form else ("slash_commands", form)


@socket_mode.websocket("/link")
async def link(socket: WebSocket, ticket: str = "") -> None:
    """A ticket of apps.connections.open opens one socket; the newest one is used."""
    if ticket not in socket.app.state.tickets:
        await socket.close()
        return
    socket.app.state.tickets.remove(ticket)
    await socket.accept()
    await socket.send_json({"type": "hello", "connection_info": {"app_id": APP_ID}, "num_connections": 1})
    opened, webhook = Socket(socket, asyncio.get_running_loop()), socket.app.state.webhook
    webhook.socket = opened
    try:
        await opened.listen()
    except WebSocketDisconnect:
        if webhook.socket is opened:
            webhook.socket = None
