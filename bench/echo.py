"""The yardstick of http: FastAPI, doing nothing but giving back the JSON it was sent."""

from typing import Any

from fastapi import FastAPI

from api import server
from api.app import NO_TELEMETRY
from settings import Settings


def create_app() -> FastAPI:
    """One route, under the path that events have."""
    app = FastAPI(telemetry=NO_TELEMETRY)

    @app.post("/v1/events", status_code=201)
    async def echo(body: dict[str, Any]) -> dict[str, Any]:
        return body

    return app


if __name__ == "__main__":
    server.run(create_app, Settings())
