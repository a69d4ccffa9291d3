"""What the API tells Prometheus of events and commands that go through its writer."""

import re

import httpx

from tests.api.conftest import Client
from tests.api.facts import deal


def sample(page: str, name: str) -> float:
    """The value of a series without labels."""
    found = re.search(rf"^{name} (\S+)$", page, re.MULTILINE)
    assert found, name
    return float(found[1])


async def test_an_event_is_measured_until_it_is_committed(client: Client, anyone: httpx.AsyncClient):
    async def measured() -> tuple[float, float]:
        page = (await anyone.get("/metrics")).text
        return sample(page, "laurel_writer_seconds_count"), sample(page, "laurel_writer_waiting")

    before, _ = await measured()
    assert (await client.post("/v1/events", deal(1))).status_code == 201

    assert await measured() == (before + 1, 0)
