"""Definitions: what a configuration is made of, by section and key, as people write it and as snapshots store it.

A snapshot's body writes every field out, so that a default that changes later changes no snapshot. A definition's
version is the number of the snapshot in which it last changed; a key that was removed and comes back is never confused
with what it was.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

import orjson

from domain.configuration import (
    Aggregate,
    CatalogItem,
    Configuration,
    Conversion,
    EventType,
    Group,
    Milestone,
    Reward,
    Rule,
    Source,
    Unit,
)
from domain.derived import EVENT_TYPES as DERIVED_TYPES
from domain.derived import RULES as DERIVED_RULES
from domain.game import Badge, Board, Challenge, StreakPolicy, TierLadder
from domain.nominations import NominationCategory
from domain.notifications import NotificationPolicy
from domain.recognitions import RecognitionPolicy
from domain.shapes import Fault, read, write

Definition = (
    EventType
    | Aggregate
    | Rule
    | Milestone
    | Reward
    | CatalogItem
    | Unit
    | Conversion
    | Group
    | StreakPolicy
    | Challenge
    | TierLadder
    | Badge
    | Board
    | RecognitionPolicy
    | Source
    | NominationCategory
    | NotificationPolicy
)

# The sections of a folder and what one definition in each of them is.
SECTIONS: Mapping[str, type[Definition]] = {
    "event_types": EventType,
    "aggregates": Aggregate,
    "rules": Rule,
    "milestones": Milestone,
    "rewards": Reward,
    "catalog": CatalogItem,
    "units": Unit,
    "conversions": Conversion,
    "groups": Group,
    "streaks": StreakPolicy,
    "challenges": Challenge,
    "tiers": TierLadder,
    "badges": Badge,
    "boards": Board,
    "recognition": RecognitionPolicy,
    "sources": Source,
    "nominations": NominationCategory,
    "notifications": NotificationPolicy,
}


@dataclass(frozen=True, slots=True)
class Definitions:
    """Every definition of a program by section and key."""

    event_types: Mapping[str, EventType] = field(default_factory=dict)
    aggregates: Mapping[str, Aggregate] = field(default_factory=dict)
    rules: Mapping[str, Rule] = field(default_factory=dict)
    milestones: Mapping[str, Milestone] = field(default_factory=dict)
    rewards: Mapping[str, Reward] = field(default_factory=dict)
    catalog: Mapping[str, CatalogItem] = field(default_factory=dict)
    units: Mapping[str, Unit] = field(default_factory=dict)
    conversions: Mapping[str, Conversion] = field(default_factory=dict)
    groups: Mapping[str, Group] = field(default_factory=dict)
    streaks: Mapping[str, StreakPolicy] = field(default_factory=dict)
    challenges: Mapping[str, Challenge] = field(default_factory=dict)
    tiers: Mapping[str, TierLadder] = field(default_factory=dict)
    badges: Mapping[str, Badge] = field(default_factory=dict)
    boards: Mapping[str, Board] = field(default_factory=dict)
    recognition: Mapping[str, RecognitionPolicy] = field(default_factory=dict)
    sources: Mapping[str, Source] = field(default_factory=dict)
    nominations: Mapping[str, NominationCategory] = field(default_factory=dict)
    notifications: Mapping[str, NotificationPolicy] = field(default_factory=dict)

    def section(self, name: str) -> Mapping[str, Definition]:
        found: Mapping[str, Definition] = getattr(self, name)
        return found

    def __len__(self) -> int:
        return sum(len(self.section(name)) for name in SECTIONS)


@dataclass(frozen=True, slots=True)
class Change:
    """One definition that an application adds (no `before`), removes (no `after`) or changes.

    `fields` has what differs as (path, before, after), for example ("award.expression", "50", "60"), except where a
    default stands against nothing.
    """

    section: str
    key: str
    kind: str  # added, removed, changed
    fields: tuple[tuple[str, Any, Any], ...]


def change_as_json(change: Change) -> dict[str, Any]:
    """The change as people and scripts are told it."""
    told = [{"field": name, "before": before, "after": after} for name, before, after in change.fields]
    return {"section": change.section, "key": change.key, "kind": change.kind, "fields": told}


# -- Reading and writing -------------------------------------------------------------------------------------------


def read_definitions(data: Mapping[str, Any], faults: list[Fault]) -> Definitions:
    """Definitions in files: sections of keys; whatever does not fit goes to `faults` and is left out."""
    faults.extend(Fault((name,), _unknown_section(name)) for name in data if name not in SECTIONS)
    return Definitions(**{name: _read_section(name, data.get(name) or {}, faults, _ours(name)) for name in SECTIONS})


def read_body(body: Mapping[str, Any]) -> Definitions:
    """Definitions in a snapshot's body; raises ValueError for a body that this code cannot read.

    A section that came after the snapshot was made is empty in it.
    """
    faults: list[Fault] = []
    found = Definitions(**{name: _read_section(name, body.get(name, {}), faults, {}) for name in SECTIONS})
    if faults:
        raise ValueError(f"snapshot cannot be read: {'.'.join(map(str, faults[0].path))}: {faults[0].message}")
    return found


def write_body(definitions: Definitions) -> dict[str, Any]:
    """The body of a snapshot, which `read_body` turns back into equal definitions."""
    return {
        name: {key: write(found, leave_out=(key_field(name),)) for key, found in definitions.section(name).items()}
        for name in SECTIONS
    }


def digest(definitions: Definitions) -> bytes:
    """SHA-256 of the definitions without their versions: equal for equal configurations."""
    plain = {name: {key: _content(name, d) for key, d in definitions.section(name).items()} for name in SECTIONS}
    return hashlib.sha256(orjson.dumps(plain, option=orjson.OPT_SORT_KEYS)).digest()


def fingerprint(section: str, definition: Definition) -> str:
    """SHA-256 of what one definition says, key and version apart, as hexadecimal digits."""
    return hashlib.sha256(orjson.dumps(_content(section, definition), option=orjson.OPT_SORT_KEYS)).hexdigest()


def key_field(section: str) -> str:
    """The field that a definition's key fills."""
    return "name" if section == "aggregates" else "key"


