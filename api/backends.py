"""What the routes work with, made once per process by `api.app` and found as `backends(request)`."""

from dataclasses import dataclass

from redis.asyncio import Redis
from starlette.requests import HTTPConnection
from temporalio.client import Client

from api.cursors import Cursors
from api.limits import Allowance
from api.live import Live
from api.long_answers import LongAnswers
from api.writer import Writer
from connectors.slack.web import Slacks
from domain.member_tokens import TokenSigner
from domain.reports import Chart
from domain.time import Clock
from settings import Settings
from storage.database import Database
from storage.keyring import Keyring


@dataclass(frozen=True, slots=True)
class Backends:
    """The process's connections to what it needs, and its clock."""

    settings: Settings
    clock: Clock
    database: Database
    redis: Redis
    temporal: Client
    keyring: Keyring
    writer: Writer
    cursors: Cursors
    allowance: Allowance
    admin_allowance: Allowance
    chart: Chart
    signer: TokenSigner
    live: Live
    long_answers: LongAnswers
    slacks: Slacks


def backends(request: HTTPConnection) -> Backends:
    """The backends of the process that answers this request."""
    found: Backends = request.app.state.backends
    return found
