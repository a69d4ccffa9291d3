"""Whole stories on running servers: what people do becomes points, and points become cards."""

from uuid import uuid4

import pytest

from cli.demo.facts import COMPLETED, PASSED, Deal, Lesson
from cli.demo.outside import Json
from tests.deployment import LOOK_SECONDS, Company
from tests.eventually import eventually

VOIDED = "http://adlnet.gov/expapi/verbs/voided"


async def event_about(company: Company, name: str, state: str) -> Json:
    """The event about the deal of this name, once it is in this state."""

    async def look() -> Json:
        return next(
            event
            for event in await company.api.events()
            if event["data"].get("name") == name and event["state"] == state
        )

    return await eventually(look, LOOK_SECONDS)


async def lifetime(company: Company, email: str) -> int:
    found: int = (await company.api.balance(company.members[email]))["lifetime"]
    return found


async def test_a_deal_won_in_the_crm_crosses_a_threshold_and_becomes_a_card(company: Company) -> None:
    ruth = "ruth@example.com"
    await company.crm.win(Deal("Lighthouse", ruth, "76", "60000", "USD", 500))

    event = await event_about(company, "Lighthouse", "decided")
    (order,) = await company.orders_of(ruth, 1)

    assert event["points"] == await lifetime(company, ruth) == 500
    assert (order["item"], order["value"]) == ("coffee-us", {"amount_minor": 2500, "currency": "USD"})
    assert order["price_points"] == 0
    assert (await company.cards())[order["id"]] == 1
    explained = await company.api.call("GET", f"/v1/events/{event['id']}/explanation")
    assert explained["rewards"][0]["order_id"] == order["id"]
    rules = {rule["rule"]: (rule["points"], rule["failed"]) for rule in explained["decisions"][0]["rules"]}
    assert rules["deal-by-size"] == (400, None)
    assert rules["third-deal-of-the-week"] == (0, "it is the third this week")


async def test_a_deal_that_is_reopened_takes_its_points_back_and_gives_them_again_when_won_again(
    company: Company,
) -> None:
    martin = "martin@example.com"
    deal_id = await company.crm.win(Deal("Viaduct", martin, "77", "7000", "GBP", 70))
    first = await event_about(company, "Viaduct", "decided")
    assert await lifetime(company, martin) == 70

    await company.crm.reopen(deal_id)
    await event_about(company, "Viaduct", "retracted")
    assert await lifetime(company, martin) == 0
    await company.crm.call("POST", f"/_control/deals/{deal_id}/win")
    again = await event_about(company, "Viaduct", "decided")

    assert again["id"] != first["id"]
    assert await lifetime(company, martin) == 70


async def test_a_deal_whose_amount_is_corrected_earns_by_the_new_amount(company: Company) -> None:
    karin = "karin@example.com"
    deal_id = await company.crm.win(Deal("Sluice", karin, "78", "5000", "EUR", 50))
    await event_about(company, "Sluice", "decided")

    await company.crm.call("POST", f"/_control/deals/{deal_id}/edit", {"properties": {"amount": "9000"}})

    async def look() -> None:
        assert await lifetime(company, karin) == 90

    await eventually(look, LOOK_SECONDS)


async def test_courses_earn_by_xapi_and_a_voided_one_earns_nothing(company: Company) -> None:
    helen, actor = "helen@example.com", {"mbox": "mailto:helen@example.com"}
    done = Lesson(helen, actor, COMPLETED, "Ladders", 50).statement()
    passed = Lesson(helen, actor, PASSED, "Ladders", 46, 0.92).statement()
    await company.lms.send([done, passed])
    assert await lifetime(company, helen) == 96

    voided = {"id": str(uuid4()), "actor": actor, "verb": {"id": VOIDED}}
    voided |= {"object": {"objectType": "StatementRef", "id": passed["id"]}}
    await company.lms.send([done, voided])

    assert await lifetime(company, helen) == 50


@pytest.mark.parametrize(
    ("member", "item", "value"),
    [
        ("grace@example.com", "coffee-us", {"amount_minor": 500, "currency": "USD"}),
        ("emre@example.com", "books-de", {"amount_minor": 1000, "currency": "EUR"}),
    ],
)
async def test_a_survey_gives_a_reward_at_once_in_the_members_own_country(
    company: Company, member: str, item: str, value: Json
) -> None:
    fact = company.deal(member, f"survey-{member}") | {"type": "survey.submitted", "data": {"survey_id": "spring"}}
    outcome = await company.api.call("POST", "/v1/events", fact)

    (order,) = await company.orders_of(member, 1)

    assert outcome["points"] == 10
    assert [order["reward_id"]] == outcome["rewards"]
    assert (order["item"], order["value"]) == (item, value)
    assert (await company.cards())[order["id"]] == 1


async def test_an_offer_waits_for_the_members_choice(company: Company) -> None:
    owen = "owen@example.com"
    for number in range(2):
        await company.earn(owen, f"big-{number}", amount_minor=6_000_000)
    member_id = company.members[owen]

    async def offered() -> Json:
        path = f"/v1/members/{member_id}/rewards"
        (reward,) = (await company.api.call("GET", path, params={"state": "offered"}))["items"]
        found: Json = reward
        return found

    offer = await eventually(offered, LOOK_SECONDS)
    chosen = await company.api.call("POST", f"/v1/rewards/{offer['id']}/choose", {"item": "reforestation"})
    # Two automatic cards, for 500 and for 1,000 points, are beside it.
    orders = await company.orders_of(owen, 3)

    assert (chosen["item"], chosen["value"]["amount_minor"], chosen["price_points"]) == ("reforestation", 5000, 0)
    assert {order["id"]: order["reward_id"] for order in orders}[chosen["id"]] == offer["id"]
    assert (await company.cards())[chosen["id"]] == 1


async def test_points_become_a_card_and_the_members_history_tells_of_it(company: Company) -> None:
    simon = "simon@example.com"
    await company.earn(simon, "simons-deal", amount_minor=4_000_000)
    body = {"member_id": company.members[simon], "item": "high-street-gb", "value_minor": 1000, "currency": "GBP"}
    order = await company.api.place_order(body, "simons-order")
    assert await company.balance(simon) == (270, 130)

    delivered = await company.order_in(order["id"], "delivered")

    assert await company.balance(simon) == (270, 0)
    assert [step["state"] for step in delivered["steps"]][-1] == "delivered"
    history = (await company.api.call("GET", f"/v1/members/{company.members[simon]}/history"))["items"]
    assert [(item["kind"], item["amount"], item["balance"]) for item in history] == [
        ("hold", -130, 270),
        ("earn", 400, 400),
    ]
    assert (history[0]["order_id"], history[0]["item_name"]) == (order["id"], "Example High Street")
    assert await company.violations() == 0
