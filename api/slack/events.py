"""Slack's requests: events, commands, and what people press and fill in; answered once they are kept."""

from fastapi import APIRouter, Request, Response

from api import bodies, incoming
from api.backends import backends
from api.operations import Operation
from api.problems import Problem
from api.slack.bolt import SlackApp
from connectors.slack import requests

PATH = "/slack/events"

router = APIRouter(include_in_schema=False, route_class=Operation)


@router.post(PATH)
async def take_slack_request(request: Request) -> Response:
    """Signed as Slack signs. Whatever a stranger sends is a problem of the 4xx kind."""
    here = backends(request)
    secret = here.settings.slack_signing_secret
    if secret is None:
        raise Problem("not_found", "no Slack app is set up: SLACK_SIGNING_SECRET is not set")
    sent = incoming.whole(request, await bodies.read(request, requests.BODY_MAX_BYTES))
    requests.verify(sent, secret.get_secret_value(), here.clock())
    app: SlackApp = request.app.state.slack
    answer = await app.take(requests.read(sent))
    return Response(answer.body, answer.status, answer.first_headers_without_set_cookie())
