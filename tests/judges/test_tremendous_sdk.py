"""The vendor's own SDK, unmodified but for its host, is the judge of the sandbox: its strict models must accept it."""

from collections.abc import Iterator
from typing import Any

import pytest
import tremendous as sdk
from tremendous.exceptions import (
    ApiException,
    BadRequestException,
    ConflictException,
    ForbiddenException,
    NotFoundException,
    ServiceException,
    UnauthorizedException,
    UnprocessableEntityException,
)

from tests.notices import eventually, receiver
from tests.tremendous_controls import Controls, tremendous


@pytest.fixture
def sandbox() -> Iterator[Controls]:
    with tremendous() as controls:
        yield controls


@pytest.fixture
def api(sandbox: Controls) -> sdk.TremendousApi:
    return connect(sandbox, "TEST_judge")


def connect(sandbox: Controls, key: str) -> sdk.TremendousApi:
    return sdk.TremendousApi(sdk.ApiClient(sdk.Configuration(host=sandbox.api_url, access_token=key)))


def order(external_id: str | None = "ord_1", **reward: Any) -> sdk.CreateOrderRequest:
    wanted = {
        "products": ["SMPLBOOKSXUS"],
        "value": {"denomination": 25.0, "currency_code": "USD"},
        "recipient": {"name": "Ada Example", "email": "ada@example.com"},
        "delivery": {"method": "EMAIL"},
    }
    payment = {"funding_source_id": "balance"}
    return sdk.CreateOrderRequest(
        sdk.SingleRewardOrder(external_id=external_id, payment=payment, reward=wanted | reward)
    )


def bounced_reward(api: sdk.TremendousApi, sandbox: Controls) -> str:
    made = api.create_order(order(recipient={"name": "Nobody", "email": "nobody@bounce.example"}))
    eventually(lambda: sandbox.cards()["cards"][0]["delivery"] == "FAILED")
    return str(made.order.rewards[0].id)


def test_products_are_listed_filtered_and_read(api: sdk.TremendousApi) -> None:
    everything = api.list_products().products
    german = api.list_products(country="DE").products
    rupees = api.list_products(currency="INR").products

    assert len(everything) > len(german) > 0
    assert {country.abbr for product in german for country in product.countries} >= {"DE"}
    assert {code for product in rupees for code in product.currency_codes} == {"INR"}
    assert api.get_product(everything[0].id).product == everything[0]


def test_the_balance_is_a_funding_source_that_orders_use_up(api: sdk.TremendousApi) -> None:
    (before,) = api.list_funding_sources().funding_sources
    api.create_order(order())

    after = api.get_funding_source(before.id).funding_source
    assert (before.method, before.status, before.meta.currency_code) == ("balance", "active", "USD")
    assert after.meta.available_cents == before.meta.available_cents - 25_00


def test_an_order_is_created_once_and_then_repeated_as_201(api: sdk.TremendousApi) -> None:
    first = api.create_order_with_http_info(order())
    again = api.create_order_with_http_info(order())

    assert (first.status_code, again.status_code) == (200, 201)
    assert first.data.order.id == again.data.order.id
    assert first.data.order.status == "EXECUTED"
    assert first.data.order.payment.total == 25


def test_an_order_without_external_id_is_made_each_time(api: sdk.TremendousApi, sandbox: Controls) -> None:
    api.create_order(order(None))
    api.create_order(order(None))

    assert sandbox.cards()["issued"] == 2


def test_an_order_is_read_by_either_id_and_listed_by_pages(api: sdk.TremendousApi) -> None:
    made = [api.create_order(order(f"ord_{n}")).order for n in range(3)]

    assert api.get_order(made[0].id).order.external_id == "ord_0"
    assert api.get_order("ord_1").order.id == made[1].id
    assert [found.id for found in api.list_orders(external_id="ord_2").orders] == [made[2].id]
    page = api.list_orders(offset=1, limit=1)
    assert (page.total_count, [found.id for found in page.orders]) == (3, [made[1].id])
    assert api.list_orders(created_at_gte="2999-01-01T00:00:00Z").total_count == 0


def test_only_the_answer_to_its_creation_carries_the_link_of_a_link_reward(api: sdk.TremendousApi) -> None:
    made = api.create_order(order(delivery={"method": "LINK"})).order

    assert made.rewards[0].delivery.link.startswith("http")
    assert made.rewards[0].delivery.status == "SUCCEEDED"
    assert "payout" not in api.get_order(made.id).to_json()


def test_rewards_are_listed_and_read_and_give_links(api: sdk.TremendousApi) -> None:
    made = api.create_order(order()).order

    listed = api.list_rewards(limit=5)
    assert (listed.total_count, listed.rewards[0].id) == (1, made.rewards[0].id)
    assert api.get_reward(listed.rewards[0].id).reward.order_id == made.id
    assert api.generate_reward_link(listed.rewards[0].id).reward.link.startswith("http")


