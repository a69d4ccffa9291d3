"""xAPI requests for tests, as an LMS would send them."""

import base64
from datetime import UTC, datetime
from typing import Any

import orjson

from connectors.sources import Request

SECRET = "lms-secret"
CONNECTION = "con_lms"
NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
STATEMENT_ID = "8f87ccde-bb56-4c2e-ab83-44982ef22df0"

BASIC = "Basic " + base64.b64encode(f"{CONNECTION}:{SECRET}".encode()).decode()
BEARER = f"Bearer {CONNECTION}.{SECRET}"


def statement(**more: Any) -> dict[str, Any]:
    return {
        "id": STATEMENT_ID,
        "actor": {"mbox": "mailto:Ada@Example.com", "name": "Ada"},
        "verb": {"id": "http://adlnet.gov/expapi/verbs/completed", "display": {"en-US": "completed"}},
        "object": {
            "id": "https://lms.example.com/courses/7",
            "definition": {
                "name": {"de": "Sicherheit", "en-US": "Security"},
                "type": "http://adlnet.gov/expapi/activities/course",
            },
        },
        "result": {"score": {"scaled": 0.855}, "success": True, "duration": "PT4H35M59.14S"},
        "context": {"contextActivities": {"parent": {"id": "https://lms.example.com/paths/1"}}},
        "timestamp": "2026-03-01T13:00:00+01:00",
    } | more


def request(body: object, method: str = "POST", **headers: str) -> Request:
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    given = {"authorization": BASIC, "content-type": "application/json", "x-experience-api-version": "1.0.3"}
    return Request(
        method,
        "https://laurel.example.com/xapi/statements",
        given | {name.replace("_", "-"): value for name, value in headers.items()},
        raw,
    )
