"""`python -m sandbox.slack --port 4840 --request-url http://127.0.0.1:8700/slack/events`"""

import argparse
from pathlib import Path

import uvicorn

from sandbox.slack.app import SIGNING_SECRET, create_app


def main() -> None:
    parser = argparse.ArgumentParser(prog="sandbox.slack", description="A local Slack with one workspace.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--data", type=Path, help="JSON file that keeps the state")
    parser.add_argument("--request-url", help="where the app takes commands, interactions and events")
    parser.add_argument("--signing-secret", default=SIGNING_SECRET, help="signs what is sent to the app")
    given = parser.parse_args()
    app = create_app(
        signing_secret=given.signing_secret,
        request_url=given.request_url,
        base_url=f"http://127.0.0.1:{given.port}",
        data=given.data,
    )
    uvicorn.run(app, host="127.0.0.1", port=given.port, log_level="warning")


if __name__ == "__main__":
    main()
