"""What time does to value, over HTTP: for whoever does not wait for the schedule."""

from datetime import timedelta

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from api.routes import expiry
from domain.scopes import Scope
from storage import expiry as expiry_rows
from tests.api.conftest import Client, MakeClient
from tests.api.test_account_statements import telling
from tests.programs import NOW


async def lapsed(engine: AsyncEngine, client: Client) -> str:
    """Ada, with 30 points that lapsed yesterday and 5 that never do."""
    async with telling(engine, client) as (teller, ada):
        for _ in range(3):
            await teller.earn(ada, 10, NOW - timedelta(days=1))
        await teller.earn(ada, 5)
    return ada


async def test_what_is_due_of_the_callers_program_is_done_once(
    client: Client, engine: AsyncEngine, make_client: MakeClient
):
    other = await make_client()
    theirs, ada = await lapsed(engine, other), await lapsed(engine, client)

    first, again = [(await client.post("/v1/expiry/runs")).json() for _ in range(2)]

    assert (first["done"]["lots"], again["done"]["lots"]) == (3, 0)
    assert (first["finished"], again["finished"]) == (True, True)
    statement = (await client.get(f"/v1/members/{ada}/statement")).json()["summary"]
    assert (statement["totals"]["expired"], statement["closing"]["balance"]) == (-30, 5)
    theirs_now = (await other.get(f"/v1/members/{theirs}/statement")).json()["summary"]
    assert theirs_now["totals"]["expired"] == 0


async def test_a_run_that_takes_too_long_ends_and_goes_on_when_it_is_asked_again(
    client: Client, engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
):
    async with telling(engine, client) as (teller, ada):
        for _ in range(3):
            await teller.earn(ada, 10, NOW - timedelta(days=1))
    monkeypatch.setattr(expiry, "RUN_SECONDS", 0)
    monkeypatch.setattr(expiry_rows, "PAGE", 1)

    runs = [(await client.post("/v1/expiry/runs")).json()]
    while not runs[-1]["finished"]:
        runs.append((await client.post("/v1/expiry/runs")).json())

    assert len(runs) > 1
    assert sum(run["done"]["lots"] for run in runs) == 3


async def test_a_run_is_ordered_and_not_read(make_client: MakeClient):
    reader = await make_client(Scope.LEDGER_READ)

    assert (await reader.post("/v1/expiry/runs")).status_code == 403
