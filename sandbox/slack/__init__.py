"""A local Slack: one workspace with its Web API, and the people in it, who act towards an app's request URL."""

from sandbox.slack.app import create_app

__all__ = ["create_app"]
