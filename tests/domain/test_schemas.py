"""What data an event type takes, and how expressions see it."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.configuration import EventType, Field
from domain.schemas import CHECKS, MAX_FAULTS, MAX_INTEGER, faults, values

EVERYTHING = EventType(
    "thing",
    1,
    {
        "name": Field("string", required=True, max_length=5),
        "kind": Field("string", enum=("a", "b")),
        "count": Field("integer", minimum=1, maximum=10),
        "any": Field("integer"),
        "share": Field("number", minimum=0),
        "done": Field("boolean"),
        "at": Field("timestamp"),
        "on": Field("date"),
    },
)


def test_data_that_fits_has_no_faults() -> None:
    data = {
        "name": "Ada",
        "kind": "b",
        "count": 10,
        "any": -MAX_INTEGER,
        "share": 0.5,
        "done": False,
        "at": "2027-01-31T09:00:00.123456+05:30",
        "on": "2024-02-29",
    }

    assert faults(EVERYTHING, data) == []
    assert faults(EVERYTHING, {"name": ""}) == []


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("name", "abcdef", "has 6 characters, at most 5 are taken"),
        ("name", 7, "must be a string, not this number"),
        ("name", None, "must be a string, not null"),
        ("name", "a\0", "must not contain U+0000 or half of a surrogate pair"),
        ("kind", "c", "must be one of a, b"),
        ("count", 0, "is below the minimum of 1"),
        ("count", 11, "is above the maximum of 10"),
        ("count", 5.0, "must be an integer, not this number"),
        ("count", True, "must be an integer, not a boolean"),
        ("any", MAX_INTEGER + 1, f"is above the maximum of {MAX_INTEGER}"),
        ("any", 10**400, f"is above the maximum of {MAX_INTEGER}"),
        ("share", -0.1, "is below the minimum of 0"),
        ("share", float("nan"), "must be a number, not this number"),
        ("share", float("inf"), "must be a number, not this number"),
        ("share", "1", "must be a number, not this string"),
        ("done", 0, "must be true or false, not this number"),
        ("done", [], "must be true or false, not an array"),
        ("at", "2027-01-31T09:00:00", "must be a timestamp with its offset, as 2027-01-31T09:00:00Z, not this string"),
        ("at", "2027-02-30T09:00:00Z", "must be a timestamp with its offset, as 2027-01-31T09:00:00Z, not this string"),
        ("at", "20270131T090000Z", "must be a timestamp with its offset, as 2027-01-31T09:00:00Z, not this string"),
        ("on", "2027-02-29", "must be a date, as 2027-01-31, not this string"),
        ("on", {}, "must be a date, as 2027-01-31, not an object"),
        ("other", 1, "thing has no such field"),
        ("a/~b", 1, "thing has no such field"),
    ],
)
def test_data_that_does_not_fit_is_told_with_a_pointer(name: str, value: Any, message: str) -> None:
    [fault] = faults(EVERYTHING, {"name": "Ada", name: value})

    assert fault.message == message
    assert fault.pointer == "/" + name.replace("~", "~0").replace("/", "~1")


def test_a_missing_field_is_told_with_the_others() -> None:
    assert [str(fault) for fault in faults(EVERYTHING, {"any": "x"})] == [
        "/any: must be an integer, not this string",
        "/name: is required",
    ]


def test_faults_are_bounded() -> None:
    assert len(faults(EVERYTHING, {f"x{n}": 1 for n in range(1_000)})) == MAX_FAULTS


def test_expressions_see_doubles_and_instants() -> None:
    seen = values(
        EVERYTHING, {"name": "Ada", "share": 3, "any": 4, "at": "2027-01-31T09:00:00+05:30", "on": "2027-01-31"}
    )

    assert seen == {
        "name": "Ada",
        "share": 3.0,
        "any": 4,
        "at": datetime(2027, 1, 31, 3, 30, tzinfo=UTC),
        "on": "2027-01-31",
    }
    assert (type(seen["share"]), type(seen["any"])) == (float, int)


def test_a_field_of_an_earlier_schema_stays_as_it_is() -> None:
    assert values(EVERYTHING, {"gone": "2027-01-31"}) == {"gone": "2027-01-31"}


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from([*EVERYTHING.fields, "other"]), anything))
def test_whatever_comes_is_judged_and_what_fits_can_be_seen(data: dict[str, Any]) -> None:
    if not faults(EVERYTHING, data):
        assert values(EVERYTHING, data).keys() == data.keys()


instants = st.datetimes(timezones=st.integers(-1439, 1439).map(lambda n: timezone(timedelta(minutes=n))))


@given(instants)
def test_every_instant_in_rfc_3339_fits(instant: datetime) -> None:
    event_type = EventType("thing", 1, {"at": Field("timestamp")})

    assert faults(event_type, {"at": instant.isoformat()}) == []
    assert values(event_type, {"at": instant.isoformat()}) == {"at": instant}


def test_every_type_of_a_field_is_checked() -> None:
    assert {field.type for field in EVERYTHING.fields.values()} == set(CHECKS)
