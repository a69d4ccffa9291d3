"""slack: commands over keep-alive connections, against a bare Bolt that verifies them and only acknowledges.

Both run as one process of the same server with the same options and are asked by the same client from this process.
Ours verifies, keeps the envelope with what must follow, and commits, before it acknowledges.
"""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlencode

from slack_sdk.signature import SignatureVerifier

from bench.pairs import Compared, compare
from bench.programs import NOW, Databases, databases
from bench.serving import rate, serving, written
from cli.embedded.ports import free_port
from cli.embedded.processes import Child
from cli.embedded.redis import Redis
from domain.slack_workspaces import Installation, InstallLink
from settings import Settings
from storage import programs, slack_workspaces
from storage.database import Database
from storage.keyring import Keyring

CONNECTIONS, EACH, WARM_UP = 64, 60, 10
TEAM = "T0BENCH"
SIGNING_SECRET = "signing-secret-of-benchmarks"


async def run() -> Compared:
    """Acknowledgements a second, both."""
    async with databases() as servers:
        with TemporaryDirectory(prefix="laurel-bench-") as directory:
            logs = Path(directory)
            redis = Redis(free_port())
            child = await asyncio.to_thread(Child.start, redis.program(logs / "redis.log"))
            common = {"SLACK_SIGNING_SECRET": SIGNING_SECRET, "LAUREL_LOG_LEVEL": "warning"}
            try:

                async def ours() -> float:
                    url = servers.fresh()
                    await _install(servers, url)
                    own = {"DATABASE_URL": url, "REDIS_URL": redis.url, "TEMPORAL_ADDRESS": "127.0.0.1:1"}
                    async with serving("api", common | own, logs) as port:
                        return await _ask(port)

                async def yardstick() -> float:
                    async with serving("bench.bare_bolt", common, logs) as port:
                        return await _ask(port)

                detail = {"connections": CONNECTIONS, "requests": CONNECTIONS * EACH}
                return await compare("slack", "acknowledgements/s", ours, yardstick, detail=detail)
            finally:
                await asyncio.to_thread(child.stop)


async def _install(servers: Databases, url: str) -> None:
    database, keyring = Database(url), Keyring.from_setting(Settings().laurel_secret_keys)
    installation = Installation(TEAM, "Bench", "A0BENCH", "U0BOT", ["commands"], "xoxb-none")
    async with database.begin() as session:
        [program] = await programs.list_all(session)
        await slack_workspaces.install(session, keyring, InstallLink(program.id, "bench"), installation, now=NOW)
    await database.dispose()


async def _ask(port: int) -> float:
    now = int(datetime.now(UTC).timestamp())
    requests = [_request(number, now) for number in range(CONNECTIONS * (EACH + WARM_UP))]
    return await rate(port, requests, connections=CONNECTIONS, warm_up=WARM_UP, status=200)


def _request(number: int, now: int) -> bytes:
    fields = {
        "command": "/laurel",
        "text": "balance",
        "team_id": TEAM,
        "user_id": f"U{number:08}",
        "channel_id": "C0BENCH",
        "trigger_id": f"{now}.{number}",
        "response_url": f"https://hooks.slack.com/commands/{number}",
    }
    body = urlencode(fields).encode()
    signature = SignatureVerifier(SIGNING_SECRET).generate_signature(timestamp=str(now), body=body)
    head = "POST /slack/events HTTP/1.1\r\nHost: laurel\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    return written(f"{head}X-Slack-Request-Timestamp: {now}\r\nX-Slack-Signature: {signature}\r\n", body)
