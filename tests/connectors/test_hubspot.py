"""HubSpot as a source: who is believed, which notices matter, and what a deal's history says happened."""

from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import orjson
import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st

from connectors import hubspot
from connectors.breakers import Breaker
from connectors.errors import (
    BadSignature,
    GarbledAnswer,
    MalformedNotice,
    NoticeRefused,
    RateLimited,
    StaleNotice,
    TooLarge,
    Unauthorized,
    Unavailable,
    WrongContentType,
)
from connectors.hubspot import Deal, HubSpot, Owner, Win, translate
from connectors.sources import Request, Source, milliseconds
from domain.events import Identity, fingerprint
from domain.notices import Matters
from sandbox.hubspot import create_app
from sandbox.hubspot.faults import Fault
from tests.connectors.hubspot_notices import NOW, SECRET, URL, later, notification, request, signed
from tests.sandboxes import running

# -- Who is believed -----------------------------------------------------------------------------------------------


def test_the_module_keeps_the_contract_of_a_source() -> None:
    source: Source = hubspot

    assert source.KIND == "hubspot"


def test_a_signed_request_is_believed() -> None:
    hubspot.verify(request(notification()), SECRET, NOW)


def test_the_signature_covers_the_body() -> None:
    good = request(notification())

    with pytest.raises(BadSignature):
        hubspot.verify(Request(good.method, good.url, good.headers, good.body + b" "), SECRET, NOW)


def test_the_signature_covers_the_url() -> None:
    good = request(notification())

    with pytest.raises(BadSignature):
        hubspot.verify(Request(good.method, good.url + "x", good.headers, good.body), SECRET, NOW)


def test_another_apps_secret_is_not_believed() -> None:
    with pytest.raises(BadSignature):
        hubspot.verify(signed(b"[]", secret="other"), SECRET, NOW)


@pytest.mark.parametrize("seconds", [-300.0, 0.0, 300.0])
def test_a_request_signed_within_five_minutes_is_taken(seconds: float) -> None:
    hubspot.verify(signed(b"[]"), SECRET, later(seconds))


@pytest.mark.parametrize("seconds", [-300.001, 300.001, 86_400.0])
def test_a_request_signed_earlier_or_later_is_stale(seconds: float) -> None:
    with pytest.raises(StaleNotice):
        hubspot.verify(signed(b"[]"), SECRET, later(seconds))


@pytest.mark.parametrize("content_type", ["text/plain", "", "application/json; charset=latin-1", "application/jsonx"])
def test_anything_but_json_in_utf_8_is_the_wrong_content_type(content_type: str) -> None:
    with pytest.raises(WrongContentType):
        hubspot.verify(signed(b"[]", headers={"content-type": content_type}), SECRET, NOW)


@pytest.mark.parametrize("content_type", ["application/json", "Application/JSON; charset=UTF-8"])
def test_json_may_name_its_charset(content_type: str) -> None:
    hubspot.verify(signed(b"[]", headers={"content-type": content_type}), SECRET, NOW)


def test_an_oversized_body_is_refused_before_it_is_hashed() -> None:
    with pytest.raises(TooLarge):
        hubspot.verify(Request("POST", URL, {}, b" " * (hubspot.BODY_MAX_BYTES + 1)), SECRET, NOW)


@pytest.mark.parametrize(
    "timestamp", ["", "soon", "-1", "1e3", "9" * 5000, "١٧٧٢٤٤٢٦٠٠٠٠٠", "1772443800000 ", "\udcff"]
)
def test_an_odd_timestamp_is_stale_even_if_it_was_signed(timestamp: str) -> None:
    headers = {
        "content-type": "application/json",
        "x-hubspot-request-timestamp": timestamp,
        "x-hubspot-signature-v3": hubspot.signature(Request("POST", URL, {}, b"[]"), SECRET, timestamp),
    }

    with pytest.raises(StaleNotice):
        hubspot.verify(Request("POST", URL, headers, b"[]"), SECRET, NOW)


