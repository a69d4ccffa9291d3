"""BambooHR as a source: who is believed, what a notice says, and what its records say of members and absences."""

import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import orjson
import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st

from connectors import bamboohr
from connectors.bamboohr import BambooHR, Changes, Employee, JobRow, PayRow, TimeOff, Wanted, absence, translate
from connectors.breakers import Breaker
from connectors.errors import (
    BadSignature,
    GarbledAnswer,
    MalformedNotice,
    NoticeRefused,
    StaleNotice,
    TooLarge,
    Unauthorized,
    WrongContentType,
)
from connectors.sources import Request, Source
from domain.employment import Promotion
from domain.events import Identity
from domain.notices import Matters
from sandbox.bamboohr import create_app
from sandbox.bamboohr.app import API_KEY
from sandbox.bamboohr.faults import Fault
from tests.sandboxes import running

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)
KEY = "webhook-key"
URL = "https://laurel.example/intake/con_1"
# Documented by BambooHR ("Event-Based Webhooks").
EVENT = {
    "type": "employee.updated",
    "timestamp": "2026-01-31T18:42:00+0000",
    "data": {"companyId": "12345", "employeeId": "67890", "changedFields": ["firstName"]},
}


def signed(body: bytes, at: datetime = NOW, content_type: str = "application/json") -> Request:
    timestamp = str(int(at.timestamp()))
    given = {
        "content-type": content_type,
        "x-bamboohr-timestamp": timestamp,
        "x-bamboohr-signature": bamboohr.signature(body, KEY, timestamp),
    }
    return Request("POST", URL, given, body)


# -- Who is believed -----------------------------------------------------------------------------------------------


def test_the_module_keeps_the_contract_of_a_source() -> None:
    source: Source = bamboohr

    assert source.KIND == "bamboohr"


def test_the_signature_is_over_the_body_directly_followed_by_the_timestamp() -> None:
    expected = hmac.new(b"webhook-key", b'{"a": 1}1772625540', hashlib.sha256).hexdigest()

    assert bamboohr.signature(b'{"a": 1}', KEY, "1772625540") == expected


def test_a_signed_request_is_believed() -> None:
    bamboohr.verify(signed(orjson.dumps(EVENT)), KEY, NOW)


def test_the_signature_covers_body_and_timestamp() -> None:
    good = signed(orjson.dumps(EVENT))
    later = {**good.headers, "x-bamboohr-timestamp": str(int(NOW.timestamp()) + 1)}

    for forged in (replace(good, body=good.body + b" "), replace(good, headers=later)):
        with pytest.raises(BadSignature):
            bamboohr.verify(forged, KEY, NOW)


@pytest.mark.parametrize("minutes", [-6, 6])
def test_what_was_signed_long_ago_or_will_be_is_refused(minutes: int) -> None:
    with pytest.raises(StaleNotice):
        bamboohr.verify(signed(b"{}", NOW + timedelta(minutes=minutes)), KEY, NOW)


def test_another_content_type_and_too_many_bytes_are_refused() -> None:
    with pytest.raises(WrongContentType):
        bamboohr.verify(signed(b"{}", content_type="application/x-www-form-urlencoded"), KEY, NOW)
    with pytest.raises(TooLarge):
        bamboohr.verify(signed(b" " * (bamboohr.BODY_MAX_BYTES + 1)), KEY, NOW)


@given(timestamp=st.text(max_size=30), signature=st.text(max_size=80), body=st.binary(max_size=60))
def test_whatever_a_stranger_sends_is_refused_and_nothing_else(timestamp: str, signature: str, body: bytes) -> None:
    headers = {"x-bamboohr-timestamp": timestamp, "x-bamboohr-signature": signature}

    with pytest.raises(NoticeRefused):
        bamboohr.verify(Request("POST", URL, headers, body), KEY, NOW)


@given(st.recursive(st.none() | st.integers() | st.text(), lambda inner: st.dictionaries(st.text(), inner)))
def test_whatever_is_signed_is_a_notice_or_malformed(body: Any) -> None:
    with suppress(MalformedNotice):
        assert bamboohr.notices(signed(json.dumps(body).encode()))


# -- What a notice says --------------------------------------------------------------------------------------------


def test_a_notice_is_about_one_employee() -> None:
    [notice] = bamboohr.notices(signed(orjson.dumps(EVENT)))

    assert (notice.object_id, notice.kind, notice.matters) == ("67890", "employee.updated", Matters.ALWAYS)
    assert notice.occurred_at == datetime(2026, 1, 31, 18, 42, tzinfo=UTC)


