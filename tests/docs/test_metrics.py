"""docs/operations.md tells of every metric, by the name that Prometheus knows, and of what workflows are found by."""

import re
from importlib import import_module

from prometheus_client import REGISTRY

from tests.docs.pages import ROOT
from workflows.starts import SEARCH_ATTRIBUTES

PAGE = (ROOT / "docs" / "operations.md").read_text()
_MADE = re.compile(r"^from prometheus_client import (.*)$", re.MULTILINE)
_TOLD = re.compile(r"^\| `(laurel_\w+)` \|", re.MULTILINE)
LAYERS = ("api", "relay", "activities", "connectors", "storage", "workflows")


def metrics() -> set[str]:
    """What is counted and measured once every module that does so is imported."""
    for layer in LAYERS:
        for path in (ROOT / layer).rglob("*.py"):
            if _MADE.search(path.read_text()):
                import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
    return {_told(metric.name, metric.type) for metric in REGISTRY.collect() if metric.name.startswith("laurel_")}


def _told(name: str, kind: str) -> str:
    return f"{name}_total" if kind == "counter" else name


def test_every_metric_is_told_and_no_other() -> None:
    assert sorted(_TOLD.findall(PAGE)) == sorted(metrics())


def test_every_search_attribute_is_told() -> None:
    assert [key.name for key in SEARCH_ATTRIBUTES if key.name not in PAGE] == []
