"""Members as deciding sees them, locked: the attributes in effect at any instant."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from domain.deciding import Person
from domain.members import ATTRIBUTES, as_attributes, custom_from_json

Versions = list[tuple[datetime, Person]]

# Beyond this many versions of one member the oldest are not looked at.
MAX_VERSIONS = 100

_ALWAYS = datetime(1, 1, 1, tzinfo=UTC)

_LOCK = text(
    f"""SELECT id, version, {", ".join(ATTRIBUTES)} FROM members
    WHERE program_id = :program_id AND id = ANY(:ids) ORDER BY id FOR NO KEY UPDATE"""
)
_VERSIONS = text(
    """SELECT member_id, version, attributes, effective_at FROM member_versions
    WHERE program_id = :program_id AND member_id = ANY(:ids) ORDER BY member_id, version DESC"""
)


async def lock(session: AsyncSession, program_id: str, member_ids: Sequence[str]) -> dict[str, Versions]:
    """Lock the members in id order; by member, each version with the instant since which it is in effect."""
    if not member_ids:
        return {}
    found = (await session.execute(_LOCK, {"program_id": program_id, "ids": list(member_ids)})).mappings().all()
    versions: dict[str, Versions] = {row["id"]: [(_ALWAYS, _current(row))] for row in found}
    changed = [row["id"] for row in found if row["version"] > 1]
    return versions | await _dated(session, program_id, changed) if changed else versions


async def _dated(session: AsyncSession, program_id: str, member_ids: Sequence[str]) -> dict[str, Versions]:
    dated: dict[str, Versions] = {}
    found = await session.execute(_VERSIONS, {"program_id": program_id, "ids": list(member_ids)})
    for member_id, version, attributes, effective_at in found:
        of_member = dated.setdefault(member_id, [])
        if len(of_member) < MAX_VERSIONS:
            person = Person(member_id, version, attributes["time_zone"], attributes)
            of_member.insert(0, (effective_at, person))
    return dated


def _current(row: Mapping[Any, Any]) -> Person:
    known = {**row, "custom": custom_from_json(row["custom"])}
    return Person(row["id"], row["version"], row["time_zone"], as_attributes(known))
