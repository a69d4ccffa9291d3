"""Requests of outside systems as sources read them: whole, raw, and under the public URL.

Whoever names no connection is refused, and each connection's requests are counted, before a body is read.
"""

import re
from dataclasses import replace

import structlog
from fastapi import Request

from api import bodies
from api.backends import Backends, backends
from connectors import sources
from domain.connections import Connection
from storage import connections

CONNECTION_ID = re.compile("con_[0-9a-v]{26}")


def head(request: Request) -> sources.Request:
    """The request as it was sent, its body still to be read."""
    path = request.scope["raw_path"].decode("latin-1")
    query = request.scope["query_string"].decode("latin-1")
    return sources.Request(
        method=request.method,
        url=backends(request).settings.laurel_public_url + path + (f"?{query}" if query else ""),
        headers=dict(request.headers),
        body=b"",
    )


async def read(request: Request, connection: Connection, limit_bytes: int) -> sources.Request:
    """The whole request of this connection's system; raises Problem rate_limited, body_too_large, request_timeout."""
    structlog.contextvars.bind_contextvars(connection_id=connection.id)
    await backends(request).allowance.spend(request.scope, "connection", connection.id)
    return whole(request, await bodies.read(request, limit_bytes))


def whole(request: Request, body: bytes) -> sources.Request:
    """The request with its body, which was read."""
    return replace(head(request), body=body)


async def find_connection(here: Backends, connection_id: str) -> Connection | None:
    """The connection that a stranger named, if there is one."""
    if not CONNECTION_ID.fullmatch(connection_id):
        return None
    async with here.database.begin() as session:
        return await connections.find(session, here.keyring, connection_id)
