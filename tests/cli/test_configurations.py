"""A folder of YAML files as one configuration, with the place of everything that is wrong in it."""

from pathlib import Path
from textwrap import dedent

import pytest

from cli import configurations
from cli.configurations import ConfigurationRefused, read_folder
from cli.errors import CommandFailed
from domain.configuration import Award, Cap, Condition, Period, Rounding

DEALS = """\
event_types:
  deal.won:
    fields:
      amount: {type: integer, required: true, minimum: 0, maximum: 1_000_000}
"""


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        path = folder / (name.replace("__", "/") + ".yaml")
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(dedent(text))
    return folder


def complaints(folder: Path) -> list[str]:
    with pytest.raises(ConfigurationRefused) as refused:
        read_folder(folder)
    return [str(complaint).removeprefix(f"{folder}/") for complaint in refused.value.complaints]


def test_files_and_folders_of_any_name_are_one_configuration(tmp_path: Path) -> None:
    write(
        tmp_path,
        types=DEALS,
        sales__big="""\
            rules:
              big-deal:
                event_type: deal.won
                when:
                  - name: is big
                    expression: event.amount >= 1000
                award: {expression: 50, rounding: half_up}
                caps: [{per: event, points: 40}, {per: day, times: 2}]
            """,
        sales__small="rules: {small-deal: {event_type: deal.won, award: {expression: '1'}}}",
        notes="# nothing yet\nmilestones:\n",
    )
    (tmp_path / "README.txt").write_text("rules: no")

    definitions = read_folder(tmp_path)

    rule = definitions.rules["big-deal"]
    assert rule.when == (Condition("is big", "event.amount >= 1000"),)
    assert rule.award == Award("50", rounding=Rounding.HALF_UP)
    assert rule.caps == (Cap(None, points=40), Cap(Period.DAY, times=2))
    assert definitions.rules.keys() == {"big-deal", "small-deal"}
    assert definitions.event_types["deal.won"].fields["amount"].maximum == 1_000_000
    assert definitions.milestones == {}


def test_every_fault_of_every_file_is_told_with_line_and_column(tmp_path: Path) -> None:
    write(
        tmp_path,
        a="""\
            rules:
              deal:
                event_type: deal.won
                when:
                  - name: is big
                    expression: event.amonut >= 1000
                award:
                  expression: >-
                    event.amount *
                    0.5
              survey:
                event_type: survey.submitted
                reward: mug
            """,
        b=DEALS + "      colour: {type: text}\nrule: {}\n",
    )

    told = complaints(tmp_path)

    assert told == [
        "a.yaml:6:21: rules deal: when.0.expression: event.amonut: deal.won has no amonut: did you mean amount?",
        "a.yaml:12:17: rules survey: event_type: no event type survey.submitted",
        "a.yaml:13:13: rules survey: reward: no reward mug",
        "b.yaml:5:22: event_types deal.won: fields.colour.type: unknown type text: known are string, integer, number, "
        "boolean, timestamp, date",
        "b.yaml:6:1: rule: unknown section rule: known are event_types, aggregates, rules, milestones, rewards, "
        "catalog, units, "
        "conversions, groups, streaks, challenges, tiers, badges, boards, recognition, sources, nominations, "
        "notifications",
    ]


def test_a_reference_to_what_has_a_fault_itself_is_no_fault(tmp_path: Path) -> None:
    write(
        tmp_path,
        a="""\
            event_types: {a: {fields: []}}
            aggregates: {n: {event_type: a, per: hour}}
            rules:
              x:
                event_type: a
                when: [{name: often, expression: totals.n > 3}]
                reward: mug
            rewards: {mug: {title: A mug}}
            """,
    )

    assert complaints(tmp_path) == [
        "a.yaml:1:19: event_types a: fields: must be a mapping, not a list",
        "a.yaml:2:38: aggregates n: per: must be one of day, week, month, quarter, year, lifetime, not 'hour'",
        "a.yaml:8:11: rewards mug: currency is required",
        "a.yaml:8:11: rewards mug: items is required",
        "a.yaml:8:11: rewards mug: value_minor is required",
    ]


