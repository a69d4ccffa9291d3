"""Slack's Web API as far as people, conversations, messages, views and installation go.

Each method needs its scopes, strictly. Whatever is wrong is answered with status 200 and Slack's own code.
"""

import base64
import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import parse_qsl, urlencode

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response

from sandbox.slack.blocks import faults_of_message, faults_of_view, is_too_large
from sandbox.slack.errors import Lost, Refused, explained
from sandbox.slack.faults import spoil
from sandbox.slack.workspace import (
    APP_ID,
    BOT_ID,
    BOT_USER,
    RESPONSES_MAX,
    SCOPES,
    Conversation,
    Installation,
    ResponseUrl,
    User,
    Workspace,
    with_ids,
)

Json = dict[str, Any]

PAGE_MAX = 999
TEXT_MAX = 40_000  # characters
METADATA_MAX = 16_000  # bytes
STACK_MAX = 3  # modals over one another
MPIM_MAX = 8  # people, the bot not counted

api = APIRouter()


@dataclass(frozen=True, slots=True)
class Call:
    """One call: by whom, and with which arguments, which a form carries as texts and JSON as they are."""

    workspace: Workspace
    installation: Installation
    given: Mapping[str, Any]

    def text(self, name: str) -> str:
        return str(self.given.get(name) or "")

    def flag(self, name: str) -> bool:
        return str(self.given.get(name, "")).lower() in ("1", "true")

    def number(self, name: str, default: int) -> int:
        try:
            return int(self.given.get(name) or default)
        except ValueError:
            raise Refused("invalid_arguments") from None

    def structure(self, name: str, error: str) -> Any:
        """JSON, which a form carries as text; None if there is none, and this error if it cannot be read."""
        found = self.given.get(name)
        try:
            return json.loads(found) if isinstance(found, str) and found else found or None
        except ValueError:
            raise Refused(error) from None

    def need(self, scope: str) -> None:
        if scope not in self.installation.scopes:
            raise Refused("missing_scope", needed=scope, provided=",".join(self.installation.scopes))

    def user(self, name: str, error: str = "user_not_found") -> User:
        found = self.workspace.records.users.get(self.text(name))
        if found is None:
            raise Refused(error)
        return found

    def conversation(self, permission: str | None = None) -> Conversation:
        """The one that is named, if the bot may know of it and has the scope that this needs for its kind."""
        found = self.workspace.records.conversations.get(self.text("channel"))
        if found is None or not found.is_visible():
            raise Refused("channel_not_found")
        if permission is not None:
            self.need(f"{SCOPES[found.kind]}:{permission}")
        return found

    def page(self, items: Sequence[Any]) -> tuple[Sequence[Any], str]:
        """As many items as are asked for from the cursor on, and the cursor of the rest."""
        start, size = self.number("cursor", 0), min(self.number("limit", 100), PAGE_MAX)
        return items[start : start + size], str(start + size) if start + size < len(items) else ""


# -- Who we are ----------------------------------------------------------------------------------------------------


def auth_test(call: Call) -> Json:
    workspace = call.workspace
    return {
        "url": f"https://{workspace.domain}.slack.com/",
        "team": workspace.name,
        "user": workspace.user(BOT_USER).name,
        "team_id": workspace.team_id,
        "user_id": BOT_USER,
        "bot_id": BOT_ID,
        "is_enterprise_install": False,
    }


def bots_info(call: Call) -> Json:
    """There is one bot: ours."""
    if call.text("bot") != BOT_ID:
        raise Refused("bot_not_found")
    name = call.workspace.user(BOT_USER).name
    return {"bot": {"id": BOT_ID, "deleted": False, "name": name, "app_id": APP_ID, "user_id": BOT_USER}}


def apps_uninstall(call: Call) -> Json:
    """The token opens nothing from then on."""
    if not call.text("client_id"):
        raise Refused("invalid_client_id")
    call.workspace.tell({"type": "app_uninstalled", "event_ts": call.workspace.next_ts()})
    call.installation.is_active = False
    return {}


# -- People --------------------------------------------------------------------------------------------------------


def users_info(call: Call) -> Json:
    return {"user": _person(call, call.user("user"), locale=call.flag("include_locale"))}


def users_list(call: Call) -> Json:
    page, cursor = call.page(list(call.workspace.records.users.values()))
    members = [_person(call, one, locale=call.flag("include_locale")) for one in page]
    cache = int(call.workspace.now().timestamp())
    return {"members": members, "cache_ts": cache, "response_metadata": {"next_cursor": cursor}}


