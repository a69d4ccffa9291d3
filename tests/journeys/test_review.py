"""A person decides in a browser what no machine can, on the stack as it is: what follows is done by the worker."""

from datetime import UTC, datetime

from playwright.async_api import Page, expect

from cli.demo.outside import Api, Json
from tests.browser import in_a_browser
from tests.eventually import eventually
from tests.journeys.conftest import RunningStack


@in_a_browser
async def test_a_lunch_that_cannot_be_had_is_refunded_on_the_page_and_its_points_are_back(
    stack: RunningStack, page: Page
) -> None:
    api = Api(stack.url, stack.company)
    order = await in_review(api)
    before = (await api.balance(order["member_id"]))["available"]

    await page.goto(f"{stack.url}/admin/review")
    await page.get_by_label("API key").fill(stack.company.key)
    await page.keyboard.press("Enter")
    await page.get_by_role("button", name="Lunch for your team").first.click()
    await page.get_by_role("button", name="Refund").click()
    await page.keyboard.type("the restaurant has closed")
    await page.get_by_role("dialog").get_by_role("button", name="Refund").click()
    await expect(page.get_by_role("status")).to_contain_text("is being refunded")

    async def refunded() -> None:
        assert (await api.order(order["id"]))["state"] == "refunded"

    await eventually(refunded)
    assert (await api.balance(order["member_id"]))["available"] == before + order["price_points"]
    await api.aclose()


async def in_review(api: Api) -> Json:
    """An order of the program's own lunch, which waits for somebody to hand it over."""
    deals = [f"deal-for-a-lunch-{number}" for number in range(3)]
    done = await api.call("POST", "/v1/events/batch", {"events": [won(deal) for deal in deals]})
    member_id = done["results"][0]["event"]["member_id"]
    wanted = {"member_id": member_id, "item": "team-lunch", "value_minor": 5_000}
    placed = await api.place_order(wanted, "lunch-for-the-review")

    async def look() -> Json:
        order = await api.order(placed["id"])
        assert order["state"] == "in_review", order
        return order

    return await eventually(look)


def won(deal_id: str) -> Json:
    """A deal of the sample company's Maya."""
    return {
        "source": "crm",
        "external_id": deal_id,
        "type": "deal.won",
        "member": {"source": "email", "external_id": "maya@example.com"},
        "occurred_at": datetime.now(UTC).isoformat(),
        "data": {"deal_id": deal_id, "amount_minor": 2_000_000, "currency": "USD"},
    }