def test_what_is_missing_is_told_at_what_it_is_missing_from(tmp_path: Path) -> None:
    write(tmp_path, a="rules:\n  x:\n    award: {}\n")

    assert complaints(tmp_path) == [
        "a.yaml:2:3: rules x: event_type is required",
        "a.yaml:3:5: rules x: award: expression is required",
    ]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("a: [1", "a.yaml:1:6: not YAML: expected ',' or ']', but got '<stream end>'"),
        ("rules:\n\tx: 1", "a.yaml:2:1: not YAML: found character '\\t' that cannot start any token"),
        ("rules: *x", "a.yaml:1:8: not YAML: found undefined alias 'x'"),
        ("rules: {}\n---\nrules: {}", "a.yaml:2:1: not YAML: but found another document"),
        ("- rules", "a.yaml:1:1: a file holds sections: event_types, rules and so on"),
        ("rules: [x]", "a.yaml:1:8: rules holds definitions by their keys"),
        ("rules:\n  x: 7", "a.yaml:2:3: rules x: must be a mapping, not 7"),
        ("? [rules]\n: {}", "a.yaml:1:3: a key must be text"),
        ("rules:\n  x: {event_type: a, event_type: b}", "a.yaml:2:22: event_type is written twice"),
        ("rules:\n  x: !secret {event_type: a}", "a.yaml:2:6: the tag !secret has no meaning here"),
    ],
)
def test_what_is_no_configuration_is_told(tmp_path: Path, text: str, complaint: str) -> None:
    write(tmp_path, a=text)

    assert complaint in complaints(tmp_path)


def test_a_definition_in_two_files_is_told_with_both_places(tmp_path: Path) -> None:
    write(tmp_path, a=DEALS, b="# more\n" + DEALS)

    assert complaints(tmp_path) == [f"b.yaml:3:3: deal.won is defined already at {tmp_path}/a.yaml:2:3"]


def test_a_file_that_is_not_utf_8_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(b"rules: \xff")

    assert complaints(tmp_path)[0].startswith("a.yaml:1:1: not YAML in UTF-8: ")


def test_an_alias_bomb_is_told_and_not_unfolded(tmp_path: Path) -> None:
    levels = "\n".join(f"  x{n + 1}: &x{n + 1} {{{', '.join(f'k{m}: *x{n}' for m in range(10))}}}" for n in range(9))
    write(tmp_path, a="rules:\n  x0: &x0 {a: 1}\n" + levels + "\n")

    assert any("too much: at most" in complaint for complaint in complaints(tmp_path))


def test_a_loop_of_aliases_is_told(tmp_path: Path) -> None:
    write(tmp_path, a="rules:\n  x: &x {when: *x}\n")

    assert "too much: at most" in complaints(tmp_path)[0]


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("#" * (configurations.MAX_FILE_BYTES + 1))

    assert complaints(tmp_path) == ["a.yaml:1:1: larger than 1048576 bytes"]


@pytest.mark.parametrize(("name", "reason"), [("none", "is not a folder"), (".", "holds no .yaml file")])
def test_a_folder_without_files_is_refused(tmp_path: Path, name: str, reason: str) -> None:
    with pytest.raises(CommandFailed, match=reason):
        read_folder(tmp_path / name)


def test_numbers_countries_and_times_are_what_they_look_like(tmp_path: Path) -> None:
    write(
        tmp_path,
        a="""\
            event_types: {a: {fields: {}}}
            rules:
              x: {event_type: a, award: {expression: 007}, starts_at: 2027-01-01T00:00:00+01:00}
            catalog:
              mug: {name: Mug, vendor: own, currency: EUR, countries: [NO, SE], denominations: [1_000]}
            """,
    )

    definitions = read_folder(tmp_path)

    assert definitions.rules["x"].award == Award("007")
    assert definitions.catalog["mug"].countries == ("NO", "SE")
    assert definitions.catalog["mug"].denominations == (1_000,)
    assert str(definitions.rules["x"].starts_at) == "2026-12-31 23:00:00+00:00"
