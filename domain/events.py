"""Events: normalised facts (who, what, when, from where) as every door hands them to intake.

An event is identified by the business fact, (source, external_id), never by the notice that brought it.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

import orjson

# Sources of identities that are our own names: the member's id, and the external id that the program gave it.
MEMBER_ID = "laurel.id"
MEMBER_EXTERNAL_ID = "laurel.external_id"

# Of a source or an external id in UTF-8: one entry of PostgreSQL's indexes holds two of them.
MAX_NAME_BYTES = 1_300
MAX_VERSION = 2**63 - 1
# Days before this cannot be told in every time zone, and no employer needs them.
EARLIEST = datetime(1900, 1, 1, tzinfo=UTC)

_UNFIT = re.compile(r"[\x00-\x1f\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Identity:
    """A member's name in another system, for example ("hubspot", "77") or ("email", "ada@example.com")."""

    source: str
    external_id: str


@dataclass(frozen=True, slots=True)
class Event:
    """One fact that a source reports, or the retraction of an earlier one.

    `retracts` names the external_id of an earlier fact of the same source; a retraction has its own external_id and no
    data. `source_version` is the source's modification version (any growing integer): an older one never amends a
    newer. `alternatives` are other names of the same member, tried in order when `member` is unknown; they are no part
    of the fact.
    """

    source: str
    external_id: str
    type: str
    member: Identity
    occurred_at: datetime
    data: Mapping[str, Any]
    source_version: int | None = None
    retracts: str | None = None
    alternatives: tuple[Identity, ...] = ()


def member_named(event: Event, members: Mapping[Identity, str]) -> str | None:
    """The member whom the first known of the event's names belongs to."""
    member = members.get(event.member)
    if member is None and event.alternatives:
        return next((members[name] for name in event.alternatives if name in members), None)
    return member


@dataclass(frozen=True, slots=True)
class SourcePolicy:
    """What a source declares about its facts.

    `amendments` says what the same key with another fingerprint means: "redecide" (compensate and decide again),
    "ignore" (keep the first) or "conflict" (refuse). `fingerprint_fields` are the data fields that make the fact (None:
    all of them). `is_laurel` is true for what Laurel itself has found, which nobody else may tell.
    """

    amendments: str = "conflict"
    fingerprint_fields: tuple[str, ...] | None = None
    is_laurel: bool = False


class Told(NamedTuple):
    """An event as its source tells it: under the policy that the source declares."""

    event: Event
    policy: SourcePolicy


def unfit(event: Event) -> str | None:
    """What is wrong with an event that no event type allows: names, version and time that the book cannot keep."""
    texts = [event.source, event.external_id, event.type, event.retracts or ""]
    for name in (event.member, *event.alternatives):
        texts += (name.source, name.external_id)
    joined = "".join(texts)
    is_long = len(joined) > MAX_NAME_BYTES // 4 and any(len(text.encode()) > MAX_NAME_BYTES for text in texts)
    if _UNFIT.search(joined) or is_long:
        return f"names have at most {MAX_NAME_BYTES} bytes and no control characters"
    if event.source_version is not None and abs(event.source_version) > MAX_VERSION:
        return f"source_version is beyond {MAX_VERSION}"
    if event.occurred_at < EARLIEST:
        return f"occurred_at is before {EARLIEST.year}"
    return "a retraction has no data" if event.retracts is not None and event.data else None


def fingerprint(event: Event, policy: SourcePolicy) -> bytes:
    """SHA-256 over the canonical form of what makes this fact; equal for equal facts in any key order."""
    fields = policy.fingerprint_fields
    data = event.data if fields is None else {name: event.data.get(name) for name in fields}
    fact = [event.type, event.member.source, event.member.external_id, event.occurred_at, event.retracts, data]
    return hashlib.sha256(orjson.dumps(fact, option=orjson.OPT_SORT_KEYS)).digest()
