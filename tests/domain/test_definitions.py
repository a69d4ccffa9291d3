"""Definitions as snapshots keep them, and what changes from one to the next."""

from dataclasses import replace

import orjson
import pytest
from hypothesis import given, settings

from domain.configuration import Aggregate, Award, Cap, Condition, Period, Rule
from domain.definitions import (
    SECTIONS,
    Change,
    Definitions,
    changes,
    definitions_of,
    digest,
    number_versions,
    read_body,
    read_definitions,
    snapshot,
    write_body,
)
from domain.shapes import Fault
from tests.domain.definition_strategies import definitions

RULE = Rule("deal", 1, "deal.won", award=Award("50"))

# Each example has definitions of every section: a few of them hold every field many times.
few = settings(max_examples=30)


@few
@given(definitions)
def test_a_snapshot_written_as_json_is_read_as_the_same_definitions(written: Definitions) -> None:
    assert read_body(orjson.loads(orjson.dumps(write_body(written)))) == written


@few
@given(definitions)
def test_a_configuration_holds_the_definitions_it_was_built_of(built: Definitions) -> None:
    assert definitions_of(snapshot("prg_1", 3, built)) == built


@few
@given(definitions, definitions)
def test_definitions_differ_exactly_when_their_digests_do(one: Definitions, other: Definitions) -> None:
    assert changes(one, one) == []
    assert bool(changes(one, other)) == (digest(one) != digest(other))


@few
@given(definitions, definitions)
def test_what_changed_takes_the_new_number_and_the_rest_keeps_its_version(
    before: Definitions, after: Definitions
) -> None:
    numbered = number_versions(before, after, 2_000)

    changed = {(change.section, change.key) for change in changes(before, after)}
    assert digest(numbered) == digest(after)
    for section in SECTIONS:
        for key, definition in numbered.section(section).items():
            if not isinstance(definition, Aggregate):
                kept = before.section(section).get(key)
                expected = 2_000 if (section, key) in changed else getattr(kept, "version", None)
                assert definition.version == expected


@few
@given(definitions)
def test_every_change_shows_what_it_is(after: Definitions) -> None:
    added = changes(Definitions(), after)
    removed = changes(after, Definitions())

    assert {change.kind for change in added} <= {"added"}
    assert len(added) == len(removed) == len(after)
    assert [(change.section, change.key) for change in added] == [(change.section, change.key) for change in removed]


def test_a_change_shows_the_fields_that_differ() -> None:
    before = Definitions(rules={"deal": RULE})
    after = Definitions(
        rules={
            "deal": replace(
                RULE, version=7, award=Award("60"), when=(Condition("big", "true"),), caps=(Cap(Period.DAY, times=2),)
            ),
            "new": Rule("new", 1, "deal.won", reward="mug"),
        }
    )

    assert changes(before, after) == [
        Change(
            "rules",
            "deal",
            "changed",
            (
                ("award.expression", "50", "60"),
                ("when.0.name", None, "big"),
                ("when.0.expression", None, "true"),
                ("caps.0.per", None, "day"),
                ("caps.0.times", None, 2),
            ),
        ),
        Change("rules", "new", "added", (("event_type", None, "deal.won"), ("reward", None, "mug"))),
    ]


def test_a_key_that_comes_back_has_a_version_of_its_own() -> None:
    first = number_versions(Definitions(), Definitions(rules={"deal": RULE}), 1)
    second = number_versions(first, Definitions(), 2)
    third = number_versions(second, Definitions(rules={"deal": RULE}), 3)

    assert (first.rules["deal"].version, third.rules["deal"].version) == (1, 3)


def test_a_body_that_this_code_cannot_read_is_refused() -> None:
    body = write_body(Definitions(rules={"deal": RULE}))
    body["rules"]["deal"]["event_type"] = 7

    with pytest.raises(ValueError, match=r"rules\.deal\.event_type: must be text"):
        read_body(body)


def test_a_snapshot_older_than_a_section_has_none_of_it() -> None:
    body = write_body(Definitions(rules={"deal": RULE}))
    del body["units"], body["conversions"]

    assert read_body(body) == Definitions(rules={"deal": RULE})


def test_files_give_no_versions_and_no_unknown_sections() -> None:
    faults: list[Fault] = []

    read_definitions({"rules": {"deal": {"event_type": "deal.won", "version": 3}}, "rule": {}}, faults)

    assert [(fault.path, fault.message.split(":")[0]) for fault in faults] == [
        (("rule",), "unknown section rule"),
        (("rules", "deal", "version"), "unknown key version"),
    ]
