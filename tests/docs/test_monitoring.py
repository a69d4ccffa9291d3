"""Alerts and dashboard ask for metrics and labels that the code exposes, and each alert is told with what to do."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from prometheus_client import REGISTRY
from ruamel.yaml import YAML

from tests.docs.pages import ROOT
from tests.docs.test_metrics import metrics

FOLDER = ROOT / "deploy" / "monitoring"
PAGE = (ROOT / "docs" / "operations.md").read_text()
RULES: list[dict[str, Any]] = [
    rule for group in YAML(typ="safe").load(FOLDER / "alerts.yaml")["groups"] for rule in group["rules"]
]
DASHBOARD = json.loads((FOLDER / "dashboard.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]

_ASKED = re.compile(r"(laurel_\w+)(?:\{([^}]*)\})?")
_MATCHER = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)")
_GROUPED = re.compile(r"\bby \(([^)]*)\)")
_OF_HISTOGRAM = re.compile(r"_(bucket|sum|count)$")
_TOLD = re.compile(r"^\| `(Laurel\w+)` \| \S.* \| \S.* \|$", re.MULTILINE)


def expressions() -> Iterator[tuple[str, str]]:
    """Everything that is asked of Prometheus, with what asks it."""
    for rule in RULES:
        yield rule["alert"], rule["expr"]
    for panel in PANELS:
        for target in panel["targets"]:
            yield f"{panel['id']} {panel['title']}: {target['legendFormat']}", target["expr"]


EXPRESSIONS = dict(expressions())


def labels() -> Mapping[str, set[str]]:
    """By metric, as it is asked for, the labels that tell its series apart."""
    exposed = metrics()
    collectors = {name: one for name, one in REGISTRY._names_to_collectors.items() if name.startswith("laurel_")}
    return {
        name: {*vars(one)["_labelnames"], *(("le",) if name.endswith("_bucket") else ())}
        for name, one in collectors.items()
        if name in exposed or _OF_HISTOGRAM.sub("", name) in exposed
    }


LABELS = labels()


@pytest.mark.parametrize("expression", EXPRESSIONS.values(), ids=EXPRESSIONS)
def test_what_is_asked_for_is_exposed_with_these_labels(expression: str) -> None:
    asked = _ASKED.findall(expression)
    known = set.intersection(*(LABELS[name] for name, _ in asked)) if asked else set()

    assert asked
    assert [name for name, _ in asked if name not in LABELS] == []
    assert {label for name, inside in asked for label in _MATCHER.findall(inside) if label not in LABELS[name]} == set()
    assert {label.strip() for group in _GROUPED.findall(expression) for label in group.split(",")} <= known


def test_every_metric_is_on_the_dashboard() -> None:
    shown = {_OF_HISTOGRAM.sub("", name) for target in EXPRESSIONS.values() for name, _ in _ASKED.findall(target)}

    assert metrics() - shown == set()


def test_every_alert_is_told_with_what_it_means_and_what_to_do_and_no_other() -> None:
    assert _TOLD.findall(PAGE) == [rule["alert"] for rule in RULES]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_says_how_bad_it_is_and_what_it_found(rule: dict[str, Any]) -> None:
    named = re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"])
    grouped = {label.strip() for group in _GROUPED.findall(rule["expr"]) for label in group.split(",")}

    assert rule["labels"]["severity"] in ("warning", "critical")
    assert set(named) <= grouped


def test_panels_stand_beside_and_below_one_another() -> None:
    places = [
        {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        for at in (panel["gridPos"] for panel in DASHBOARD["panels"])
    ]

    assert len(set().union(*places)) == sum(map(len, places))
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
