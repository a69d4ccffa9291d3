"""A configuration folder: any number of YAML files, read as one, with the line and column of everything in it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from cli.errors import CommandFailed
from domain.definition_checks import check_definitions
from domain.definitions import Definitions, read_definitions
from domain.shapes import Fault
from domain.shapes import Path as DataPath

MAX_FILES = 500
MAX_FILE_BYTES = 2**20
MAX_NODES = 200_000  # in one file, each use of an alias counted
MAX_DEPTH = 20
MAX_FAULTS = 200  # that are told
MAX_DIGITS = 18

_TAG = "tag:yaml.org,2002:"


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where something stands; lines and columns begin at 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True, order=True)
class Complaint:
    """What is wrong at a place."""

    place: Place
    message: str

    def __str__(self) -> str:
        return f"{self.place}: {self.message}"


class ConfigurationRefused(CommandFailed):
    """The folder holds no valid configuration; the message has a line `file:line:column: message` for each fault."""

    def __init__(self, complaints: list[Complaint]) -> None:
        self.complaints = sorted(complaints)[:MAX_FAULTS]
        more = len(complaints) - len(self.complaints)
        lines = [*map(str, self.complaints), *([f"and {more} more"] if more else [])]
        super().__init__("the configuration has faults\n" + "\n".join(lines))


@dataclass(slots=True)
class _Folder:
    """Plain data by section and key, with the place of each path in it."""

    data: dict[str, dict[str, Any]] = field(default_factory=dict)
    places: dict[DataPath, Place] = field(default_factory=dict)
    complaints: list[Complaint] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Written:
    """Definitions, and where each value of them was written."""

    definitions: Definitions
    place: Callable[[DataPath], Place]


def read_folder(root: Path) -> Definitions:
    """The definitions in every .yaml file under the folder, checked; raises ConfigurationRefused or CommandFailed."""
    return read_written(root).definitions


def read_written(root: Path) -> Written:
    """The same, with their places."""
    folder = _Folder()
    for path in _files(root):
        _read_file(folder, path)
    faults: list[Fault] = []
    definitions = read_definitions(folder.data, faults)
    unread = {fault.path[:2] for fault in faults}
    if not folder.complaints:  # a file that is not YAML may define whatever others refer to
        faults += [fault for fault in check_definitions(definitions) if fault.refers_to not in unread]
    told_of = (Complaint(_place(folder, fault.path), told(fault.path, fault.message)) for fault in faults)
    complaints = [*folder.complaints, *told_of]
    if complaints:
        raise ConfigurationRefused(complaints)
    return Written(definitions, partial(_place, folder))


def _files(root: Path) -> list[Path]:
    if not root.is_dir():
        raise CommandFailed(f"{root} is not a folder")
    found = sorted(path for path in root.rglob("*") if path.suffix in (".yaml", ".yml") and path.is_file())
    if not found:
        raise CommandFailed(f"{root} holds no .yaml file")
    if len(found) > MAX_FILES:
        raise CommandFailed(f"{root} holds {len(found)} files, at most {MAX_FILES} are read")
    return found


def _place(folder: _Folder, path: DataPath) -> Place:
    """The place of the path, or of the nearest thing around it that was written."""
    while path not in folder.places and path:
        path = path[:-1]
    return folder.places[path]


def told(path: DataPath, message: str) -> str:
    """The message, with the definition that it is about."""
    section, *rest = map(str, path)
    return f"{' '.join([section, *rest[:1]])}: {'.'.join(rest[1:])}{': ' if rest[1:] else ''}{message}"


# -- YAML ----------------------------------------------------------------------------------------------------------


def _read_file(folder: _Folder, path: Path) -> None:
    start = Place(str(path), 1, 1)
    folder.places.setdefault((), start)
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise _Unreadable(start, f"larger than {MAX_FILE_BYTES} bytes")
        root = YAML(typ="safe", pure=True).compose(path.read_text("utf-8"))
        if root is not None:
            _File(folder, str(path)).read(root)
    except _Unreadable as error:
        folder.complaints.append(Complaint(error.place, error.message))
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Place(str(path), mark.line + 1, mark.column + 1) if mark else start
        folder.complaints.append(Complaint(place, f"not YAML: {error.problem or error.context}"))
    except (YAMLError, UnicodeDecodeError, OSError, RecursionError) as error:
        folder.complaints.append(Complaint(start, f"not YAML in UTF-8: {str(error).splitlines()[0][:200]}"))


class _Unreadable(Exception):
    def __init__(self, place: Place, message: str) -> None:
        super().__init__(message)
        self.place = place
        self.message = message


class _File:
    """Turns one file's nodes into plain data of the folder."""

    def __init__(self, folder: _Folder, name: str) -> None:
        self._folder = folder
        self._name = name
        self._nodes = 0

    def read(self, root: Node) -> None:
        for section, key, node in self._definitions(root):
            found = self._folder.data.setdefault(section.value, {})
            if key.value in found:
                first = self._folder.places[section.value, key.value]
                self._complain(key, f"{key.value} is defined already at {first}")
                continue
            path = (section.value, key.value)
            self._folder.places[path] = self._at(key)
            found[key.value] = self._plain(node, path)

    def _definitions(self, root: Node) -> Iterator[tuple[ScalarNode, ScalarNode, Node]]:
        for section, inner in self._pairs(root, "a file holds sections: event_types, rules and so on"):
            self._folder.places.setdefault((section.value,), self._at(section))
            self._folder.data.setdefault(section.value, {})
            if not self._is_nothing(inner):
                for key, node in self._pairs(inner, f"{section.value} holds definitions by their keys"):
                    yield section, key, node

    def _pairs(self, node: Node, wanted: str) -> list[tuple[ScalarNode, Node]]:
        """The keys (text, each once) and values of a mapping."""
        if not isinstance(node, MappingNode):
            raise _Unreadable(self._at(node), wanted)
        pairs: dict[str, tuple[ScalarNode, Node]] = {}
        for key, value in node.value:
            if not isinstance(key, ScalarNode):
                raise _Unreadable(self._at(key), "a key must be text")
            if key.value in pairs:
                self._complain(key, f"{key.value} is written twice")
            pairs.setdefault(key.value, (key, value))
        return list(pairs.values())

    def _plain(self, node: Node, path: DataPath) -> Any:
        self._count(node, path)
        if not str(node.tag).startswith(_TAG):
            self._complain(node, f"the tag {node.tag} has no meaning here")
        if isinstance(node, MappingNode):
            data = {}
            for key, value in self._pairs(node, ""):
                inner = (*path, key.value)
                self._folder.places[inner] = self._at(value if isinstance(value, ScalarNode) else key)
                data[key.value] = self._plain(value, inner)
            return data
        if isinstance(node, SequenceNode):
            for n, inner_node in enumerate(node.value):
                self._folder.places[(*path, n)] = self._at(inner_node)
            return [self._plain(inner_node, (*path, n)) for n, inner_node in enumerate(node.value)]
        return self._scalar(node, path[-1])

    def _scalar(self, node: Node, name: str | int) -> Any:
        """Text, true, false, nothing or a whole number; anything else stays text, for the reader of its field."""
        tag, value = str(node.tag), node.value
        if tag == _TAG + "null":
            return None
        if tag == _TAG + "bool":
            return bool(value.lower() == "true")
        digits = value.replace("_", "")
        # An award of 50 points reads as the expression it is.
        if (
            tag == _TAG + "int"
            and name != "expression"
            and digits.lstrip("+-").isdecimal()
            and len(digits) <= MAX_DIGITS
        ):
            return int(digits)
        return value

    def _is_nothing(self, node: Node) -> bool:
        return isinstance(node, ScalarNode) and str(node.tag) == _TAG + "null"

    def _count(self, node: Node, path: DataPath) -> None:
        self._nodes += 1
        if self._nodes > MAX_NODES or len(path) > MAX_DEPTH:
            raise _Unreadable(self._at(node), f"too much: at most {MAX_NODES} values, {MAX_DEPTH} deep")

    def _complain(self, node: Node, message: str) -> None:
        self._folder.complaints.append(Complaint(self._at(node), message))

    def _at(self, node: Node) -> Place:
        return Place(self._name, node.start_mark.line + 1, node.start_mark.column + 1)
