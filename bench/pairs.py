"""Pairs: ours and the yardstick alternate on the same machine in the same run, so that its moods cancel out."""

import os
import platform
import statistics
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

PAIRS = 5

Measure = Callable[[], Awaitable[float]]


@dataclass(frozen=True, slots=True)
class Compared:
    """Both figures of every pair, in `unit`; the ratio is the median of ours divided by the yardstick, pair by pair."""

    name: str
    unit: str
    ours: tuple[float, ...]
    yardstick: tuple[float, ...]
    detail: dict[str, Any]

    @property
    def ratio(self) -> float:
        return statistics.median(mine / other for mine, other in zip(self.ours, self.yardstick, strict=True))

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "ratio": round(self.ratio, 3),
            "unit": self.unit,
            "ours": round(statistics.median(self.ours), 3),
            "yardstick": round(statistics.median(self.yardstick), 3),
            "pairs": [[round(a, 3), round(b, 3)] for a, b in zip(self.ours, self.yardstick, strict=True)],
            "detail": self.detail,
            "machine": machine(),
        }


@dataclass(frozen=True, slots=True)
class Several:
    """Figures of one benchmark that were measured in the same run."""

    name: str
    figures: list[Compared]

    def as_json(self) -> dict[str, Any]:
        return {"name": self.name, "figures": [figure.as_json() for figure in self.figures]}


async def compare(
    name: str, unit: str, ours: Measure, yardstick: Measure, *, detail: dict[str, Any] | None = None, pairs: int = PAIRS
) -> Compared:
    """Measure both in turn, ours first in every other pair."""
    mine, others = [], []
    for number in range(pairs):
        if number % 2:
            others.append(await yardstick())
            mine.append(await ours())
        else:
            mine.append(await ours())
            others.append(await yardstick())
    return Compared(name, unit, tuple(mine), tuple(others), detail or {})


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    return {
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.release()}",
        "processor": _processor(),
        "python": platform.python_version(),
        "load_before": [round(load, 2) for load in os.getloadavg()],
    }


def _processor() -> str:
    try:
        with open("/proc/cpuinfo") as told:
            names = [line.split(":", 1)[1].strip() for line in told if line.startswith("model name")]
    except OSError:
        return platform.processor()
    return names[0] if names else platform.processor()
