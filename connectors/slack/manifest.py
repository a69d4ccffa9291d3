"""The app's manifest, `slack/manifest.yaml`: made ready for an address, and the scopes that it asks for.

https://docs.slack.dev/reference/app-manifest
"""

from functools import lru_cache
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

FILE = Path(__file__).parents[2] / "slack" / "manifest.yaml"
PLACEHOLDER = "https://laurel.example"


def ready(public_url: str) -> str:
    """The manifest of an app that Slack reaches at this address."""
    return FILE.read_text().replace(PLACEHOLDER, public_url)


def ready_for_socket() -> str:
    """The manifest of an app that asks Slack for what happens, and which Slack reaches nowhere."""
    yaml, found = _yaml(), _read()
    for command in found["features"]["slash_commands"]:
        del command["url"]
    del found["oauth_config"]["redirect_urls"]
    del found["settings"]["event_subscriptions"]["request_url"]
    del found["settings"]["interactivity"]["request_url"]
    found["settings"]["socket_mode_enabled"] = True
    written = StringIO()
    yaml.dump(found, written)
    return written.getvalue()


@lru_cache(1)
def bot_scopes() -> tuple[str, ...]:
    """The scopes that the app asks for."""
    return tuple(_read()["oauth_config"]["scopes"]["bot"])


def _read() -> Any:
    return _yaml().load(FILE.read_text())


def _yaml() -> YAML:
    yaml = YAML()  # keeps comments
    yaml.indent(mapping=2, sequence=4, offset=2)
    return yaml
