"""Secrets given to Laurel in any way are found again in nothing that it says or keeps, except encrypted."""

import json
import secrets
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from cli import seed
from cli.commands import app_for
from domain import api_keys
from domain.programs import ProgramKind
from tests.up import RUNS, Up, free_ports, state_directory

UNKNOWN_KEY = api_keys.write(ProgramKind.SANDBOX, secrets.randbelow(api_keys.POSSIBLE))
CONNECTIONS = {
    "hubspot": {"client_secret": secrets.token_hex(16), "access_token": f"pat-eu1-{secrets.token_hex(16)}"},
    "bamboohr": {"api_key": secrets.token_hex(20), "webhook_key": secrets.token_hex(16)},
    "xapi": {"token": secrets.token_urlsafe(24)},
    "tremendous": {"api_key": f"TEST_{secrets.token_hex(20)}", "webhook_key": secrets.token_hex(24)},
}
CONFIGS = {"bamboohr": ("--config", "company=acme", "--config", "base_url=http://127.0.0.1:9")}
IN_PROGRAM = ("--program", "Careful", "--json")
CREATE = ("--name", "crm", "--scope", "programs:admin", *IN_PROGRAM)
NOBODY = "mem_01a1fd1cfa630081c74091f5d2"
UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}
CANARY = secrets.token_hex(16)
PATIENCE_SECONDS = 60
# The sandbox's own memory: a vendor knows the links of its cards.
AT_THE_VENDOR = "tremendous.db"


class Company:
    """A running stack, its sample company, and all that its commands and answers said."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.said: list[str] = []
        ports = free_ports()
        self._up = Up(directory, ports)
        self._up.wait_for(RUNS)
        self._client = httpx.Client(base_url=f"http://127.0.0.1:{ports.api}")

    def laurel(self, *arguments: str, given: object = None) -> str:
        """What the command answered; whoever calls keeps it in `said`, unless it is there to show a new key.

        Commands run in this process, because to start each anew takes longer than all that it does.
        """
        beside = {"LAUREL_STATE_DIR": str(self.directory)}
        done = CliRunner().invoke(app_for(arguments[0]), list(arguments), input=json.dumps(given), env=beside)
        self.said.append(done.stderr)
        return done.stdout

    def member_token(self) -> str:
        """A token of one of the sample company's members, who has used it."""
        headers = {"Authorization": f"Bearer {json.loads((self.directory / seed.FILE).read_text())['key']}"}
        member = self.call("GET", "/v1/members", headers=headers).json()["items"][0]["id"]
        given = self._client.post(f"/v1/members/{member}/tokens", headers=headers, json={"seconds": 60})
        token: str = given.json()["token"]
        self.call("GET", f"/v1/members/{member}/balance", headers={"Authorization": f"Bearer {token}"})
        return token

    def gift_link(self) -> str:
        """The link of a card that the sample company ordered, had delivered and revealed; the commands tell of it."""
        headers = {"Authorization": f"Bearer {json.loads((self.directory / seed.FILE).read_text())['key']}"}
        fact = {
            "source": "crm",
            "external_id": "deal-for-a-link",
            "type": "deal.won",
            "member": {"source": "email", "external_id": "maya@example.com"},
            "occurred_at": datetime.now(UTC).isoformat(),
            "data": {"deal_id": "deal-for-a-link", "amount_minor": 2_000_000, "currency": "USD"},
        }
        earned = self.call("POST", "/v1/events", json=fact, headers=headers).json()
        wanted = {"member_id": earned["member_id"], "item": "coffee-us", "value_minor": 1_000}
        order = self.call("POST", "/v1/orders", json=wanted | {"delivery_method": "link"}, headers=headers).json()
        path = f"/v1/orders/{order['id']}"
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self.call("GET", path, headers=headers).json()["state"] != "delivered":
            assert time.monotonic() < deadline, self.said[-1]
            time.sleep(0.2)
        for arguments in (("story", order["id"]), ("orders", "review")):
            self.said.append(self.laurel(*arguments))
        shown = self._client.post(f"{path}/reveal", headers=headers)
        link: str = shown.json()["link"]
        return link

    def call(self, method: str, path: str, **request: object) -> httpx.Response:
        """The answer, which must not be a failure of ours; it may name the path that was asked for."""
        answer = self._client.request(method, path, **request)  # type: ignore[arg-type]
        assert answer.status_code < 500, answer.text
        self.said.append(f"{answer.headers} {answer.text}".replace(path, ""))
        return answer

    def end(self) -> None:
        self._client.close()
        _, output = self._up.end()
        self.said.append(output.replace(json.loads((self.directory / seed.FILE).read_text())["key"], ""))

    def kept(self) -> Iterator[tuple[Path, bytes]]:
        """Every file of the state directory but the vendor's and the one that is there to keep the company's key."""
        for path in self.directory.rglob("*"):
            if path.is_file() and path.name not in (seed.FILE, "output") and AT_THE_VENDOR not in path.name:
                yield path, path.read_bytes()


