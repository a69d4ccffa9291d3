"""`python -m sandbox.hubspot --port 8710 --webhook-url http://127.0.0.1:8700/intake/con_...`"""

import argparse
from pathlib import Path

import uvicorn

from sandbox.hubspot.app import ACCESS_TOKEN, CLIENT_SECRET, create_app


def main() -> None:
    parser = argparse.ArgumentParser(prog="sandbox.hubspot", description="A local HubSpot with deals and owners.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--data", type=Path, help="JSON file that keeps the state")
    parser.add_argument("--webhook-url", help="where signed notices go")
    parser.add_argument("--client-secret", default=CLIENT_SECRET, help="signs the notices")
    parser.add_argument("--access-token", default=ACCESS_TOKEN, help="the bearer token that the API takes")
    given = parser.parse_args()
    app = create_app(
        access_token=given.access_token,
        client_secret=given.client_secret,
        webhook_url=given.webhook_url,
        data=given.data,
    )
    uvicorn.run(app, host="127.0.0.1", port=given.port, log_level="warning")


if __name__ == "__main__":
    main()
