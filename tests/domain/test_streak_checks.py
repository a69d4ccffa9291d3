"""What a streak policy must keep: each fault at its place, and only there."""

import copy
from typing import Any

import pytest

from domain.definition_checks import check_definitions
from domain.definitions import read_definitions
from domain.game import Cadence, StreakPolicy
from domain.shapes import Fault
from domain.streak_checks import changed_cadences

SOUND: dict[str, Any] = {
    "cadence": "daily",
    "qualifying": [
        {
            "event_type": "course.completed",
            "field": "minutes",
            "when": [{"name": "takes a while", "expression": "event.minutes > 5 && member.role != 'bot'"}],
        },
        {"event_type": "tier.changed"},
    ],
    "at_least": "member.role == 'trainee' ? 1 : 2",
    "grace": {"missed": 1, "window": 5, "hours": 6},
    "freezes": {"granted": 1, "every": 7, "at_most": 2},
    "on_miss": "decay",
    "decay": 2,
    "reached": [7, 30],
    "reached_every": 100,
}


def faults_of(policy: dict[str, Any]) -> list[tuple[str, str]]:
    """The faults, each with its path within the policy."""
    body = {
        "event_types": {
            "course.completed": {
                "fields": {"minutes": {"type": "integer", "required": True}, "course": {"type": "string"}}
            }
        },
        "streaks": {"learning": policy},
    }
    faults: list[Fault] = []
    found = read_definitions(body, faults)
    assert faults == []
    return [(".".join(map(str, fault.path[2:])), fault.message) for fault in check_definitions(found)]


def changed(path: str, value: Any) -> dict[str, Any]:
    policy = copy.deepcopy(SOUND)
    *outer, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    place: Any = policy
    for part in outer:
        place = place[part]
    place[last] = value
    return policy


def test_a_sound_policy_has_no_faults() -> None:
    assert faults_of(SOUND) == []


@pytest.mark.parametrize(
    ("path", "value", "where", "message"),
    [
        ("qualifying", [], "qualifying", "names at least one event type"),
        ("qualifying.1.event_type", "tier.change", "qualifying.1.event_type", "did you mean tier.changed"),
        ("qualifying.1.event_type", "streak.reached", "qualifying.1.event_type", "cannot be kept by streaks"),
        ("qualifying.0.field", "course", "qualifying.0.field", "course is a string"),
        ("qualifying.0.field", "minute", "qualifying.0.field", "did you mean minutes"),
        (
            "qualifying.0.when.0.expression",
            "event.minute > 5",
            "qualifying.0.when.0.expression",
            "did you mean minutes",
        ),
        ("qualifying.0.when.0.expression", "event.minutes >", "qualifying.0.when.0.expression", "line 1"),
        ("qualifying.0.when.0.expression", "totals.sum > 3", "qualifying.0.when.0.expression", "totals are not seen"),
        ("qualifying.0.when.0.expression", "event.minutes", "qualifying.0.when.0.expression", "not true or false"),
        ("qualifying.0.when.0.name", "", "qualifying.0.when.0.name", "1 to 200 characters"),
        ("at_least", "0", "at_least", "must be 1 to"),
        ("at_least", "event.minutes", "at_least", "depends on the member alone, not on event"),
        ("at_least", "member.rule", "at_least", "did you mean role"),
        ("at_least", "size(", "at_least", "line 1"),
        ("at_least", "member.role + 1", "at_least", "TypeError"),
        ("working_days", [], "working_days", "at least one working day"),
        ("working_days", ["mon", "moonday"], "working_days.1", "unknown day moonday"),
        ("working_days", ["mon", "mon"], "working_days.1", "listed twice"),
        ("grace.missed", 5, "grace.missed", "nothing would ever be asked"),
        ("grace.window", 0, "grace.window", "must be 1 to 366"),
        ("grace.hours", 25, "grace.hours", "must be 0 to 24"),
        ("freezes.granted", 3, "freezes.granted", "is above at_most"),
        ("freezes.every", 0, "freezes.every", "must be 1 to"),
        ("on_miss", "reset", "decay", "only a policy that decays"),
        ("decay", 0, "decay", "must be 1 to"),
        ("restore_days", 400, "restore_days", "must be 0 to 366"),
        ("reached", [7, 7], "reached.1", "listed twice"),
        ("reached", [0], "reached.0", "must be 1 to"),
        ("reached_every", 0, "reached_every", "must be 1 to"),
    ],
)
def test_each_fault_is_told_where_it_is(path: str, value: Any, where: str, message: str) -> None:
    found = faults_of(changed(path, value))

    assert any(at == where and message in told for at, told in found), found


@pytest.mark.parametrize(("cadence", "hours"), [("daily", 24), ("weekly", 168), ("monthly", 672)])
def test_hours_of_grace_end_with_the_next_period_at_the_latest(cadence: str, hours: int) -> None:
    policy = changed("cadence", cadence)

    assert faults_of({**policy, "grace": {"hours": hours}}) == []
    assert [where for where, _ in faults_of({**policy, "grace": {"hours": hours + 1}})] == ["grace.hours"]


def test_a_policy_keeps_its_cadence() -> None:
    daily, weekly = (StreakPolicy("walk", 1, cadence, ()) for cadence in (Cadence.DAILY, Cadence.WEEKLY))

    assert changed_cadences({"walk": daily, "gone": daily}, {"walk": weekly, "new": weekly}) == ["walk"]
