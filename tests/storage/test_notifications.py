from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from domain.notifications import Notification
from domain.sentences import alone
from storage import notifications, tables
from tests.programs import NOW, make_member, make_program


class Program:
    """A program with Ada, to whom things are told."""

    def __init__(self, session: AsyncSession, program_id: str, ada: str):
        self.session = session
        self.id = program_id
        self.ada = ada

    async def tell(self, reference: str, **values: Any) -> None:
        told = {"member_id": self.ada, "kind": "reward_offered", "subject": alone("A reward"), **values}
        await notifications.tell(self.session, self.id, body=alone("Choose it"), reference=reference, now=NOW, **told)

    async def unread(self, limit: int = 10, **values: Any) -> list[Notification]:
        asked = {"member_id": self.ada, "unread": True, **values}
        return await notifications.list_page(self.session, self.id, limit=limit, **asked)


@pytest.fixture
async def program(session: AsyncSession) -> Program:
    program_id = await make_program(session)
    return Program(session, program_id, await make_member(session, program_id, "ada"))


async def test_an_occasion_is_told_once_and_sent_once(program: Program) -> None:
    await program.tell("rwd_1")
    await program.tell("rwd_1")
    await program.tell("rwd_1", kind="reward_expires")

    sent = select(func.count()).select_from(tables.outbox).where(tables.outbox.c.lane == "notify")
    assert [told.kind for told in await program.unread()] == ["reward_expires", "reward_offered"]
    assert (await program.session.execute(sent)).scalar_one() == 2


async def test_what_was_told_comes_page_by_page_newest_first(program: Program) -> None:
    for n in range(5):
        await program.tell(f"rwd_{n}")

    first = await program.unread(limit=2)
    rest = await program.unread(before=first[-1].id)

    assert [told.reference for told in (*first, *rest)] == [f"rwd_{n}" for n in reversed(range(5))]


async def test_members_and_administrators_are_told_their_own(program: Program) -> None:
    await program.tell("rwd_1")
    await program.tell("ord_1", member_id=None)

    assert [told.reference for told in await program.unread()] == ["rwd_1"]
    assert [told.reference for told in await program.unread(member_id=None)] == ["ord_1"]


async def test_what_was_read_stays_read_from_the_first_time(program: Program) -> None:
    await program.tell("rwd_1")
    [told] = await program.unread()

    first = await notifications.mark_read(program.session, program.id, [told.id, "ntf_none"], now=NOW)
    second = await notifications.mark_read(program.session, program.id, [told.id], now=NOW + timedelta(days=1))

    assert first == second == [told.id]
    assert await program.unread() == []
    assert [told.read_at for told in await program.unread(unread=False)] == [NOW]


async def test_another_program_sees_and_marks_nothing(program: Program) -> None:
    other = await make_program(program.session)
    await program.tell("rwd_1")
    [told] = await program.unread()

    assert await notifications.list_page(program.session, other, member_id=program.ada, limit=10) == []
    assert await notifications.mark_read(program.session, other, [told.id], now=NOW) == []
    with pytest.raises(LookupError):
        await notifications.get(program.session, other, told.id)
    assert await program.unread() == [told]


@pytest.mark.parametrize("limit", [0, 102])
async def test_a_page_is_bounded(program: Program, limit: int) -> None:
    with pytest.raises(ValueError, match="1 to 101"):
        await program.unread(limit=limit)
