"""The first vendor, against its sandbox on a real port: one card per key whatever goes wrong in between."""

import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from connectors.breakers import Breaker
from connectors.errors import (
    Ambiguous,
    BadSignature,
    FundsMissing,
    GarbledAnswer,
    MalformedNotice,
    RateLimited,
    Rejected,
    Unauthorized,
    Unavailable,
)
from connectors.http import Bounds
from connectors.tremendous import Tremendous
from connectors.vendors import VENDORS, Vendor
from domain.vendors import (
    Band,
    DeliveryMethod,
    DeliveryState,
    Money,
    NoticeKind,
    VendorOrder,
    VendorOrderState,
    VendorRequest,
    differences,
)
from tests.notices import eventually, receiver
from tests.sandboxes import running
from tests.tremendous_controls import Controls, tremendous

BOOKS = VendorRequest("ord_1", "SMPLBOOKSXUS", Money(25_00, "USD"), "Ada Example", "ada@example.com")
BOUNDS = Bounds(attempts=2, first_wait_seconds=0.01, longest_wait_seconds=0.02)
SECRET = "a private key"


@pytest.fixture
def sandbox() -> Iterator[Controls]:
    with tremendous() as controls:
        yield controls


@pytest.fixture
async def vendor(sandbox: Controls) -> AsyncIterator[Vendor]:
    made = connect(sandbox)
    yield made
    await made.aclose()


def connect(sandbox: Controls, secret: str = "TEST_key", bounds: Bounds = BOUNDS) -> Vendor:
    return VENDORS["tremendous"](sandbox.api_url, secret, Breaker("tremendous", failures_to_open=100), bounds)


async def place(vendor: Vendor, request: VendorRequest = BOOKS) -> VendorOrder:
    return await vendor.place(request.key, vendor.request_body(request))


async def placed_and_bounced(vendor: Vendor, sandbox: Controls) -> str:
    order = await place(vendor, replace(BOOKS, recipient_email="nobody@bounce.example"))
    eventually(lambda: sandbox.cards()["cards"][0]["delivery"] == "FAILED")
    return order.rewards[0].reward_id


# -- Catalog and money -----------------------------------------------------------------------------------------------


async def test_the_catalog_says_what_can_be_ordered_where(vendor: Vendor) -> None:
    products = {product.code: product for product in await vendor.catalog()}

    books = products["SMPLBOOKSXUS"]
    assert books.bands == tuple(Band(amount, amount, "USD") for amount in (10_00, 25_00, 50_00, 100_00))
    assert (books.countries, books.currencies, books.category) == (("US",), ("USD",), "entertainment")
    assert books.terms
    assert books.image_url
    assert {"US", "GB", "DE", "IN"} <= {country for product in products.values() for country in product.countries}
    assert products["SMPLDEPATOJP"].accepts(Money(5000, "JPY"))


async def test_a_product_that_is_withdrawn_leaves_the_catalog_and_cannot_be_ordered(
    vendor: Vendor, sandbox: Controls
) -> None:
    sandbox.on_sale("SMPLBOOKSXUS", False)

    assert "SMPLBOOKSXUS" not in {product.code for product in await vendor.catalog()}
    with pytest.raises(Rejected) as refused:
        await place(vendor)
    assert refused.value.code == "item_unavailable"


async def test_funding_goes_down_by_what_was_ordered(vendor: Vendor) -> None:
    (before,) = await vendor.funding()
    order = await place(vendor)

    (after,) = await vendor.funding()
    assert before.available is not None
    assert before.active
    assert after.available == Money(before.available.amount_minor - 25_00, "USD")
    assert order.total == Money(25_00, "USD")


@pytest.mark.parametrize(("secret", "live"), [("TEST_a", False), ("PROD_a", True), ("an oauth token", True)])
def test_only_a_test_key_is_not_live(secret: str, live: bool) -> None:
    assert Tremendous("http://127.0.0.1:9", secret, Breaker("tremendous")).is_live is live


# -- Placing ---------------------------------------------------------------------------------------------------------


