"""A company's months in the real engine: the same seed gives the same ledger, and the ledger holds."""

from collections import Counter
from datetime import UTC

from sqlalchemy import func, select

from domain.events import Identity
from simulation.company import Company, lives
from simulation.life import company_of, live
from storage import ledger_digests, members, verification
from storage.database import Database
from storage.ledger_digests import LedgerDigest
from storage.tables import crossings, decisions, events, outbox, transactions
from storage.tables import members as member_rows
from tests.programs import make_program


async def lived(db: Database, **made: int) -> tuple[str, Counter[str], LedgerDigest]:
    async with db.begin() as session:
        program_id = await make_program(session)
    company = await company_of(db, program_id, **made)
    outcome = await live(db, program_id, company)
    async with db.begin() as session:
        return program_id, outcome, await ledger_digests.digest(session, program_id)


async def test_the_same_seed_gives_the_same_ledger_and_another_seed_another(db: Database) -> None:
    _, first, ledger = await lived(db, members=12, months=1, seed=3)
    _, second, same = await lived(db, members=12, months=1, seed=3)
    _, _, another = await lived(db, members=12, months=1, seed=4)

    assert ledger == same != another
    assert first == second
    assert ledger.entries > 100


async def test_a_quarter_leaves_a_ledger_that_holds_and_nothing_undone(db: Database) -> None:
    program_id, outcome, _ = await lived(db, members=30, months=3, seed=1)

    async with db.begin() as session:
        checks = await verification.verify(session, program_id)
        open_rows = await session.scalar(
            select(func.count()).where(
                outbox.c.program_id == program_id, outbox.c.state == "open", outbox.c.lane == "intake"
            )
        )
        kinds = set((await session.execute(select(transactions.c.kind).distinct())).scalars())
        decided = set((await session.execute(select(decisions.c.kind).distinct())).scalars())
        states = set((await session.execute(select(events.c.state).distinct())).scalars())
        crossed = await session.scalar(select(func.count()).select_from(crossings))
    assert sum(check.violations for check in checks) == 0
    assert open_rows == 0
    assert {"earn", "reverse", "hold", "settle", "expire"} <= kinds
    assert decided == {"award", "amendment", "retraction"}
    assert {"decided", "retracted"} <= states
    assert crossed
    assert not any("failed" in name or "rejected" in name or "quarantined" in name for name in outcome)


async def test_what_is_recorded_has_the_companys_time(db: Database) -> None:
    program_id, _, _ = await lived(db, members=5, months=1, seed=2)

    async with db.begin() as session:
        whole = select(func.min(decisions.c.recorded_at), func.max(decisions.c.recorded_at))
        first, last = (await session.execute(whole)).one()
        company = Company({})
        ada = await members.find_by_identity(session, program_id, Identity("crm", "m00000"))
        count = await session.scalar(select(func.count()).select_from(member_rows))
    assert company.starts_at < first.astimezone(UTC) < last.astimezone(UTC) <= company.ends_at.replace(month=2, day=5)
    assert ada is not None
    assert count == len({one.member for one in lives(Company({}, members=5, months=1, seed=2))})
