"""The modal in which members redeem: what there is, one thing confirmed, and what came of it."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from connectors.slack import redeem
from connectors.slack.blocks import View
from connectors.slack.redeem import confirm_view, mistakes, outcome_view, read_choice, read_step, shop_view, told
from connectors.slack.texts import Texts
from domain.answers import Offer, Shop
from domain.orders import Delivery, Order, OrderState, Refusal
from domain.redemptions import Outcome, Pick, Placed, Purchase, Refused, Selection, find
from domain.vendors import DeliveryMethod, Money
from tests.connectors.slack_answers import AT, LONG, MANY, listing, shop
from tests.connectors.slack_judge import judge_view

LANGUAGES = ("en-US", "de-DE", "fr-FR")
ENGLISH = Texts.of("en-US")
SECRETS = ("https://gift.example/claim/1", "VENDOR-ORDER", "VENDOR-REWARD", "CODE-1234")
ORDER = Order(
    "ord_1", "prg_1", "mem_1", None, "coffee", "Example Coffee", "con_1", "SMPL", Money(2_500, "USD"), 250, "hld_1",
    "Ada", "ada@example.com", DeliveryMethod.EMAIL, OrderState.PLACED, "CODE-1234 https://gift.example/claim/1",
    Delivery.NONE, "VENDOR-ORDER", "VENDOR-REWARD", True, AT, AT,
)  # fmt: skip
OUTCOMES: list[Outcome] = [
    Placed(ORDER),
    Placed(replace(ORDER, connection_id=None, price_points=0)),
    *(Refused(refusal, 40) for refusal in Refusal),
]


def options(view: dict[str, Any]) -> list[dict[str, Any]]:
    """What can be chosen in a view."""
    [chosen] = [block["element"] for block in view["blocks"] if block.get("block_id") == redeem.SELECT]
    return [one for group in chosen["option_groups"] for one in group["options"]]


def sent(view: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """The view as Slack sends it back, with what was filled in by action."""
    return view | {"state": {"values": {action: {action: typed} for action, typed in fields.items()}}}


def confirming(of: Shop, selection: Selection) -> dict[str, Any]:
    selected = find(of, selection)
    assert selected is not None
    return confirm_view(of, selected, ENGLISH)


def huge() -> Shop:
    listings = tuple(
        sorted(
            (listing(f"item-{n}", name=LONG, category=f"{n % 30} {LONG}", terms=LONG * 5) for n in range(300)),
            key=lambda one: one.category,
        )
    )
    return Shop(MANY, (Offer("rwd_1", LONG, Money(2_500, "USD"), 10, AT, listings),), listings, None, "UTC")


# -- What there is -------------------------------------------------------------------------------------------------


def steps(of: Shop, texts: Texts, keys: Sequence[str]) -> list[View]:
    """Every step of a shop: what there is, of an offer too, and each of these things confirmed."""
    selections = [Selection(key, None if key == "grocer" else 1_000) for key in keys]
    selected = [one for one in (find(of, selection) for selection in selections) if one is not None]
    assert len(selected) == len(keys)
    shown = [shop_view(of, texts, reward_id=reward) for reward in (None, "rwd_1")]
    return [*shown, *(confirm_view(of, one, texts) for one in selected)]


@pytest.mark.parametrize("locale", LANGUAGES)
def test_slack_takes_every_step(locale: str):
    texts = Texts.of(locale)
    views = steps(shop(), texts, ["coffee", "grocer"]) + steps(shop(0), texts, ["coffee"])
    views += [*steps(huge(), texts, ["item-7"]), shop_view(huge(), texts, search=LONG)]
    views += [shop_view(shop(listings=()), texts), *(outcome_view(outcome, texts) for outcome in OUTCOMES)]

    for view in views:
        judge_view(view)


def test_each_value_is_listed_with_its_price_and_what_the_balance_lacks():
    assert [(one["text"]["text"], one["description"]["text"]) for one in options(shop_view(shop(), ENGLISH))] == [
        ("Example Coffee · $10.00", "100 points"),
        ("Example Coffee · $25.00", "250 points, you lack 100"),
        ("Grocer · $5.00 to $200.00", "from 50 points"),
    ]


def test_an_offer_lists_its_own_items_in_its_value():
    view = shop_view(shop(), ENGLISH, reward_id="rwd_1")

    assert [(one["value"], one["description"]["text"]) for one in options(view)] == [("coffee|2500", "a gift")]


def test_a_large_catalog_is_searched():
    large = shop(listings=tuple(listing(f"item-{n}", name=f"Card {n}") for n in range(120)))

    assert len(options(shop_view(large, ENGLISH))) == 100
    found = options(shop_view(large, ENGLISH, search="  cArd 117"))
    assert [one["value"] for one in found] == ["item-117|1000", "item-117|2500"]


def test_what_is_not_there_any_more_is_not_found():
    gone = (
        Selection("tea", 1_000),
        Selection("coffee", 1_001),
        Selection("coffee"),
        Selection("coffee", 2_500, "rwd_9"),
    )

    assert [find(shop(), one) for one in gone] == [None] * len(gone)
    assert find(shop(), Selection("tea", 2_500, "rwd_1")) is None


# -- One thing, confirmed ------------------------------------------------------------------------------------------


def test_a_purchase_goes_from_the_list_to_the_choice():
    first = shop_view(shop(300), ENGLISH)
    selection = read_step(sent(first, **{redeem.SELECT: {"selected_option": options(first)[1]}}))
    assert selection is not None

    second = sent(confirming(shop(300), selection), email={"value": "ben@example.com"})

    assert "You have 300 points, and 50 points afterwards." in json.dumps(second)
    assert read_choice(second, ENGLISH) == Purchase("coffee", Money(2_500, "USD"), "ben@example.com")


def test_an_offer_goes_from_the_list_to_the_choice():
    first = shop_view(shop(0), ENGLISH, reward_id="rwd_1")
    selection = read_step(sent(first, **{redeem.SELECT: {"selected_option": options(first)[0]}}))
    assert selection is not None

    second = sent(confirming(shop(0), selection), email={"value": "ada@example.com"})

    assert read_choice(second, ENGLISH) == Pick("rwd_1", "coffee", "ada@example.com")


@pytest.mark.parametrize(("typed", "minor"), [("12.50", 1_250), ("5", 500)])
def test_of_a_range_the_member_says_how_much(typed: str, minor: int):
    view = sent(confirming(shop(), Selection("grocer")), amount={"value": typed}, email={"value": "a@example.com"})

    assert read_choice(view, ENGLISH) == Purchase("grocer", Money(minor, "USD"), "a@example.com")


@pytest.mark.parametrize("typed", [None, "", "much", "12.505", "1e400", "NaN"])
def test_what_is_no_amount_is_told_where_it_was_typed(typed: str | None):
    view = sent(confirming(shop(), Selection("grocer")), amount={"value": typed}, email={"value": "a@example.com"})

    assert read_choice(view, ENGLISH) == {"amount": "This is no amount. Write it like this: 12.50"}


def test_the_field_for_an_amount_allows_what_the_balance_pays_for():
    [field] = [
        one["element"]
        for one in confirming(shop(150), Selection("grocer"))["blocks"]
        if one.get("block_id") == "amount"
    ]

    assert (field["min_value"], field["max_value"], field["is_decimal_allowed"]) == ("5.00", "15.00", True)


def test_what_costs_too_much_cannot_be_sent():
    view = confirming(shop(90), Selection("coffee", 1_000))

    assert "submit" not in view
    assert "You lack 10 points for this. Nothing was charged." in json.dumps(view)


def test_the_address_is_the_members_own_unless_another_is_written():
    [field] = [
        one["element"] for one in confirming(shop(), Selection("coffee", 1_000))["blocks"] if one["type"] == "input"
    ]

    assert field["initial_value"] == "ada@example.com"


def test_what_is_confirmed_has_the_price_that_was_said():
    for of, selection, price in (
        (shop(), Selection("coffee", 1_000), 100),
        (shop(), Selection("grocer"), 10),
        (shop(0), Selection("coffee", 2_500, "rwd_1"), 0),
    ):
        assert redeem.read_confirmed(confirming(of, selection)) == (selection, price)


@pytest.mark.parametrize("locale", LANGUAGES)
@pytest.mark.parametrize("selection", [Selection("coffee", 1_000), Selection("grocer")])
def test_another_price_is_said_with_what_it_is_now(locale: str, selection: Selection):
    selected = find(shop(), selection)
    assert selected is not None

    view = confirm_view(shop(), selected, Texts.of(locale), is_repriced=True)

    judge_view(view)
    assert str(selected.price_points) in view["blocks"][0]["text"]["text"]


# -- What came of it -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        (Placed(ORDER), "Ordered: *Example Coffee*, $25.00, for ada@example.com.\n250 points are set aside for it."),
        (Placed(replace(ORDER, connection_id=None)), "Somebody has to approve it first."),
        (Refused(Refusal.INSUFFICIENT_POINTS, 40), "You lack 40 points for this. Nothing was charged."),
        (
            Refused(Refusal.COUNTRY_NOT_SUPPORTED),
            "not offered in your country. Choose something else.\nNothing was charged.",
        ),
        (Refused(Refusal.ITEM_UNAVAILABLE), "This is sold out"),
        (Refused(Refusal.LIMIT_REACHED), "Try again tomorrow.\nNothing was charged."),
        (Refused(Refusal.VENDOR_UNAVAILABLE), "Try again in an hour.\nNothing was charged."),
    ],
)
def test_each_outcome_says_what_happened_and_what_to_do_next(outcome: Outcome, words: str):
    assert words in told(outcome, ENGLISH)


@pytest.mark.parametrize("outcome", OUTCOMES, ids=str)
def test_no_code_and_no_link_is_ever_shown(outcome: Outcome):
    view = json.dumps(outcome_view(outcome, ENGLISH))

    assert [secret for secret in SECRETS if secret in view] == []


def test_an_address_that_cannot_be_used_is_told_where_it_was_typed():
    assert list(mistakes(Refused(Refusal.INVALID_RECIPIENT), ENGLISH)) == ["email"]
    assert mistakes(Refused(Refusal.ITEM_UNAVAILABLE), ENGLISH) == {}


def test_a_gift_is_free():
    assert "a gift" in json.dumps(confirming(shop(0), Selection("coffee", 2_500, "rwd_1")))
