"""Operations: what each route needs, takes and answers, said once; the route enforces it and OpenAPI tells it.

Bodies are read by the routes themselves (`api.bodies`): strictly, within a limit, after the key was checked.
"""

import inspect
import re
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
import structlog
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from api import examples as of_answers
from api import idempotency, problems
from api.auth import require
from api.schemas.problems import ProblemDocument
from domain.scopes import Scope

SECURITY_SCHEME = "api_key"
MEMBER_SCHEME = "member_token"
# Every operation below /v1 may be answered with these.
COMMON = (
    "unauthenticated",
    "forbidden",
    "invalid_request",
    "rate_limited",
    "internal_error",
    "overloaded",
    "database_unavailable",
)
IDEMPOTENT = ("invalid_idempotency_key", "idempotency_key_in_use", "idempotency_key_reused")
# Every operation that outside systems call may be answered with these, and those with a body with more.
OUTSIDE = ("bad_signature", "rate_limited", "internal_error", "overloaded", "database_unavailable")
WITH_OUTSIDE_BODY = ("malformed_notice", "request_timeout", "body_too_large", "unsupported_media_type")
WITH_BODY = ("malformed_json", "request_timeout", "body_too_large", "unsupported_media_type")
RETRY_AFTER = {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 0}}}
REF = "#/components/schemas/{model}"

SECURITY_SCHEMES = {
    SECURITY_SCHEME: {
        "type": "http",
        "scheme": "bearer",
        "description": "An API key: `Authorization: Bearer lrl_...`. It names the program and what may be done.",
    },
    MEMBER_SCHEME: {
        "type": "http",
        "scheme": "bearer",
        "description": "A member token: `Authorization: Bearer lrl_member_...`. It opens this for its own member only.",
    },
    "hubspot_signature": {
        "type": "apiKey",
        "in": "header",
        "name": "X-HubSpot-Signature-v3",
        "description": "Base64 of HMAC-SHA256, under the app's client secret, over method, public URL, body and the "
        "X-HubSpot-Request-Timestamp, which lies within five minutes of now.",
    },
    "bamboohr_signature": {
        "type": "apiKey",
        "in": "header",
        "name": "X-BambooHR-Signature",
        "description": "Hex HMAC-SHA256, under the webhook's private key, over the body directly followed by the "
        "X-BambooHR-Timestamp, which lies within five minutes of now.",
    },
    "tremendous_signature": {
        "type": "apiKey",
        "in": "header",
        "name": "Tremendous-Webhook-Signature",
        "description": "`sha256=` and the hex HMAC-SHA256 of the body under the webhook's key.",
    },
    "xapi_basic": {
        "type": "http",
        "scheme": "basic",
        "description": "The connection's id as user, its token as password.",
    },
    "xapi_bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "The connection's id, a point, and its token.",
    },
}

# Models of bodies, which FastAPI does not see.
_BODIES: set[type[BaseModel]] = {ProblemDocument}


@dataclass(frozen=True, slots=True)
class Events:
    """An answer without an end: server-sent events of this name, whose data are documents of this model."""

    name: str
    model: type[BaseModel]


class Operation(APIRoute):
    """A route that asks for its scope before anything is read."""

    @property
    def is_plain(self) -> bool:
        """Whether the endpoint takes the request alone: it needs nothing of what FastAPI would work out for it."""
        return list(inspect.signature(self.endpoint).parameters) == ["request"]

    @property
    def for_members(self) -> bool:
        """Whether a member token opens it for its own member."""
        return {MEMBER_SCHEME: []} in (self.openapi_extra or {}).get("security", ())

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        needed = scope_of(self)
        handle = self.endpoint if self.is_plain else super().get_route_handler()
        if needed is None:
            return handle
        for_members = self.for_members

        async def guarded(request: Request) -> Response:
            require(request, needed, for_members=for_members)
            if request.path_params:
                structlog.contextvars.bind_contextvars(**_ids(request.path_params))
            answer: Response = await handle(request)
            return answer

        return guarded


def _ids(named: Mapping[str, Any]) -> dict[str, Any]:
    """Our own ids in a path, for the log; external ones may be addresses of people."""
    return {name: value for name, value in named.items() if name.endswith("_id") and name != "external_id"}


def scope_of(route: APIRoute) -> Scope | None:
    """The scope that a route needs; None for those that are called without an API key."""
    scopes = [
        named[SECURITY_SCHEME] for named in (route.openapi_extra or {}).get("security", ()) if SECURITY_SCHEME in named
    ]
    return Scope(scopes[0][0]) if scopes else None


def paths_for_members(routers: Iterable[APIRouter]) -> list[re.Pattern[str]]:
    """The paths that member tokens open."""
    routes = (route for router in routers for route in router.routes)
    return [route.path_regex for route in routes if isinstance(route, Operation) and route.for_members]


def operation(
    scope: Scope,
    answers: Mapping[int, Any],
    *,
    body: Any = None,
    examples: Mapping[str, Any] | None = None,
    refusals: Sequence[str] = (),
    takes_key: bool = False,
    takes_etag: bool = False,
    takes_dry_run: bool = False,
    for_members: bool = False,
) -> dict[str, Any]:
    """Arguments of a route's decorator: its scope, body, answers by status (the first is the usual one), problems."""
    codes = [*COMMON, *refusals]
    extra: dict[str, Any] = {"security": [{SECURITY_SCHEME: [scope.value]}], "parameters": []}
    if for_members:
        extra["security"].append({MEMBER_SCHEME: []})
    if body is not None:
        codes += WITH_BODY
        extra["requestBody"] = _request_body(body, examples or {})
    if takes_key:
        codes += IDEMPOTENT
        extra["parameters"].append(_KEY_PARAMETER)
    if takes_etag:
        extra["parameters"].append(_ETAG_PARAMETER)
    if takes_dry_run:
        extra["parameters"].append(_DRY_RUN_PARAMETER)
    usual, *_ = answers
    responses: dict[int | str, dict[str, Any]] = {
        status: (_shown(model) if model else {}) | {"description": _DESCRIPTIONS[status]}
        for status, model in answers.items()
    }
    return {
        "status_code": usual,
        "response_class": Response if isinstance(answers[usual], Events) else JSONResponse,
        "response_model": None,
        "responses": responses | documented(codes),
        "openapi_extra": extra,
    }


