"""`python -m sandbox.tremendous`: the sandbox on a port of this machine."""

import argparse
from pathlib import Path

import uvicorn

from sandbox.tremendous.app import create_app


def main() -> None:
    parser = argparse.ArgumentParser(prog="sandbox.tremendous", description=__doc__)
    parser.add_argument("--port", type=int, required=True, help="port on 127.0.0.1; the API is under /api/v2")
    parser.add_argument("--data", type=Path, help="SQLite file that keeps the state (default: kept in memory)")
    parser.add_argument("--webhook-url", help="where notices go (default: nowhere until POST /webhooks)")
    parser.add_argument("--webhook-key", help="signs the notices (default: made up, shown by GET /webhooks)")
    parser.add_argument("--requests-per-second", type=int, help="answer 429 beyond this rate (default: no limit)")
    parser.add_argument("--delivery-seconds", type=float, default=1.0, help="how long an e-mail takes (default: 1)")
    given = parser.parse_args()
    app = create_app(
        data=given.data,
        webhook_url=given.webhook_url,
        webhook_key=given.webhook_key,
        requests_per_second=given.requests_per_second,
        delivery_seconds=given.delivery_seconds,
    )
    uvicorn.run(app, host="127.0.0.1", port=given.port, log_level="warning", timeout_graceful_shutdown=2)


if __name__ == "__main__":
    main()
