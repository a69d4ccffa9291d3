"""Programs: the tenants of this deployment."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from domain.programs import Program, ProgramKind, check_name, check_origins, check_time_zone
from storage.ids import new_id
from storage.tables import programs

MAX_LISTED = 1_000  # programs


async def insert(
    session: AsyncSession, *, name: str, kind: ProgramKind, time_zone: str = "UTC", now: datetime
) -> Program:
    """Make a program; raises ValueError if its name or time zone is not one."""
    program = Program(new_id("prg"), check_name(name), kind, check_time_zone(time_zone), now)
    await session.execute(
        programs.insert().values(
            program_id=program.id, name=program.name, kind=kind.value, time_zone=program.time_zone, created_at=now
        )
    )
    return program


async def find(session: AsyncSession, program_id: str) -> Program | None:
    """The program of this id, or None."""
    row = (await session.execute(select(programs).where(programs.c.program_id == program_id))).mappings().first()
    return _program(row) if row else None


async def get(session: AsyncSession, program_id: str) -> Program:
    """The program of this id; raises LookupError if there is none."""
    program = await find(session, program_id)
    if program is None:
        raise LookupError(f"no program {program_id}")
    return program


async def list_all(session: AsyncSession) -> list[Program]:
    """Every program of the deployment, oldest first, at most MAX_LISTED."""
    oldest_first = select(programs).order_by(programs.c.created_at, programs.c.program_id).limit(MAX_LISTED)
    return [_program(row) for row in (await session.execute(oldest_first)).mappings()]


async def set_limits(
    session: AsyncSession, program_id: str, *, daily_minor: int | None, monthly_minor: int | None, currency: str
) -> None:
    """Limit the value of orders per day and month in minor units of the currency; None is no limit."""
    values = {"daily_limit_minor": daily_minor, "monthly_limit_minor": monthly_minor, "limit_currency": currency}
    await session.execute(update(programs).where(programs.c.program_id == program_id).values(values))


async def set_origins(session: AsyncSession, program_id: str, origins: Collection[str]) -> None:
    """Let web pages of just these origins call with member tokens; raises ValueError for what is no origin."""
    values = {"origins": list(check_origins(origins))}
    await session.execute(update(programs).where(programs.c.program_id == program_id).values(values))


async def set_publishing(session: AsyncSession, program_id: str, *, second_person: bool) -> None:
    """Ask for a second person to publish what somebody proposes, or no longer."""
    values = {"second_person_publishes": second_person}
    await session.execute(update(programs).where(programs.c.program_id == program_id).values(values))


def _program(row: Mapping[Any, Any]) -> Program:
    values = {name: value for name, value in row.items() if name not in ("program_id", "kind", "origins")}
    return Program(id=row["program_id"], kind=ProgramKind(row["kind"]), origins=tuple(row["origins"]), **values)