def test_the_same_notice_has_the_same_key_and_another_one_another() -> None:
    def key(**changes: Any) -> str:
        return bamboohr.notices(signed(orjson.dumps(EVENT | changes)))[0].notice_key

    others = [
        key(type="employee.deleted"),
        key(timestamp="2026-01-31T18:42:01+0000"),
        key(data=EVENT["data"] | {"changedFields": ["lastName"]}),  # type: ignore[operator]
        key(data=EVENT["data"] | {"employeeId": "1"}),  # type: ignore[operator]
    ]

    assert key() == key()
    assert len({key(), *others}) == 5


@pytest.mark.parametrize("data", [{}, {"employeeId": "../1"}, {"employeeId": 7}, {"employeeId": ""}])
def test_an_employee_without_a_proper_id_is_malformed(data: dict[str, Any]) -> None:
    with pytest.raises(MalformedNotice):
        bamboohr.notices(signed(orjson.dumps(EVENT | {"data": data})))


def test_what_is_not_about_an_employee_is_kept_and_not_followed() -> None:
    [notice] = bamboohr.notices(signed(orjson.dumps(EVENT | {"type": "employee_with_fields.updated"})))

    assert notice.matters is Matters.NEVER


# -- The API -------------------------------------------------------------------------------------------------------


@pytest.fixture
def app() -> FastAPI:
    return create_app(clock=lambda: NOW)


@pytest.fixture
def base_url(app: FastAPI) -> Iterator[str]:
    with running(app) as base_url:
        yield base_url


@pytest.fixture
async def company(base_url: str) -> AsyncIterator[BambooHR]:
    client = BambooHR(API_KEY, Breaker("bamboohr"), base_url)
    yield client
    await client.aclose()


async def test_an_employee_has_the_fields_that_were_asked_for(app: FastAPI, company: BambooHR) -> None:
    ada = app.state.company.hire({"firstName": "Ada", "hireDate": "2024-01-01", "customZone": "Europe/Berlin"})

    found = await company.get_employee(ada.id, Wanted(time_zone_field="customZone"))

    assert found is not None
    assert (found.fields["firstName"], found.fields["customZone"]) == ("Ada", "Europe/Berlin")
    assert (found.fields["terminationDate"], found.manager_id) == ("0000-00-00", None)
    assert await company.get_employee("999", Wanted()) is None


async def test_tables_are_read_only_for_promotions(app: FastAPI, company: BambooHR) -> None:
    ada = app.state.company.hire({"firstName": "Ada"})

    await company.get_employee(ada.id, Wanted())
    without = [path for path in app.state.requests if "tables" in path]
    await company.get_employee(ada.id, Wanted(promotion_reason="Promotion"))

    assert (without, len([path for path in app.state.requests if "tables" in path])) == ([], 2)


async def test_pages_follow_one_another_to_the_end(
    app: FastAPI, company: BambooHR, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bamboohr, "PAGE", 2)
    everybody = [app.state.company.hire({"firstName": f"E{n}"}).id for n in range(5)]

    pages = [await company.list_employees(None)]
    while pages[-1].after is not None:
        pages.append(await company.list_employees(pages[-1].after))

    assert [one for page in pages for one in page.ids] == everybody
    assert len(pages) == 3


async def test_nobody_changed_however_that_is_written(company: BambooHR) -> None:
    app = FastAPI()
    app.get("/api/v1/employees/changed")(lambda: {"latest": NOW.isoformat(), "employees": []})
    with running(app) as base_url:
        other = BambooHR(API_KEY, Breaker("bamboohr"), base_url)
        answers = [await one.list_changed(NOW) for one in (company, other)]
        await other.aclose()

    assert answers == [Changes((), None)] * 2


async def test_a_refused_key_and_a_garbled_answer_are_told_apart(
    app: FastAPI, base_url: str, company: BambooHR
) -> None:
    stranger = BambooHR("another", Breaker("bamboohr"), base_url)
    with pytest.raises(Unauthorized):
        await stranger.get_employee("1", Wanted())
    await stranger.aclose()
    app.state.faults.append(Fault(kind="garbled"))

    with pytest.raises(GarbledAnswer):
        await company.list_employees(None)


# -- Members -------------------------------------------------------------------------------------------------------

WANTED = Wanted("customProbation", "customZone")


@pytest.mark.parametrize(
    ("born", "kept"), [("1990-02-28", "02-28"), ("02-28", "02-28"), ("0000-00-00", None), ("", None), (None, None)]
)
def test_of_a_day_of_birth_no_year_comes_in(born: str | None, kept: str | None) -> None:
    wanted = Wanted(birthday_field="dateOfBirth")

    fields = bamboohr.without_year_of_birth({"dateOfBirth": born}, wanted)

    assert fields == {"dateOfBirth": kept}
    assert translate("people", employee(**fields), "people:7", None, wanted).change.values["birthday"] == kept


def employee(**fields: str | None) -> Employee:
    return Employee("7", {"firstName": "Ada", "lastName": "Example", "status": "Active"} | fields)


def taken(**fields: str | None) -> dict[str, Any]:
    return dict(translate("people", employee(**fields), "people:7", None, WANTED).change.values)


