"""What is due of boards and tiers, of all programs; settling it again does nothing again."""

from datetime import date, datetime

from sqlalchemy.ext.asyncio import AsyncSession

from domain.settling import Settled, SettleDue, SettleKind
from storage import board_snapshots, configurations, programs, tiers


async def list_due(session: AsyncSession, *, as_of: datetime) -> list[SettleDue]:
    """Boards' periods, the oldest first, then every ladder."""
    due = await board_snapshots.list_due(session, as_of=as_of)
    for program in await programs.list_all(session):
        ladders = (await configurations.read_active(session, program.id)).tiers
        due += [SettleDue(program.id, SettleKind.TIERS, key) for key in sorted(ladders)]
    return due


async def settle(session: AsyncSession, due: SettleDue, *, as_of: datetime) -> Settled:
    """Settle a board's period, or a page of a ladder's members."""
    if due.kind is SettleKind.BOARD:
        first_day = date.fromisoformat(due.first_day)
        return Settled(await board_snapshots.settle(session, due.program_id, due.key, first_day, as_of=as_of))
    configuration = await configurations.get_active(session, due.program_id)
    done = await tiers.settle_page(session, configuration, due.key, as_of=as_of)
    return Settled(done, more=done == tiers.SETTLE_PAGE)
