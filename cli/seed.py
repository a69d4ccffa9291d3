"""The sample company of `laurel up`: a sandbox program, made once per state directory, and its administrator's key."""

import os
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson

from cli.work import now
from domain import api_keys as keys
from domain.programs import ProgramKind
from domain.scopes import Scope
from settings import Settings
from storage import api_keys, programs
from storage.database import Database

NAME = "Sample company"
FILE = "sample-company.json"


@dataclass(frozen=True, slots=True)
class SampleCompany:
    """The sandbox program and its key, which the state directory remembers: the database keeps only a digest."""

    program_id: str
    key: str


async def sample_company(settings: Settings) -> SampleCompany:
    """The sample company of this state directory, made now if the database does not have it."""
    file = settings.laurel_state_dir / FILE
    database = Database(settings.database_url, pool_size=1)
    try:
        known = _remembered(file)
        if known is None or not await _exists(database, known):
            known = await _make(database)
            _remember(file, known)
        return known
    finally:
        await database.dispose()


async def _exists(database: Database, company: SampleCompany) -> bool:
    async with database.begin() as session:
        key = await api_keys.find_by_digest(session, keys.digest(company.key))
        return key is not None and key.valid_at(now())


async def _make(database: Database) -> SampleCompany:
    at = now()
    async with database.begin() as session:
        program = await programs.insert(session, name=NAME, kind=ProgramKind.SANDBOX, now=at)
        _, key = await api_keys.insert(session, program, name="sandbox", scopes={Scope.PROGRAMS_ADMIN}, now=at)
        return SampleCompany(program.id, key)


def _remembered(file: Path) -> SampleCompany | None:
    return SampleCompany(**orjson.loads(file.read_bytes())) if file.exists() else None


def _remember(file: Path, company: SampleCompany) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "wb") as writer:
        writer.write(orjson.dumps(asdict(company)))