@given(
    st.dictionaries(
        st.sampled_from(["content-type", "x-hubspot-request-timestamp", "x-hubspot-signature-v3"]), st.text()
    ),
    st.binary(max_size=50),
    st.text(),
)
def test_whatever_a_stranger_sends_only_a_typed_refusal_comes_back(
    headers: dict[str, str], body: bytes, url: str
) -> None:
    with pytest.raises(NoticeRefused):
        hubspot.verify(Request("POST", url, headers, body), SECRET, NOW)


# -- Notices -------------------------------------------------------------------------------------------------------


def test_a_notification_becomes_a_notice_of_its_deal() -> None:
    (notice,) = hubspot.notices(request(notification()))

    assert (notice.object_id, notice.kind, notice.occurred_at) == ("9001", "deal.propertyChange", NOW)
    assert notice.matters is Matters.ALWAYS
    assert notice.raw["propertyName"] == "hs_is_closed_won"


def test_a_repeated_attempt_has_the_same_key() -> None:
    first, again = hubspot.notices(request(notification(), notification(attemptNumber=3)))

    assert first.notice_key == again.notice_key


@pytest.mark.parametrize(
    "other", [{"eventId": 8}, {"objectId": 9002}, {"subscriptionId": 1}, {"occurredAt": 1}, {"portalId": 1}]
)
def test_another_notification_has_another_key_even_if_event_ids_are_reused(other: dict[str, int]) -> None:
    first, second = hubspot.notices(request(notification(), notification(**other)))

    assert first.notice_key != second.notice_key


def test_a_merge_is_a_notice_of_every_deal_that_went_or_came() -> None:
    merge = notification(
        subscriptionType="deal.merge", objectId=1, primaryObjectId=1, mergedObjectIds=[2, 3], newObjectId=4
    )

    notices = hubspot.notices(request(merge))

    assert [notice.object_id for notice in notices] == ["1", "2", "3", "4"]
    assert len({notice.notice_key for notice in notices}) == 4
    assert {notice.matters for notice in notices} == {Matters.ALWAYS}


ALWAYS, IF_KNOWN, NEVER = Matters.ALWAYS, Matters.IF_KNOWN, Matters.NEVER


@pytest.mark.parametrize(
    ("kind", "more", "matters"),
    [
        ("deal.propertyChange", {"propertyName": "dealstage"}, ALWAYS),
        ("deal.propertyChange", {"propertyName": "hs_is_closed_won"}, ALWAYS),
        ("deal.propertyChange", {"propertyName": "hubspot_owner_id"}, ALWAYS),
        ("deal.propertyChange", {"propertyName": "amount"}, IF_KNOWN),
        ("deal.propertyChange", {"propertyName": "deal_currency_code"}, IF_KNOWN),
        ("deal.propertyChange", {"propertyName": "dealname"}, NEVER),
        ("deal.propertyChange", {"propertyName": None}, NEVER),
        ("deal.creation", {}, ALWAYS),
        ("deal.deletion", {}, ALWAYS),
        ("deal.restore", {}, ALWAYS),
        ("deal.merge", {}, ALWAYS),
        ("deal.associationChange", {}, NEVER),
        ("object.propertyChange", {"propertyName": "amount", "objectTypeId": "0-3"}, IF_KNOWN),
        ("object.deletion", {"objectTypeId": "0-3"}, ALWAYS),
        ("object.deletion", {"objectTypeId": "0-1"}, NEVER),
        ("object.deletion", {}, NEVER),
        ("contact.deletion", {}, NEVER),
        ("conversation.creation", {}, NEVER),
        ("dealer.creation", {}, NEVER),
    ],
)
def test_only_what_could_change_a_win_or_its_worth_matters(kind: str, more: dict[str, str], matters: Matters) -> None:
    (notice,) = hubspot.notices(request(notification(subscriptionType=kind, **more)))

    assert notice.matters is matters


def test_a_notification_without_an_object_is_no_notice() -> None:
    association = notification(subscriptionType="deal.associationChange", fromObjectId=1, toObjectId=2)
    del association["objectId"]

    assert hubspot.notices(request(association)) == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'[{"eventId": 7',
        b"{}",
        b"null",
        b"[null]",
        b"[[]]",
        b'["\xff\xfe"]',
        b'[{"eventId": 7}]',
        b"[" * 100_000,
        orjson.dumps([notification(eventId="seven")]),
        orjson.dumps([notification(occurredAt=2**62)]),
        orjson.dumps([notification(objectId={})]),
        orjson.dumps([notification(subscriptionType="d" * 101)]),
    ],
)
def test_a_body_of_another_shape_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedNotice):
        hubspot.notices(signed(body))