def users_lookup_by_email(call: Call) -> Json:
    """Those who left are not found."""
    wanted = call.text("email").lower()
    known = [one for one in call.workspace.records.users.values() if one.email and not one.deleted]
    found = next((one for one in known if one.email and one.email.lower() == wanted), None)
    if found is None:
        raise Refused("users_not_found")
    return {"user": _person(call, found)}


def _person(call: Call, user: User, *, locale: bool = False) -> Json:
    email = "users:read.email" in call.installation.scopes
    return user.as_json(call.workspace.now(), email=email, locale=locale)


# -- Conversations -------------------------------------------------------------------------------------------------


def conversations_open(call: Call) -> Json:
    names = [one for one in call.text("users").split(",") if one]
    if not names and not call.text("channel"):
        raise Refused("users_list_not_supplied")
    found = _opened(call, names) if names else call.conversation()
    if found.kind not in ("im", "mpim"):
        raise Refused("method_not_supported_for_channel_type")
    call.need(f"{SCOPES[found.kind]}:write")
    return {"channel": found.as_json(call.workspace.team_id) if call.flag("return_im") else {"id": found.id}}


def _opened(call: Call, names: Sequence[str]) -> Conversation:
    users = [call.workspace.records.users.get(one) for one in names]
    if len(names) > MPIM_MAX:
        raise Refused("too_many_users")
    for user in users:
        if user is None:
            raise Refused("user_not_found")
        if user.deleted:
            raise Refused("user_disabled")
        if user.id == BOT_USER or user.is_bot:
            raise Refused("cannot_dm_bot")
    call.need("im:write" if len(names) == 1 else "mpim:write")
    return call.workspace.direct(*names)


def conversations_info(call: Call) -> Json:
    found = call.conversation("read")
    shown = found.as_json(call.workspace.team_id)
    return {"channel": shown | ({"num_members": len(found.members)} if call.flag("include_num_members") else {})}


def conversations_list(call: Call) -> Json:
    """Public channels, unless other types are asked for."""
    types = [one.strip() for one in (call.text("types") or "public_channel").split(",")]
    kinds = {"public_channel": "channel", "private_channel": "group", "im": "im", "mpim": "mpim"}
    wanted = [kinds[one] for one in types if one in kinds]
    for kind in wanted:
        call.need(f"{SCOPES[kind]}:read")  # type: ignore[index]
    found = [one for one in call.workspace.records.conversations.values() if one.kind in wanted and one.is_visible()]
    if call.flag("exclude_archived"):
        found = [one for one in found if not one.is_archived]
    page, cursor = call.page(found)
    shown = [one.as_json(call.workspace.team_id) for one in page]
    return {"channels": shown, "response_metadata": {"next_cursor": cursor}}


def conversations_members(call: Call) -> Json:
    page, cursor = call.page(call.conversation("read").members)
    return {"members": page, "response_metadata": {"next_cursor": cursor}}


def conversations_history(call: Call) -> Json:
    """The newest first, answers in threads left out."""
    conversation = _joined(call.conversation("history"))
    first = [one for one in conversation.messages.values() if one.get("thread_ts", one["ts"]) == one["ts"]]
    return _told(call, sorted(first, key=lambda one: str(one["ts"]), reverse=True))


def conversations_replies(call: Call) -> Json:
    """A thread, the oldest first."""
    conversation, thread = _joined(call.conversation("history")), call.text("ts")
    found = [one for one in conversation.messages.values() if thread in (one["ts"], one.get("thread_ts"))]
    if not found:
        raise Refused("thread_not_found")
    return _told(call, sorted(found, key=lambda one: str(one["ts"])))


def _told(call: Call, messages: Sequence[Json]) -> Json:
    """A page of these messages between two moments; metadata only on request."""
    oldest, latest = call.text("oldest") or "0", call.text("latest") or "9"
    edges = {oldest, latest} if call.flag("inclusive") else set()
    within = [one for one in messages if oldest < one["ts"] < latest or one["ts"] in edges]
    page, cursor = call.page(within)
    if not call.flag("include_all_metadata"):
        page = [{name: value for name, value in one.items() if name != "metadata"} for one in page]
    return {"messages": page, "has_more": bool(cursor), "response_metadata": {"next_cursor": cursor}}


def _joined(conversation: Conversation) -> Conversation:
    if BOT_USER not in conversation.members:
        raise Refused("not_in_channel")
    return conversation


# -- Messages ------------------------------------------------------------------------------------------------------


