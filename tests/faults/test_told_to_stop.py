"""A server hangs while API and worker are told to stop: they end in time all the same."""

import asyncio
import os
import signal

import pytest

from cli.demo.waiting import DemoFailed
from tests.faults.conftest import NewCompany, OwnPostgres

GRACE_SECONDS = 1
MEMBER = "maya@example.com"
BOUND_SECONDS = 20  # of a machine that does much else


async def test_api_and_worker_end_in_time_while_postgres_hangs(
    new_company: NewCompany, own_postgres: OwnPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHUTDOWN_SECONDS", str(GRACE_SECONDS))
    company = await new_company(database_url=own_postgres.url)
    await company.deployment.start_worker()
    await company.earn(MEMBER, "deal-1")
    await company.order_in((await company.redeem(MEMBER))["id"], "delivered")

    with own_postgres.frozen():
        begun = asyncio.create_task(company.earn(MEMBER, "deal-2"))
        await asyncio.sleep(2)  # the relay looks for work each second
        for child in company.deployment.children:
            os.kill(child.pid, signal.SIGTERM)
            await asyncio.to_thread(child.wait, BOUND_SECONDS)

        assert [child.alive for child in company.deployment.children] == [False, False]
        with pytest.raises(DemoFailed, match="answered 503"):
            await begun