def test_more_than_a_hundred_notifications_are_too_large() -> None:
    hundred = [notification(eventId=i) for i in range(100)]

    assert len(hubspot.notices(request(*hundred))) == 100
    with pytest.raises(TooLarge):
        hubspot.notices(request(*hundred, notification(eventId=100)))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(sorted(notification())), inner),
)


@given(st.binary() | st.lists(JSON).map(orjson.dumps))
def test_any_body_is_read_or_refused(body: bytes) -> None:
    with suppress(MalformedNotice, TooLarge):
        hubspot.notices(Request("POST", URL, {}, body))


# -- Facts ---------------------------------------------------------------------------------------------------------

WON_AT = datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC)
SINCE = WON_AT - timedelta(days=1)
ADA = Owner("71", "Ada@Example.com")
DEAL = Deal(
    id="9001",
    name="Big one",
    amount=Decimal("1200.50"),
    currency="EUR",
    pipeline="default",
    owner_id="71",
    modified_at=NOW,
    wins=(Win(WON_AT),),
)


def test_a_won_deal_is_a_fact_of_its_owner_at_the_instant_it_was_won() -> None:
    (event,) = translate("crm", DEAL, ADA, SINCE)

    assert (event.source, event.type) == ("crm", "deal.won")
    assert event.external_id == f"9001:{milliseconds(WON_AT)}"
    assert event.occurred_at == WON_AT
    assert event.member == Identity("crm", "71")
    assert event.alternatives == (Identity("email", "ada@example.com"),)
    assert event.source_version == milliseconds(NOW)
    assert event.retracts is None
    assert event.data == {
        "deal_id": "9001",
        "name": "Big one",
        "amount_minor": 120_050,
        "currency": "EUR",
        "pipeline": "default",
    }


@pytest.mark.parametrize(
    ("amount", "currency", "minor"),
    [
        ("1200.5", "EUR", 120_050),
        ("1200", "JPY", 1200),
        ("1200.5", "JPY", 1201),
        ("1.2345", "KWD", 1235),
        ("0.005", "USD", 1),
        ("0.004", "USD", 0),
        ("1E+3", "USD", 100_000),
        ("-12.5", "USD", -1250),
        ("79228162514.33", "USD", 7_922_816_251_433),
        (None, "USD", 0),
    ],
)
def test_amounts_are_exact_in_minor_units(amount: str | None, currency: str, minor: int) -> None:
    deal = replace(DEAL, amount=None if amount is None else Decimal(amount), currency=currency)

    (event,) = translate("crm", deal, ADA, SINCE)

    assert (event.data["amount_minor"], event.data["currency"]) == (minor, currency)


def test_a_win_from_before_the_account_was_connected_is_no_fact() -> None:
    ended = replace(DEAL, wins=(Win(WON_AT, WON_AT + timedelta(hours=1)),))

    assert translate("crm", DEAL, ADA, WON_AT + timedelta(seconds=1)) == []
    assert translate("crm", ended, ADA, WON_AT + timedelta(seconds=1)) == []


def test_a_reopened_deal_retracts_its_win() -> None:
    reopened_at = WON_AT + timedelta(hours=1)

    (event,) = translate("crm", replace(DEAL, wins=(Win(WON_AT, reopened_at),)), ADA, SINCE)

    assert event.retracts == f"9001:{milliseconds(WON_AT)}"
    assert (event.occurred_at, dict(event.data)) == (reopened_at, {})
    assert event.external_id != event.retracts


def test_a_deal_won_again_is_a_new_fact_beside_the_retraction_of_the_first() -> None:
    again_at = WON_AT + timedelta(hours=2)
    wins = (Win(WON_AT, WON_AT + timedelta(hours=1)), Win(again_at))

    retraction, won = translate("crm", replace(DEAL, wins=wins), ADA, SINCE)

    assert retraction.retracts == f"9001:{milliseconds(WON_AT)}"
    assert won.external_id == f"9001:{milliseconds(again_at)}"


