"""Keys: a valid one opens its program, and nothing else opens anything."""

from datetime import timedelta

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from api import auth
from api.app import create_app
from domain.api_keys import write
from domain.programs import ProgramKind
from domain.scopes import Scope
from settings import Settings
from storage import api_keys
from tests.api.conftest import Client, MakeClient
from tests.api.facts import deal
from tests.programs import NOW


async def status_with(client: Client, authorization: str) -> tuple[int, str]:
    """What these credentials get, and the challenge."""
    answer = await client.http.get("/v1/members", headers=[(b"Authorization", authorization.encode())])
    return answer.status_code, answer.headers.get("www-authenticate", "")


async def test_a_key_opens_its_program(client: Client) -> None:
    assert (await status_with(client, f"Bearer {client.key}"))[0] == 200
    assert (await status_with(client, f"bearer {client.key}"))[0] == 200


@pytest.mark.parametrize(
    "authorization",
    ["", "Bearer", "Bearer ", "Basic {key}", "{key}", "Bearer {key}x", "Bearer x{key}", "Bearer lrl_test_", "Bearer ÿ"],
)
async def test_what_is_no_key_is_refused(client: Client, authorization: str) -> None:
    status, challenge = await status_with(client, authorization.format(key=client.key))

    assert status == 401
    assert challenge.startswith("Bearer")


async def test_a_well_formed_key_that_nobody_made_is_refused(client: Client) -> None:
    stranger = write(ProgramKind.SANDBOX, 12345)

    assert await status_with(client, f"Bearer {stranger}") == (401, 'Bearer realm="laurel", error="invalid_token"')


async def test_an_expired_key_is_refused_from_the_very_instant(settings: Settings, make_client: MakeClient) -> None:
    client = await make_client(expires_at=NOW + timedelta(seconds=1))
    later = create_app(settings, clock=lambda: NOW + timedelta(seconds=1))
    async with (
        later.router.lifespan_context(later),
        httpx.AsyncClient(transport=httpx.ASGITransport(later), base_url="http://api.test") as http,
    ):
        expired = await http.get("/v1/members", headers={"Authorization": f"Bearer {client.key}"})

    assert (await client.get("/v1/members")).status_code == 200
    assert expired.status_code == 401


async def test_a_revoked_key_is_refused_once_it_is_looked_up_again(
    client: Client, engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auth, "KEY_CACHE_SECONDS", 0)
    assert (await client.get("/v1/members")).status_code == 200
    async with AsyncSession(engine) as session, session.begin():
        key = (await api_keys.list_of(session, client.program_id))[0]
        await api_keys.revoke(session, client.program_id, key.id, now=NOW)

    assert (await client.get("/v1/members")).status_code == 401


async def test_a_key_does_what_its_scopes_allow(make_client: MakeClient) -> None:
    sender = await make_client(Scope.EVENTS_WRITE)

    sent = await sender.post("/v1/events", deal())
    read = await sender.get("/v1/events")

    assert sent.status_code == 201
    assert (read.status_code, read.json()["code"], read.json()["scope"]) == (403, "forbidden", "events:read")
    assert 'error="insufficient_scope", scope="events:read"' in read.headers["www-authenticate"]


async def test_a_missing_scope_is_told_before_the_body_is_read(make_client: MakeClient) -> None:
    reader = await make_client(Scope.EVENTS_READ)

    answer = await reader.http.post("/v1/events", content=b"{")

    assert answer.status_code == 403
