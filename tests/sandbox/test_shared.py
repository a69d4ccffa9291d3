"""What all sandboxes share that are built of sandbox.shared: the same controls, each in its vendor's own words."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from sandbox.bamboohr import create_app as create_bamboohr
from sandbox.hubspot import create_app as create_hubspot

# Each with how something happens there.
VENDORS = [
    pytest.param(create_bamboohr, ("/_control/employees", {"fields": {"firstName": "Ada"}}), id="bamboohr"),
    pytest.param(create_hubspot, ("/_control/deals", {"properties": {"amount": "5"}}), id="hubspot"),
]
Happening = tuple[str, dict[str, object]]

pytestmark = pytest.mark.parametrize(("create", "happening"), VENDORS)


@pytest.fixture
async def sandbox(create: Callable[..., FastAPI]) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(create()), base_url="http://sandbox") as client:
        yield client


def names_in(folder: Path) -> list[str]:
    return [one.name for one in folder.iterdir()]


async def test_without_a_webhook_notices_wait(sandbox: httpx.AsyncClient, happening: Happening) -> None:
    path, body = happening
    await sandbox.post(path, json=body)

    refused = [await sandbox.post(f"/_control/notices/{one}", json={}) for one in ("deliver", "deliver_again")]
    kept = (await sandbox.get("/_control/notices")).json()

    assert [one.status_code for one in refused] == [409, 409]
    assert (len(kept["pending"]) > 1, kept["delivered"]) == (True, [])


async def test_while_nobody_answers_notices_wait(sandbox: httpx.AsyncClient, happening: Happening) -> None:
    path, body = happening
    await sandbox.put("/_control/webhook", json={"url": "http://127.0.0.1:1/nobody"})
    await sandbox.post(path, json=body)

    answered = (await sandbox.post("/_control/notices/deliver", json={})).json()

    assert set(answered["statuses"]) == {0}
    assert (await sandbox.get("/_control/notices")).json()["pending"]


@pytest.mark.parametrize("fault", [{"kind": "plague"}, {}, {"kind": "slow", "times": "often"}])
async def test_a_fault_that_the_vendor_has_not_is_refused(
    sandbox: httpx.AsyncClient, happening: Happening, fault: dict[str, str]
) -> None:
    assert (await sandbox.post("/_control/faults", json=fault)).status_code == 400


async def test_what_was_answered_is_kept_before_and_as_a_whole(
    create: Callable[..., FastAPI], happening: Happening, tmp_path: Path
) -> None:
    path, body = happening
    file = tmp_path / "kept.json"
    app = create(data=file)

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://sandbox") as client:
        await client.get("/_control/notices")
        before = names_in(tmp_path)
        await client.post(path, json=body)

    assert (before, names_in(tmp_path)) == ([], ["kept.json"])
    assert app.state.webhook.pending == create(data=file).state.webhook.pending != []