@pytest.mark.parametrize(
    ("change", "amends"),
    [
        ({"amount": Decimal(9)}, True),
        ({"currency": "USD"}, True),
        ({"owner_id": "72"}, True),
        ({"pipeline": "partners"}, True),
        ({"name": "Bigger one"}, False),
        ({}, False),
    ],
)
def test_an_edit_amends_the_same_fact_if_it_changes_what_the_fact_is(change: dict[str, Any], amends: bool) -> None:
    (before,) = translate("crm", DEAL, ADA, SINCE)
    (after,) = translate("crm", replace(DEAL, modified_at=later(60), **change), ADA, SINCE)

    assert after.external_id == before.external_id
    assert (before.source_version, after.source_version) == (milliseconds(NOW), milliseconds(later(60)))
    assert (fingerprint(after, hubspot.POLICY) != fingerprint(before, hubspot.POLICY)) == amends


def test_an_owners_new_address_is_no_amendment() -> None:
    (before,) = translate("crm", DEAL, ADA, SINCE)
    (after,) = translate("crm", DEAL, Owner("71", "countess@example.com"), SINCE)

    assert fingerprint(after, hubspot.POLICY) == fingerprint(before, hubspot.POLICY)


def test_a_win_that_nobody_owns_waits_for_an_owner() -> None:
    assert translate("crm", replace(DEAL, owner_id=None), None, SINCE) == []


def test_an_owner_unknown_to_hubspot_is_still_named_by_id() -> None:
    (event,) = translate("crm", DEAL, None, SINCE)

    assert (event.member, event.alternatives) == (Identity("crm", "71"), ())


def test_a_deal_that_was_never_won_is_no_fact() -> None:
    assert translate("crm", replace(DEAL, wins=()), ADA, SINCE) == []


def test_a_fact_of_a_deal_that_is_gone_can_be_taken_back_by_its_id() -> None:
    (won,) = translate("crm", DEAL, ADA, SINCE)
    (reopened,) = translate("crm", replace(DEAL, wins=(Win(WON_AT, NOW),)), ADA, SINCE)

    event = hubspot.retract("crm", won.external_id, NOW)

    assert event.retracts == won.external_id
    assert event.external_id == reopened.external_id


# -- The CRM -------------------------------------------------------------------------------------------------------

TOKEN = "token"


class Ticking:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Ticking:
    return Ticking()


@pytest.fixture
def account(clock: Ticking) -> FastAPI:
    return create_app(access_token=TOKEN, clock=clock)


@pytest.fixture
def base_url(account: FastAPI) -> Iterator[str]:
    with running(account) as base_url:
        yield base_url


@pytest.fixture
async def client(base_url: str) -> AsyncIterator[HubSpot]:
    client = HubSpot(TOKEN, Breaker("hubspot"), base_url)
    yield client
    await client.aclose()


def won_deal(account: FastAPI, **properties: str | None) -> Any:
    crm = account.state.crm
    owner = crm.add_owner("ada@example.com", "Ada", "Lovelace")
    deal = crm.create({"dealname": "Big one", "amount": "1200.50", "hubspot_owner_id": owner.id} | properties)
    crm.update(deal, {"dealstage": "closedwon"})
    return deal


async def test_a_deal_is_read_with_its_win(account: FastAPI, client: HubSpot, clock: Ticking) -> None:
    crm_deal = won_deal(account, deal_currency_code="USD")

    deal = await client.get_deal(crm_deal.id)

    assert deal is not None
    assert (deal.id, deal.name, deal.amount, deal.currency) == (crm_deal.id, "Big one", Decimal("1200.50"), "USD")
    assert (deal.owner_id, deal.pipeline) == ("71", "default")
    assert deal.modified_at == deal.wins[0].entered_at > clock.now
    assert len(deal.wins) == 1
    assert deal.wins[0].left_at is None


@pytest.mark.parametrize("cleared", ["", None])
async def test_a_deal_may_have_no_amount_and_is_then_in_the_companys_currency(
    account: FastAPI, client: HubSpot, cleared: str | None
) -> None:
    crm_deal = won_deal(account, amount=cleared, deal_currency_code=cleared)

    deal = await client.get_deal(crm_deal.id)

    assert deal is not None
    assert (deal.amount, deal.currency) == (None, "EUR")