def test_what_bamboohr_does_not_show_is_left_as_it_is() -> None:
    change = translate("people", employee(), "people:7", None, WANTED).change

    assert change.values.keys() == {"name", "status"}
    assert "manager" not in change.names
    assert change.identities == (Identity("people", "7"),)


@pytest.mark.parametrize("status", [{}, {"status": None}, {"status": ""}])
def test_who_is_shown_without_name_and_status_keeps_theirs(status: dict[str, str | None]) -> None:
    change = translate("people", Employee("7", {"department": "Sales"} | status), "people:7", None, WANTED).change

    assert change.values == {"department": "Sales"}


@pytest.mark.parametrize(
    ("shown", "means"),
    [
        ({"country": "Germany"}, {"country": "DE"}),
        ({"country": "united states"}, {"country": "US"}),
        ({"country": "GB"}, {"country": "GB"}),
        ({"country": "Bosnia and Herzegovina"}, {"country": "BA"}),
        ({"country": "Cote d'Ivoire"}, {"country": "CI"}),
        ({"country": "Czech Republic"}, {"country": "CZ"}),
        ({"country": "Myanmar"}, {"country": "MM"}),
        ({"country": None}, {"country": None}),
        ({"hireDate": "0000-00-00"}, {"hired_on": None}),
        ({"hireDate": "2024-02-29"}, {"hired_on": date(2024, 2, 29)}),
        ({"customProbation": ""}, {"probation_ends_on": None}),
        ({"customZone": "Asia/Tokyo"}, {"time_zone": "Asia/Tokyo"}),
        ({"customZone": None}, {}),
        ({"status": "Inactive"}, {"status": "left"}),
        ({"hireDate": "2030-01-01"}, {"hired_on": date(2030, 1, 1)}),
        ({"preferredName": "Addie"}, {"name": "Addie Example"}),
    ],
)
def test_fields_mean(shown: dict[str, str | None], means: dict[str, Any]) -> None:
    found = taken(**shown)

    assert found == {"name": "Ada Example", "status": "active"} | means


@pytest.mark.parametrize(
    ("shown", "field"),
    [
        ({"country": "Atlantis"}, "country"),
        ({"workEmail": "nobody"}, "email"),
        ({"hireDate": "soon"}, "hired_on"),
        ({"customZone": "Berlin"}, "time_zone"),
        ({"department": "x" * 300}, "department"),
    ],
)
def test_a_field_that_cannot_be_read_is_named_and_the_rest_taken(shown: dict[str, str], field: str) -> None:
    found = translate("people", employee(location="Berlin", **shown), "people:7", None, WANTED)

    assert found.faults == (field,)
    assert field not in found.change.values
    assert found.change.values["location"] == "Berlin"


def test_a_promotion_is_a_new_title_on_a_day_of_a_change_of_pay_for_that_reason() -> None:
    titles = [("2026-03-01", "Lead"), ("2020-01-01", "Engineer"), ("2024-01-01", "Engineer"), ("2025-01-01", "Senior")]
    jobs = [JobRow.model_validate({"date": on, "jobTitle": title}) for on, title in titles]
    reasons = [("2026-03-01", "Promotion"), ("2025-01-01", "Annual review"), ("2024-01-01", "Promotion")]
    pay = [PayRow.model_validate({"startDate": on, "reason": reason, "rate": "1"}) for on, reason in reasons]

    assert list(bamboohr.promotions(jobs, pay, "promotion")) == [Promotion(date(2026, 3, 1), "Lead", "Senior")]


# -- Absences ------------------------------------------------------------------------------------------------------


def request(**changes: Any) -> TimeOff:
    given = {"id": 1, "employeeId": 7, "start": "2026-03-02", "end": "2026-03-04"}
    more = {"status": {"status": "approved"}, "type": {"id": 78, "name": "Vacation"}}
    return TimeOff.model_validate(given | more | changes)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("Vacation", "pto"),
        ("Sick Leave", "sick"),
        ("Medical leave", "sick"),
        ("Parental Leave", "parental"),
        ("Maternity", "parental"),
        ("Jury Duty", "other"),
        ("", "other"),
    ],
)
def test_the_name_of_its_type_says_why_somebody_is_away(name: str, kind: str) -> None:
    found = absence("people", request(type={"name": name}))

    assert found is not None
    assert found.away is not None
    assert (found.away.kind, found.away.member) == (kind, Identity("people", "7"))


@pytest.mark.parametrize("status", ["requested", "denied", "canceled", "superceded"])
def test_what_is_not_approved_is_no_absence(status: str) -> None:
    found = absence("people", request(status={"status": status}))

    assert found is not None
    assert (found.key, found.away) == (("people", "1"), None)


def test_a_request_that_ends_before_it_begins_is_left_out() -> None:
    assert absence("people", request(end="2026-03-01")) is None
