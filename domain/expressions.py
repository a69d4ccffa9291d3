"""CEL expressions as rules use them: bounded in size, compiled once, without side effects.

An expression sees `event` (its data, with `type`, `source` and `occurred_at`), `member` (the attributes in effect at
the event) and `totals` (the declared aggregates, the event itself included).
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import cel

MAX_EXPRESSION_LENGTH = 1_000  # characters
_TOTAL = re.compile(r"\btotals\.([A-Za-z_]\w*)")


class ExpressionError(Exception):
    """The expression does not parse, or could not be evaluated on this event."""


@lru_cache(maxsize=10_000)
def compiled(text: str) -> cel.Program:
    """The program for an expression; raises ExpressionError when it is too long or does not parse."""
    if len(text) > MAX_EXPRESSION_LENGTH:
        raise ExpressionError(f"longer than {MAX_EXPRESSION_LENGTH} characters")
    try:
        return cel.compile(text)
    except ValueError as error:
        raise ExpressionError(str(error)) from None


def totals_used(text: str) -> frozenset[str]:
    """The names of the aggregates that an expression reads."""
    return frozenset(_TOTAL.findall(text))


def context(event: Mapping[str, Any], member: Mapping[str, Any], totals: Mapping[str, int]) -> cel.Context:
    """One shared context per event; making it costs more than evaluating ten expressions."""
    return cel.Context(variables={"event": event, "member": member, "totals": totals})


def evaluate(text: str, using: cel.Context) -> Any:
    """The value of an expression; every failure at run time is an ExpressionError that names its cause."""
    try:
        return compiled(text).execute(using)
    except (ArithmeticError, KeyError, TypeError, ValueError, RuntimeError, IndexError) as error:
        raise ExpressionError(f"{type(error).__name__}: {str(error).splitlines()[0][:200]}") from None
