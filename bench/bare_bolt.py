"""The yardstick of slack: Bolt under FastAPI, which verifies and acknowledges, and keeps nothing."""

from fastapi import FastAPI, Request, Response
from slack_bolt.adapter.fastapi.async_handler import AsyncSlackRequestHandler
from slack_bolt.async_app import AsyncAck, AsyncApp
from slack_bolt.authorization import AuthorizeResult

from api import server
from api.app import NO_TELEMETRY
from settings import Settings


def create_app() -> FastAPI:
    """One route, under the path that Slack asks."""
    secret = Settings().slack_signing_secret
    assert secret is not None, "requests are signed"
    bolt = AsyncApp(signing_secret=secret.get_secret_value(), authorize=_anybody)
    bolt.command("/laurel")(_acknowledge)
    handler, app = AsyncSlackRequestHandler(bolt), FastAPI(telemetry=NO_TELEMETRY)

    @app.post("/slack/events")
    async def take(request: Request) -> Response:
        return await handler.handle(request)

    return app


async def _anybody(team_id: str, enterprise_id: str | None) -> AuthorizeResult:
    return AuthorizeResult(enterprise_id=enterprise_id, team_id=team_id, bot_token="xoxb-none")


async def _acknowledge(ack: AsyncAck) -> None:
    await ack()


if __name__ == "__main__":
    server.run(create_app, Settings())