def chat_post_message(call: Call) -> Json:
    """To a conversation, or to a user: that is the direct message with the bot."""
    content = _content(call) | _metadata(call) | _thread(call)
    conversation = _addressed(call)
    message = call.workspace.post(conversation, BOT_USER, content)
    return {"channel": conversation.id, "ts": message["ts"], "message": message}


def chat_post_ephemeral(call: Call) -> Json:
    content = _content(call) | _thread(call)
    conversation = _addressed(call)
    user = call.user("user")
    if user.id not in conversation.members:
        raise Refused("user_not_in_channel")
    return {"message_ts": call.workspace.whisper(conversation, user.id, content)["ts"]}


def chat_update(call: Call) -> Json:
    conversation, message = _own_message(call, "cant_update_message")
    changed = call.workspace.edit(conversation, message, _content(call) | _metadata(call))
    return {"channel": conversation.id, "ts": changed["ts"], "text": changed["text"], "message": changed}


def chat_delete(call: Call) -> Json:
    conversation, message = _own_message(call, "cant_delete_message")
    call.workspace.erase(conversation, message)
    return {"channel": conversation.id, "ts": message["ts"]}


def _addressed(call: Call) -> Conversation:
    """Where the bot may write."""
    user = call.workspace.records.users.get(call.text("channel"))
    found = call.workspace.direct(user.id) if user is not None else call.conversation()
    if found.is_archived:
        raise Refused("is_archived")
    if found.kind == "channel" and "chat:write.public" in call.installation.scopes:
        return found
    return _joined(found)


def _own_message(call: Call, error: str) -> tuple[Conversation, Json]:
    conversation = call.conversation()
    message = conversation.messages.get(call.text("ts"))
    if message is None:
        raise Refused("message_not_found")
    if message["user"] != BOT_USER:
        raise Refused(error)
    return conversation, message


def _content(call: Call) -> Json:
    """Text and blocks that Slack can show; one of them at least."""
    text, blocks = call.text("text"), call.structure("blocks", "invalid_blocks_format")
    if not text and not blocks:
        raise Refused("no_text")
    if len(text) > TEXT_MAX:
        raise Refused("msg_too_long")
    return {"text": text} | ({"blocks": with_ids(_checked(blocks))} if blocks else {})


def _checked(blocks: Any) -> list[Json]:
    faults = faults_of_message(blocks)
    if faults:
        raise explained("invalid_blocks", faults)
    found: list[Json] = blocks
    return found


def _metadata(call: Call) -> Json:
    metadata = call.structure("metadata", "invalid_metadata_format")
    if metadata is None:
        return {}
    if not isinstance(metadata, dict) or not isinstance(metadata.get("event_payload"), dict):
        raise Refused("invalid_metadata_format")
    if not metadata.get("event_type"):
        raise Refused("invalid_metadata_format")
    if len(json.dumps(metadata).encode()) > METADATA_MAX:
        raise Refused("metadata_too_large")
    return {"metadata": {name: metadata[name] for name in ("event_type", "event_payload")}}


def _thread(call: Call) -> Json:
    return {"thread_ts": call.text("thread_ts")} if call.text("thread_ts") else {}


# -- Views ---------------------------------------------------------------------------------------------------------


def views_open(call: Call) -> Json:
    """A modal on an empty screen: whatever was open there is gone."""
    view, user = _view(call), _exchanged(call)
    shown = call.workspace.show(view)
    call.workspace.records.modals[user] = [shown]
    return {"view": shown}


def views_push(call: Call) -> Json:
    """A modal over the one that is open."""
    view, user = _view(call), _exchanged(call)
    stack = call.workspace.records.modals.get(user, [])
    if not stack:
        raise Refused("not_found")
    if len(stack) >= STACK_MAX:
        raise Refused("push_limit_reached")
    shown = call.workspace.show(view, over=stack[-1])
    stack.append(shown)
    return {"view": shown}


def views_update(call: Call) -> Json:
    view = _view(call)
    before = call.workspace.view(call.text("view_id") or call.text("external_id"))
    if before is None:
        raise Refused("not_found")
    _unchanged(call, before)
    before |= call.workspace.show(view, instead=before)
    return {"view": before}


def views_publish(call: Call) -> Json:
    """The user's home tab."""
    user, view, homes = call.user("user_id"), _view(call, "home"), call.workspace.records.homes
    _unchanged(call, homes.get(user.id))
    homes[user.id] = call.workspace.show(view, instead=homes.get(user.id))
    return {"view": homes[user.id]}


def _view(call: Call, kind: str = "modal") -> Json:
    view = call.structure("view", "invalid_arguments")
    if not isinstance(view, dict):
        raise explained("invalid_arguments", ["missing required field: view"])
    return checked_view(view, kind)


