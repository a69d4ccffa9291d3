"""Requests of Slack: verified as raw bytes, read, and given the key under which a redelivery is known.

https://docs.slack.dev/authentication/verifying-requests-from-slack: HMAC-SHA256 over version, timestamp and body.
"""

import hashlib
import re
from collections.abc import Mapping
from datetime import datetime
from types import NoneType
from typing import Any
from urllib.parse import parse_qsl

import orjson
from slack_sdk.signature import Clock, SignatureVerifier

from connectors.errors import BadSignature, MalformedNotice, StaleNotice
from connectors.sources import Request, load_json, require_size
from domain.slack import MAX_KEY, Envelope, EnvelopeKind

BODY_MAX_BYTES = 2**20
FIELDS_MAX = 100
WINDOW_SECONDS = 300
TIMESTAMP_MAX_DIGITS = 12

# By this requests were known before they were signed. It never changes: whoever reads it poses as Slack wherever it is
# still believed.
UNSIGNED_TOKEN = "token"

UNDOCUMENTED = "not of the shape that Slack documents"
# Into these Bolt looks whatever a request is of.
_SHAPES: Mapping[str, tuple[type, ...]] = {
    "event": (dict,),
    "view": (dict,),
    **dict.fromkeys(("user", "team", "enterprise", "channel"), (dict, str, NoneType)),
}

Body = Mapping[str, Any]

_EMOJI = re.compile(r":[a-z0-9_+'-]+:")


class _At(Clock):
    def __init__(self, now: datetime) -> None:
        self._seconds = now.timestamp()

    def now(self) -> float:
        return self._seconds


def verify(request: Request, signing_secret: str, now: datetime) -> None:
    """Raises TooLarge, MalformedNotice, BadSignature or StaleNotice unless Slack signed this minutes ago at most."""
    require_size(request, BODY_MAX_BYTES)
    timestamp = request.headers.get("x-slack-request-timestamp", "")
    signature = request.headers.get("x-slack-signature", "")
    # The verifier raises whatever it is surprised by.
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= TIMESTAMP_MAX_DIGITS):
        raise BadSignature("no time at which it was signed")
    if not signature.isascii():
        raise BadSignature("the signature does not fit the request")
    try:
        body = request.body.decode()
    except UnicodeDecodeError:
        raise MalformedNotice("not UTF-8") from None
    if abs(now.timestamp() - int(timestamp)) > WINDOW_SECONDS:
        raise StaleNotice(f"signed more than {WINDOW_SECONDS} seconds from now")
    if not SignatureVerifier(signing_secret, _At(now)).is_valid(body, timestamp, signature):
        raise BadSignature("the signature does not fit the request")


def read(request: Request) -> Body:
    """What a verified request says; raises MalformedNotice, also where it is declared as what Slack never sends.

    Events are JSON; commands are a form; what people press and fill in is JSON in a form's field.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type == "application/json":
        return _mapping(load_json(request.body))
    if media_type != "application/x-www-form-urlencoded":
        raise MalformedNotice("only JSON and forms are taken")
    try:
        fields = dict(parse_qsl(request.body.decode(), keep_blank_values=True, max_num_fields=FIELDS_MAX))
    except ValueError:
        raise MalformedNotice("not a form") from None
    if "payload" in fields:
        return _mapping(load_json(fields["payload"].encode(errors="replace")))
    return _mapping(load_json(orjson.dumps({name: _text(value) for name, value in fields.items()})))


def _mapping(value: Any) -> Body:
    if not isinstance(value, dict):
        raise MalformedNotice("not a JSON object")
    return value


def _text(value: str) -> str:
    return value.encode(errors="replace").decode()


# -- Envelopes -----------------------------------------------------------------------------------------------------


def envelope(body: Body) -> Envelope | None:
    """The request as it is kept; None for what Laurel has no use of. Raises MalformedNotice."""
    if not all(isinstance(body[name], shape) for name, shape in _SHAPES.items() if name in body):
        raise MalformedNotice(UNDOCUMENTED)
    try:
        found = _envelope({name: value for name, value in body.items() if name != UNSIGNED_TOKEN})
    except (KeyError, TypeError, IndexError, AttributeError):
        raise MalformedNotice(UNDOCUMENTED) from None
    if found is not None and not _is_named(found):
        raise MalformedNotice(UNDOCUMENTED)
    return found


def _is_named(found: Envelope) -> bool:
    """Whether its names can be looked for, and its key be kept."""
    return isinstance(found.team_id, str) and isinstance(found.user_id, str | None) and len(found.key) <= MAX_KEY


def _envelope(body: Body) -> Envelope | None:
    if "command" in body and "type" not in body:
        return Envelope(body["team_id"], f"command:{body['trigger_id']}", EnvelopeKind.COMMAND, body, body["user_id"])
    match body["type"]:
        case "event_callback":
            return _of_event(body) if could_matter(body["event"]) else None
        case "shortcut" | "message_action":
            return _of_person(body, EnvelopeKind.SHORTCUT, body["trigger_id"])
        case "block_actions":
            action = body["actions"][0]
            pressed = f"{body['user']['id']}:{action['action_ts']}:{action['action_id']}"
            return _of_person(body, EnvelopeKind.ACTION, pressed)
        case "view_submission":
            view = body["view"]
            filled = hashlib.sha256(orjson.dumps(view["state"], option=orjson.OPT_SORT_KEYS)).hexdigest()
            return _of_person(body, EnvelopeKind.VIEW, f"{view['type']}:{view['id']}:{view['hash']}:{filled}")
    return None


def _of_event(body: Body) -> Envelope:
    """In a channel that is shared, the event is of another workspace than that in which the app is installed."""
    authorizations = body.get("authorizations") or [{}]
    team_id = authorizations[0].get("team_id") or body["team_id"]
    event = body["event"]
    user = event.get("user")
    user_id = user.get("id") if isinstance(user, dict) else user
    kept = _without_others_words(body)
    return Envelope(team_id, f"event:{body['event_id']}", EnvelopeKind.EVENT, kept, user_id)


def _of_person(body: Body, kind: EnvelopeKind, name: str) -> Envelope:
    team = body.get("team") or body["user"]
    return Envelope(
        team.get("id") if body.get("team") else team["team_id"], f"{kind}:{name}", kind, body, body["user"]["id"]
    )


_MATTER = {
    "app_home_opened",
    "app_uninstalled",
    "reaction_added",
    "reaction_removed",
    "team_join",
    "tokens_revoked",
    "user_change",
}


def could_matter(event: Body) -> bool:
    """Whether the event is kept. Of messages only those that may thank somebody, and their deletion."""
    if event["type"] != "message":
        return event["type"] in _MATTER
    if event.get("subtype") == "message_deleted":  # what was edited before may have thanked
        return not event["previous_message"].get("bot_id")
    return not event.get("subtype") and _may_thank(event)


def _may_thank(message: Body) -> bool:
    text = message.get("text", "")
    return not message.get("bot_id") and "<@" in text and bool(_EMOJI.search(text))


def _without_others_words(body: Body) -> Body:
    """Of a message that was deleted and thanked nobody, only where it stood is kept."""
    event = body["event"]
    if event.get("subtype") != "message_deleted" or _may_thank(event["previous_message"]):
        return body
    return {**body, "event": {**event, "previous_message": {"ts": event["previous_message"]["ts"], "text": ""}}}
