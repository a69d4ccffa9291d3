"""docs/performance.md says of every benchmark what it measures, and against what."""

import re

from cli.bench import BENCHMARKS
from tests.docs.pages import ROOT

PAGE = (ROOT / "docs" / "performance.md").read_text()


def test_every_benchmark_is_told_and_no_other() -> None:
    assert sorted(re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)) == sorted(BENCHMARKS)