def checked_view(view: Json, kind: str) -> Json:
    """The view, if Slack can show it; raises Refused."""
    faults = faults_of_view(view)
    if view.get("type") in ("modal", "home") and view["type"] != kind:
        faults.append("must be a valid enum value [json-pointer:/view/type]")
    if faults:
        raise explained("invalid_arguments", faults)
    if is_too_large(view):
        raise Refused("view_too_large")
    return view


def _exchanged(call: Call) -> str:
    """Whose trigger it is; it is used up now."""
    trigger = call.workspace.records.triggers.get(call.text("trigger_id"))
    if trigger is None:
        raise Refused("invalid_trigger_id")
    if trigger.used:
        raise Refused("exchanged_trigger_id")
    if trigger.until <= call.workspace.now():
        raise Refused("expired_trigger_id")
    trigger.used = True
    return trigger.user


def _unchanged(call: Call, view: Json | None) -> None:
    if call.text("hash") and view is not None and view["hash"] != call.text("hash"):
        raise Refused("hash_conflict")


# -- The table -----------------------------------------------------------------------------------------------------

# Each method with the scope that it always needs; those of conversations depend on their kind.
METHODS: dict[str, tuple[Callable[[Call], Json], str | None]] = {
    "auth.test": (auth_test, None),
    "bots.info": (bots_info, "users:read"),
    "apps.uninstall": (apps_uninstall, None),
    "users.info": (users_info, "users:read"),
    "users.list": (users_list, "users:read"),
    "users.lookupByEmail": (users_lookup_by_email, "users:read.email"),
    "conversations.open": (conversations_open, None),
    "conversations.info": (conversations_info, None),
    "conversations.list": (conversations_list, None),
    "conversations.members": (conversations_members, None),
    "conversations.history": (conversations_history, None),
    "conversations.replies": (conversations_replies, None),
    "chat.postMessage": (chat_post_message, "chat:write"),
    "chat.postEphemeral": (chat_post_ephemeral, "chat:write"),
    "chat.update": (chat_update, "chat:write"),
    "chat.delete": (chat_delete, "chat:write"),
    "views.open": (views_open, None),
    "views.push": (views_push, None),
    "views.update": (views_update, None),
    "views.publish": (views_publish, None),
}


@api.api_route("/api/{method}", methods=["GET", "POST"])
async def answer(method: str, request: Request) -> Response:
    lost = await spoil(request)
    given = await _arguments(request)
    answered = OF_THE_APP.get(method, partial(_called, method))(request, given)
    return Lost() if lost else answered


def _called(method: str, request: Request, given: Mapping[str, Any]) -> Response:
    """What the method answers, with the scopes of the token in a header as Slack has it."""
    workspace, installation = _authenticated(request, given)
    if method not in METHODS:
        raise Refused("unknown_method", req_method=method)
    run, scope = METHODS[method]
    call = Call(workspace, installation, given)
    if scope is not None:
        call.need(scope)
    headers = {"x-oauth-scopes": ",".join(installation.scopes)}
    return JSONResponse({"ok": True, **run(call)}, headers=headers)


async def _arguments(request: Request) -> Json:
    """What stands in the address and in the body, be it a form or JSON."""
    body, given = await request.body(), dict(request.query_params)
    if "json" not in request.headers.get("content-type", ""):
        return given | dict(parse_qsl(body.decode(), keep_blank_values=True))
    try:
        found = json.loads(body or b"{}")
    except ValueError:
        raise Refused("invalid_json") from None
    if not isinstance(found, dict):
        raise Refused("json_not_object")
    return given | found


def _authenticated(request: Request, given: Mapping[str, Any]) -> tuple[Workspace, Installation]:
    """Whose bot it is that calls."""
    token = _token(request, given)
    for workspace in _workspaces(request):
        if installation := workspace.records.installations.get(token):
            if not installation.is_active:
                raise Refused("account_inactive")
            return workspace, installation
    raise Refused("invalid_auth")


def _token(request: Request, given: Mapping[str, Any]) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    token = token if scheme.lower() == "bearer" else str(given.get("token") or "")
    if not token:
        raise Refused("not_authed")
    return token


def _workspaces(request: Request) -> list[Workspace]:
    return [driver.workspace for driver in request.app.state.drivers.values()]


# -- Installation --------------------------------------------------------------------------------------------------


