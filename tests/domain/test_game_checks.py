"""What tiers, badges and boards must keep: each fault at its place, and only there."""

from typing import Any

import pytest

from domain.definition_checks import check_definitions
from domain.definitions import read_definitions
from domain.shapes import Fault

SOUND: dict[str, Any] = {
    "event_types": {"deal.won": {"fields": {}}},
    "aggregates": {
        "deals": {"event_type": "deal.won", "per": "lifetime"},
        "deals_of_the_day": {"event_type": "deal.won", "per": "day"},
    },
    "streaks": {
        "daily": {"cadence": "daily", "qualifying": [{"event_type": "deal.won"}], "reached": [7], "reached_every": 10}
    },
    "tiers": {"status": {"levels": [{"key": "bronze", "at": 10}, {"key": "silver", "at": 50, "keep": 20}], "days": 30}},
    "badges": {
        "closer": {"aggregate": "deals", "at_least": 10},
        "steady": {"streak": "daily", "at_least": 20},
        "both": {"badges": ["closer", "steady"]},
    },
    "boards": {"week": {"window": "week", "by": ["department", "tenure"], "per_working_day": True}},
}


def faults_of(section: str, key: str, changed: dict[str, Any]) -> list[tuple[str, str]]:
    """The faults of one definition that is changed so, each with its path within it."""
    body = SOUND | {section: SOUND[section] | {key: {**SOUND[section].get(key, {}), **changed}}}
    faults: list[Fault] = []
    found = read_definitions(body, faults)
    assert faults == []
    return [(".".join(map(str, fault.path[2:])), fault.message) for fault in check_definitions(found)]


def test_what_is_sound_has_no_fault() -> None:
    assert faults_of("tiers", "status", {}) == []


BRONZE, SILVER = SOUND["tiers"]["status"]["levels"]


@pytest.mark.parametrize(
    ("changed", "path", "message"),
    [
        ({"levels": []}, "levels", "a ladder has at least one level"),
        ({"levels": [SILVER, BRONZE]}, "levels.1.at", "each level is reached at more than the one before"),
        ({"levels": [BRONZE, BRONZE | {"at": 11}]}, "levels.1.key", "bronze is listed twice"),
        ({"levels": [BRONZE | {"keep": 11}]}, "levels.0.keep", "must be 0 to 10, at which the level is reached"),
        ({"levels": [BRONZE, SILVER | {"keep": 9}]}, "levels.1.keep", "no level is kept with less than the one before"),
        ({"levels": [BRONZE | {"at": 0}]}, "levels.0.at", "must be 1 to 1000000000"),
        ({"levels": [BRONZE | {"key": ""}]}, "levels.0.key", "a level's key has 1 to 64 characters"),
        ({"levels": [BRONZE | {"title": "x" * 201}]}, "levels.0.title", "longer than 200 characters"),
        ({"days": 0}, "days", "must be 1 to 3650"),
        ({"unit": "kudos"}, "unit", "no unit kudos"),
    ],
)
def test_a_ladder_rises(changed: dict[str, Any], path: str, message: str) -> None:
    assert (path, message) in faults_of("tiers", "status", changed)


@pytest.mark.parametrize(
    ("key", "changed", "path", "message"),
    [
        ("closer", {"streak": "daily"}, "", "a badge says one of aggregate, streak, challenge, badges"),
        ("new", {}, "", "a badge says one of aggregate, streak, challenge, badges"),
        ("closer", {"aggregate": "deal"}, "aggregate", "no aggregate deal: did you mean deals?"),
        (
            "closer",
            {"aggregate": "deals_of_the_day"},
            "aggregate",
            "deals_of_the_day begins anew: a badge takes one per lifetime",
        ),
        ("closer", {"at_least": 0}, "at_least", "must be 1 to 1000000000"),
        ("steady", {"at_least": 8}, "at_least", "daily does not tell when it is 8 long: see reached"),
        ("new", {"challenge": "march"}, "challenge", "no challenge march"),
        ("both", {"at_least": 2}, "at_least", "only an aggregate or a streak is counted"),
        ("both", {"badges": ["closer", "closer"]}, "badges.1", "closer is listed twice"),
        ("both", {"badges": ["closers"]}, "badges.0", "no badge closers: did you mean closer?"),
        ("both", {"badges": ["both"]}, "badges", "both is a part of itself"),
    ],
)
def test_a_badge_can_be_achieved(key: str, changed: dict[str, Any], path: str, message: str) -> None:
    assert faults_of("badges", key, changed) == [(path, message)]


def test_badges_that_are_made_of_each_other_are_refused() -> None:
    body = {"one": {"badges": ["two"]}, "two": {"badges": ["one"]}}

    found = check_definitions(read_definitions({"badges": body}, []))

    assert [fault.message for fault in found] == ["one is a part of itself", "two is a part of itself"]


@pytest.mark.parametrize(
    ("changed", "path", "message"),
    [
        ({"unit": "kudos"}, "unit", "no unit kudos"),
        (
            {"by": ["name"]},
            "by.0",
            "name is none of department, role, tenure, performance_tier, location, country",
        ),
        ({"by": ["role", "role"]}, "by.1", "role is listed twice"),
        ({"working_days": ["monday"]}, "working_days.0", "monday is none of mon, tue, wed, thu, fri, sat, sun"),
        ({"working_days": []}, "working_days", "names at least one day"),
        ({"least_members": 0}, "least_members", "must be 1 to 1000"),
        ({"window": "lifetime"}, "per_working_day", "only a week or a month has working days that are known"),
    ],
)
def test_a_board_goes_by_what_is_known(changed: dict[str, Any], path: str, message: str) -> None:
    assert faults_of("boards", "week", changed) == [(path, message)]