def test_the_body_is_complete_pure_and_exact() -> None:
    request = replace(BOOKS, money=Money(25_50, "EUR"), sender_name="Grace", message="Well done")

    body = Tremendous.request_body(request)

    assert body == Tremendous.request_body(request)
    assert b'"denomination":25.50,' in body
    assert json.loads(body) == {
        "external_id": "ord_1",
        "payment": {"funding_source_id": "BALANCE"},
        "reward": {
            "products": ["SMPLBOOKSXUS"],
            "value": {"denomination": 25.5, "currency_code": "EUR"},
            "recipient": {"name": "Ada Example", "email": "ada@example.com"},
            "delivery": {"method": "EMAIL", "meta": {"sender_name": "Grace", "message": "Well done"}},
        },
    }


@pytest.mark.parametrize(
    ("product", "money"),
    [
        ("SMPLCOFFEEUS", Money(12_34, "USD")),
        ("SMPLBOOKSXGB", Money(20_00, "GBP")),
        ("SMPLMARKTXDE", Money(15_50, "EUR")),
        ("SMPLBAZAARIN", Money(500_00, "INR")),
        ("SMPLDEPATOJP", Money(3000, "JPY")),
    ],
)
async def test_what_comes_back_is_what_was_ordered(vendor: Vendor, product: str, money: Money) -> None:
    request = replace(BOOKS, product_code=product, money=money)

    order = await place(vendor, request)

    assert order.state is VendorOrderState.ACCEPTED
    assert differences(request, order) == ()
    assert differences(request, await vendor.get(order.vendor_order_id)) == ()


async def test_placing_the_stored_body_again_gives_the_first_order_and_no_second_card(
    vendor: Vendor, sandbox: Controls
) -> None:
    first = await place(vendor)

    again = await place(vendor)

    assert again.vendor_order_id == first.vendor_order_id
    assert sandbox.cards()["by_external_id"] == {"ord_1": 1}


async def test_another_body_under_the_key_is_a_conflict(vendor: Vendor, sandbox: Controls) -> None:
    await place(vendor)

    with pytest.raises(Rejected) as refused:
        await place(vendor, replace(BOOKS, money=Money(50_00, "USD")))
    assert refused.value.code == "conflict"
    assert sandbox.cards()["issued"] == 1


@pytest.mark.parametrize(
    "kind", ["timeout_after_success", "drop_after_success", "error_after_success", "garbage_after_success"]
)
async def test_an_order_that_succeeded_unheard_is_found_by_its_key(
    vendor: Vendor, sandbox: Controls, kind: str
) -> None:
    sandbox.fault(kind, route="POST /orders", seconds=30)
    impatient = connect(sandbox, bounds=Bounds(request_seconds=0.5))

    with pytest.raises(Ambiguous):
        await place(impatient)
    await impatient.aclose()
    eventually(lambda: sandbox.cards()["issued"] == 1)

    found = await vendor.find("ord_1")
    assert found is not None
    assert differences(BOOKS, found) == ()
    assert (await place(vendor)).vendor_order_id == found.vendor_order_id
    assert sandbox.cards()["by_external_id"] == {"ord_1": 1}


@pytest.mark.parametrize("kind", ["error", "drop", "garbage"])
async def test_an_order_that_failed_unheard_is_not_found_and_can_be_placed_again(
    vendor: Vendor, sandbox: Controls, kind: str
) -> None:
    sandbox.fault(kind, route="POST /orders")

    with pytest.raises(Ambiguous):
        await place(vendor)

    assert await vendor.find("ord_1") is None
    assert (await place(vendor)).state is VendorOrderState.ACCEPTED
    assert sandbox.cards()["by_external_id"] == {"ord_1": 1}


