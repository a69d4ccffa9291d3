"""Plain data into dataclasses and back: the type hints are the format, for files that people write and rows we store.

Whatever does not fit becomes a Fault with the path to it, never an exception, so that a reader sees all faults at once.
A key that is absent takes the field's default; null is taken only where the field may be None. A field whose metadata
has "none" writes None as that word.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass, replace
from datetime import UTC, datetime
from difflib import get_close_matches
from enum import StrEnum
from functools import cache
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

Path = tuple[str | int, ...]
Reader = Callable[[Any, Path, list["Fault"]], Any]

_UNREADABLE = object()


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with the value at a path, as a sentence; `refers_to` is the path of something that is not there."""

    path: Path
    message: str
    refers_to: Path | None = None


def read(shape: type, data: Any, path: Path, faults: list[Fault], **given: Any) -> Any:
    """An instance of the dataclass, or None after adding to `faults`; the fields `given` are not in the data."""
    if not isinstance(data, Mapping):
        faults.append(Fault(path, f"must be a mapping, not {_kind(data)}"))
        return None
    before = len(faults)
    wanted = {field.name: field for field in fields(shape) if field.name not in given}
    faults.extend(Fault((*path, name), _unknown(name, wanted)) for name in data if name not in wanted)
    values = {name: _read_field(shape, field, data, path, faults) for name, field in wanted.items()}
    return shape(**values, **given) if len(faults) == before else None


def write(value: Any, leave_out: Iterable[str] = (), *, defaults: bool = True) -> Any:
    """Plain data that `read` turns back into an equal value; `leave_out` names fields of the outermost dataclass.

    Without `defaults`, fields that have their default are left out, inside as well.
    """
    if is_dataclass(value):
        written = (field for field in fields(value) if field.name not in leave_out)
        return {
            field.name: _write_field(value, field, defaults)
            for field in written
            if defaults or getattr(value, field.name) != field.default
        }
    if isinstance(value, Mapping):
        return {name: write(inner, defaults=defaults) for name, inner in value.items()}
    if isinstance(value, tuple):
        return [write(inner, defaults=defaults) for inner in value]
    if isinstance(value, datetime):
        return value.isoformat()
    return value.value if isinstance(value, StrEnum) else value


def _write_field(owner: Any, field: Field[Any], defaults: bool) -> Any:
    value = getattr(owner, field.name)
    return field.metadata.get("none") if value is None else write(value, defaults=defaults)


def _read_field(shape: type, field: Field[Any], data: Mapping[str, Any], path: Path, faults: list[Fault]) -> Any:
    if field.name in data:
        return _readers(shape)[field.name](data[field.name], (*path, field.name), faults)
    if field.default is not MISSING:
        return field.default
    if field.default_factory is not MISSING:
        return field.default_factory()
    faults.append(Fault(path, f"{field.name} is required"))
    return None


@cache
def _readers(shape: type) -> Mapping[str, Reader]:
    hints = get_type_hints(shape)
    return {field.name: _with_word(_reader(hints[field.name]), field.metadata.get("none")) for field in fields(shape)}


def _with_word(reader: Reader, word: str | None) -> Reader:
    """The reader, which takes None for the word alone."""
    if word is None:
        return reader

    def read_word(data: Any, path: Path, faults: list[Fault]) -> Any:
        inner: list[Fault] = []
        value = None if data == word else reader("" if data is None else data, path, inner)
        faults.extend(replace(fault, message=f"{fault.message}, or {word}") for fault in inner)
        return value

    return read_word


def _reader(hint: Any) -> Reader:
    """The reader for a type hint; every hint of the configuration's dataclasses is one of these."""
    if isinstance(hint, UnionType):
        inner = _reader(next(part for part in get_args(hint) if part is not type(None)))
        return lambda data, path, faults: None if data is None else inner(data, path, faults)
    if get_origin(hint) is tuple:
        return _list_reader(_reader(get_args(hint)[0]))
    if get_origin(hint) is Mapping:
        return _mapping_reader(_reader(get_args(hint)[1]))
    if is_dataclass(hint):
        return lambda data, path, faults: read(hint, data, path, faults)  # type: ignore[arg-type]
    return _scalar_reader(hint)


def _list_reader(item: Reader) -> Reader:
    def read_list(data: Any, path: Path, faults: list[Fault]) -> Any:
        if not isinstance(data, list):
            faults.append(Fault(path, f"must be a list, not {_kind(data)}"))
            return ()
        return tuple(item(inner, (*path, n), faults) for n, inner in enumerate(data))

    return read_list


def _mapping_reader(item: Reader) -> Reader:
    def read_mapping(data: Any, path: Path, faults: list[Fault]) -> Any:
        if not isinstance(data, Mapping):
            faults.append(Fault(path, f"must be a mapping, not {_kind(data)}"))
            return {}
        return {name: item(inner, (*path, name), faults) for name, inner in data.items()}

    return read_mapping


def _scalar_reader(hint: Any) -> Reader:
    convert, wanted = _SCALARS[hint] if hint in _SCALARS else (_choice(hint), f"one of {', '.join(hint)}")

    def read_scalar(data: Any, path: Path, faults: list[Fault]) -> Any:
        value = convert(data)
        if value is _UNREADABLE:
            faults.append(Fault(path, f"must be {wanted}, not {_kind(data)}"))
        return value

    return read_scalar


def _choice(choices: type[StrEnum]) -> Callable[[Any], Any]:
    return lambda data: choices(data) if isinstance(data, str) and data in set(choices) else _UNREADABLE


def _exactly(kind: type) -> Callable[[Any], Any]:
    return lambda data: data if type(data) is kind else _UNREADABLE


def _instant(data: Any) -> Any:
    try:
        instant = datetime.fromisoformat(data)
        return instant.astimezone(UTC) if instant.tzinfo else _UNREADABLE
    except (TypeError, ValueError, OverflowError):
        return _UNREADABLE


_SCALARS: Mapping[Any, tuple[Callable[[Any], Any], str]] = {
    str: (_exactly(str), "text (in quotes if it looks like a number)"),
    int: (_exactly(int), "a whole number"),
    bool: (_exactly(bool), "true or false"),
    datetime: (_instant, "a time with its offset, as 2027-01-31T09:00:00Z"),
}


def _kind(data: Any) -> str:
    if isinstance(data, Mapping):
        return "a mapping"
    if isinstance(data, list):
        return "a list"
    text = {None: "nothing", True: "true", False: "false"}.get(data) if not isinstance(data, int | str) else None
    return text or (str(data).lower() if isinstance(data, bool) else repr(data)[:80])


def _unknown(name: str, known: Iterable[str]) -> str:
    close = get_close_matches(name, list(known), n=1)
    hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(known)}"
    return f"unknown key {name}: {hint}"