async def test_every_stay_in_closed_won_is_read_from_the_history(
    account: FastAPI, client: HubSpot, clock: Ticking
) -> None:
    crm_deal = won_deal(account)
    for hours, stage in enumerate(("contractsent", "closedlost", "closedwon"), start=1):
        clock.now = NOW + timedelta(hours=hours)
        account.state.crm.update(crm_deal, {"dealstage": stage})

    deal = await client.get_deal(crm_deal.id)

    assert deal is not None
    assert [(win.entered_at > NOW, win.left_at) for win in deal.wins] == [
        (True, NOW + timedelta(hours=1)),
        (True, None),
    ]
    assert deal.wins[1].entered_at == NOW + timedelta(hours=3)


async def test_a_deleted_deal_is_read_from_the_bin_and_its_win_ended_there(
    account: FastAPI, client: HubSpot, clock: Ticking
) -> None:
    crm_deal = won_deal(account)
    clock.now = later(3600)
    account.state.crm.archive(crm_deal)

    deal = await client.get_deal(crm_deal.id)

    assert deal is not None
    assert deal.wins[0].left_at == deal.modified_at == clock.now
    assert [event.retracts is None for event in translate("crm", deal, None, SINCE)] == [False]


async def test_a_merged_deal_is_answered_under_the_id_it_was_merged_into(account: FastAPI, client: HubSpot) -> None:
    first, second = won_deal(account), won_deal(account)
    merged = account.state.crm.merge(first, second)

    deal = await client.get_deal(second.id)

    assert deal is not None
    assert deal.id == merged.id
    assert [win.left_at for win in deal.wins].count(None) == 1


async def test_a_deal_that_hubspot_forgot_is_none(account: FastAPI, client: HubSpot) -> None:
    assert await client.get_deal("404") is None


async def test_an_owner_is_read_even_if_deactivated(account: FastAPI, client: HubSpot) -> None:
    account.state.crm.add_owner("ada@example.com", "Ada", "Lovelace")
    account.state.crm.add_owner("bob@example.com", "Bob", "Stone", archived=True)

    assert await client.get_owner("71") == Owner("71", "ada@example.com")
    assert await client.get_owner("72") == Owner("72", "bob@example.com")
    assert await client.get_owner("73") is None


async def test_a_wrong_token_is_unauthorized(account: FastAPI, base_url: str) -> None:
    stranger = HubSpot("other", Breaker("hubspot"), base_url)

    with pytest.raises(Unauthorized):
        await stranger.get_deal("1")


async def test_a_long_wait_that_hubspot_asks_for_is_handed_to_the_caller(account: FastAPI, client: HubSpot) -> None:
    account.state.faults.append(Fault(kind="rate_limited", retry_after_seconds=120))

    with pytest.raises(RateLimited) as limited:
        await client.get_owner("71")

    assert limited.value.retry_after_seconds == 120


async def test_one_bad_answer_is_survived(account: FastAPI, client: HubSpot) -> None:
    account.state.faults.append(Fault(kind="server_error"))
    crm_deal = won_deal(account)

    deal = await client.get_deal(crm_deal.id)

    assert deal is not None


async def test_bad_answers_without_end_are_unavailable(account: FastAPI, client: HubSpot) -> None:
    account.state.faults.append(Fault(kind="server_error", times=100))

    with pytest.raises(Unavailable):
        await client.get_deal("1")


async def test_a_page_of_html_is_a_garbled_answer(account: FastAPI, client: HubSpot) -> None:
    account.state.faults.append(Fault(kind="garbled"))

    with pytest.raises(GarbledAnswer):
        await client.get_deal("1")


@pytest.mark.parametrize("amount", ["a lot", "NaN", "Infinity", "1e999999999", "10000000000000.01"])
async def test_an_amount_that_is_none_is_a_garbled_answer(account: FastAPI, client: HubSpot, amount: str) -> None:
    crm_deal = won_deal(account, amount=amount)

    with pytest.raises(GarbledAnswer, match=r"properties\.amount"):
        await client.get_deal(crm_deal.id)