def by_outside(
    schemes: Sequence[str],
    status: int,
    refusals: Sequence[str],
    *,
    answer: Any = None,
    body: Mapping[str, Any] | None = None,
    models: Sequence[type[BaseModel]] = (),
    parameters: Sequence[Mapping[str, Any]] = (),
    headers: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Arguments of a route's decorator whose shape an outside system sets: any one of the schemes opens it.

    `answer` and `body` are OpenAPI media types; `models` are those that they name; `headers` are on every answer.
    """
    _BODIES.update(models)
    codes = [*refusals, *OUTSIDE, *(WITH_OUTSIDE_BODY if body else ())]
    content = {"content": {"application/json": answer}} if answer else {}
    responses = documented(codes) | {status: {"description": _DESCRIPTIONS[status]} | content}
    for response in responses.values():
        response["headers"] = response.get("headers", {}) | (headers or {})
    extra: dict[str, Any] = {"security": [{scheme: []} for scheme in schemes], "parameters": list(parameters)}
    if body:
        extra["requestBody"] = {"required": True, "content": {"application/json": body}}
    return {"status_code": status, "response_model": None, "responses": responses, "openapi_extra": extra}


def _shown(model: Any) -> dict[str, Any]:
    if isinstance(model, Events):
        event = f"event: {model.name}\ndata: {orjson.dumps(of_answers.of(model.model)).decode()}\n\n"
        return {"content": {"text/event-stream": {"schema": {"type": "string"}, "example": event}}}
    return {"model": model, "content": {"application/json": {"example": of_answers.of(model)}}}


_DESCRIPTIONS = {
    200: "Done.",
    201: "Made.",
    204: "Done; there is nothing to say.",
    202: "Taken, and not finished yet.",
    207: "One result per item.",
    304: "What the caller has is still right.",
}
_ETAG_PARAMETER = {
    "name": "If-None-Match",
    "in": "header",
    "required": False,
    "description": "The ETag of an earlier answer.",
    "schema": {"type": "string"},
}
_KEY_PARAMETER = {
    "name": idempotency.HEADER,
    "in": "header",
    "required": False,
    "description": "A name for this request (a UUID, say): sent again under the same key, it is answered again and "
    "not done again. Kept for a week.",
    "schema": {"type": "string", "pattern": idempotency.PATTERN, "maxLength": 257},
    "example": "0e2f7a1c-8a51-4b0f-9a3e-5d0f5c3b8a11",
}

_DRY_RUN_PARAMETER = {
    "name": "dry_run",
    "in": "query",
    "required": False,
    "description": "true: answer with the decision that would be made, and keep nothing; the Idempotency-Key is not "
    "looked at.",
    "schema": {"type": "boolean", "default": False},
}


def _request_body(body: Any, examples: Mapping[str, Any]) -> dict[str, Any]:
    models = body if isinstance(body, tuple) else (body,)
    _BODIES.update(models)
    references = [{"$ref": REF.format(model=model.__name__)} for model in models]
    content = {
        "schema": references[0] if len(references) == 1 else {"oneOf": references},
        "examples": {name: {"value": value} for name, value in examples.items()},
    }
    return {"required": True, "content": {"application/json": content}}


def documented(codes: Sequence[str]) -> dict[int | str, dict[str, Any]]:
    """OpenAPI responses for these problem codes, one per status with an example of each code."""
    responses: dict[int | str, dict[str, Any]] = {}
    for kind in sorted({problems.TABLE[code] for code in codes}, key=lambda kind: (kind.status, kind.code)):
        response = responses.setdefault(kind.status, _problem_response())
        response["description"] = f"{response['description']} {kind.code}: {kind.title}".strip()
        response["content"][problems.MEDIA_TYPE]["examples"][kind.code] = {"value": kind.document()}
        if kind.retryable and kind.status != 500:
            response["headers"] = RETRY_AFTER
    return responses


def _problem_response() -> dict[str, Any]:
    schema = {"$ref": REF.format(model=ProblemDocument.__name__)}
    return {"description": "", "content": {problems.MEDIA_TYPE: {"schema": schema, "examples": {}}}}


def describe(app: FastAPI, description: str) -> Callable[[], dict[str, Any]]:
    """What replaces `app.openapi`: FastAPI's document with the schemas of bodies, problems and security."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app, description)
        return app.openapi_schema

    return openapi


def _document(app: FastAPI, description: str) -> dict[str, Any]:
    document = get_openapi(title=app.title, version=app.version, description=description, routes=app.routes)
    models = sorted(_BODIES, key=lambda model: model.__name__)
    _, definitions = models_json_schema([(model, "validation") for model in models], ref_template=REF)
    components = document.setdefault("components", {})
    components["schemas"] = components.get("schemas", {}) | definitions["$defs"]
    components["securitySchemes"] = SECURITY_SCHEMES
    return document
