"""Which activities a worker serves."""

from collections.abc import Callable
from typing import Any


def activities_of(*holders: object) -> list[Callable[..., Any]]:
    """Every activity that is a method of one of the holders."""
    methods = (getattr(holder, name) for holder in holders for name in vars(type(holder)))
    return [method for method in methods if hasattr(method, "__temporal_activity_definition")]
