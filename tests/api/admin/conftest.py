"""Somebody who is signed in to the administrators' pages of a program."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from storage import sign_ins
from tests.programs import NOW


@dataclass
class Visitor:
    """A browser without scripts: it keeps cookies, and sends forms with the token that the page gave it."""

    http: httpx.AsyncClient
    program_id: str

    async def get(self, path: str) -> httpx.Response:
        return await self.http.get(path)

    async def send(self, path: str, **fields: Any) -> httpx.Response:
        """Fill in a form and send it."""
        return await self.http.post(path, data={"csrf": await self.csrf(), **fields})

    async def csrf(self) -> str:
        page = await self.http.get("/admin/members")
        found = re.search(r'name="csrf" value="([0-9a-f]+)"', page.text)
        assert found is not None
        return found[1]


MakeVisitor = Callable[[str], Awaitable[Visitor]]


async def make_link(engine: AsyncEngine, program_id: str, name: str = "Anna") -> str:
    """The text of a new link."""
    async with AsyncSession(engine) as session, session.begin():
        return await sign_ins.make_link(session, program_id, name=name, minutes=15, now=NOW)


@pytest.fixture
async def sign_in(app: FastAPI, engine: AsyncEngine) -> AsyncIterator[MakeVisitor]:
    """Signs somebody in to a program."""
    opened: list[httpx.AsyncClient] = []

    async def make(program_id: str) -> Visitor:
        http = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api.test")
        opened.append(http)
        entered = await http.post("/admin/enter", data={"link": await make_link(engine, program_id)})
        assert (entered.status_code, entered.headers["location"]) == (303, "/admin/challenges")
        return Visitor(http, program_id)

    yield make
    for http in opened:
        await http.aclose()
