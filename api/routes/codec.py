"""Temporal's codec endpoint: lets the web UI and the CLI show what histories hold encrypted.

Whoever may call it reads every program's payloads, so no program's key opens it: the operator's credential does, or, in
development, being a page of the UI on this very machine. Without either it does not exist.
"""

import hmac
from ipaddress import ip_address
from urllib.parse import urlsplit

from fastapi import APIRouter, Request, Response
from google.protobuf.json_format import MessageToJson, Parse, ParseError
from temporalio.api.common.v1 import Payloads

from api import bodies
from api.auth import CHALLENGE, bearer
from api.backends import backends
from api.problems import Problem
from settings import Settings
from workflows.codec import EncryptingCodec

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")
PREFLIGHT_SECONDS = 600

router = APIRouter(include_in_schema=False)


@router.post("/codec/decode")
async def decode(request: Request) -> Response:
    """Payloads in clear."""
    return await _convert(request, is_decoding=True)


@router.post("/codec/encode")
async def encode(request: Request) -> Response:
    """Payloads encrypted, for what the UI sends to a workflow."""
    return await _convert(request, is_decoding=False)


@router.options("/codec/{direction}")
async def preflight(request: Request, direction: str) -> Response:
    """A browser asks whether the UI's page may call."""
    headers = _cross_origin(request)
    if headers:
        headers |= {
            "Access-Control-Allow-Methods": "POST",
            "Access-Control-Allow-Headers": "authorization, content-type, x-namespace",
            "Access-Control-Max-Age": str(PREFLIGHT_SECONDS),
        }
    return Response(status_code=204, headers=headers)


async def _convert(request: Request, *, is_decoding: bool) -> Response:
    _require_operator(request)
    payloads = Payloads()
    try:
        Parse(await bodies.read(request, bodies.BATCH_BYTES), payloads, ignore_unknown_fields=True)
    except (ParseError, UnicodeDecodeError):
        raise Problem("malformed_json", "not Temporal's Payloads as JSON") from None
    codec = EncryptingCodec(backends(request).keyring)
    converted = await (codec.decode if is_decoding else codec.encode)(payloads.payloads)
    return Response(MessageToJson(Payloads(payloads=converted)), 200, _cross_origin(request), "application/json")


def _require_operator(request: Request) -> None:
    """Raises Problem not_found where the endpoint is off, unauthenticated without the operator's credential."""
    settings = backends(request).settings
    token = settings.laurel_operator_token
    given = bearer(request.scope)
    if (
        token is not None
        and given is not None
        and hmac.compare_digest(given.encode(), token.get_secret_value().encode())
    ):
        return
    if _is_page_of_this_machine(request, settings):
        return
    if token is None:
        raise Problem("not_found")
    raise Problem("unauthenticated", headers={"WWW-Authenticate": CHALLENGE} | _cross_origin(request))


def _is_page_of_this_machine(request: Request, settings: Settings) -> bool:
    """Whether the UI's page calls from loopback to loopback, with nobody in between."""
    return (
        settings.laurel_env == "development"
        and bool(_cross_origin(request))
        and request.client is not None
        and _is_loopback(request.client.host)
        and request.url.hostname in LOOPBACK_NAMES
        and not {"forwarded", "x-forwarded-for"}.intersection(request.headers)
    )


def _is_loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False


def _cross_origin(request: Request) -> dict[str, str]:
    """What lets the page read the answer; empty unless it is the UI's."""
    origin = request.headers.get("origin", "")
    if not _is_ui(origin, backends(request).settings.temporal_ui_url):
        return {}
    return {"Access-Control-Allow-Origin": origin, "Access-Control-Allow-Credentials": "true", "Vary": "Origin"}


def _is_ui(origin: str, ui_url: str) -> bool:
    """Whether the origin is the UI's; the names of loopback are one."""
    try:
        page, ui = urlsplit(origin), urlsplit(ui_url)
        same_port = (page.scheme, page.port) == (ui.scheme, ui.port)
    except ValueError:
        return False
    both_loopback = page.hostname in LOOPBACK_NAMES and ui.hostname in LOOPBACK_NAMES
    return same_port and (page.hostname == ui.hostname or both_loopback)
