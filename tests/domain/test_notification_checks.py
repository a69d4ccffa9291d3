"""What the way of telling must keep: each fault at its place, and only there."""

from typing import Any

import pytest

from domain.definition_checks import check_definitions
from domain.definitions import read_definitions
from domain.notifications import UNDECLARED
from domain.preferences import Wishes
from domain.shapes import Fault


def faults_of(section: dict[str, Any]) -> list[tuple[str, str]]:
    faults: list[Fault] = []
    found = read_definitions({"notifications": section}, faults)
    assert faults == []
    return [(".".join(map(str, fault.path[2:])), fault.message) for fault in check_definitions(found)]


@pytest.mark.parametrize(
    ("said", "path", "message"),
    [
        ({"quiet_from": "8 pm"}, "quiet_from", 'must be a time of the day, such as "20:00"'),
        ({"quiet_until": "24:00"}, "quiet_until", 'must be a time of the day, such as "20:00"'),
        ({"quiet_days": ["sunday"]}, "quiet_days.0", "sunday is no day of the week"),
        ({"quiet_days": ["sun", "sun"]}, "quiet_days.1", "sun is listed twice"),
        ({"quiet_days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]}, "quiet_days", "one day of the week"),
        ({"daily_limit": 101}, "daily_limit", "must be 0 to 100"),
        ({"digest_hour": 24}, "digest_hour", "must be 0 to 23"),
        ({"celebrations": {"hour": -1}}, "celebrations.hour", "must be 0 to 23"),
        ({"celebrations": {"channel": "#general"}}, "celebrations.channel", "must be a channel's id"),
        ({"challenges": {"channel": "general"}}, "challenges.channel", "must be a channel's id"),
        ({"admin_channel": "U0123456789"}, "admin_channel", "must be a channel's id"),
    ],
)
def test_hours_days_and_channels_are_such(said: dict[str, Any], path: str, message: str) -> None:
    [(found, told)] = faults_of({"slack": said})

    assert (found, told.startswith(message)) == (path, True)


def test_a_program_tells_in_one_way() -> None:
    assert faults_of({"one": {}}) == []
    assert [message for _, message in faults_of({"one": {}, "two": {}})] == [
        "a program tells in one way: there is another here"
    ] * 2


def test_what_is_not_declared_is_what_the_defaults_say() -> None:
    assert UNDECLARED.wishes == Wishes()
