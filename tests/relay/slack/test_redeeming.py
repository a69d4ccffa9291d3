"""Points become a reward without leaving Slack: through the app's own ways, and once."""

from functools import partial

from connectors.slack import redeem
from domain.commands import Earn
from domain.orders import Order
from storage import commands, orders
from tests.eventually import eventually
from tests.programs import NOW, apply
from tests.relay.slack.conftest import COMPANY, Company


async def grant(company: Company, name: str, points: int) -> None:
    earned = Earn(reference="points", actor="tests", member_id=company.members[name], unit="points", amount=points)
    async with company.database.begin() as session:
        await commands.execute(session, company.program_id, [earned], as_of=NOW)


async def placed(company: Company) -> list[Order]:
    async with company.database.begin() as session:
        return await orders.list_page(session, company.program_id)


async def shows(company: Company, user: str, callback: str) -> None:
    assert company.slack.view(user)["callback_id"] == callback


async def open_shop(company: Company, user: str) -> None:
    """By the button under an answer."""
    await company.slack.command(user, "general", "/laurel", "rewards")
    await company.work()
    [answer] = company.slack.workspace.conversation("general").ephemerals
    await company.slack.press(user, "general", answer["ts"], redeem.OPEN)
    await eventually(partial(shows, company, user, redeem.SHOP))


def words(company: Company, user: str) -> str:
    return str(company.slack.view(user)["blocks"])


async def test_points_are_redeemed_from_the_list_to_the_order_once(company: Company) -> None:
    await grant(company, "owen", 600)
    await open_shop(company, "owen")

    await company.slack.submit("owen", {redeem.SELECT: "mug|500"})
    confirming = words(company, "owen")
    answer = await company.slack.submit("owen", {"email": "owen@home.example"})
    again = await company.slack.send_again()

    [order] = await placed(company)
    assert again.content == answer.content
    assert "You have 600 points, and 100 points afterwards." in confirming
    assert "Somebody has to approve it first." in words(company, "owen")
    assert (order.member_id, order.price_points, order.recipient_email) == (
        company.members["owen"],
        500,
        "owen@home.example",
    )


async def test_at_another_price_than_was_said_nothing_is_ordered_until_it_is_confirmed_again(company: Company) -> None:
    await grant(company, "owen", 1_000)
    await open_shop(company, "owen")
    await company.slack.submit("owen", {redeem.SELECT: "mug|500"})
    async with company.database.begin() as session:
        mug = COMPANY["catalog"]["mug"]
        await apply(session, company.program_id, {**COMPANY, "catalog": {"mug": {**mug, "points_per_unit": 120}}})
    await company.slack.submit("owen", {"email": "owen@home.example"})
    told, before = words(company, "owen"), await placed(company)
    await company.slack.submit("owen", {"email": "owen@home.example"})

    [order] = await placed(company)
    assert "The price has just changed: it is 600 points now. Nothing was charged." in told
    assert (before, order.price_points) == ([], 600)


async def test_too_few_points_and_a_bad_address_order_nothing(company: Company) -> None:
    await grant(company, "owen", 500)
    await open_shop(company, "owen")
    await company.slack.submit("owen", {redeem.SELECT: "mug|2500"})
    lacking = words(company, "owen")
    await company.slack.close("owen")

    await company.slack.submit("owen", {redeem.SELECT: "mug|500"})
    answer = await company.slack.submit("owen", {"email": "owen@home"})
    again = await company.slack.send_again()

    assert "You lack 2,000 points for this." in lacking
    assert list(answer.json["errors"]) == ["email"]
    assert again.content == answer.content
    assert await placed(company) == []


async def test_a_thing_that_the_points_pay_for_is_one_press_away(company: Company) -> None:
    await grant(company, "owen", 600)
    await company.slack.command("owen", "general", "/laurel", "rewards")
    await company.work()
    [answer] = company.slack.workspace.conversation("general").ephemerals

    await company.slack.press("owen", "general", answer["ts"], redeem.SELECT)

    await eventually(partial(shows, company, "owen", redeem.CONFIRM))
    assert "A mug" in words(company, "owen")
