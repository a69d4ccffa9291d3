from datetime import UTC, datetime

import pytest
from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from storage import sealed_rows, tables
from storage.keyring import Keyring, binding
from tests.programs import make_member, make_program

NOW = datetime(2026, 3, 1, tzinfo=UTC)
OLD, NEW = bytes(32), bytes(range(32))
BEFORE = Keyring({"old": OLD}, "old")
ROTATING = Keyring({"new": NEW, "old": OLD}, "new")
LINKS = next(sealed for sealed in sealed_rows.COLUMNS if sealed.table is tables.orders)


async def _order(session: AsyncSession, program_id: str, member_id: str, order_id: str, link: str | None) -> None:
    sealed = BEFORE.seal(link.encode(), binding(program_id, order_id)) if link else None
    await session.execute(
        insert(tables.orders).values(
            id=order_id, program_id=program_id, member_id=member_id, item="mug", item_name="A mug", value_minor=500,
            currency="USD", price_points=0, recipient_name="Ada", recipient_email="ada@example.com",
            delivery_method="link", state="delivered", delivery_state="delivered", created_at=NOW, updated_at=NOW,
            link=sealed.ciphertext if sealed else None, key_id=sealed.key_id if sealed else None,
        )
    )  # fmt: skip


@pytest.fixture
async def program_id(session: AsyncSession) -> str:
    program_id = await make_program(session)
    member_id = await make_member(session, program_id, "ada")
    for n in range(3):
        await _order(session, program_id, member_id, f"ord_{n}", f"https://example.com/{n}")
    await _order(session, program_id, member_id, "ord_none", None)
    return program_id


async def test_gift_links_are_sealed_again_page_by_page(
    session: AsyncSession, program_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sealed_rows, "PAGE", 2)

    counts = [await sealed_rows.reseal(session, ROTATING, LINKS) for _ in range(3)]

    table = tables.orders
    rows = (
        await session.execute(select(table.c.id, table.c.key_id, table.c.link).where(table.c.link.is_not(None)))
    ).all()
    after = Keyring({"new": NEW}, "new")
    assert counts == [2, 1, 0]
    assert {row.id: after.open(row.key_id, row.link, binding(program_id, row.id)) for row in rows} == {
        f"ord_{n}": f"https://example.com/{n}".encode() for n in range(3)
    }
