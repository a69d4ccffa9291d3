"""Preferences as rows: what was said of a topic that was divided is said of its parts."""

from importlib import import_module

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from domain.preferences import Preferences, Topic
from storage import preferences
from tests.programs import NOW, make_member, make_program

divided = import_module("storage.migrations.versions.0023_topics_of_celebrations")


async def test_who_did_without_celebrations_does_without_each_kind_of_them(session: AsyncSession) -> None:
    program_id = await make_program(session)
    member_id = await make_member(session, program_id, "ada")
    other_id = await make_member(session, program_id, "ben")
    await preferences.put(session, program_id, other_id, Preferences(frozenset({Topic.DIGEST})), now=NOW)
    before = text(
        "INSERT INTO preferences (program_id, member_id, opted_out, updated_at) VALUES (:p, :m, :without, :at)"
    )
    without = '["celebrations", "digest"]'
    await session.execute(before, {"p": program_id, "m": member_id, "without": without, "at": NOW})

    await session.execute(text(divided.APART))
    apart = [await preferences.find(session, program_id, one) for one in (member_id, other_id)]
    await session.execute(text(divided.TOGETHER))
    rows = await session.execute(text("SELECT opted_out FROM preferences ORDER BY member_id"))

    both = frozenset({Topic.BIRTHDAYS, Topic.ANNIVERSARIES, Topic.DIGEST})
    assert [one.opted_out for one in apart] == [both, frozenset({Topic.DIGEST})]
    assert [sorted(row) for row in rows.scalars()] == [["celebrations", "digest"], ["digest"]]
