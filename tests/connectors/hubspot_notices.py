"""Signed HubSpot requests for tests, as HubSpot would send them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from connectors import hubspot
from connectors.sources import Request, milliseconds

SECRET = "yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy"
URL = "https://laurel.example.com/intake/con_1?tenant=a%3Ab%2Fc"
NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)


def notification(**more: Any) -> dict[str, Any]:
    return {
        "eventId": 7,
        "subscriptionId": 12345,
        "portalId": 62515,
        "appId": 54321,
        "occurredAt": milliseconds(NOW),
        "subscriptionType": "deal.propertyChange",
        "attemptNumber": 0,
        "objectId": 9001,
        "propertyName": "hs_is_closed_won",
        "propertyValue": "true",
        "changeSource": "CRM_UI",
    } | more


def signed(body: bytes, *, secret: str = SECRET, at: datetime = NOW, headers: dict[str, str] | None = None) -> Request:
    timestamp = str(milliseconds(at))
    unsigned = Request("POST", URL, {}, body)
    given = {
        "content-type": "application/json",
        "x-hubspot-request-timestamp": timestamp,
        "x-hubspot-signature-v3": hubspot.signature(unsigned, secret, timestamp),
    }
    return Request("POST", URL, given | (headers or {}), body)


def request(*notifications: dict[str, Any]) -> Request:
    return signed(orjson.dumps(notifications))


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)
