"""Statements, past balances and expiry schedules over HTTP."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from domain.scopes import Scope
from storage.tables import members
from tests.api.conftest import Client, MakeClient
from tests.programs import NOW
from tests.tellers import Teller


@asynccontextmanager
async def telling(engine: AsyncEngine, client: Client) -> AsyncIterator[tuple[Teller, str]]:
    """A teller of the client's program, and ada."""
    async with AsyncSession(engine, expire_on_commit=False) as session, session.begin():
        ada = (
            await session.execute(select(members.c.id).where(members.c.program_id == client.program_id))
        ).scalar_one()
        yield Teller(session, client.program_id, NOW - timedelta(days=20)), ada


def z(days: float) -> str:
    """So many days from now."""
    return (NOW + timedelta(days=days)).isoformat().replace("+00:00", "Z")


async def history(engine: AsyncEngine, client: Client) -> str:
    """Forty earnings, half of them held at once, ten days ago one adjustment of fifteen days ago; ada's id."""
    async with telling(engine, client) as (teller, ada):
        for n in range(40):
            await teller.earn(ada, 10, NOW + timedelta(days=n), event_id="evt_deal")
        await teller.hold(ada, 200)
        teller.now = NOW - timedelta(days=10)
        await teller.adjust(ada, 5, effective_at=NOW - timedelta(days=15), reason="forgotten", actor="bea")
        return ada


async def test_pages_of_a_statement_go_on_where_they_ended_and_add_up(client: Client, engine: AsyncEngine):
    ada = await history(engine, client)

    pages: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while not pages or cursor:
        answer = await client.get(f"/v1/members/{ada}/statement", limit=15, **cursor)
        assert answer.status_code == 200, answer.text
        pages.append(answer.json())
        cursor = {"cursor": pages[-1]["next_cursor"]} if pages[-1].get("next_cursor") else {}
    lines = [line for page in pages for line in page["lines"]]
    summary = pages[0]["summary"]

    assert [len(page["lines"]) for page in pages] == [15, 15, 12]
    assert [page["summary"] is None for page in pages] == [False, True, True]
    assert sum(line["amount"] for line in lines) == summary["closing"]["balance"] == lines[-1]["balance"] == 205
    assert {name: amount for name, amount in summary["totals"].items() if amount} == {
        "earned": 400,
        "adjusted": 5,
        "held": -200,
    }
    assert lines[-1] | {"transaction_id": ""} == {
        "transaction_id": "",
        "n": 1,
        "kind": "adjust",
        "category": "adjusted",
        "amount": 5,
        "balance": 205,
        "effective_at": z(-15),
        "recorded_at": z(-10),
        "counterparty": "adjusted",
        "reason": "forgotten",
        "actor": "bea",
        "event_id": None,
        "event_type": None,
        "order_id": None,
        "item_name": None,
        "reverses_id": None,
    }


async def test_a_cursor_keeps_to_what_was_known_when_its_statement_began(client: Client, engine: AsyncEngine):
    ada = await history(engine, client)
    first = (await client.get(f"/v1/members/{ada}/statement", limit=40)).json()
    async with telling(engine, client) as (teller, _):
        teller.now = NOW + timedelta(seconds=1)
        await teller.adjust(ada, 900, effective_at=NOW - timedelta(days=1), business_key="late")

    second = (await client.get(f"/v1/members/{ada}/statement", limit=40, cursor=first["next_cursor"])).json()

    assert [line["amount"] for line in second["lines"]] == [-200, 5]


async def test_a_past_balance_is_what_was_known_of_what_had_taken_effect(client: Client, engine: AsyncEngine):
    ada = await history(engine, client)

    async def available(**query: str) -> int:
        answer = await client.get(f"/v1/members/{ada}/balance", **query)
        assert answer.status_code == 200, answer.text
        return int(answer.json()["available"])

    assert await available(at=z(-21)) == 0
    assert await available(at=z(-20)) == 200
    assert await available(at=z(-14)) == 205
    assert await available(at=z(-14), known_at=z(-14)) == 200
    # One has lapsed, at this very instant; the hold had taken those that would have lapsed before.
    assert await available(at=z(20)) == 205 - 10
    now = (await client.get(f"/v1/members/{ada}/balance")).json()
    then = (await client.get(f"/v1/members/{ada}/balance", at=z(0))).json()
    assert then == now | {"lifetime": None, "version": None}


async def test_the_schedule_names_months_and_years_and_what_comes_next(client: Client, engine: AsyncEngine):
    ada = await history(engine, client)

    answer = await client.get(f"/v1/members/{ada}/expiry")

    assert answer.json() == {
        "unit": "points",
        "at": z(0),
        "known_at": z(0),
        "spendable": 205,
        "lapsed": 0,
        "never": 5,
        "next_expiry_at": z(20),
        "next_expiry_amount": 10,
        "months": [{"period": "2026-03", "amount": 80}, {"period": "2026-04", "amount": 120}],
        "years": [{"period": "2026", "amount": 200}],
    }


async def test_a_statement_that_ends_before_it_begins_is_refused(client: Client, engine: AsyncEngine):
    ada = await history(engine, client)

    answer = await client.get(f"/v1/members/{ada}/statement", **{"from": z(0), "until": z(-1)})

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_period")


async def test_another_programs_member_and_an_unknown_unit_are_not_found(
    client: Client, make_client: MakeClient, engine: AsyncEngine
):
    ada = await history(engine, client)
    other = await make_client()
    weak = await make_client(Scope.MEMBERS_READ, program_id=client.program_id)

    for part in ("statement", "expiry", "balance"):
        assert (await other.get(f"/v1/members/{ada}/{part}")).status_code == 404
        assert (await client.get(f"/v1/members/{ada}/{part}", unit="gold")).status_code == 404
        assert (await weak.get(f"/v1/members/{ada}/{part}")).status_code == 403