async def test_missing_funds_order_nothing_and_the_same_body_succeeds_once_funded(
    vendor: Vendor, sandbox: Controls
) -> None:
    sandbox.balance(24_99)

    with pytest.raises(FundsMissing):
        await place(vendor)
    assert await vendor.find("ord_1") is None

    sandbox.balance(25_00)
    assert (await place(vendor)).state is VendorOrderState.ACCEPTED


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"money": Money(26_00, "USD")}, "invalid_denomination"),
        ({"money": Money(25_00, "XXX")}, "invalid_denomination"),
        ({"money": Money(25_00, "GBP")}, "invalid_denomination"),
        ({"money": Money(0, "USD")}, "invalid_denomination"),
        ({"recipient_email": "not an address"}, "invalid_recipient"),
        ({"product_code": "NOSUCHTHING1"}, "item_unavailable"),
        ({"funding_source_id": "NOSUCHSOURCE"}, "invalid_funding_source"),
    ],
)
async def test_a_refused_order_says_what_is_wrong_with_it(
    vendor: Vendor, sandbox: Controls, change: dict[str, Any], code: str
) -> None:
    with pytest.raises(Rejected) as refused:
        await place(vendor, replace(BOOKS, **change))

    assert refused.value.code == code
    assert sandbox.cards()["issued"] == 0


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"kind": "rate_limited", "retry_after": 3}, RateLimited),
        ({"kind": "unauthorized"}, Unauthorized),
        ({"kind": "funds_missing"}, FundsMissing),
        ({"kind": "invalid_denomination"}, Rejected),
    ],
)
async def test_an_order_that_was_turned_away_is_told_apart_by_its_error(
    vendor: Vendor, sandbox: Controls, fault: dict[str, Any], error: type[Exception]
) -> None:
    sandbox.fault(**fault)

    with pytest.raises(error) as told:
        await place(vendor)
    assert type(told.value) is error
    assert sandbox.cards()["issued"] == 0


async def test_an_order_that_waits_for_approval_is_pending_until_it_is_given(vendor: Vendor, sandbox: Controls) -> None:
    sandbox.fault("pending_approval")

    order = await place(vendor)
    assert order.state is VendorOrderState.PENDING
    assert sandbox.cards()["issued"] == 0

    sandbox.api("POST", f"/order_approvals/{order.vendor_order_id}/approve")
    assert (await vendor.get(order.vendor_order_id)).state is VendorOrderState.ACCEPTED


async def test_a_card_of_another_amount_is_noticed(vendor: Vendor, sandbox: Controls) -> None:
    sandbox.fault("wrong_amount")

    assert differences(BOOKS, await place(vendor)) == ("amount 26.00 USD, ordered 25.00 USD",)


# -- Reading ---------------------------------------------------------------------------------------------------------


async def test_what_does_not_exist_is_not_found(vendor: Vendor) -> None:
    assert await vendor.find("ord_unknown") is None
    assert await vendor.find_by_reward("NOSUCHREWARD") is None
    with pytest.raises(Rejected) as refused:
        await vendor.get("NOSUCHORDER1")
    assert refused.value.code == "not_found"


async def test_an_order_is_found_by_its_card(vendor: Vendor) -> None:
    order = await place(vendor)

    assert await vendor.find_by_reward(order.rewards[0].reward_id) == await vendor.get(order.vendor_order_id)


@pytest.mark.parametrize("kind", ["error", "drop", "rate_limited"])
async def test_a_read_survives_one_failure(vendor: Vendor, sandbox: Controls, kind: str) -> None:
    sandbox.fault(kind, route="GET /funding_sources", retry_after=0)

    assert await vendor.funding()


async def test_a_read_that_keeps_failing_is_unavailable_and_a_garbled_one_is_garbled(
    vendor: Vendor, sandbox: Controls
) -> None:
    sandbox.fault("error", route="GET /products", times=BOUNDS.attempts)
    sandbox.fault("garbage", route="GET /funding_sources")

    with pytest.raises(Unavailable):
        await vendor.catalog()
    with pytest.raises(GarbledAnswer):
        await vendor.funding()


async def test_a_wrong_key_is_unauthorized_and_not_shown(sandbox: Controls) -> None:
    vendor = connect(sandbox, "PROD_not_for_the_sandbox")

    with pytest.raises(Unauthorized) as refused:
        await vendor.catalog()
    await vendor.aclose()
    assert "PROD_" not in str(refused.value)


ORDER = {
    "id": "ORD1",
    "external_id": "ord_1",
    "status": "EXECUTED",
    "payment": {"total": 25, "fees": 0, "currency_code": "USD"},
    "rewards": [
        {
            "id": "RWD1",
            "value": {"denomination": 25, "currency_code": "USD"},
            "recipient": {"email": "ada@example.com"},
            "delivery": {"method": "EMAIL", "status": "SUCCEEDED"},
        }
    ],
}
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*ORDER]), inner, max_size=3),
    max_leaves=5,
)


