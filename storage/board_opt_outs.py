"""Who wants no place on boards: they keep their points and go on earning, and nobody is compared with them."""

from datetime import datetime

from sqlalchemy import delete, exists, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from storage import leaderboards, members, outbox
from storage.game_tables import board_opt_outs


async def set_shown(session: AsyncSession, program_id: str, member_id: str, *, shown: bool, now: datetime) -> None:
    """Let the member have places on boards, or none; the boards follow at once. LookupError for an unknown member."""
    await members.get(session, program_id, member_id)
    if shown:
        mine = board_opt_outs.c.program_id == program_id, board_opt_outs.c.member_id == member_id
        await session.execute(delete(board_opt_outs).where(*mine))
    else:
        row = insert(board_opt_outs).values(program_id=program_id, member_id=member_id, hidden_at=now)
        await session.execute(row.on_conflict_do_nothing())
    await outbox.add(session, [leaderboards.outbox_row(program_id, member_id)], now=now)


async def is_hidden(session: AsyncSession, program_id: str, member_id: str) -> bool:
    """Whether the member wants no place on boards."""
    mine = board_opt_outs.c.program_id == program_id, board_opt_outs.c.member_id == member_id
    return (await session.execute(select(exists().where(*mine)))).scalar_one()
