"""Recognitions, and spending at once."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0017"
down_revision: str | None = "0016"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

TRANSACTIONS = (
    "'earn', 'pend', 'confirm', 'cancel', 'adjust', 'hold', 'settle', 'release', 'refund', 'expire', 'reverse',"
    " 'transfer', 'convert', 'merge'"
)
LOT_MOVES = (
    "'hold', 'release', 'refund', 'debt', 'reverse', 'expire', 'adjust', 'transfer', 'convert', 'merge', 'renew',"
    " 'settle', 'return'"
)
KINDS = (("transactions", TRANSACTIONS), ("lot_moves", LOT_MOVES))


def upgrade() -> None:
    op.create_table(
        "recognitions",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("program_id", sa.Text(collation="C"), nullable=False),
        sa.Column("key", sa.Text(collation="C"), nullable=False),
        sa.Column("giver_id", sa.Text(collation="C"), nullable=False),
        sa.Column("receiver_id", sa.Text(collation="C"), nullable=False),
        sa.Column("unit", sa.Text(collation="C"), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("value", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("public", sa.Boolean(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("transaction_id", sa.Text(collation="C"), nullable=False),
        sa.Column("event_id", sa.Text(collation="C"), nullable=False),
        sa.Column("given_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("state IN ('given', 'withdrawn')", name=op.f("ck_recognitions_state")),
        sa.CheckConstraint(
            "(state = 'withdrawn') = (withdrawn_at IS NOT NULL)", name=op.f("ck_recognitions_withdrawn_at")
        ),
        sa.CheckConstraint("amount > 0", name=op.f("ck_recognitions_amount")),
        sa.CheckConstraint("giver_id <> receiver_id", name=op.f("ck_recognitions_of_another")),
        *(
            sa.ForeignKeyConstraint(
                ["program_id", column],
                [f"{table}.program_id", f"{table}.id"],
                name=op.f(f"fk_recognitions_program_id_{column}"),
            )
            for column, table in (
                ("giver_id", "members"),
                ("receiver_id", "members"),
                ("transaction_id", "transactions"),
                ("event_id", "events"),
            )
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recognitions")),
    )
    for columns in (["key"], ["giver_id", "id"], ["giver_id", "receiver_id", "given_at"], ["receiver_id", "id"]):
        name = op.f(f"ix_recognitions_program_id_{'_'.join(columns)}")
        op.create_index(name, "recognitions", ["program_id", *columns], unique=False)
    op.create_index(
        "uq_recognitions_given",
        "recognitions",
        ["program_id", "key", "receiver_id"],
        unique=True,
        postgresql_where=sa.text("state = 'given'"),
    )
    op.create_index(
        "ix_recognitions_feed",
        "recognitions",
        ["program_id", "id"],
        unique=False,
        postgresql_where=sa.text("public AND state = 'given'"),
    )
    op.create_table(
        "recognition_presences",
        sa.Column("program_id", sa.Text(collation="C"), nullable=False),
        sa.Column("key", sa.Text(collation="C"), nullable=False),
        sa.Column("is_present", sa.Boolean(), nullable=False),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["program_id"], ["programs.program_id"], name=op.f("fk_recognition_presences_program_id")
        ),
        sa.PrimaryKeyConstraint("program_id", "key", name=op.f("pk_recognition_presences")),
    )
    for table, kinds in KINDS:
        _limit(table, f"{kinds}, 'spend'")


def downgrade() -> None:
    for table, kinds in KINDS:
        _limit(table, kinds)
    op.drop_table("recognition_presences")
    op.drop_table("recognitions")


def _limit(table: str, kinds: str) -> None:
    op.drop_constraint(op.f(f"ck_{table}_kind"), table, type_="check")
    op.create_check_constraint(op.f(f"ck_{table}_kind"), table, f"kind IN ({kinds})")
