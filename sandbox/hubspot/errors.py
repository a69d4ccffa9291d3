"""Answers in HubSpot's error format."""

import uuid
from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse


class Refused(Exception):
    """Becomes an error answer with `status`, a category, a message and a correlation id."""

    def __init__(self, status: int, category: str, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers or {}
        self.body: dict[str, Any] = {
            "status": "error",
            "message": message,
            "correlationId": str(uuid.uuid4()),
            "category": category,
        }


def unauthenticated() -> Refused:
    message = (
        "Authentication credentials not found. This API supports OAuth 2.0 authentication and you can find more "
        "details at https://developers.hubspot.com/docs/methods/auth/oauth-overview"
    )
    return Refused(401, "INVALID_AUTHENTICATION", message)


def rate_limited(retry_after_seconds: int) -> Refused:
    message = "You have reached your ten_secondly_rolling limit."
    refused = Refused(429, "RATE_LIMITS", message, {"retry-after": str(retry_after_seconds)})
    refused.body |= {"errorType": "RATE_LIMIT", "policyName": "TEN_SECONDLY_ROLLING"}
    return refused


def answer_refused(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Refused)
    return JSONResponse(error.body, error.status, error.headers)


def answer_invalid(request: Request, error: Exception) -> JSONResponse:
    return answer_refused(request, Refused(400, "VALIDATION_ERROR", "Invalid input JSON or parameters"))
