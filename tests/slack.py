"""A local Slack on a port of its own, whose people act towards an app of the test's."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sandbox.slack import create_app
from sandbox.slack.driver import Driver
from tests.sandboxes import running


@contextmanager
def running_slack(**settings: Any) -> Iterator[Driver]:
    """What drives it; its Web API answers under `api_url`. `settings` are those of the sandbox's application."""
    app = create_app(**settings)
    with running(app) as url:
        for driver in app.state.drivers.values():
            driver.base_url = url
        slack: Driver = app.state.slack
        yield slack