def altered(found: Any, path: list[int], value: Any) -> Any:
    """`found` with one of its parts, at any depth, replaced."""
    if not path or not isinstance(found, dict | list) or not found:
        return value
    keys = list(found) if isinstance(found, dict) else list(range(len(found)))
    key = keys[path[0] % len(keys)]
    copy: Any = dict(found) if isinstance(found, dict) else list(found)
    copy[key] = altered(found[key], path[1:], value)
    return copy


@given(path=st.lists(st.integers(0, 20), max_size=5), value=ANYTHING)
async def test_an_answer_altered_anywhere_is_either_understood_or_named_as_garbled(
    altering: dict[str, bytes], path: list[int], value: Any
) -> None:
    altering["body"] = json.dumps(altered({"order": ORDER}, path, value)).encode()
    vendor = Tremendous(altering["url"].decode(), "TEST_key", Breaker("tremendous"), BOUNDS)

    for call, garbled in ((vendor.get("ORD1"), GarbledAnswer), (vendor.place("ord_1", b"{}"), Ambiguous)):
        try:
            assert isinstance(differences(BOOKS, await call), tuple)
        except garbled:
            continue
    await vendor.aclose()


@pytest.fixture(scope="module")
def altering() -> Iterator[dict[str, bytes]]:
    """A vendor that answers every request with the body that is set."""
    state: dict[str, bytes] = {}

    async def answer(request: Request) -> Response:
        return Response(state["body"])

    with running(Starlette(routes=[Route("/{path:path}", answer, methods=["GET", "POST"])])) as url:
        state["url"] = url.encode()
        yield state


# -- Delivery --------------------------------------------------------------------------------------------------------


async def test_a_card_by_email_is_delivered_after_the_answer(vendor: Vendor, sandbox: Controls) -> None:
    order = await place(vendor)

    eventually(lambda: bool(sandbox.emails()))
    (reward,) = (await vendor.get(order.vendor_order_id)).rewards
    assert (reward.method, reward.delivery) == (DeliveryMethod.EMAIL, DeliveryState.SUCCEEDED)


async def test_a_card_by_link_has_a_link_that_opens_it(vendor: Vendor, sandbox: Controls) -> None:
    order = await place(vendor, replace(BOOKS, delivery=DeliveryMethod.LINK))

    link = await vendor.link(order.rewards[0].reward_id)

    assert order.rewards[0].delivery is DeliveryState.SUCCEEDED
    assert "Example Books, 25 USD" in sandbox.page(link.reveal())
    assert link.reveal() not in repr((order, link))


async def test_a_bounced_card_goes_to_another_address(vendor: Vendor, sandbox: Controls) -> None:
    reward_id = await placed_and_bounced(vendor, sandbox)

    await vendor.resend(reward_id, "ada@example.com")

    eventually(lambda: sandbox.cards()["cards"][0]["delivery"] == "SUCCEEDED")
    found = await vendor.find("ord_1")
    assert found is not None
    assert found.rewards[0].recipient_email == "ada@example.com"
    assert sandbox.cards()["issued"] == 1


async def test_a_bounced_card_can_be_cancelled_and_is_refunded(vendor: Vendor, sandbox: Controls) -> None:
    (before,) = await vendor.funding()
    reward_id = await placed_and_bounced(vendor, sandbox)

    await vendor.cancel(reward_id)

    found = await vendor.find("ord_1")
    assert found is not None
    assert (found.state, found.refunded) == (VendorOrderState.CANCELLED, Money(25_00, "USD"))
    assert await vendor.funding() == [before]


async def test_a_delivered_card_can_be_neither_cancelled_nor_sent_again(vendor: Vendor, sandbox: Controls) -> None:
    order = await place(vendor)
    eventually(lambda: sandbox.cards()["cards"][0]["delivery"] == "SUCCEEDED")
    reward_id = order.rewards[0].reward_id

    for call, code in ((vendor.cancel(reward_id), "not_cancellable"), (vendor.resend(reward_id), "not_resendable")):
        with pytest.raises(Rejected) as refused:
            await call
        assert refused.value.code == code
    assert DeliveryState.SUCCEEDED not in (*vendor.capabilities.cancel_when, *vendor.capabilities.resend_when)


# -- Notices ---------------------------------------------------------------------------------------------------------


