"""What rules and groups must keep: each fault at its place, before anything of it counts."""

from typing import Any

import pytest

from domain.definition_checks import check_definitions
from tests.programs import definitions

GROUPS: dict[str, Any] = {
    "default": {"ceiling": "3"},
    "partners": {"stacking": "best", "caps": [{"per": "week", "points": 50}]},
    "inner": {"within": "partners"},
}
BODY: dict[str, Any] = {
    "event_types": {"deal.won": {"fields": {"amount": {"type": "integer"}}}},
    "units": {"kudos": {"kind": "allowance", "refill": {"amount": 100}}},
    "aggregates": {"lately": {"event_type": "deal.won", "days": 30}},
    "groups": GROUPS,
    "rules": {
        "deal": {
            "event_type": "deal.won",
            "group": "inner",
            "audience": "member.department in ['Sales'] && has(member.custom.level)",
            "award": {"expression": "10"},
            "budgets": [{"points": 100, "per": "month"}, {"points": 900, "per": "year"}],
        },
        "twice": {"event_type": "deal.won", "multiplier": "totals.lately > 3 ? 2.0 : 1.0"},
    },
}


def faults(section: str, key: str, **changes: Any) -> list[str]:
    """What is wrong with the body when one of its definitions has these values, as "path: message"."""
    definition = {**BODY[section].get(key, {}), **changes}
    body = {**BODY, section: {**BODY[section], key: {k: v for k, v in definition.items() if v is not ...}}}
    return [f"{'/'.join(map(str, fault.path))}: {fault.message}" for fault in check_definitions(definitions(body))]


def test_the_body_is_sound() -> None:
    assert check_definitions(definitions(BODY)) == []


@pytest.mark.parametrize(
    ("section", "key", "changes", "expected"),
    [
        ("rules", "deal", {"group": "partner"}, "rules/deal/group: no group partner: did you mean partners?"),
        ("rules", "deal", {"priority": 1001}, "rules/deal/priority: must be -1000 to 1000"),
        ("rules", "deal", {"award": ...}, "rules/deal: a rule gives an award, a reward or both, or it multiplies"),
        ("rules", "deal", {"award": ..., "reward": "x"}, "rules/deal/budgets: this rule awards nothing that a budget"),
        ("rules", "deal", {"budgets": [{"points": 0, "per": "day"}]}, "rules/deal/budgets/0/points: must be 1 to"),
        (
            "rules",
            "deal",
            {"budgets": [{"points": 5, "per": "day"}, {"points": 6, "per": "day"}]},
            "rules/deal/budgets/1/per: another budget has the same period",
        ),
        (
            "rules",
            "deal",
            {"audience": "event.amount > 1"},
            "rules/deal/audience: an audience looks at the member alone",
        ),
        ("rules", "deal", {"audience": "member.team == 'A'"}, "rules/deal/audience: member.team: a member has no team"),
        ("rules", "deal", {"audience": "member.department"}, "rules/deal/audience: gave str, not true or false"),
        ("rules", "deal", {"audience": "member.department =="}, "rules/deal/audience: line 1, character"),
        ("rules", "twice", {"multiplier": "-1.0"}, "rules/twice/multiplier: gave -1.0, not between 0 and 1000"),
        ("rules", "twice", {"multiplier": "event.amount > 1"}, "rules/twice/multiplier: gave False, not a number"),
        ("rules", "twice", {"award": {"expression": "1"}}, "rules/twice/award: a rule that multiplies gives nothing"),
        ("rules", "twice", {"caps": [{"per": "day", "times": 1}]}, "rules/twice/caps: a rule that multiplies gives"),
        (
            "rules",
            "deal",
            {"when": [{"name": "not in its audience", "expression": "true"}]},
            "rules/deal/when/0/name: 'not in its audience' already names something else",
        ),
        ("groups", "inner", {"within": "partner"}, "groups/inner/within: no group partner: did you mean partners?"),
        ("groups", "inner", {"within": "inner"}, "groups/inner/within: groups stand in a circle: inner within inner"),
        (
            "groups",
            "partners",
            {"within": "inner"},
            "groups/partners/within: groups stand in a circle: partners within inner within partners",
        ),
        ("groups", "inner", {"ceiling": "0.5"}, "groups/inner/ceiling: a ceiling is a number from 1 to 1000 in quotes"),
        (
            "groups",
            "inner",
            {"ceiling": "much"},
            "groups/inner/ceiling: a ceiling is a number from 1 to 1000 in quotes",
        ),
        ("groups", "inner", {"caps": [{"per": "day"}]}, "groups/inner/caps/0: a cap limits points, times or both"),
        ("groups", "inner", {"caps": [{"per": "event", "times": 1}]}, "groups/inner/caps/0/times: an event is awarded"),
        ("aggregates", "lately", {"days": 93}, "aggregates/lately/days: must be 1 to 92"),
        ("aggregates", "lately", {"per": "day"}, "aggregates/lately: an aggregate has either per or days"),
        ("aggregates", "lately", {"days": ...}, "aggregates/lately: an aggregate has either per or days"),
    ],
)
def test_each_fault_is_told_at_its_place(section: str, key: str, changes: dict[str, Any], expected: str) -> None:
    assert any(told.startswith(expected) for told in faults(section, key, **changes)), faults(section, key, **changes)


def test_what_is_compared_or_capped_together_is_of_one_unit() -> None:
    kudos = {"event_type": "deal.won", "group": "partners", "award": {"expression": "1", "unit": "kudos"}}

    assert faults("rules", "other", **kudos) == [
        "groups/partners: its rules award kudos and points, which cannot be compared or capped together"
    ]


def test_groups_stand_within_each_other_up_to_a_bound() -> None:
    groups = {f"g{n}": {"within": f"g{n + 1}"} if n < 6 else {} for n in range(7)}
    found = check_definitions(definitions({**BODY, "groups": {**GROUPS, **groups}}))

    assert [fault.path for fault in found] == [("groups", "g0", "within"), ("groups", "g1", "within")]
