"""What could be wrong between Laurel and Slack, asked of both, and what to do about each."""

import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import orjson
from slack_sdk.signature import SignatureVerifier

from connectors.breakers import Breaker
from connectors.errors import OutsideError, Rejected, Unauthorized
from connectors.http import Outside
from connectors.slack import manifest
from connectors.slack.web import KIND, Slack
from domain.slack_workspaces import Workspace

EVENTS_PATH = "/slack/events"
# Slack's requests count for five minutes.
SKEW = timedelta(minutes=1)

CONNECT = "Connect the workspace again: laurel slack install."
NOT_LAUREL = "LAUREL_PUBLIC_URL leads to something that is not Laurel."
_ADVICE = {
    401: "The API has another SLACK_SIGNING_SECRET or another time than this command: start it anew.",
    404: "The API has no SLACK_SIGNING_SECRET, or LAUREL_PUBLIC_URL leads to something that is not Laurel.",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that was looked at; `advice` says what to do, and is empty where all is well."""

    what: str
    advice: str = ""

    @property
    def is_well(self) -> bool:
        return not self.advice


async def reach(public_url: str, signing_secret: str, now: datetime) -> Finding:
    """Whether our own address answers what Slack asks of a new request URL, signed as Slack signs."""
    url, challenge = f"{public_url}{EVENTS_PATH}", secrets.token_urlsafe(16)
    body = orjson.dumps({"type": "url_verification", "challenge": challenge})
    outside = Outside(public_url, headers=_signed(body, signing_secret, now), breaker=Breaker(KIND))
    try:
        answer = await outside.write("POST", EVENTS_PATH, body)
    except Rejected as refused:
        return Finding(f"{url} answers {refused.status}", _ADVICE.get(refused.status, NOT_LAUREL))
    except OutsideError as error:
        return Finding(f"{url} is not reached: {error}", "Is the API up, and LAUREL_PUBLIC_URL its address?")
    finally:
        await outside.aclose()
    if challenge.encode() not in answer.body:
        return Finding(f"{url} answers something else", NOT_LAUREL)
    return Finding(f"{url} answers as Slack expects")


def _signed(body: bytes, signing_secret: str, now: datetime) -> dict[str, str]:
    timestamp = str(int(now.timestamp()))
    signature = SignatureVerifier(signing_secret).generate_signature(timestamp=timestamp, body=body)
    return {"x-slack-request-timestamp": timestamp, "x-slack-signature": str(signature)}


async def examine(slack: Slack, workspace: Workspace, now: datetime) -> list[Finding]:
    """Whether the workspace's token works, may do what the manifest asks for, and tells our time."""
    try:
        found = await slack.introduce()
    except Unauthorized as refused:
        return [Finding(f"{workspace.name}: Slack refuses the token ({refused.code})", CONNECT)]
    except OutsideError as error:
        return [Finding(f"{workspace.name}: Slack does not answer: {error}", "Can this machine reach SLACK_API_URL?")]
    if found.team_id != workspace.team_id:
        return [Finding(f"{workspace.name}: the token is one of {found.team_name}", CONNECT)]
    return [
        Finding(f"{workspace.name}: the token works"),
        _scopes(workspace, found.scopes),
        *([_clock(found.at, now)] if found.at else []),
    ]


def _scopes(workspace: Workspace, granted: Collection[str]) -> Finding:
    if missing := [scope for scope in manifest.bot_scopes() if scope not in granted]:
        return Finding(f"{workspace.name}: scopes are missing: {', '.join(missing)}", CONNECT)
    return Finding(f"{workspace.name}: all scopes are granted")


def _clock(theirs: datetime, ours: datetime) -> Finding:
    seconds = round((ours - theirs).total_seconds())
    if abs(ours - theirs) <= SKEW:
        return Finding("this machine has Slack's time")
    ahead = "ahead of" if seconds > 0 else "behind"
    return Finding(
        f"this machine is {abs(seconds)} s {ahead} Slack", "Set its clock: requests are refused by their time."
    )


async def look_for(slacks: Sequence[Slack], channel: str) -> Finding:
    """Whether Laurel is in the channel, in one of these workspaces."""
    for slack in slacks:
        try:
            found = (await slack.read("conversations.info", {"channel": channel}))["channel"]
        except OutsideError:
            continue
        name = f"#{found.get('name', channel)}"
        if found.get("is_archived"):
            return Finding(f"{name} is archived", "Name another channel in its place in the configuration.")
        if found.get("is_member"):
            return Finding(f"Laurel is in {name}")
        return Finding(f"Laurel is not in {name}", f"Type /invite @Laurel in {name}.")
    advice = "Is its id right? If it is private, type /invite @Laurel there."
    return Finding(f"no workspace shows a channel {channel}", advice)


async def ask_for_socket(slack: Slack) -> Finding:
    """Whether the app-level token opens Socket Mode."""
    try:
        await slack.write("apps.connections.open", {})
    except OutsideError as error:
        advice = "Make an app-level token with connections:write, turn Socket Mode on, and set SLACK_APP_TOKEN."
        return Finding(f"Socket Mode does not open: {error}", advice)
    return Finding("Socket Mode opens")
