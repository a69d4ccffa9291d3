"""Reports over HTTP: that they tell what storage reports, as of when it was asked, to whom may know."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from api.charts import read_chart
from domain.reports import InvalidChart
from domain.scopes import Scope
from tests.api.conftest import Client, MakeClient
from tests.programs import NOW, make_member
from tests.redeemed import place, send
from tests.tellers import Teller

REPORTS = ("trial-balance", "clearing", "liability", "breakage", "spend", "journal", "holds")


@asynccontextmanager
async def telling(engine: AsyncEngine, client: Client) -> AsyncIterator[Teller]:
    async with AsyncSession(engine, expire_on_commit=False) as session, session.begin():
        yield Teller(session, client.program_id, NOW - timedelta(days=20))


@pytest.fixture
async def told(client: Client, engine: AsyncEngine) -> Client:
    """A client of a program in which 9,000 points were earned and 2,500 spent on a mug, 20 days ago."""
    async with telling(engine, client) as teller:
        member = await make_member(teller.session, client.program_id, "eve", country="GB")
        await teller.earn(member, 9_000)
        order = await place(teller.session, client.program_id, member, teller.now)
        await send(teller.session, order, teller.now)
    return client


async def report(client: Client, name: str, **query: Any) -> Any:
    answer = await client.get(f"/v1/reports/{name}", **query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def z(days: float) -> str:
    return (NOW + timedelta(days=days)).isoformat().replace("+00:00", "Z")


async def test_the_trial_balance_is_as_of_when_it_is_asked_for(told: Client):
    now = await report(told, "trial-balance")
    before = await report(told, "trial-balance", at=z(-21))

    assert now["balanced"]
    assert {line["account"]: line["balance"] for line in now["lines"]} == {
        "available": 6_500,
        "held": 0,
        "issued": -9_000,
        "redeemed": 2_500,
    }
    assert (before["lines"], before["at"]) == ([], z(-21))


async def test_what_was_spent_is_told_with_its_money(told: Client):
    answer = await report(told, "spend", by="country", per="week")

    assert answer["lines"] == [
        {
            "period": "2026-02-09",
            "key": "GB",
            "unit": "points",
            "exponent": 0,
            "spent": 2_500,
            "orders": 1,
            "currency": "USD",
            "value_minor": 2_500,
        }
    ]


async def test_the_other_reports_tell_of_the_same_postings(told: Client):
    liability = await report(told, "liability", by="expiry")
    breakage = await report(told, "breakage", **{"from": z(-30)})
    clearing = await report(told, "clearing")
    holds = await report(told, "holds")

    assert [(line["bucket"], line["amount"]) for line in liability["lines"]] == [("never", 6_500)]
    assert [(line["issued"], line["expired"], line["rate"]) for line in breakage["lines"]] == [(9_000, 0, 0)]
    assert [line["difference"] for line in clearing["lines"]] == [0]
    assert ([line["unexplained"] for line in holds["lines"]], holds["differences"]) == ([0], [])


async def test_pages_of_the_journal_hold_every_transfer_once_and_balance(told: Client):
    lines: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while not lines or cursor:
        page = await report(told, "journal", limit=2, **cursor)
        lines += page["items"]
        cursor = {"cursor": page["next_cursor"]} if page.get("next_cursor") else {}

    assert [(line["kind"], line["code"], line["debit"], line["credit"]) for line in lines] == [
        ("earn", "5100", 9_000, 0),
        ("earn", "2100", 0, 9_000),
        ("hold", "2100", 2_500, 0),
        ("hold", "2110", 0, 2_500),
        ("settle", "2110", 2_500, 0),
        ("settle", "2200", 0, 2_500),
    ]


@pytest.mark.parametrize("name", REPORTS)
async def test_a_report_needs_its_scope_and_tells_of_one_program(told: Client, make_client: MakeClient, name: str):
    weak = await make_client(Scope.BALANCES_READ, program_id=told.program_id)
    other = await make_client(Scope.REPORTS_READ)

    assert (await weak.get(f"/v1/reports/{name}")).status_code == 403
    answer = await report(other, name)
    assert answer.get("lines", answer.get("items")) == []


async def test_a_period_that_ends_before_it_begins_is_refused(told: Client):
    answer = await told.get("/v1/reports/journal", **{"from": z(0), "until": z(-1)})

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_period")


def test_a_chart_names_accounts_by_kind_and_by_kind_and_unit(tmp_path: Path):
    file = tmp_path / "chart.yaml"
    file.write_text(
        """accounts:
  available: {code: "3000", name: Points}
  available.cash: {code: "3001", name: Cash}
"""
    )

    chart = read_chart(file)

    assert [chart.account("available", unit).code for unit in ("points", "cash")] == ["3000", "3001"]
    assert chart.account("held", "points").code == "2110"


def test_a_program_has_accounts_of_its_own_and_otherwise_everybodys(tmp_path: Path):
    file = tmp_path / "chart.yaml"
    file.write_text(
        """accounts:
  issued: {code: "6000", name: Cost}
  held: {code: "3100", name: Held}
programs:
  prg_referrals:
    issued: {code: "6010", name: Cost of referrals}
"""
    )

    chart = read_chart(file)

    assert [chart.of(one).account("issued", "points").code for one in ("prg_referrals", "prg_surveys")] == [
        *("6010", "6000")
    ]
    assert {chart.of(one).account("held", "points").code for one in ("prg_referrals", "prg_surveys")} == {"3100"}


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("- 1", "a mapping `accounts`"),
        ("programs: {prg_one: {vault: {code: '1', name: x}}}", "vault: known kinds"),
        ("programs: {prg_one: 3}", "prg_one: must be a mapping"),
        ("accounts: {vault: {code: '1', name: x}}", "vault: known kinds"),
        ("accounts: {held: {code: 2100, name: x}}", "held: code and name must be texts"),
        ("accounts: {held: {code: '1'}}", "held: must have a code and a name"),
        ("accounts: {", "expected"),
    ],
)
def test_what_is_no_chart_is_refused_by_name(tmp_path: Path, written: str, why: str):
    file = tmp_path / "chart.yaml"
    file.write_text(written)

    with pytest.raises(InvalidChart, match=why):
        read_chart(file)