def notice(**changes: Any) -> bytes:
    payload = {"resource": {"id": "RWD1", "type": "rewards"}, "meta": {"failure_reason": "x", "retryable": True}}
    body = {
        "event": "REWARDS.DELIVERY.FAILED",
        "uuid": "5ccc7bb1-7659-4e23-a407-77d8cd9c62f5",
        "created_utc": "2021-04-06T20:05:01.037-04:00",
        "payload": payload,
    }
    return json.dumps(body | changes).encode()


def signed(body: bytes, secret: str = SECRET) -> dict[str, str]:
    signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return {"tremendous-webhook-signature": f"sha256={signature}"}


def test_a_signed_notice_is_read() -> None:
    read = Tremendous.parse_notice(notice(), signed(notice()), SECRET)

    assert (read.kind, read.event) == (NoticeKind.REWARD, "REWARDS.DELIVERY.FAILED")
    assert (read.resource_type, read.resource_id) == ("rewards", "RWD1")
    assert read.notice_key == "5ccc7bb1-7659-4e23-a407-77d8cd9c62f5"
    assert read.occurred_at == datetime(2021, 4, 7, 0, 5, 1, 37000, tzinfo=UTC)
    assert (read.failure_reason, read.retryable) == ("x", True)


@pytest.mark.parametrize(
    ("body", "headers", "secret"),
    [
        (notice(), {}, SECRET),
        (notice() + b" ", signed(notice()), SECRET),
        (notice(), signed(notice(), "another key"), SECRET),
        (notice(), {"tremendous-webhook-signature": signed(notice())["tremendous-webhook-signature"][7:]}, SECRET),
        (notice(), {"tremendous-webhook-signature": "sha256=é\udcff"}, SECRET),
        (notice(), signed(notice(), ""), ""),
        (b"not even JSON", {}, SECRET),
    ],
)
def test_a_notice_without_the_right_signature_is_not_believed(
    body: bytes, headers: dict[str, str], secret: str
) -> None:
    with pytest.raises(BadSignature):
        Tremendous.parse_notice(body, headers, secret)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff",
        b"[]",
        b"[" * 100_000,
        notice(uuid=None),
        notice(uuid=""),
        notice(uuid="x" * 201),
        notice(event=5),
        notice(payload={}),
        notice(payload={"resource": {"id": ["RWD1"], "type": "rewards"}}),
        notice(created_utc="yesterday"),
        notice(created_utc=7),
    ],
)
def test_a_signed_notice_of_another_shape_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedNotice):
        Tremendous.parse_notice(body, signed(body), SECRET)


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        ("ORDERS.APPROVED", NoticeKind.ORDER),
        ("ORDERS.CREATED", NoticeKind.OTHER),
        ("REWARDS.CREATED", NoticeKind.OTHER),
        ("REWARDS.DELIVERY.SUCCEEDED", NoticeKind.REWARD),
        ("FUNDING_SOURCES.FUNDED", NoticeKind.FUNDING),
        ("PRODUCTS.REMOVED", NoticeKind.CATALOG),
        ("MEMBERS.CREATED", NoticeKind.OTHER),
        ("SOMETHING.NEW", NoticeKind.OTHER),
    ],
)
def test_notices_are_of_a_kind(event: str, kind: NoticeKind) -> None:
    body = notice(event=event)

    assert Tremendous.parse_notice(body, signed(body), SECRET).kind is kind


async def test_what_the_vendor_sends_is_believed_and_names_what_to_fetch(vendor: Vendor, sandbox: Controls) -> None:
    with receiver() as inbox:
        private_key = sandbox.webhook(inbox.url)
        order = await place(vendor, replace(BOOKS, recipient_email="nobody@bounce.example"))
        received = inbox.wait_for(3)

    read = [vendor.parse_notice(one.body, one.headers, private_key) for one in received]
    assert [one.event for one in read] == ["ORDERS.CREATED", "REWARDS.CREATED", "REWARDS.DELIVERY.FAILED"]
    assert read[0].resource_id == order.vendor_order_id
    assert (read[2].failure_reason, read[2].retryable) == ("invalid_email", False)
    found = await vendor.find_by_reward(read[2].resource_id)
    assert found is not None
    assert (found.external_id, found.rewards[0].delivery) == ("ord_1", DeliveryState.FAILED)
