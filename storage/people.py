"""Members as deciding sees them, locked: the attributes in effect at any instant."""

from collections.abc import Collection, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from domain.deciding import Person
from domain.members import ATTRIBUTES, as_attributes, custom_from_json
from domain.time import ALWAYS
from storage.hot_path import Found, Query, run, savepoint
from storage.isolation import MAX_RACES, Overtaken
from storage.sets import texts

Versions = list[tuple[datetime, Person]]

# Beyond this many versions of one member the oldest are not looked at.
MAX_VERSIONS = 100

# The members and those they were merged into.
_THESE = """program_id = %(program_id)s AND id = ANY(ARRAY(
        SELECT unnest(CAST(%(ids)s AS text[])) UNION SELECT merged_into FROM members
        WHERE program_id = %(program_id)s AND id = ANY(CAST(%(ids)s AS text[])) AND merged_into IS NOT NULL))"""
_LOCK = f"""SELECT merged_into, id, version, {", ".join(ATTRIBUTES)} FROM members
    WHERE {_THESE} ORDER BY id FOR NO KEY UPDATE"""
# What the ledger asks of a member: who has left, where a day begins.
_ASKED = ("time_zone", "status")
_FOLLOW = f"""SELECT merged_into, id, version, {", ".join(_ASKED)} FROM members
    WHERE {_THESE} ORDER BY id FOR NO KEY UPDATE"""
_DATED = """SELECT member_id, version, attributes, effective_at FROM member_versions
    WHERE program_id = %(program_id)s AND member_id = ANY(CAST(%(ids)s AS text[]))"""
_VERSIONS = f"{_DATED} ORDER BY member_id, version DESC"
_KNOWN = f"{_DATED} AND recorded_at <= %(known_at)s ORDER BY member_id, version DESC"


async def lock(
    session: AsyncSession, program_id: str, member_ids: Sequence[str]
) -> tuple[dict[str, Versions], dict[str, str]]:
    """Lock the members, and those they were merged into, in id order; and who became whom.

    By member, each version with the instant since which it is in effect. Raises Overtaken if somebody was merged while
    this waited.
    """
    if not member_ids:
        return {}, {}
    found = await run(session, _LOCK, {"program_id": program_id, "ids": texts(member_ids)})
    versions: dict[str, Versions] = {row[1]: [(ALWAYS, _current(*row[1:]))] for row in found}
    changed = [row[1] for row in found if row[2] > 1]
    into = _into(found)
    return (versions | await _dated(session, program_id, changed) if changed else versions), into


async def follow(
    session: AsyncSession, program_id: str, member_ids: Collection[str]
) -> tuple[dict[str, Person], dict[str, str]]:
    """Lock the members, and those they were merged into, in id order: as they are now, and who became whom.

    Of their attributes they have status and time zone. Raises Overtaken if somebody was merged while this
    waited.
    """
    return followed(await run(session, *following(program_id, member_ids))) if member_ids else ({}, {})


async def follow_again(
    session: AsyncSession, program_id: str, member_ids: Collection[str]
) -> tuple[dict[str, Person], dict[str, str]]:
    """`follow`, tried again (bounded) when somebody was merged meanwhile."""
    for _ in range(MAX_RACES):
        with suppress(Overtaken):
            async with savepoint(session):
                return await follow(session, program_id, member_ids)
    raise Overtaken


def following(program_id: str, member_ids: Collection[str]) -> Query:
    """The statement of `follow`, for whoever asks more in the same round trip; `followed` takes its rows."""
    return _FOLLOW, {"program_id": program_id, "ids": texts(list(member_ids))}


def followed(found: Found) -> tuple[dict[str, Person], dict[str, str]]:
    """What `follow` tells, of its statement's rows."""
    everybody = {
        id: Person(id, version, asked[0], dict(zip(_ASKED, asked, strict=True))) for _, id, version, *asked in found
    }
    return everybody, _into(found)


async def known(session: AsyncSession, program_id: str, member_id: str, known_at: datetime) -> Versions:
    """The versions of the member that were recorded by the instant, oldest first; raises LookupError if none were."""
    asked = {"program_id": program_id, "ids": texts([member_id]), "known_at": known_at}
    dated = _gather(await run(session, _KNOWN, asked))
    if member_id not in dated:
        raise LookupError(f"no member {member_id}")
    return dated[member_id]


def _into(found: Found) -> dict[str, str]:
    into = {row[1]: row[0] for row in found if row[0] is not None}
    if not {row[1] for row in found} >= set(into.values()):
        raise Overtaken
    return into


async def _dated(session: AsyncSession, program_id: str, member_ids: Sequence[str]) -> dict[str, Versions]:
    return _gather(await run(session, _VERSIONS, {"program_id": program_id, "ids": texts(member_ids)}))


def _gather(found: Found) -> dict[str, Versions]:
    dated: dict[str, Versions] = {}
    for member_id, version, attributes, effective_at in found:
        of_member = dated.setdefault(member_id, [])
        if len(of_member) < MAX_VERSIONS:
            person = Person(member_id, version, attributes["time_zone"], attributes)
            of_member.insert(0, (effective_at, person))
    return dated


def _current(member_id: str, version: int, *values: Any) -> Person:
    known = dict(zip(ATTRIBUTES, values, strict=True))
    known["custom"] = custom_from_json(known["custom"])
    return Person(member_id, version, known["time_zone"], as_attributes(known))
