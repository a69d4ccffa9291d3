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
NAMES = frozenset({"event", "member", "totals"})
FUNCTIONS = frozenset(
    {
        *("size", "contains", "startsWith", "endsWith", "matches"),
        *("string", "int", "uint", "double", "type", "dyn", "timestamp", "duration"),
        *("getFullYear", "getMonth", "getDate", "getDayOfMonth", "getDayOfWeek", "getDayOfYear"),
        *("getHours", "getMinutes", "getSeconds", "getMilliseconds"),
    }
)

_TOTAL = re.compile(r"\btotals\.([A-Za-z_]\w*)")
_LITERAL_OR_COMMENT = re.compile(r"""'{3}.*?'{3}|"{3}.*?"{3}|'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|//[^\n]*""", re.DOTALL)
_POSITION = re.compile(r"<input>:(\d+):(\d+): (.*)")
_LOOP = re.compile(r"\.\s*(all|exists|exists_one|map|filter)\s*\(")


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
        raise ExpressionError(_syntax_error(str(error))) from None


def _syntax_error(message: str) -> str:
    found = _POSITION.search(message)
    return f"line {found[1]}, character {found[2]}: {found[3][:200]}" if found else message[:200]


def check(text: str) -> None:
    """Raise ExpressionError for what can be told without an event: syntax, unknown names and functions, loops.

    Loops are refused because nested ones take time exponential in the expression's length; lists are for `in`.
    """
    program = compiled(text)
    bare = _LITERAL_OR_COMMENT.sub("''", text)
    if loop := _LOOP.search(bare):
        raise ExpressionError(f"{loop[1]}(...) is not offered: write the cases out, or use `in`")
    if unknown := sorted(set(program.variables()) - NAMES):
        raise ExpressionError(f"unknown name {unknown[0]}: an expression sees event, member and totals")
    functions = set(program.functions())
    if "_[_]" in functions:
        raise ExpressionError("access by [...] is not offered: write event.name")
    if unknown := sorted(name for name in functions - FUNCTIONS if name[0].isalpha()):
        raise ExpressionError(f"unknown function {unknown[0]}: known are {', '.join(sorted(FUNCTIONS))}")


def literals(text: str) -> tuple[frozenset[str], frozenset[int]]:
    """The texts and the whole numbers that an expression compares with."""
    quoted = _LITERAL_OR_COMMENT.findall(text)
    numbers = re.findall(r"(?<![\w.])\d{1,18}(?![\w.])", _LITERAL_OR_COMMENT.sub("''", text))
    return frozenset(part[1:-1] for part in quoted if not part.startswith("//")), frozenset(map(int, numbers))


def decimals(text: str) -> frozenset[float]:
    """The numbers with a fraction that an expression names."""
    return frozenset(
        map(float, re.findall(r"(?<![\w.])\d{1,18}\.\d{1,18}(?![\w.])", _LITERAL_OR_COMMENT.sub("''", text)))
    )


def conjuncts(text: str) -> list[str]:
    """The parts of an expression all of which must hold, as far as its outermost `&&` tell."""
    bare = _LITERAL_OR_COMMENT.sub(lambda part: ("x" if part[0][0] != "/" else " ") * len(part[0]), text)
    depth, cuts = 0, [0]
    for at, sign in enumerate(bare):
        depth += (sign in "([{") - (sign in ")]}")
        if depth == 0 and (sign == "?" or bare.startswith("||", at)):
            return [text]
        if depth == 0 and bare.startswith("&&", at):
            cuts += [at, at + 2]
    cuts.append(len(text))
    return [text[start:end].strip() for start, end in zip(cuts[::2], cuts[1::2], strict=True)]


def functions_used(text: str) -> frozenset[str]:
    """The functions and operators of an expression, by their names in CEL, as `_+_` and `size`."""
    return frozenset(compiled(text).functions())


def fields_used(text: str, of: str) -> frozenset[str]:
    """The names that an expression reads of `event`, `member` or `member.custom`."""
    return frozenset(re.findall(rf"(?<![\w.]){re.escape(of)}\.([A-Za-z_]\w*)", _LITERAL_OR_COMMENT.sub("''", text)))


def names_used(text: str) -> frozenset[str]:
    """Which of `event`, `member` and `totals` an expression reads."""
    return frozenset(compiled(text).variables())


def is_read_whole(text: str, of: str) -> bool:
    """Whether an expression names `event` or `member` other than by `fields_used`."""
    bare = _LITERAL_OR_COMMENT.sub("''", text)
    named = re.findall(rf"(?<![\w.]){re.escape(of)}\b", bare)
    return len(named) != len(re.findall(rf"(?<![\w.]){re.escape(of)}\.[A-Za-z_]", bare))


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