def _read_section(name: str, data: Any, faults: list[Fault], given: Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(data, Mapping):
        faults.append(Fault((name,), "must be a mapping of keys to definitions"))
        return {}
    known = {field.name for field in fields(SECTIONS[name])}
    filled = {field: value for field, value in given.items() if field in known}
    found = {
        key: read(SECTIONS[name], inner, (name, key), faults, **{key_field(name): key}, **filled)
        for key, inner in sorted(data.items())
    }
    return {key: definition for key, definition in found.items() if definition is not None}


def _ours(section: str) -> dict[str, Any]:
    """What no file says of a definition: its version, and what commands did to it."""
    done = (field for field in fields(SECTIONS[section]) if "ours" in field.metadata)
    return {"version": 0} | {field.name: field.default for field in done}


def _unknown_section(name: str) -> str:
    return f"unknown section {name}: known are {', '.join(SECTIONS)}"


# -- From one snapshot to the next ---------------------------------------------------------------------------------


def definitions_of(configuration: Configuration) -> Definitions:
    """The definitions that a configuration was built of."""
    return Definitions(
        event_types={key: one for key, one in configuration.event_types.items() if key not in DERIVED_TYPES},
        aggregates=configuration.aggregates,
        rules={r.key: r for rules in configuration.rules.values() for r in rules if r.key not in DERIVED_RULES},
        milestones={milestone.key: milestone for milestone in configuration.milestones},
        rewards=configuration.rewards,
        catalog=configuration.catalog,
        units=configuration.units,
        conversions=configuration.conversions,
        groups=configuration.groups,
        streaks=configuration.streaks,
        challenges=configuration.challenges,
        tiers=configuration.tiers,
        badges=configuration.badges,
        boards=configuration.boards,
        recognition=configuration.recognition,
        sources=configuration.sources,
        nominations=configuration.nominations,
        notifications=configuration.notifications,
    )


def snapshot(program_id: str, number: int, definitions: Definitions, time_zone: str = "UTC") -> Configuration:
    """The configuration of these definitions, indexed as deciding needs it."""
    rules: dict[str, tuple[Rule, ...]] = {}
    for _, rule in sorted({**definitions.rules, **DERIVED_RULES}.items()):
        rules[rule.event_type] = (*rules.get(rule.event_type, ()), rule)
    return Configuration(
        program_id=program_id,
        number=number,
        time_zone=time_zone,
        event_types={**definitions.event_types, **DERIVED_TYPES},
        rules=rules,
        aggregates=definitions.aggregates,
        milestones=tuple(milestone for _, milestone in sorted(definitions.milestones.items())),
        rewards=definitions.rewards,
        catalog=definitions.catalog,
        units=definitions.units,
        conversions=definitions.conversions,
        groups=definitions.groups,
        streaks=definitions.streaks,
        challenges=definitions.challenges,
        tiers=definitions.tiers,
        badges=definitions.badges,
        boards=definitions.boards,
        recognition=definitions.recognition,
        sources=definitions.sources,
        nominations=definitions.nominations,
        notifications=definitions.notifications,
    )


class KeyTaken(Exception):
    """Another challenge has, or had, this key: what was counted under it is that one's."""


def keep_commanded(before: Definitions, wanted: Definitions) -> Definitions:
    """`wanted` with the challenges that people made by commands, and with what was done to the others.

    Those that are not wanted any more stay as dropped. Raises KeyTaken for a wanted one whose key another has, or had.
    """
    made = {key: one for key, one in before.challenges.items() if one.origin != "file"}
    said = {key: one for key, one in wanted.challenges.items() if one.origin == "file"}
    if taken := sorted(made.keys() & said.keys()):
        raise KeyTaken(f"the challenge {taken[0]} was made by a command: give the file's another key")
    known = {key: one for key, one in before.challenges.items() if one.origin == "file"}
    if back := sorted(key for key in known.keys() & said.keys() if known[key].dropped and not said[key].dropped):
        raise KeyTaken(f"there was a challenge {back[0]}, which was taken out: give this one another key")
    left = {key: replace(one, dropped=True) for key, one in known.items() if key not in said}
    done = {key: _done_to(before.challenges.get(key), one) for key, one in said.items()}
    return replace(wanted, challenges=dict(sorted({**made, **left, **done}.items())))


def _done_to(before: Challenge | None, said: Challenge) -> Challenge:
    known = (field.name for field in fields(Challenge) if "ours" in field.metadata)
    return replace(said, **{name: getattr(before, name) for name in known}) if before else said


def number_versions(before: Definitions, after: Definitions, number: int) -> Definitions:
    """`after` with the version of each definition: as before where nothing changed, else `number`."""

    def versioned(section: str) -> Any:
        earlier = before.section(section)
        return {key: _versioned(section, earlier.get(key), d, number) for key, d in after.section(section).items()}

    return Definitions(**{name: versioned(name) for name in SECTIONS})


def changes(before: Definitions, after: Definitions) -> list[Change]:
    """What differs, by section and key; versions do not count."""
    return [
        change
        for name in SECTIONS
        for key in sorted(before.section(name).keys() | after.section(name).keys())
        if (change := _change(name, key, before.section(name).get(key), after.section(name).get(key)))
    ]


def _versioned(section: str, before: Definition | None, after: Definition, number: int) -> Definition:
    if isinstance(after, Aggregate):
        return after
    same = before is not None and _content(section, before) == _content(section, after)
    return replace(after, version=before.version if same and not isinstance(before, Aggregate | None) else number)


def _change(section: str, key: str, before: Definition | None, after: Definition | None) -> Change | None:
    old, new = _leaves(section, before), _leaves(section, after)
    told = {**_leaves(section, before, defaults=False), **_leaves(section, after, defaults=False)}
    differing = tuple((name, old.get(name), new.get(name)) for name in told if old.get(name) != new.get(name))
    kind = "added" if before is None else "removed" if after is None else "changed"
    return Change(section, key, kind, differing) if differing or kind != "changed" else None


def _leaves(section: str, definition: Definition | None, *, defaults: bool = True) -> dict[str, Any]:
    return {} if definition is None else _flat(_content(section, definition, defaults=defaults))


def _flat(value: Any, path: str = "") -> dict[str, Any]:
    """Leaves by dotted path; an empty mapping or list has none."""
    if not isinstance(value, dict | list):
        return {path: value}
    parts = value.items() if isinstance(value, dict) else enumerate(value)
    return {leaf: v for name, part in parts for leaf, v in _flat(part, f"{path}.{name}" if path else str(name)).items()}


def _content(section: str, definition: Definition, *, defaults: bool = True) -> dict[str, Any]:
    content: dict[str, Any] = write(definition, leave_out=(key_field(section), "version"), defaults=defaults)
    return content
