"""Streak policies: every version that one has had, from the snapshots; each snapshot is read once by a process."""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from domain.configuration import Configuration
from domain.game import StreakPolicy
from domain.shapes import Fault, read
from domain.streak_book import Versions
from storage.hot_path import Found, run

MAX_CACHED = 200  # programs in one process

_SNAPSHOTS = """SELECT number, digest, applied_at, body -> 'streaks' FROM configurations
    WHERE program_id = %(program_id)s AND number BETWEEN %(first)s AND %(number)s ORDER BY number"""


@dataclass(frozen=True, slots=True)
class _History:
    """By key and version, the policies of all snapshots up to one, with the instant at which each was first applied."""

    number: int = 0
    digest: bytes = b""
    versions: Mapping[str, Mapping[int, tuple[datetime, StreakPolicy]]] = field(default_factory=dict)


_NOTHING = _History()
# A snapshot that was rolled back may have left its number to another: the digest tells them apart.
_cache: OrderedDict[str, _History] = OrderedDict()


async def versions_of(session: AsyncSession, configuration: Configuration) -> Mapping[str, Versions]:
    """By key, every version that a policy of this configuration has had, with the instant since which it held."""
    found: dict[str, Versions] = configuration.streak_versions
    if found.keys() != configuration.streaks.keys():
        history = await _history(session, configuration.program_id, configuration.number)
        for key, policy in configuration.streaks.items():
            # A key may have been another streak's before it was removed.
            found[key] = tuple(one for one in history.versions[key].values() if one[1].cadence is policy.cadence)
    return found


async def _history(session: AsyncSession, program_id: str, number: int) -> _History:
    """The history up to the snapshot: what is known of it, and what came since."""
    known = _cache.get(program_id, _NOTHING)
    is_past = known.number > number
    if is_past:
        known = _NOTHING
    asked = {"program_id": program_id, "first": known.number, "number": number}
    found = await run(session, _SNAPSHOTS, asked)
    if known.number and found[0][:2] != (known.number, known.digest):
        known, found = _NOTHING, await run(session, _SNAPSHOTS, asked | {"first": 0})
    history = _continued(known, found)
    if not is_past:
        _keep(program_id, history)
    return history


def _keep(program_id: str, history: _History) -> None:
    _cache[program_id] = history
    _cache.move_to_end(program_id)
    if len(_cache) > MAX_CACHED:
        _cache.popitem(last=False)


def _continued(known: _History, found: Found) -> _History:
    versions = {key: dict(of_key) for key, of_key in known.versions.items()}
    for _, _, applied_at, bodies in found:
        for key, body in (bodies or {}).items():
            of_key = versions.setdefault(key, {})
            if body["version"] not in of_key:
                of_key[body["version"]] = applied_at, _policy(key, body)
    number, digest, *_ = found[-1]
    return _History(number, digest, versions)


def _policy(key: str, body: Any) -> StreakPolicy:
    faults: list[Fault] = []
    policy: StreakPolicy | None = read(StreakPolicy, body, ("streaks", key), faults, key=key)
    if policy is None or faults:
        raise ValueError(f"snapshot cannot be read: streak {key}")
    return policy