@pytest.fixture
def company() -> Iterator[Company]:
    with state_directory() as directory:
        company = Company(directory)
        try:
            yield company
        finally:
            company.end()


def requests_with(key: str) -> Iterator[tuple[str, str, dict[str, object]]]:
    """Requests that carry secrets wherever a request can: rightly, wrongly and broken."""
    headers = {"Authorization": f"Bearer {key}"}
    event = {"type": "deal.won", "source": "crm", "external_id": "1", "data": {}}
    yield "GET", "/v1/members", {"headers": headers}
    yield "POST", "/v1/events", {"headers": headers, "json": event}
    yield "POST", "/v1/events", {"headers": headers, "content": f'{{"token": "{CANARY}"'}
    yield "POST", "/v1/events", {"headers": {**headers, "Idempotency-Key": "k1"}, "json": {"api_key": CANARY}}
    yield "GET", "/v1/members", {"headers": headers, "params": {"access_token": CANARY, "api_key": CANARY}}
    yield "GET", "/v1/members", {"headers": {"Authorization": f"Bearer {UNKNOWN_KEY}"}}
    yield "GET", "/v1/members", {"headers": {"Authorization": f"Bearer {CANARY}"}}
    yield "GET", "/v1/members", {"headers": {"Authorization": f"Basic {CANARY}", "Cookie": f"session={CANARY}"}}
    yield "POST", "/intake/con_unknown", {"headers": {"X-HubSpot-Signature-v3": CANARY}, "content": CANARY}
    yield "POST", "/intake/con_unknown", {"headers": {"X-BambooHR-Signature": CANARY}, "content": CANARY}
    yield "POST", "/xapi/statements", {"headers": {"Authorization": f"Basic {CANARY}"}, "json": {"id": CANARY}}
    yield "GET", f"/rewards/payout/{CANARY}", {}
    for path in ("/v1/adjustments", "/v1/ledger/commands", "/v1/holds"):
        yield "POST", path, {"headers": headers, "json": {"token": CANARY, "commands": [{"api_key": CANARY}]}}
    balance, token = f"/v1/members/{NOBODY}/balance", f"lrl_member_{CANARY}.{CANARY}"
    yield (
        "GET",
        balance,
        {"headers": {"Authorization": f"Bearer {token}", "Origin": f"https://user:{CANARY}@page.test"}},
    )
    yield "GET", f"{balance}/stream", {"headers": {"Authorization": f"Bearer {token}"}}
    yield "GET", f"{balance}/socket", {"headers": {**UPGRADE, "Sec-WebSocket-Protocol": f"laurel.balance, {token}"}}


def test_secrets_are_neither_said_nor_kept(company: Company) -> None:
    first_key = json.loads(company.laurel("init", "--name", "Careful", "--json"))["key"]
    key = json.loads(company.laurel("keys", "create", *CREATE))["key"]
    for kind, given in CONNECTIONS.items():
        named = ("--name", kind, "--secrets", "-", *CONFIGS.get(kind, ()))
        company.said.append(company.laurel("connections", "add", kind, *named, *IN_PROGRAM, given=given))
    for listing in ("keys", "connections"):
        company.said.append(company.laurel(listing, "list", *IN_PROGRAM))
    assert len(json.loads(company.said[-1])) == len(CONNECTIONS)
    for method, path, request in requests_with(key):
        company.call(method, path, **request)
    link = company.gift_link()
    token = company.member_token()
    company.end()

    planted = [
        first_key,
        key,
        UNKNOWN_KEY,
        CANARY,
        token,
        link.rpartition("/")[2],
        *(value for given in CONNECTIONS.values() for value in given.values()),
    ]
    said = "\n".join(company.said)
    assert [secret for secret in planted if secret in said] == []
    kept = dict(company.kept())
    assert any(b"Careful" in content for content in kept.values())
    assert [(path, secret) for path, content in kept.items() for secret in planted if secret.encode() in content] == []
