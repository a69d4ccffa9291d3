"""What the database itself refuses of the ledger's tables, by trying: as the owner, and as the application.

Every constraint of every table is broken, by its name: one that nobody tries to break fails the test. What no
constraint can say, entries that do not balance, verification finds.
"""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import psycopg
import pytest
from psycopg import errors
from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Table
from sqlalchemy.ext.asyncio import AsyncSession

from domain.commands import Accepted, Adjust, Command, Convert, Earn, PlaceHold, Reverse, Settle, Transfer
from storage import commands, merges, verification
from storage.database import Database
from storage.tables import APPEND_ONLY, metadata
from tests.programs import NOW, SAMPLE, make_member, make_program

TABLES = (
    "accounts", "transactions", "transfers", "entries", "lots", "lot_moves", "holds", "pendings", "adjustments",
    "conversions", "commands", "refusals", "refusal_counts", "merges", "seals", "commitments", "checkpoints",
    "erasures",
)  # fmt: skip
BODY = SAMPLE | {
    "units": {"points": {"transfer": {}}, "cash": {"kind": "money", "currency": "USD", "exponent": 2}},
    "conversions": {"change": {"from_unit": "points", "to_unit": "cash", "from_amount": 1, "to_amount": 1}},
}
# What commands do not make.
MORE = """
    INSERT INTO adjustments (id, program_id, reference, member_id, unit, amount, reason, state, proposed_by, created_at)
        SELECT 'adj_' || external_id, program_id, external_id, id, 'points', 5, 'r', 'proposed', 'key_one', now()
        FROM members;
    INSERT INTO refusal_counts (id, program_id, actor, counted, from_at, until_at)
        SELECT 'rfc_one', program_id, 'key_one', 1, now(), now() FROM programs;
    INSERT INTO seals SELECT program_id, 0, 'transaction', 'txn_one', 1, 'salt', 'digest', 'link', now() FROM programs;
    INSERT INTO seals SELECT program_id, 1, 'transaction', 'txn_two', 1, 'salt', 'digest', 'link', now() FROM programs;
    INSERT INTO commitments SELECT program_id, 'txn_one', 'digest', 'salt' FROM programs;
    INSERT INTO checkpoints SELECT program_id, 1, 'roots', 'note', 'key', now() FROM programs;
    INSERT INTO erasures SELECT program_id, 'txn_one', 'somebody', 'asked for', now() FROM programs;
"""
_POINTS = "id LIKE '%.points' AND running"

# By the check that refuses it.
CHECKS = {
    "accounts.debt": f"UPDATE accounts SET balance = 5, debt = -1 WHERE {_POINTS}",
    "accounts.covered": f"UPDATE accounts SET balance = -debt - 1 WHERE {_POINTS}",
    "accounts.summed": "UPDATE accounts SET balance = 1 WHERE NOT running",
    "accounts.closed_is_empty": f"UPDATE accounts SET closed_at = now(), balance = 1 WHERE {_POINTS}",
    "transactions.kind": "UPDATE transactions SET kind = 'gift' WHERE kind = 'earn'",
    "transactions.reversal_names_original": "UPDATE transactions SET kind = 'reverse' WHERE kind = 'earn'",
    "transfers.amount_positive": "UPDATE transfers SET amount = 0",
    "transfers.two_accounts": "UPDATE transfers SET to_account = from_account",
    "entries.amount": "UPDATE entries SET amount = 0",
    "entries.running": "UPDATE entries SET balance = NULL WHERE version IS NOT NULL",
    "lots.granted": "UPDATE lots SET granted = 0, allocated = 0, expired = 0, reversed = 0, remaining = 0",
    "lots.remaining": "UPDATE lots SET remaining = remaining + 1",
    "lots.not_negative": "UPDATE lots SET allocated = allocated - granted - 1, remaining = remaining + granted + 1",
    "lot_moves.kind": "UPDATE lot_moves SET kind = 'gift' WHERE amount > 0",
    "lot_moves.direction": "UPDATE lot_moves SET amount = -1 WHERE kind = 'hold'",
    "holds.amount": "UPDATE holds SET amount = 0, settled = 0, released = 0, state = 'settled', closed_by = 'txn'",
    "holds.state": "UPDATE holds SET state = 'lost', closed_by = transaction_id, settled = amount",
    "holds.closed": "UPDATE holds SET closed_by = transaction_id WHERE state = 'open'",
    "holds.parts": "UPDATE holds SET released = -1, settled = amount WHERE state = 'open'",
    "holds.open_while_left": "UPDATE holds SET settled = amount WHERE state = 'open'",
    "holds.released_whole": "UPDATE holds SET state = 'released' WHERE state = 'settled'",
    "holds.order_holds_do_not_expire": "UPDATE holds SET order_id = 'ord_' || id, expires_at = now()",
    "pendings.amount": "UPDATE pendings SET amount = 0",
    "pendings.state": "UPDATE pendings SET state = 'lost', closed_by = transaction_id",
    "pendings.closed": "UPDATE pendings SET closed_by = transaction_id",
    "adjustments.amount": "UPDATE adjustments SET amount = 0",
    "adjustments.state": "UPDATE adjustments SET state = 'lost', decided_by = 'key_two'",
    "adjustments.decided": "UPDATE adjustments SET decided_by = 'key_two'",
    "adjustments.approved_is_posted": "UPDATE adjustments SET state = 'approved', decided_by = 'key_two'",
    "adjustments.two_people": "UPDATE adjustments SET state = 'rejected', decided_by = proposed_by",
    "conversions.amounts": "UPDATE conversions SET rate_to = 0",
    "conversions.two_units": "UPDATE conversions SET to_unit = from_unit",
    "refusal_counts.counted": "UPDATE refusal_counts SET counted = 0",
    "merges.two_members": "UPDATE merges SET to_member_id = from_member_id",
    "seals.kind": "UPDATE seals SET kind = 'gift'",
    "seals.position": "UPDATE seals SET position = -1 WHERE position = 0",
    "checkpoints.size": "UPDATE checkpoints SET size = 0",
}
# By the unique constraint or index.
UNIQUES = {
    "uq_transactions_program_id_business_key": "UPDATE transactions SET business_key = 'one'",
    "uq_transactions_program_id_reverses_id": """UPDATE transactions SET kind = 'reverse',
        reverses_id = (SELECT reverses_id FROM transactions WHERE kind = 'reverse') WHERE kind = 'hold'""",
    "uq_entries_account_id_version": "UPDATE entries SET version = 1 WHERE version IS NOT NULL",
    "uq_holds_program_id_order_id": "UPDATE holds SET order_id = 'ord_one', expires_at = NULL",
    "uq_adjustments_program_id_reference": "UPDATE adjustments SET reference = 'one'",
    "uq_merges_program_id_undoes": """INSERT INTO merges
        SELECT id || n, program_id, from_member_id, to_member_id, id, moved, actor, reason, recorded_at
        FROM merges, generate_series(1, 2) AS n""",
    "uq_seals_subject_id": "UPDATE seals SET subject_id = 'txn_one'",
    "uq_refusal_counts_open": "INSERT INTO refusal_counts SELECT 'rfc_two', program_id, actor, 1, now(), now(), true"
    " FROM refusal_counts",
}

