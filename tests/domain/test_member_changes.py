from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.events import Identity
from domain.member_changes import (
    MAX_CUSTOM,
    InvalidMember,
    MemberChange,
    apply,
    check_columns,
    circular,
    countries,
    create,
    dated,
    identities_named,
    managers_first,
    read,
    read_texts,
)
from domain.members import Member, MemberStatus, attributes, custom_as_json, custom_from_json

NOW, LATER = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 2, tzinfo=UTC)
FULL = {
    "external_id": "E-1",
    "name": "Ada Example",
    "email": "Ada@Example.com",
    "time_zone": "Europe/Berlin",
    "country": "de",
    "location": "Berlin",
    "department": "Sales",
    "role": "Account executive",
    "hired_on": "2020-02-29",
    "manager": "E-0",
    "performance_tier": "A",
    "status": "on_leave",
    "custom": {"level": 3, "remote": True, "team": "Blue", "certified_on": {"date": "2025-01-31"}},
    "identities": [{"source": "crm", "external_id": "77"}],
}


def _member(**values: Any) -> Member:
    return Member("mem_1", "prg_1", "E-1", "Ada", NOW, NOW, **values)


def _reports_to(**managers: str | None) -> list[MemberChange]:
    return [MemberChange(one, {}, frozenset({"manager"}), manager) for one, manager in managers.items()]


def test_a_full_row_is_read_into_its_types() -> None:
    change = read(FULL)

    assert change.external_id == "E-1"
    assert change.manager == "E-0"
    assert change.values == {
        "name": "Ada Example",
        "email": "Ada@Example.com",
        "time_zone": "Europe/Berlin",
        "country": "DE",
        "location": "Berlin",
        "department": "Sales",
        "role": "Account executive",
        "hired_on": date(2020, 2, 29),
        "performance_tier": "A",
        "status": MemberStatus.ON_LEAVE,
    }
    assert change.custom == {"level": 3, "remote": True, "team": "Blue", "certified_on": date(2025, 1, 31)}


def test_a_change_names_its_member_in_every_system_it_tells() -> None:
    names = set(identities_named(read(FULL)))

    assert names == {
        Identity("laurel.external_id", "E-1"),
        Identity("email", "ada@example.com"),
        # printf 'mailto:ada@example.com' | sha1sum, and the same of the address as it was written
        Identity("mbox_sha1sum", "72ac10875be5a7770a4f31058ea797edb8e55020"),
        Identity("mbox_sha1sum", "de938c1d5c1edae25cf39c7ded47e13d2394b57c"),
        Identity("crm", "77"),
    }


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("external_id", "", "must not be empty"),
        ("external_id", 7, "must be a text"),
        ("name", None, "must be a text"),
        ("name", "x" * 201, "has 201 characters, at most 200"),
        ("name", "A\x00da", "control characters"),
        ("name", "\ud800", "control characters"),
        ("email", "ada.example.com", "is not an e-mail address"),
        ("email", "ada@exa mple.com", "is not an e-mail address"),
        ("email", f"{'a' * 250}@example.com", "at most 254"),
        ("time_zone", "CEST+1", "is not an IANA time zone"),
        ("time_zone", "", "must not be empty"),
        ("country", "XX", "is not a country code"),
        ("country", "EU", "is not a country code"),
        ("country", "Germany", "is not a country code"),
        ("hired_on", "31.01.2020", "is not a day"),
        ("hired_on", "2021-02-29", "is not a day"),
        ("birthday", "1990-05-23", "at most 5"),
        ("birthday", "23.05", "years are not taken"),
        ("birthday", "04-31", "is not a day of any year"),
        ("status", "retired", "must be one of active, on_leave, left"),
        ("manager", "E-1", "nobody is their own manager"),
        ("colour", "red", "is not a field of a member"),
        ("custom", [], "must be an object"),
        ("custom", {"Level": 1}, "lower-case letters"),
        ("custom", {"level": 1.5}, "must be a text, an integer"),
        ("custom", {"level": 2**53}, "must be between"),
        ("custom", {"team": "x" * 501}, "at most 500"),
        ("custom", {"on": {"date": "soon"}}, "is not a day"),
        ("custom", {f"a{n}": 1 for n in range(MAX_CUSTOM + 1)}, "at most 50 attributes"),
        ("identities", [{"source": "crm"}], "has a source and an external_id"),
        ("identities", [{"source": "laurel.id", "external_id": "mem_1"}], "Laurel's own"),
        ("identities", [{"source": "email", "external_id": "nobody"}], "is not an e-mail address"),
        ("identities", [{"source": "crm", "external_id": str(n)} for n in range(21)], "at most 20"),
    ],
)
def test_a_wrong_value_is_named_with_its_field(field: str, value: Any, reason: str) -> None:
    with pytest.raises(InvalidMember) as caught:
        read({"external_id": "E-1", field: value})

    [fault] = caught.value.faults
    assert fault.field.split(".")[0] == field
    assert reason in fault.message


def test_every_fault_of_a_row_is_told_at_once() -> None:
    with pytest.raises(InvalidMember) as caught:
        read({"name": "", "country": "XX", "custom": {"A": 1, "b": 1.5}, "colour": "red"})

    fields = {fault.field for fault in caught.value.faults}
    assert fields == {"external_id", "name", "country", "custom.A", "custom.b", "colour"}


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from([*FULL, "other"]) | st.text(max_size=5), json, max_size=6))
def test_any_row_is_either_read_or_refused_with_reasons(row: dict[str, Any]) -> None:
    try:
        told = read(row).external_id
    except InvalidMember as error:
        told = str(error)

    assert told