def test_a_bounced_reward_is_sent_again_to_a_new_address(api: sdk.TremendousApi, sandbox: Controls) -> None:
    reward_id = bounced_reward(api, sandbox)

    api.resend_reward(reward_id, sdk.ResendRewardRequest(updated_email="ada@example.com"))

    eventually(lambda: bool(api.get_reward(reward_id).reward.delivery.status == "SUCCEEDED"))
    assert api.get_reward(reward_id).reward.recipient.email == "ada@example.com"


def test_a_bounced_reward_is_cancelled_and_refunded(api: sdk.TremendousApi, sandbox: Controls) -> None:
    reward_id = bounced_reward(api, sandbox)

    api.cancel_reward(reward_id)

    found = api.get_order("ord_1").order
    assert (found.status, found.payment.refund.total) == ("CANCELED", 25)
    with pytest.raises(UnprocessableEntityException):
        api.cancel_reward(reward_id)
    with pytest.raises(ForbiddenException):
        api.generate_reward_link(reward_id)


def test_a_delivered_reward_is_neither_cancelled_nor_sent_again(api: sdk.TremendousApi, sandbox: Controls) -> None:
    reward_id = api.create_order(order()).order.rewards[0].id
    eventually(lambda: sandbox.cards()["cards"][0]["delivery"] == "SUCCEEDED")

    for change in (api.cancel_reward, api.resend_reward):
        with pytest.raises(UnprocessableEntityException, match="delivery failure"):
            change(reward_id)


def test_an_order_that_waits_is_approved_or_rejected(api: sdk.TremendousApi, sandbox: Controls) -> None:
    sandbox.fault("pending_approval", times=2)
    waiting = [api.create_order_without_preload_content(order(f"ord_{n}")).status for n in range(2)]

    assert waiting == [202, 202]
    assert api.get_order("ord_0").order.status == "PENDING APPROVAL"
    assert api.approve_order(api.get_order("ord_0").order.id).order.status == "EXECUTED"
    assert api.reject_order(api.get_order("ord_1").order.id).order.status == "CANCELED"
    assert sandbox.cards()["by_external_id"] == {"ord_0": 1, "ord_1": 0}


def test_the_webhook_is_made_moved_listed_simulated_and_deleted(api: sdk.TremendousApi) -> None:
    with receiver() as inbox:
        made = api.create_webhook(sdk.CreateWebhookRequest(url="http://127.0.0.1:9/elsewhere")).webhook
        moved = api.create_webhook(sdk.CreateWebhookRequest(url=inbox.url)).webhook
        assert (moved.id, moved.private_key, moved.url) == (made.id, made.private_key, inbox.url)
        assert api.list_webhooks().webhooks == [moved]
        assert "ORDERS.CREATED" in api.list_webhook_events(moved.id).events
        api.simulate_webhook(moved.id, sdk.SimulateWebhookRequest(event="INVOICES.PAID"))
        (received,) = inbox.wait_for(1)

    assert b'"INVOICES.PAID"' in received.body
    api.delete_webhook(moved.id)
    assert api.list_webhooks().webhooks == []


@pytest.mark.parametrize(
    ("reward", "error", "field"),
    [
        ({"products": ["NOSUCHTHING1"]}, BadRequestException, "products"),
        ({"recipient": {"email": "nobody"}}, BadRequestException, "email"),
        ({"delivery": {"method": "PHONE"}}, BadRequestException, "method"),
        ({"value": {"denomination": 26.0}}, UnprocessableEntityException, "denomination"),
    ],
)
def test_a_wrong_order_is_answered_with_the_field_that_is_wrong(
    api: sdk.TremendousApi, reward: dict[str, Any], error: type[ApiException], field: str
) -> None:
    with pytest.raises(error) as refused:
        api.create_order(order(**reward))

    (innermost,) = refused.value.data.errors.payload["reward"].items()
    assert field in str(innermost)


def test_errors_have_the_documented_shape_and_status(api: sdk.TremendousApi, sandbox: Controls) -> None:
    api.create_order(order())
    sandbox.fault("error", route="GET /orders")
    calls = [
        (lambda: connect(sandbox, "PROD_judge").list_orders(), UnauthorizedException),
        (lambda: api.create_order(order(value={"denomination": 50.0})), ConflictException),
        (lambda: api.get_order("NOSUCHORDER1"), NotFoundException),
        (lambda: api.get_reward("NOSUCHREWARD"), NotFoundException),
        (lambda: api.get_product("NOSUCHTHING1"), NotFoundException),
        (lambda: api.list_orders(), ServiceException),
    ]
    for call, error in calls:
        with pytest.raises(error) as refused:
            call()
        assert refused.value.data.errors.message


def test_missing_funds_are_402(api: sdk.TremendousApi, sandbox: Controls) -> None:
    sandbox.balance(24_99)

    with pytest.raises(ApiException) as refused:
        api.create_order(order())
    assert refused.value.status == 402
    assert "funds" in refused.value.data.errors.message


def test_too_many_requests_are_429_with_a_time_to_wait(api: sdk.TremendousApi, sandbox: Controls) -> None:
    sandbox.fault("rate_limited", retry_after=7)

    with pytest.raises(ApiException) as refused:
        api.create_order(order())
    assert (refused.value.status, refused.value.headers["retry-after"]) == (429, "7")
    assert refused.value.data.errors.message == "Too many requests"
