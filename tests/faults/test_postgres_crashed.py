"""PostgreSQL crashes under load: what was acknowledged is there afterwards, the rest was refused in a way to retry."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field

import httpx

from tests.deployment import DeployedCompany
from tests.eventually import eventually
from tests.faults.conftest import NewCompany, OwnPostgres

CALLERS = 16
MEMBERS = ("maya@example.com", "jonas@example.com", "priya@example.com")
# Between two requests of a caller that was refused.
REFUSED_PAUSE_SECONDS = 0.1


@dataclass
class Load:
    """Callers that send one event after the other until told to stop."""

    company: DeployedCompany
    acknowledged: set[str] = field(default_factory=set)
    refused: list[httpx.Response] = field(default_factory=list)
    stopping: bool = False

    async def call(self, caller: int) -> None:
        headers = {"authorization": f"Bearer {self.company.sample.key}"}
        async with httpx.AsyncClient(base_url=self.company.deployment.url, headers=headers, timeout=60) as client:
            number = 0
            while not self.stopping:
                number += 1
                name = f"{caller}-{number}"
                body = self.company.deal(MEMBERS[number % len(MEMBERS)], name, amount_minor=10_000)
                answer = await client.post("/v1/events", json=body)
                if answer.is_success:
                    self.acknowledged.add(name)
                else:
                    self.refused.append(answer)
                    await asyncio.sleep(REFUSED_PAUSE_SECONDS)

    async def until_acknowledged(self, count: int) -> None:
        """Returns once this many more events were acknowledged."""
        wanted = len(self.acknowledged) + count

        async def look() -> None:
            assert len(self.acknowledged) >= wanted

        await eventually(look)


async def test_nothing_acknowledged_is_lost_when_postgres_crashes_under_load(
    new_company: NewCompany, own_postgres: OwnPostgres
) -> None:
    company = await new_company(database_url=own_postgres.url)
    await company.deployment.start_worker()
    load = Load(company)

    async with asyncio.TaskGroup() as callers:
        for caller in range(CALLERS):
            callers.create_task(load.call(caller))
        for _ in range(2):
            await load.until_acknowledged(200)
            await asyncio.to_thread(own_postgres.crash)
            await asyncio.to_thread(own_postgres.start)
        await load.until_acknowledged(200)
        load.stopping = True

    assert {(answer.status_code, answer.json()["code"]) for answer in load.refused} <= {(503, "database_unavailable")}
    assert all("retry-after" in answer.headers for answer in load.refused)
    kept = await names(company)
    assert load.acknowledged <= kept.keys()
    assert max(kept.values()) == 1
    assert await company.violations() == 0


async def names(company: DeployedCompany) -> Counter[str]:
    """How many events of each name the API lists."""
    found: Counter[str] = Counter()
    cursor: dict[str, str] = {}
    while True:
        page = await company.api.call("GET", "/v1/events", params={"limit": 100, **cursor})
        found.update(event["external_id"] for event in page["items"])
        if not page.get("next_cursor"):
            return found
        cursor = {"cursor": page["next_cursor"]}
