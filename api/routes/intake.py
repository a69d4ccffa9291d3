"""Intake by webhook: what outside systems tell us is verified, kept, and answered once it is kept."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from api import examples, incoming
from api.backends import backends
from api.operations import REF, Operation, by_outside
from api.problems import Problem
from api.schemas.base import EXAMPLE_ID
from connectors import bamboohr, hubspot, sources, vendors
from connectors.errors import BadSignature
from domain.connections import Connection
from domain.notices import Notice
from storage import notices
from storage.failures import retry

BODY_MAX_BYTES = max(hubspot.BODY_MAX_BYTES, bamboohr.BODY_MAX_BYTES)

NOTIFICATIONS = {
    "title": "HubSpot's notifications",
    "type": "array",
    "maxItems": hubspot.NOTIFICATIONS_MAX,
    "items": {"$ref": REF.format(model=hubspot.Notification.__name__)},
}
_TEXT = {"type": "string"}
VENDOR_NOTICE = {
    "title": "Tremendous's notice",
    "type": "object",
    "required": ["event", "uuid", "created_utc", "payload"],
    "properties": {
        "event": _TEXT,
        "uuid": _TEXT,
        "created_utc": {"type": "string", "format": "date-time"},
        "payload": {
            "type": "object",
            "required": ["resource"],
            "properties": {
                "resource": {"type": "object", "required": ["id", "type"], "properties": {"id": _TEXT, "type": _TEXT}}
            },
        },
    },
}
EMPLOYEE_NOTICE = {"$ref": REF.format(model=bamboohr.EmployeeNotice.__name__)}
TIMESTAMP = {
    "name": "X-HubSpot-Request-Timestamp",
    "in": "header",
    "required": False,
    "description": "When HubSpot signed it, in milliseconds since 1970; part of what is signed.",
    "schema": {"type": "string", "pattern": "^[0-9]{1,16}$"},
    "example": "1772625540000",
}
BAMBOOHR_TIMESTAMP = {
    "name": "X-BambooHR-Timestamp",
    "in": "header",
    "required": False,
    "description": "When BambooHR signed it, in seconds since 1970; part of what is signed.",
    "schema": {"type": "string", "pattern": "^[0-9]{1,12}$"},
    "example": "1772625540",
}

router = APIRouter(route_class=Operation, tags=["intake"])


def _from_hubspot(request: sources.Request, connection: Connection, now: datetime) -> Sequence[Notice]:
    hubspot.verify(request, connection.secrets["client_secret"], now)
    return hubspot.notices(request)


def _from_bamboohr(request: sources.Request, connection: Connection, now: datetime) -> Sequence[Notice]:
    key = connection.secrets.get("webhook_key")
    if not key:
        raise BadSignature("the connection has no key for notices")
    bamboohr.verify(request, key, now)
    return bamboohr.notices(request)


def _from_vendor(request: sources.Request, connection: Connection, now: datetime) -> Sequence[Notice]:
    secret = connection.secrets.get("webhook_key", "")
    told = vendors.VENDORS[connection.kind].parse_notice(request.body, request.headers, secret)
    sources.require_json(request)
    return [vendors.notice(told)]


# By the connection's kind, what turns a request into notices; raises the NoticeRefused tree.
SENDERS: dict[str, Callable[[sources.Request, Connection, datetime], Sequence[Notice]]] = {
    hubspot.KIND: _from_hubspot,
    bamboohr.KIND: _from_bamboohr,
    **dict.fromkeys(vendors.VENDORS, _from_vendor),
}


@router.post(
    "/intake/{connection}",
    operation_id="take_notices",
    summary="Take a webhook of a connection",
    **by_outside(
        ["hubspot_signature", "bamboohr_signature", "tremendous_signature"],
        204,
        ["stale_notice", "not_found"],
        body={
            "schema": {"oneOf": [NOTIFICATIONS, EMPLOYEE_NOTICE, VENDOR_NOTICE]},
            "examples": {
                "hubspot": {"value": [examples.NOTIFICATION]},
                "bamboohr": {"value": examples.EMPLOYEE_NOTICE},
                "tremendous": {"value": examples.VENDOR_NOTICE},
            },
        },
        models=[hubspot.Notification, bamboohr.EmployeeNotice],
        parameters=[TIMESTAMP, BAMBOOHR_TIMESTAMP],
    ),
)
async def take_notices(request: Request, connection: Annotated[str, Path(examples=[f"con_{EXAMPLE_ID}"])]) -> Response:
    """Signed as the connection's system signs (HubSpot: v3). Answered once every notice is kept; repeats are kept once.

    What a notice is about is fetched and recorded afterwards.
    """
    here = backends(request)
    sender = await incoming.find_connection(here, connection)
    if sender is None or sender.kind not in SENDERS:
        raise Problem("not_found", "no such webhook")
    sent, now = await incoming.read(request, sender, BODY_MAX_BYTES), here.clock()
    arrived = SENDERS[sender.kind](sent, sender, now)

    async def keep() -> int:
        async with here.database.begin() as session:
            return await notices.insert_new(session, sender, arrived, now=now)

    await retry(keep)
    return Response(status_code=204)
