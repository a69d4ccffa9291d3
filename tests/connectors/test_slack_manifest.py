"""The manifest is what Slack takes, and asks for no scope and no event that nothing of ours needs."""

import re
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from ruamel.yaml import YAML

from connectors.slack import manifest, requests

ROOT = Path(__file__).parents[2]

# The scope that each method and event needs, as Slack documents them. Of methods that work in conversations of several
# kinds, that of each kind in which Laurel calls them.
METHODS = {
    "apps.connections.open": (),  # an app-level token's own
    "apps.uninstall": (),
    "auth.test": (),
    "bots.info": ("users:read",),
    "chat.postEphemeral": ("chat:write",),
    "chat.postMessage": ("chat:write",),
    "chat.update": ("chat:write",),
    "conversations.history": ("channels:history", "groups:history", "im:history"),
    "conversations.info": ("channels:read", "groups:read"),
    "conversations.open": ("im:write",),
    "conversations.replies": ("channels:history", "groups:history", "im:history"),
    "oauth.v2.access": (),
    "users.info": ("users:read", "users:read.email"),
    "users.lookupByEmail": ("users:read.email",),
    "views.open": (),
    "views.publish": (),
    "views.update": (),
}
EVENTS = {
    "app_home_opened": (),
    "app_uninstalled": (),
    "message.channels": ("channels:history",),
    "message.groups": ("groups:history",),
    "reaction_added": ("reactions:read",),
    "reaction_removed": ("reactions:read",),
    "team_join": ("users:read",),
    "tokens_revoked": (),
    "user_change": ("users:read",),
}
FEATURES = ("commands",)  # the command and the shortcuts


def text(longest: int, **more: Any) -> dict[str, Any]:
    return {"type": "string", "minLength": 1, "maxLength": longest, **more}


def record(required: list[str], **properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": required, "properties": properties, "additionalProperties": False}


def several(items: Any, most: int) -> dict[str, Any]:
    return {"type": "array", "items": items, "maxItems": most, "uniqueItems": True}


# What https://docs.slack.dev/reference/app-manifest says of the parts that we use.
FLAG = {"type": "boolean"}
URL = text(3_000, pattern="^https://")
SHORTCUT = record(
    ["name", "type", "callback_id", "description"],
    name=text(24),
    type={"enum": ["global", "message"]},
    callback_id=text(255),
    description=text(150),
)
COMMAND = record(
    ["command", "description"],
    command=text(32, pattern="^/"),
    url=URL,
    description=text(2_000),
    usage_hint=text(1_000),
    should_escape=FLAG,
)
SCHEMA = record(
    ["display_information"],
    _metadata=record([], major_version={"type": "integer"}, minor_version={"type": "integer"}),
    display_information=record(
        ["name"],
        name=text(35),
        description=text(140),
        long_description=text(4_000, minLength=175),
        background_color=text(7, pattern="^#[0-9a-f]{6}$"),
    ),
    features=record(
        [],
        app_home=record([], home_tab_enabled=FLAG, messages_tab_enabled=FLAG, messages_tab_read_only_enabled=FLAG),
        bot_user=record(["display_name"], display_name=text(80), always_online=FLAG),
        shortcuts=several(SHORTCUT, 10),
        slash_commands=several(COMMAND, 50),
    ),
    oauth_config=record([], redirect_urls=several(text(2_500), 1_000), scopes=record([], bot=several(text(50), 255))),
    settings=record(
        [],
        event_subscriptions=record([], request_url=URL, bot_events=several(text(50), 100)),
        interactivity=record(["is_enabled"], is_enabled=FLAG, request_url=URL),
        org_deploy_enabled=FLAG,
        socket_mode_enabled=FLAG,
        token_rotation_enabled=FLAG,
    ),
)


def read(written: str) -> Any:
    return YAML(typ="safe").load(written)


@pytest.fixture
def ready() -> Any:
    return read(manifest.ready("https://laurel.acme.com"))


@pytest.mark.parametrize(
    "written", [manifest.FILE.read_text(), manifest.ready("https://laurel.acme.com"), manifest.ready_for_socket()]
)
def test_it_has_the_shape_that_slack_takes(written: str) -> None:
    faults = [error.message for error in jsonschema_rs.validator_for(SCHEMA).iter_errors(read(written))]

    assert faults == []


def test_made_ready_it_names_our_address_and_no_other(ready: Any) -> None:
    urls = re.findall(r"https://[^\s/]+", str(ready).replace("'", " "))

    assert set(urls) == {"https://laurel.acme.com"}
    assert len(urls) == 4


def test_for_socket_mode_it_names_no_address() -> None:
    found = read(manifest.ready_for_socket())

    assert "laurel.example/" not in str(found)
    assert found["settings"]["socket_mode_enabled"] is True


def test_it_asks_for_the_scopes_that_methods_events_and_commands_need_and_for_no_other(ready: Any) -> None:
    needed = {scope for method in called() for scope in METHODS[method]}
    needed |= {scope for event in ready["settings"]["event_subscriptions"]["bot_events"] for scope in EVENTS[event]}

    assert set(manifest.bot_scopes()) == needed | set(FEATURES)


def called() -> set[str]:
    """The methods of Slack's Web API that our code names."""
    families = "|".join(sorted({method.split(".")[0] for method in METHODS}))
    name = re.compile(rf'"((?:{families})\.[A-Za-z0-9.]+)"')
    sources = (
        file for layer in ("connectors/slack", "activities", "api", "cli") for file in (ROOT / layer).rglob("*.py")
    )
    return {method for file in sources for method in name.findall(file.read_text())}


def test_it_subscribes_to_the_events_that_are_kept_and_to_no_other(ready: Any) -> None:
    subscribed = set(ready["settings"]["event_subscriptions"]["bot_events"])

    assert subscribed - {"message.channels", "message.groups"} == requests._MATTER
