"""HubSpot's own client library judges our signature, and the sandbox's answers."""

from datetime import UTC, datetime, timedelta

import pytest
from hubspot import HubSpot
from hubspot.crm.deals.exceptions import ApiException
from hubspot.utils.signature import Signature
from hypothesis import given
from hypothesis import strategies as st

from connectors import hubspot
from connectors.errors import BadSignature
from connectors.sources import Request, milliseconds
from sandbox.hubspot import create_app
from sandbox.hubspot.notices import sign
from tests.sandboxes import running

SECRET = "yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy"
URL = "https://laurel.example.com/intake/con_1"


@given(st.text(), st.text(min_size=1), st.integers(0, 2**42).map(str), st.sampled_from(["POST", "PUT"]))
def test_our_signature_is_the_one_that_the_library_makes(body: str, secret: str, timestamp: str, method: str) -> None:
    body, secret = (text.encode(errors="replace").decode() for text in (body, secret))
    theirs = Signature.get_signature(secret, body, "v3", URL, method, timestamp)

    assert hubspot.signature(Request(method, URL, {}, body.encode()), secret, timestamp) == theirs
    assert sign(secret, method, URL, body.encode(), timestamp) == theirs


@pytest.mark.parametrize(
    ("escaped", "decoded"),
    [*((f"%{ord(character):02X}", character) for character in ":/?@!$'()*,;"), ("%3a", ":"), ("%20%25", "%20%25")],
)
def test_the_documented_escapes_and_no_others_are_decoded_before_signing(escaped: str, decoded: str) -> None:
    theirs = Signature.get_signature(SECRET, "[]", "v3", f"{URL}?a={decoded}", "POST", "1")

    assert hubspot.signature(Request("POST", f"{URL}?a={escaped}", {}, b"[]"), SECRET, "1") == theirs
    assert sign(SECRET, "POST", f"{URL}?a={escaped}", b"[]", "1") == theirs


@pytest.mark.parametrize("body", ["[]", '[{"dealname": "Größe ✓"}]'])
def test_what_the_library_accepts_is_accepted_and_what_it_refuses_is_refused(body: str) -> None:
    now = datetime.now(UTC)
    timestamp = str(milliseconds(now))
    good = Signature.get_signature(SECRET, body, "v3", URL, "POST", timestamp)
    for signature in (good, good[:-2] + "A=", ""):
        headers = {
            "content-type": "application/json",
            "x-hubspot-signature-v3": signature,
            "x-hubspot-request-timestamp": timestamp,
        }
        theirs = Signature.is_valid(signature, SECRET, body, URL, "POST", "v3", timestamp)

        assert _is_accepted(Request("POST", URL, headers, body.encode()), now) == theirs


def _is_accepted(request: Request, now: datetime) -> bool:
    try:
        hubspot.verify(request, SECRET, now)
    except BadSignature:
        return False
    return True


def test_the_library_reads_a_deal_and_its_owner_from_the_sandbox() -> None:
    start = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
    app = create_app(access_token="t", clock=lambda: start)
    owner = app.state.crm.add_owner("ada@example.com", "Ada", "Lovelace")
    deal = app.state.crm.create({"dealname": "Big one", "amount": "1200.50", "hubspot_owner_id": owner.id})
    app.state.crm.update(deal, {"dealstage": "closedwon"})
    with running(app) as base_url:
        client = HubSpot(access_token="t", host=base_url)

        read = client.crm.deals.basic_api.get_by_id(
            deal.id, properties=["amount", "hs_is_closed_won"], properties_with_history=["hs_is_closed_won"]
        )
        read_owner = client.crm.owners.owners_api.get_by_id(int(owner.id))

    assert read.properties["amount"] == "1200.50"
    assert read.properties["hs_is_closed_won"] == "true"
    assert [change.value for change in read.properties_with_history["hs_is_closed_won"]] == ["true", "false"]
    assert read.properties_with_history["hs_is_closed_won"][0].timestamp > start
    assert read.archived is False
    assert (read_owner.email, read_owner.type) == ("ada@example.com", "PERSON")


def test_the_library_works_deals_over_in_the_sandbox() -> None:
    app = create_app(access_token="t")
    with running(app) as base_url:
        client = HubSpot(access_token="t", host=base_url)
        deals = client.crm.deals.basic_api

        created = deals.create({"properties": {"dealname": "First"}, "associations": []})
        updated = deals.update(created.id, {"properties": {"amount": "10"}})
        listed = client.crm.deals.get_all()
        deals.archive(created.id)
        binned = deals.get_by_id(created.id, archived=True)

    assert updated.properties["amount"] == "10"
    assert [deal.id for deal in listed] == [created.id]
    assert binned.archived_at - binned.created_at < timedelta(minutes=1)


def test_the_library_understands_the_sandboxs_refusals() -> None:
    with running(create_app(access_token="t")) as base_url:
        with pytest.raises(ApiException) as unknown:
            HubSpot(access_token="t", host=base_url).crm.deals.basic_api.get_by_id("1")
        with pytest.raises(ApiException) as stranger:
            HubSpot(access_token="other", host=base_url).crm.deals.basic_api.get_by_id("1")

    assert (unknown.value.status, stranger.value.status) == (404, 401)
