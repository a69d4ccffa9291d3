"""Temporal's own web UI shows an engineer what an order does, though all that Temporal keeps of it is encrypted."""

import base64
from datetime import UTC, datetime
from urllib.parse import quote

import httpx
from playwright.async_api import Page, expect

from cli.demo.outside import Api, Json
from tests.browser import in_a_browser
from tests.eventually import eventually
from tests.journeys.conftest import RunningStack

pytestmark = in_a_browser


async def test_an_orders_summary_and_an_activitys_input_are_read_through_the_codec_endpoint(
    stack: RunningStack, page: Page
) -> None:
    order = await delivered_order(stack)
    workflow = f"namespaces/default/workflows/{quote('order/' + order['id'], safe='')}"

    await page.goto(f"{stack.ui_url}/{workflow}")
    await page.get_by_role("tab", name="User Metadata").click()

    await eventually(lambda: shows(page, f"10.00 USD Example Coffee for {order['member_id']}, order {order['id']}"))
    await eventually(lambda: shows(page, "Example Coffee, 10.00 USD: delivered"))
    await page.get_by_role("tab", name="Event History").click()
    await page.get_by_role("row").filter(has_text="place_order").first.click()
    await expect(page.get_by_text(f'"order_id": "{order["id"]}"').first).to_be_visible()
    kept = await in_temporal(stack, workflow)
    assert "summary" in kept
    assert "Example Coffee" not in kept


async def shows(page: Page, text: str) -> None:
    """Fails unless the text is on the page, or on a page within it: the UI shows Markdown in frames of its own."""
    texts = [await frame.locator("body").inner_text() for frame in page.frames]
    assert any(text in shown for shown in texts), texts


async def delivered_order(stack: RunningStack) -> Json:
    """An order of the stack's sample company whose card has been delivered."""
    api = Api(stack.url, stack.company)
    fact = {
        "source": "crm",
        "external_id": "deal-for-the-ui",
        "type": "deal.won",
        "member": {"source": "email", "external_id": "maya@example.com"},
        "occurred_at": datetime.now(UTC).isoformat(),
        "data": {"deal_id": "deal-for-the-ui", "amount_minor": 2_000_000, "currency": "USD"},
    }
    earned = await api.call("POST", "/v1/events", fact)
    placed = await api.place_order(
        {"member_id": earned["member_id"], "item": "coffee-us", "value_minor": 1_000}, "order-for-the-ui"
    )

    async def look() -> Json:
        order = await api.order(placed["id"])
        assert order["state"] == "delivered", order
        return order

    order = await eventually(look)
    await api.aclose()
    return order


async def in_temporal(stack: RunningStack, workflow: str) -> str:
    """What the server itself tells of the workflow, its payloads read as text where they can be."""
    async with httpx.AsyncClient(base_url=stack.ui_url) as client:
        history = await client.get(f"/api/v1/{workflow}/history")
        description = await client.get(f"/api/v1/{workflow}")
    texts = [payload for answer in (history, description) for payload in payloads(answer.json())]
    assert texts
    return description.text + " ".join(base64.b64decode(text).decode(errors="replace") for text in texts)


def payloads(value: object) -> list[str]:
    """The data of every payload within."""
    if isinstance(value, list):
        return [found for one in value for found in payloads(one)]
    if not isinstance(value, dict):
        return []
    own = [value["data"]] if isinstance(value.get("data"), str) and "metadata" in value else []
    return own + [found for one in value.values() for found in payloads(one)]