def test_there_are_as_many_countries_as_iso_3166_assigns() -> None:
    assert len(countries()) == 249


def test_a_change_sets_only_what_it_names() -> None:
    before = _member(department="Sales", location="Berlin", custom={"level": 3, "team": "Blue"})

    after = apply(before, read({"external_id": "E-1", "location": None, "custom": {"level": None, "remote": False}}))

    assert (after.department, after.location) == ("Sales", None)
    assert after.custom == {"team": "Blue", "remote": False}


def test_a_member_has_a_bounded_number_of_custom_attributes() -> None:
    before = _member(custom={f"a{n}": n for n in range(MAX_CUSTOM)})

    with pytest.raises(InvalidMember, match="51 attributes"):
        apply(before, read({"external_id": "E-1", "custom": {"b": 1}}))


def test_a_new_member_needs_a_name() -> None:
    with pytest.raises(InvalidMember, match="a new member needs one"):
        create(read({"external_id": "E-1"}), "mem_1", "prg_1", NOW)


@pytest.mark.parametrize(
    ("row", "version"),
    [
        ({"name": "Ada B."}, 1),
        ({"birthday": "02-29"}, 1),
        ({"email": "a@example.com"}, 1),
        ({"department": "Legal"}, 2),
        ({"custom": {"x": 1}}, 2),
    ],
)
def test_only_what_rules_see_makes_a_new_version(row: dict[str, Any], version: int) -> None:
    before = _member()

    after = dated(before, apply(before, read({"external_id": "E-1", **row})), LATER)

    assert (after.version, after.updated_at) == (version, LATER)


def test_a_change_that_changes_nothing_leaves_the_member_itself() -> None:
    before = _member(department="Sales")

    after = dated(before, apply(before, read({"external_id": "E-1", "department": "Sales"})), LATER)

    assert after is before


def test_rules_see_no_name_and_no_address() -> None:
    member = create(read(FULL), "mem_1", "prg_1", NOW)

    seen = attributes(member)

    assert "Ada" not in str(seen)
    assert seen["hired_on"] == "2020-02-29"
    assert seen["custom"] == {"certified_on": "2025-01-31", "level": 3, "remote": True, "team": "Blue"}


def test_custom_attributes_keep_their_types_in_storage() -> None:
    custom = read(FULL).custom

    assert custom_from_json(custom_as_json(custom)) == custom  # type: ignore[arg-type]


def test_managers_come_before_those_who_report_to_them() -> None:
    changes = _reports_to(c="b", b="a", a="outside", z=None)

    assert [change.external_id for change in managers_first(changes)] == ["a", "b", "c", "z"]


@given(st.dictionaries(st.integers(0, 12), st.none() | st.integers(0, 14), max_size=13))
def test_order_and_circles_agree_for_any_company(managers: dict[int, int | None]) -> None:
    changes = _reports_to(**{str(one): None if to is None else str(to) for one, to in managers.items()})

    ordered = [change.external_id for change in managers_first(changes)]
    circles = circular(changes)

    assert sorted(ordered) == sorted(change.external_id for change in changes)
    for change in changes:
        if change.manager in ordered and change.external_id not in circles:
            assert ordered.index(change.manager) < ordered.index(change.external_id)
        if change.external_id in circles:
            assert change.manager in circles


def test_a_circle_holds_those_in_it_and_not_those_who_report_into_it() -> None:
    assert circular(_reports_to(a="b", b="c", c="a", d="a", e=None)) == {"a", "b", "c"}


def test_a_line_of_text_is_read_by_its_columns() -> None:
    texts = {
        "external_id": "E-1", "name": " Ada ", "department": "", "status": "", "identity:crm": "77",
        "identity:chat": "", "custom:level:integer": "3", "custom:remote:boolean": "yes", "custom:team": "Blue",
        "custom:certified_on:date": "2025-01-31", "custom:gone": "",
    }  # fmt: skip

    change = read_texts(texts)

    assert change.values == {"name": "Ada", "department": None}
    assert change.identities == (Identity("crm", "77"),)
    assert change.custom == {
        "level": 3, "remote": True, "team": "Blue", "certified_on": date(2025, 1, 31), "gone": None
    }  # fmt: skip


def test_a_line_tells_all_its_faults() -> None:
    with pytest.raises(InvalidMember) as caught:
        read_texts({"external_id": "", "custom:level:integer": "three", "custom:on:date": "x", "custom:b:boolean": "?"})

    assert {fault.field for fault in caught.value.faults} == {
        "external_id", "custom.level", "custom.on", "custom.b"
    }  # fmt: skip


def test_columns_that_are_unknown_or_twice_are_named() -> None:
    with pytest.raises(InvalidMember) as caught:
        check_columns(["name", "name", "colour", "custom", "identity:", "custom:level:number"])

    assert [str(fault) for fault in caught.value.faults] == [
        "colour: is not a column of members",
        "custom: is not a column of members",
        "identity:: is not a column of members",
        "custom:level:number: is not a column of members",
        "name: is there twice",
        "external_id: this column is missing",
    ]
