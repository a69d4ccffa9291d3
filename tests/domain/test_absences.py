"""Absences: what can be said of them, and what a change does to the version that stands."""

from datetime import UTC, date, datetime
from typing import Any

import pytest

from domain.absences import (
    MAX_DAYS,
    AbsenceChange,
    AbsenceKind,
    AbsenceState,
    AbsenceStatus,
    Away,
    InvalidAbsence,
    check_columns,
    read_away,
    read_texts,
    revise,
)
from domain.events import Identity

ADA = Identity("email", "ada@example.com")
MONDAY, FRIDAY = date(2026, 3, 2), date(2026, 3, 6)
AT, LATER = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 9, tzinfo=UTC)


def sick(starts_on: date = MONDAY, ends_on: date = FRIDAY) -> AbsenceChange:
    return AbsenceChange("hr", "a-1", Away(ADA, AbsenceKind.SICK, starts_on, ends_on))


def faults(call: Any, *arguments: Any, **named: Any) -> list[str]:
    with pytest.raises(InvalidAbsence) as refused:
        call(*arguments, **named)
    return [fault.field for fault in refused.value.faults]


def test_a_new_absence_stands() -> None:
    status, ended, standing = revise(None, sick(), id="abs_1", member_id="mem_1", recorded_at=AT)

    assert (status, ended) == (AbsenceStatus.CREATED, None)
    assert standing is not None
    assert (standing.state, standing.starts_on, standing.ends_on) == (AbsenceState.STANDING, MONDAY, FRIDAY)


def test_the_same_again_changes_nothing() -> None:
    first = revise(None, sick(), id="abs_1", member_id="mem_1", recorded_at=AT).standing

    again = revise(first, sick(), id="abs_2", member_id="mem_1", recorded_at=LATER)

    assert again == (AbsenceStatus.UNCHANGED, None, first)


@pytest.mark.parametrize(("member_id", "ends_on"), [("mem_1", MONDAY), ("mem_2", FRIDAY)])
def test_what_is_said_anew_ends_the_version_that_stood(member_id: str, ends_on: date) -> None:
    first = revise(None, sick(), id="abs_1", member_id="mem_1", recorded_at=AT).standing

    status, ended, standing = revise(first, sick(ends_on=ends_on), id="abs_2", member_id=member_id, recorded_at=LATER)

    assert status is AbsenceStatus.UPDATED
    assert ended is not None
    assert standing is not None
    assert (ended.id, ended.state, ended.ended_at, ended.ends_on) == ("abs_1", AbsenceState.REPLACED, LATER, FRIDAY)
    assert (standing.id, standing.member_id, standing.ends_on) == ("abs_2", member_id, ends_on)


def test_a_withdrawal_ends_what_stands_and_does_nothing_twice() -> None:
    first = revise(None, sick(), id="abs_1", member_id="mem_1", recorded_at=AT).standing
    withdrawal = AbsenceChange("hr", "a-1", None)

    status, ended, standing = revise(first, withdrawal, id="abs_2", member_id=None, recorded_at=LATER)
    again = revise(None, withdrawal, id="abs_3", member_id=None, recorded_at=LATER)

    assert (status, standing) == (AbsenceStatus.WITHDRAWN, None)
    assert ended is not None
    assert (ended.state, ended.ended_at) == (AbsenceState.WITHDRAWN, LATER)
    assert again == (AbsenceStatus.UNCHANGED, None, None)


def test_an_absence_that_ends_before_it_begins_cannot_be_said() -> None:
    assert faults(sick, FRIDAY, MONDAY) == ["ends_on"]


def test_an_absence_may_be_of_one_day_and_has_a_longest() -> None:
    assert sick(MONDAY, MONDAY).away is not None
    assert sick(date(2026, 1, 1), date.fromordinal(date(2026, 1, 1).toordinal() + MAX_DAYS - 1)).away is not None
    assert faults(sick, date(2026, 1, 1), date.fromordinal(date(2026, 1, 1).toordinal() + MAX_DAYS)) == ["ends_on"]


def test_every_fault_of_an_absence_is_named() -> None:
    assert faults(read_away, ADA, "tired", "2026-02-30", "tomorrow") == ["kind", "starts_on", "ends_on"]
    assert faults(read_away, ADA, "sick", "1999-12-31", "2101-01-01") == ["starts_on", "ends_on", "ends_on"]


def test_a_line_without_a_name_is_named_after_what_it_says() -> None:
    line = {"member": " ada ", "kind": "pto", "starts_on": "2026-03-02", "ends_on": "2026-03-06"}

    change = read_texts(line, source="file", member_source="hr")

    away = Away(Identity("hr", "ada"), AbsenceKind.PTO, MONDAY, FRIDAY)
    assert change == AbsenceChange("file", "ada/pto/2026-03-02", away)


def test_a_line_may_withdraw() -> None:
    line = {"member": "ada", "kind": "pto", "starts_on": "2026-03-02", "ends_on": "2026-03-06", "external_id": "a-1"}

    change = read_texts(line | {"withdrawn": "Yes"}, source="file", member_source="hr")

    assert change == AbsenceChange("file", "a-1", None)
    assert faults(read_texts, line | {"withdrawn": "perhaps"}, source="file", member_source="hr") == ["withdrawn"]


def test_columns_are_checked() -> None:
    assert faults(check_columns, ["member", "kind", "starts_on", "colour", "kind"]) == ["colour", "kind", "ends_on"]
