"""Vendors' words: money is exact, what came back is compared with what was ordered, links are never written down."""

import pickle
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from temporalio.contrib.pydantic import pydantic_data_converter

from domain.vendors import (
    Band,
    DeliveryMethod,
    DeliveryState,
    GiftLink,
    Money,
    VendorOrder,
    VendorOrderState,
    VendorProduct,
    VendorRequest,
    VendorReward,
    differences,
)

CARD = VendorReward(
    reward_id="RWD1",
    money=Money(25_00, "USD"),
    recipient_email="Ada@example.com",
    product_codes=(),
    method=DeliveryMethod.EMAIL,
    delivery=DeliveryState.PENDING,
)
GOT = VendorOrder("ORD1", "ord_1", VendorOrderState.ACCEPTED, (CARD,))
ORDERED = VendorRequest("ord_1", "BOOKS", Money(25_00, "USD"), "Ada", "ada@example.com")
BOOKS = VendorProduct(
    code="BOOKS",
    name="Books",
    description="",
    category="entertainment",
    image_url=None,
    countries=("US",),
    currencies=("USD", "GBP"),
    bands=(Band(10_00, 10_00, "USD"), Band(25_00, 50_00, "USD")),
    terms="",
)


@given(st.integers(-(10**12), 10**12), st.sampled_from(["USD", "JPY", "KWD", "CLF"]))
def test_money_survives_the_way_to_major_units_and_back(minor: int, currency: str) -> None:
    money = Money(minor, currency)

    assert Money.of(money.amount, currency) == money


@pytest.mark.parametrize(("amount", "currency"), [("0.001", "USD"), ("1.5", "JPY"), ("0.0001", "KWD")])
def test_an_amount_finer_than_the_minor_unit_is_refused(amount: str, currency: str) -> None:
    with pytest.raises(ValueError, match="finer"):
        Money.of(Decimal(amount), currency)


@pytest.mark.parametrize("amount", ["NaN", "Infinity", "1E+999999", "92233720368547758.08"])
def test_an_amount_beyond_reason_is_refused(amount: str) -> None:
    with pytest.raises(ValueError, match="reason"):
        Money.of(Decimal(amount), "USD")


@pytest.mark.parametrize(
    ("minor", "accepted"), [(9_99, False), (10_00, True), (10_01, False), (25_00, True), (50_00, True), (50_01, False)]
)
def test_a_product_accepts_what_one_of_its_bands_holds(minor: int, accepted: bool) -> None:
    assert BOOKS.accepts(Money(minor, "USD")) is accepted


def test_a_currency_without_bands_is_left_to_the_vendor_and_an_unknown_one_refused() -> None:
    assert BOOKS.accepts(Money(7_77, "GBP"))
    assert not BOOKS.accepts(Money(10_00, "EUR"))


def test_what_was_ordered_does_not_differ_whatever_the_case_of_its_address() -> None:
    assert differences(ORDERED, GOT) == ()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"money": Money(26_00, "USD")}, "amount 26.00 USD, ordered 25.00 USD"),
        ({"money": Money(25_00, "CAD")}, "currency CAD, ordered USD"),
        ({"product_codes": ("COFFEE",)}, "product COFFEE, ordered BOOKS"),
        ({"recipient_email": "eve@example.com"}, "recipient's address is not the one ordered"),
        ({"recipient_email": None}, "recipient's address is not the one ordered"),
        ({"method": DeliveryMethod.LINK}, "delivery by link, ordered by email"),
    ],
)
def test_each_difference_of_a_card_is_named_without_personal_data(change: dict[str, object], sentence: str) -> None:
    got = replace(GOT, rewards=(replace(CARD, **change),))  # type: ignore[arg-type]

    assert differences(ORDERED, got) == (sentence,)


def test_another_key_and_another_number_of_cards_are_differences() -> None:
    got = replace(GOT, external_id="ord_2", rewards=(CARD, CARD))

    assert len(differences(ORDERED, got)) == 2


async def test_orders_pass_through_a_workflow_unchanged() -> None:
    payloads = await pydantic_data_converter.encode([GOT, ORDERED, BOOKS])

    assert await pydantic_data_converter.decode(payloads, [VendorOrder, VendorRequest, VendorProduct]) == [
        GOT,
        ORDERED,
        BOOKS,
    ]


async def test_a_gift_link_passes_through_nothing() -> None:
    link = GiftLink("https://vendor.example/claim/secret")

    with pytest.raises(Exception, match="serializ"):
        await pydantic_data_converter.encode([link])
    with pytest.raises(TypeError):
        pickle.dumps(link)
    assert "secret" not in f"{link!r} {link}"
    assert link.reveal().endswith("secret")