# By the foreign key, where it takes more than another id.
REFERENCES = {
    "fk_transactions_program_id_reverses_id": "UPDATE transactions SET reverses_id = 'txn_' || id, kind = 'reverse'",
    "fk_transfers_program_id_transaction_id": """INSERT INTO transfers
        SELECT program_id, 'txn_none', n, unit, from_account, to_account, amount FROM transfers LIMIT 1""",
    "fk_adjustments_program_id_transaction_id": """UPDATE adjustments
        SET transaction_id = 'txn_none', state = 'approved', decided_by = 'key_two'""",
}


@pytest.fixture
async def opened(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url)
    yield database
    await database.dispose()


@pytest.fixture
async def program_id(opened: Database, owner_url: str) -> str:
    """A program with rows in every table of the ledger."""
    async with opened.begin() as session:
        program_id = await make_program(session, BODY)
        ada, ben, cyd = [await make_member(session, program_id, name) for name in ("ada", "ben", "cyd")]
        points: dict[str, Any] = {"member_id": ada, "unit": "points"}
        earned = await done(session, program_id, Earn(**_by("e"), **points, amount=100))
        await done(session, program_id, Earn(**_by("p"), **points, amount=10, awaits_approval=True))
        held = [await done(session, program_id, PlaceHold(**_by(f"h{n}"), **points, amount=10)) for n in range(2)]
        await done(session, program_id, Settle(**_by("s"), hold_id=held[0].hold_id or ""))
        await done(session, program_id, Convert(**_by("c"), member_id=ada, conversion="change", amount=5))
        await done(session, program_id, Adjust(**_by("a"), **points, amount=-5))
        gift = Transfer(**_by("t"), from_member_id=ada, to_member_id=ben, unit="points", amount=5)
        await done(session, program_id, gift)
        await done(session, program_id, Reverse(**_by("r"), transaction_id=earned.transaction_id or ""))
        await commands.execute(session, program_id, [Earn(**_by("x"), member_id="mem_no", unit="points", amount=1)],
                               as_of=NOW)  # fmt: skip
        named: dict[str, Any] = {"actor": "key_one", "reason": "the same person"}
        await merges.merge(session, program_id, source=ben, destination=cyd, **named, as_of=NOW)
    with psycopg.connect(_plain(owner_url), autocommit=True) as owner:
        owner.execute(MORE)
    return program_id