@api.get("/oauth/v2/authorize")
async def authorize(
    request: Request, client_id: str, scope: str, redirect_uri: str, state: str = "", team: str = ""
) -> Response:
    """Everybody who comes here consents at once, for the first team unless another is named."""
    if client_id != request.app.state.client_id:
        raise Refused("invalid_client_id")
    drivers = request.app.state.drivers
    if team and team not in drivers:
        raise Refused("team_not_found")
    code = drivers.get(team, request.app.state.slack).consent(scope.split(","))
    return RedirectResponse(f"{redirect_uri}?{urlencode({'code': code, 'state': state})}", 302)


def _installed(request: Request, given: Mapping[str, Any]) -> Response:
    """A code becomes a token, once."""
    _require_client(request, given)
    code = str(given.get("code"))
    workspace = next((one for one in _workspaces(request) if code in one.records.codes), None)
    if workspace is None:
        raise Refused("invalid_code")
    scopes = workspace.install(workspace.records.codes.pop(code)).scopes
    granted = {
        "ok": True,
        "app_id": APP_ID,
        "authed_user": {"id": next(iter(workspace.records.users))},
        "scope": ",".join(scopes),
        "token_type": "bot",
        "access_token": workspace.bot_token,
        "bot_user_id": BOT_USER,
        "team": {"id": workspace.team_id, "name": workspace.name},
        "enterprise": None,
        "is_enterprise_install": False,
    }
    return JSONResponse(granted)


def _require_client(request: Request, given: Mapping[str, Any]) -> None:
    """The client's id and secret, as Basic credentials or as arguments."""
    client_id, client_secret = _credentials(request) or (given.get("client_id"), given.get("client_secret"))
    if client_id != request.app.state.client_id:
        raise Refused("invalid_client_id")
    if client_secret != request.app.state.client_secret:
        raise Refused("bad_client_secret")


def _credentials(request: Request) -> tuple[str, str] | None:
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        client_id, _, secret = base64.b64decode(given).decode().partition(":")
    except ValueError:
        raise Refused("invalid_client_id") from None
    return client_id, secret


def _connected(request: Request, given: Mapping[str, Any]) -> Response:
    """Where the app opens a WebSocket; of the app's own token, not of a bot's."""
    if _token(request, given) != request.app.state.app_token:
        raise Refused("invalid_auth")
    ticket = secrets.token_hex(16)
    request.app.state.tickets.add(ticket)
    return JSONResponse({"ok": True, "url": f"ws://{request.url.netloc}/link?ticket={ticket}"})


# What no bot asks: it has no token of a workspace.
OF_THE_APP = {"oauth.v2.access": _installed, "apps.connections.open": _connected}


# -- Response URLs -------------------------------------------------------------------------------------------------


@api.post("/response/{token}")
async def respond(token: str, request: Request) -> Response:
    """An answer where the interaction was: for its user alone, unless it says otherwise.

    The URL is all that it takes: a token that is sent along is given away, so it is refused here.
    """
    if "authorization" in request.headers:
        raise Refused("token_given_away", status=400)
    lost = await spoil(request)
    workspace = next((one for one in _workspaces(request) if token in one.records.response_urls), None)
    if workspace is None or (url := workspace.records.response_urls[token]).until <= workspace.now():
        raise Refused("expired_url", status=404)
    if url.uses >= RESPONSES_MAX:
        raise Refused("used_url", status=404)
    call = Call(workspace, Installation([]), await _arguments(request))
    url.uses += 1
    _respond(call, url)
    return Lost() if lost else PlainTextResponse("ok")


def _respond(call: Call, url: ResponseUrl) -> None:
    conversation = call.workspace.records.conversations[url.channel]
    if call.flag("delete_original"):
        _delete_original(call, conversation, url)
        return
    content = _content(call) | _thread(call)
    if call.flag("replace_original") and url.ts is not None:
        _replace_original(call, conversation, url, content)
    elif call.text("response_type") == "in_channel":
        call.workspace.post(conversation, BOT_USER, content)
    else:
        call.workspace.whisper(conversation, url.user, content)


def _replace_original(call: Call, conversation: Conversation, url: ResponseUrl, content: Json) -> None:
    if url.ts in conversation.messages:
        call.workspace.edit(conversation, conversation.messages[url.ts], content)
    for one in conversation.ephemerals:
        if one["ts"] == url.ts:
            one |= content


def _delete_original(call: Call, conversation: Conversation, url: ResponseUrl) -> None:
    if url.ts in conversation.messages:
        call.workspace.erase(conversation, conversation.messages[url.ts])
    conversation.ephemerals = [one for one in conversation.ephemerals if one["ts"] != url.ts]
