from datetime import UTC, datetime

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from domain.programs import ProgramKind
from storage import programs

NOW = datetime(2026, 3, 1, tzinfo=UTC)


async def test_a_program_is_found_as_it_was_made(session: AsyncSession) -> None:
    made = await programs.insert(session, name=" Acme ", kind=ProgramKind.LIVE, time_zone="Europe/Berlin", now=NOW)

    assert made.name == "Acme"
    assert await programs.get(session, made.id) == made
    assert await programs.list_all(session) == [made]


async def test_an_unknown_program_is_not_found(session: AsyncSession) -> None:
    assert await programs.find(session, "prg_none") is None
    with pytest.raises(LookupError, match="prg_none"):
        await programs.get(session, "prg_none")


@pytest.mark.parametrize(
    ("name", "time_zone", "reason"),
    [
        ("  ", "UTC", "1 to 200"),
        ("x" * 201, "UTC", "1 to 200"),
        ("Acme", "Mars/Olympus", "IANA"),
        ("A", "../UTC", "IANA"),
    ],
)
async def test_a_program_needs_a_name_and_a_time_zone(
    session: AsyncSession, name: str, time_zone: str, reason: str
) -> None:
    with pytest.raises(ValueError, match=reason):
        await programs.insert(session, name=name, kind=ProgramKind.LIVE, time_zone=time_zone, now=NOW)
