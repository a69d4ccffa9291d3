"""`python -m sandbox.bamboohr --port 8711 --webhook-url http://127.0.0.1:8700/intake/con_...`"""

import argparse
from pathlib import Path

import uvicorn

from sandbox.bamboohr.app import API_KEY, WEBHOOK_KEY, create_app


def main() -> None:
    parser = argparse.ArgumentParser(prog="sandbox.bamboohr", description="A local BambooHR with one company.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--data", type=Path, help="JSON file that keeps the state")
    parser.add_argument("--webhook-url", help="where signed notices go")
    parser.add_argument("--webhook-key", default=WEBHOOK_KEY, help="the private key that signs the notices")
    parser.add_argument("--api-key", default=API_KEY, help="the user name of the Basic credentials that the API takes")
    given = parser.parse_args()
    app = create_app(
        api_key=given.api_key, webhook_key=given.webhook_key, webhook_url=given.webhook_url, data=given.data
    )
    uvicorn.run(app, host="127.0.0.1", port=given.port, log_level="warning")


if __name__ == "__main__":
    main()
