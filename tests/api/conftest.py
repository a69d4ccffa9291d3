"""The API in this process on this test's own database; Temporal is away, which it must not mind."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from api.app import create_app
from domain.scopes import Scope
from settings import Settings
from storage import api_keys
from storage import programs as program_rows
from tests.programs import NOW, SAMPLE, make_member, make_program


@dataclass
class Client:
    """Calls one program's API with a key that may do everything."""

    http: httpx.AsyncClient
    program_id: str
    key: str

    async def get(self, path: str, **query: Any) -> httpx.Response:
        return await self.http.get(path, params=query)

    async def post(self, path: str, body: Any = None, **headers: str) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.http.post(path, json=body, headers=named)


MakeClient = Callable[..., Awaitable[Client]]


@pytest.fixture
def settings(database_url: str, owner_url: str, redis_url: str, redis: Redis, tmp_path: Path) -> Settings:
    """Settings of an API whose Temporal is away."""
    return Settings(
        database_url=database_url,
        database_owner_url=owner_url,
        redis_url=redis_url,
        temporal_address="127.0.0.1:1",
        laurel_state_dir=tmp_path,
    )


@pytest.fixture
async def app(settings: Settings) -> AsyncIterator[FastAPI]:
    """The application, started; its clock stands at NOW."""
    app = create_app(settings, clock=lambda: NOW)
    async with app.router.lifespan_context(app):
        yield app


@pytest.fixture
async def anyone(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Calls the API without a key."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api.test") as http:
        yield http


@pytest.fixture
async def make_client(app: FastAPI, engine: AsyncEngine) -> AsyncIterator[MakeClient]:
    """Makes a program with the sample configuration and a member named ada, and a client of it."""
    async with AsyncExitStack() as stack:

        async def make(
            *scopes: Scope,
            body: Mapping[str, Any] = SAMPLE,
            program_id: str | None = None,
            expires_at: datetime | None = None,
        ) -> Client:
            async with AsyncSession(engine) as session, session.begin():
                if program_id is None:
                    program_id = await make_program(session, body)
                    await make_member(session, program_id, "ada")
                program = await program_rows.get(session, program_id)
                _, key = await api_keys.insert(
                    session,
                    program,
                    name="a test",
                    scopes=scopes or (Scope.PROGRAMS_ADMIN,),
                    expires_at=expires_at,
                    now=NOW,
                )
            http = httpx.AsyncClient(
                transport=httpx.ASGITransport(app),
                base_url="http://api.test",
                headers={"Authorization": f"Bearer {key}"},
            )
            return Client(await stack.enter_async_context(http), program_id, key)

        yield make


@pytest.fixture
async def client(make_client: MakeClient) -> Client:
    """A client of a program of its own."""
    return await make_client()