@pytest.fixture
def owner(program_id: str, owner_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(_plain(owner_url)) as connection:
        yield connection
        connection.rollback()


@pytest.fixture
def application(program_id: str, database_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(_plain(database_url)) as connection:
        yield connection
        connection.rollback()


async def done(session: AsyncSession, program_id: str, command: Command) -> Accepted:
    [outcome] = await commands.execute(session, program_id, [command], as_of=NOW)
    assert isinstance(outcome, Accepted), outcome
    return outcome


def _by(reference: str) -> dict[str, Any]:
    return {"reference": reference, "actor": "key_one"}


def _plain(url: str) -> str:
    return url.replace("+psycopg", "")


def _tables() -> list[Table]:
    return [metadata.tables[name] for name in TABLES]


def refusing(connection: psycopg.Connection, statement: str) -> str | None:
    """The constraint by which a statement is refused."""
    with pytest.raises(errors.IntegrityError) as caught, connection.transaction():
        connection.execute(statement)
    return caught.value.diag.constraint_name


def test_every_check_refuses_what_it_is_there_for(owner: psycopg.Connection):
    named = {
        str(constraint.name): table.name
        for table in _tables()
        for constraint in table.constraints
        if isinstance(constraint, CheckConstraint)
    }

    found = {name: refusing(owner, statement) for name, statement in CHECKS.items()}

    assert found == {name: f"ck_{name.replace('.', '_', 1)}" for name in CHECKS}
    assert set(found.values()) == set(named)


def test_what_is_unique_is_refused_a_second_time(owner: psycopg.Connection):
    found = {name: refusing(owner, statement) for name, statement in UNIQUES.items()}

    assert found == {name: name for name in UNIQUES}


@pytest.mark.parametrize("table", TABLES)
def test_no_row_is_there_twice(owner: psycopg.Connection, table: str):
    assert refusing(owner, f"INSERT INTO {table} SELECT * FROM {table}") == f"pk_{table}"


def test_nothing_refers_to_what_is_not_there(owner: psycopg.Connection):
    references = {
        str(constraint.name): (table.name, [column for column in constraint.column_keys if column != "n"][-1])
        for table in _tables()
        for constraint in table.constraints
        if isinstance(constraint, ForeignKeyConstraint)
    }

    found = {
        name: refusing(owner, REFERENCES.get(name, f"UPDATE {table} SET {column} = 'xxx_' || ctid::text"))
        for name, (table, column) in references.items()
    }

    assert found == {name: name for name in references}


@pytest.mark.parametrize("table", [name for name in TABLES if name in APPEND_ONLY])
@pytest.mark.parametrize(
    "statement", ["UPDATE {} SET program_id = program_id", "DELETE FROM {}", "TRUNCATE {} CASCADE"]
)
def test_the_application_changes_nothing_that_is_written(application: psycopg.Connection, table: str, statement: str):
    with pytest.raises(errors.InsufficientPrivilege, match=f"permission denied for table {table}"):
        application.execute(statement.format(table))


def test_the_application_breaks_no_check_either(application: psycopg.Connection):
    changeable = {name: one for name, one in CHECKS.items() if name.split(".")[0] not in APPEND_ONLY}

    found = {name: refusing(application, statement) for name, statement in changeable.items()}

    assert found == {name: f"ck_{name.replace('.', '_', 1)}" for name in changeable}


# What no constraint can say, and the first word of the check that finds it. All of it the application may do.
UNSAID = {
    "an entry that nothing balances": (
        """INSERT INTO entries SELECT program_id, transaction_id, n, account_id || '.x', 7, NULL, NULL
        FROM entries LIMIT 1""",
        "I1",
    ),
    "a transfer without entries": (
        """INSERT INTO transfers SELECT program_id, transaction_id, n + 1, unit, from_account, to_account, amount
        FROM transfers LIMIT 1""",
        "I1",
    ),
    "a transaction that moves nothing": (
        """INSERT INTO transactions (id, program_id, kind, business_key, effective_at, recorded_at)
        SELECT 'txn_none', program_id, 'earn', 'none', now(), now() FROM programs""",
        "I1",
    ),
    "a version that is skipped": (
        "INSERT INTO entries SELECT program_id, transaction_id, n, account_id || '.y', -1, 1, 9 FROM entries LIMIT 1",
        "I2",
    ),
    "a balance from nowhere": (f"UPDATE accounts SET balance = balance + 1 WHERE {_POINTS}", "I2"),
    "a lot from nowhere": (
        """INSERT INTO lots SELECT 'lot_none', program_id, account_id, transaction_id, 5, 0, 0, 0, 5, NULL, now()
        FROM lots LIMIT 1""",
        "I4",
    ),
    "a hold of what is not held": (
        """INSERT INTO holds (id, program_id, account_id, held_account_id, transaction_id, amount, state, created_at)
        SELECT 'hld_none', program_id, account_id, held_account_id, transaction_id, 5, 'open', now() FROM holds
        LIMIT 1""",
        "I3",
    ),
}


@pytest.mark.parametrize(("statement", "noticed"), UNSAID.values(), ids=UNSAID)
async def test_verification_finds_what_no_constraint_can_say(
    opened: Database, program_id: str, application: psycopg.Connection, statement: str, noticed: str
):
    application.execute(statement)
    application.commit()

    async with opened.begin() as session:
        checks = await verification.verify(session, program_id)

    assert noticed in {check.name.split()[0] for check in checks if check.violations}
