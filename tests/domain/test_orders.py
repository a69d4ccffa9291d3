"""What may happen to an order, and what it costs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.orders import (
    ARROWS,
    DELIVERY_ARROWS,
    ENDED,
    Delivery,
    DeliveryEvent,
    IllegalTransition,
    Limits,
    OrderEvent,
    OrderRefused,
    OrderState,
    Refusal,
    after,
    check_item,
    check_limits,
    check_recipient,
    delivery_after,
    delivery_event,
    has_funds,
    is_void,
    judge,
    price,
)
from domain.vendors import (
    Band,
    DeliveryMethod,
    DeliveryState,
    FundingSource,
    Money,
    VendorOrder,
    VendorOrderState,
    VendorProduct,
    VendorRequest,
    VendorReward,
)
from tests.shop import COFFEE

FIVE = Money(500, "USD")
REQUEST = VendorRequest("ord_1", "SMPLCOFFEEUS", FIVE, "Ada", "ada@example.com")


@pytest.mark.parametrize("state", OrderState)
@pytest.mark.parametrize("event", OrderEvent)
def test_an_order_moves_along_its_arrows_only(state: OrderState, event: OrderEvent) -> None:
    if (state, event) in ARROWS:
        assert after(state, event) is ARROWS[state, event]
    else:
        with pytest.raises(IllegalTransition):
            after(state, event)


@pytest.mark.parametrize("delivery", Delivery)
@pytest.mark.parametrize("event", DeliveryEvent)
def test_a_delivery_moves_along_its_arrows_only(delivery: Delivery, event: DeliveryEvent) -> None:
    if (delivery, event) in DELIVERY_ARROWS:
        assert delivery_after(delivery, event) is DELIVERY_ARROWS[delivery, event]
    else:
        with pytest.raises(IllegalTransition):
            delivery_after(delivery, event)


@pytest.mark.parametrize("state", sorted(set(OrderState) - ENDED))
def test_from_every_state_an_order_can_end(state: OrderState) -> None:
    reached = {state}
    while more := {to for (was, _), to in ARROWS.items() if was in reached} - reached:
        reached |= more

    assert reached & ENDED


@given(st.integers(1, 10**9), st.integers(0, 10**6))
def test_a_price_is_the_exact_one_rounded_up(amount_minor: int, points_per_unit: int) -> None:
    points = price(Money(amount_minor, "USD"), points_per_unit)

    assert points * 100 >= amount_minor * points_per_unit > (points - 1) * 100


@pytest.mark.parametrize(
    ("value", "points"), [(Money(2_500, "USD"), 250), (Money(500, "JPY"), 5_000), (Money(1_001, "KWD"), 11)]
)
def test_a_price_knows_the_currencys_minor_unit(value: Money, points: int) -> None:
    assert price(value, 10) == points


def product(*bands: Band, countries: tuple[str, ...] = ("US",)) -> VendorProduct:
    return VendorProduct("SMPLCOFFEEUS", "Coffee", "", "food", None, countries, ("USD",), bands, "")


@pytest.mark.parametrize(
    ("value", "country", "sold", "code"),
    [
        (Money(1_000, "USD"), "US", None, None),
        (Money(1_000, "USD"), "US", product(Band(500, 5_000, "USD")), None),
        (Money(1_000, "USD"), "US", product(Band(1_500, 5_000, "USD")), Refusal.INVALID_DENOMINATION),
        (Money(1_500, "USD"), "US", product(Band(1_500, 5_000, "USD")), Refusal.INVALID_DENOMINATION),
        (Money(1_000, "EUR"), "US", None, Refusal.INVALID_DENOMINATION),
        (Money(1_000, "USD"), "CA", None, Refusal.COUNTRY_NOT_SUPPORTED),
        (Money(1_000, "USD"), "US", product(countries=("CA",)), Refusal.COUNTRY_NOT_SUPPORTED),
        (Money(1_000, "USD"), None, None, Refusal.COUNTRY_NOT_SUPPORTED),
    ],
)
def test_an_item_is_offered_in_its_values_and_countries(
    value: Money, country: str | None, sold: VendorProduct | None, code: Refusal | None
) -> None:
    if code is None:
        check_item(COFFEE, value, country, sold)
        return
    with pytest.raises(OrderRefused) as refused:
        check_item(COFFEE, value, country, sold)
    assert refused.value.code is code


@pytest.mark.parametrize("email", ["ada@example.com", " ada+gifts@mail.example.com ", "a@b.example"])
def test_an_address_is_taken_without_its_outer_spaces(email: str) -> None:
    assert check_recipient(" Ada ", email) == ("Ada", email.strip())


@pytest.mark.parametrize(
    "email",
    ["", "ada", "ada@", "@example.com", "ada@example", "ada@@example.com", "a da@example.com", "ada@example..com",
     "ada@-example.com", "ada@example.com\r\nBcc: x@example.com", "Ada <ada@example.com>", "ада@example.com",
     f"{'a' * 250}@example.com"],
)  # fmt: skip
def test_what_is_no_address_is_refused(email: str) -> None:
    with pytest.raises(OrderRefused) as refused:
        check_recipient("Ada", email)

    assert refused.value.code is Refusal.INVALID_RECIPIENT


@pytest.mark.parametrize("name", ["", " ", "A" * 201, "Ada\nLovelace", "\0"])
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(OrderRefused):
        check_recipient(name, "ada@example.com")


@pytest.mark.parametrize(
    ("limits", "today", "month", "refused"),
    [
        (Limits("USD"), 10**9, 10**9, False),
        (Limits("USD", daily_minor=1_000), 500, 10**9, False),
        (Limits("USD", daily_minor=1_000), 501, 501, True),
        (Limits("USD", monthly_minor=1_000), 0, 501, True),
        (Limits("USD", daily_minor=0), 0, 0, True),
        (Limits("EUR", daily_minor=10**9), 0, 0, True),
    ],
)
def test_limits_count_what_was_ordered_before(limits: Limits, today: int, month: int, refused: bool) -> None:
    if not refused:
        check_limits(limits, FIVE, today, month)
        return
    with pytest.raises(OrderRefused) as error:
        check_limits(limits, FIVE, today, month)
    assert error.value.code is Refusal.LIMIT_REACHED


def vendor_order(
    state: VendorOrderState = VendorOrderState.ACCEPTED, money: Money = FIVE, **more: Money
) -> VendorOrder:
    reward = VendorReward("R1", money, "ada@example.com", (), DeliveryMethod.EMAIL, DeliveryState.PENDING)
    return VendorOrder("O1", "ord_1", state, (reward,), **more)


@pytest.mark.parametrize(
    ("got", "event"),
    [
        (vendor_order(), OrderEvent.ACCEPT),
        (vendor_order(VendorOrderState.PENDING), OrderEvent.TAKE),
        (vendor_order(VendorOrderState.FAILED), OrderEvent.REFUSE),
        (vendor_order(VendorOrderState.CANCELLED), OrderEvent.REFUSE),
        (vendor_order(money=Money(600, "USD")), OrderEvent.REVIEW),
        (vendor_order(VendorOrderState.PENDING, Money(600, "USD")), OrderEvent.REVIEW),
        (vendor_order(total=FIVE, refunded=FIVE), OrderEvent.REFUSE),
    ],
)
def test_what_came_back_is_judged_by_what_was_ordered(got: VendorOrder, event: OrderEvent) -> None:
    assert judge(REQUEST, got).event is event


def test_a_part_refund_leaves_a_card_out() -> None:
    assert not is_void(vendor_order(total=FIVE, refunded=Money(100, "USD")))


@pytest.mark.parametrize(
    ("available", "active", "funded"),
    [
        (Money(500, "USD"), True, True),
        (Money(499, "USD"), True, False),
        (Money(500, "USD"), False, False),
        (Money(1, "EUR"), True, True),
        (Money(0, "EUR"), True, False),
        (None, True, True),
    ],
)
def test_the_source_that_pays_must_have_the_money(available: Money | None, active: bool, funded: bool) -> None:
    sources = [FundingSource("F0", "invoice", True), FundingSource("F1", "balance", active, available)]

    assert has_funds(sources, FIVE, None) is funded
    assert has_funds(sources, FIVE, "F1") is funded
    assert has_funds(sources, FIVE, "F0")


@pytest.mark.parametrize(
    ("delivery", "told", "event"),
    [
        (Delivery.PENDING, DeliveryState.PENDING, None),
        (Delivery.PENDING, DeliveryState.SUCCEEDED, DeliveryEvent.ARRIVE),
        (Delivery.PENDING, DeliveryState.FAILED, DeliveryEvent.BOUNCE),
        (Delivery.BOUNCED, DeliveryState.FAILED, None),
        (Delivery.BOUNCED, DeliveryState.SUCCEEDED, DeliveryEvent.ARRIVE),
        (Delivery.READDRESSED, DeliveryState.FAILED, None),
        (Delivery.DELIVERED, DeliveryState.SUCCEEDED, None),
        (Delivery.DELIVERED, DeliveryState.FAILED, DeliveryEvent.BOUNCE),
        (Delivery.CANCELLED, DeliveryState.FAILED, None),
    ],
)
def test_only_news_of_a_delivery_moves_it(delivery: Delivery, told: DeliveryState, event: DeliveryEvent | None) -> None:
    assert delivery_event(delivery, told) is event
