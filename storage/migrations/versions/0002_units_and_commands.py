"""Units of several kinds, holds in parts, pending value, commands under references, refusals, merges."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from storage.tables import Xid

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

APPEND_ONLY = ("conversions", "commands", "refusals", "merges")

# Check constraints that are new, or that allow more than before: (table, name, condition).
CHECKS = (
    (
        "transactions",
        "kind",
        "kind IN ('earn', 'pend', 'confirm', 'cancel', 'adjust', 'hold', 'settle', 'release', 'refund',"
        " 'expire', 'reverse', 'transfer', 'convert', 'merge')",
    ),
    (
        "lot_moves",
        "kind",
        "kind IN ('hold', 'release', 'refund', 'debt', 'reverse', 'expire', 'adjust', 'transfer',"
        " 'convert', 'merge', 'renew', 'settle', 'return')",
    ),
    ("lot_moves", "direction", "(kind IN ('release', 'refund', 'return')) = (amount < 0) AND amount <> 0"),
    ("accounts", "closed_is_empty", "closed_at IS NULL OR (balance = 0 AND debt = 0)"),
    ("members", "merged_into_another", "merged_into <> id"),
    ("holds", "parts", "settled >= 0 AND released >= 0 AND settled + released <= amount"),
    ("holds", "open_while_left", "(state = 'open') = (settled + released < amount)"),
    ("holds", "released_whole", "state <> 'released' OR settled = 0"),
    ("holds", "order_holds_do_not_expire", "order_id IS NULL OR expires_at IS NULL"),
)
WIDENED = (("transactions", "kind"), ("lot_moves", "kind"), ("lot_moves", "direction"))
BEFORE = (
    ("transactions", "kind", "kind IN ('earn', 'reverse', 'hold', 'settle', 'release', 'refund', 'expire')"),
    ("lot_moves", "kind", "kind IN ('hold', 'release', 'refund', 'debt', 'reverse', 'expire')"),
    ("lot_moves", "direction", "(kind IN ('release', 'refund')) = (amount < 0) AND amount <> 0"),
)


def upgrade() -> None:
    op.create_table(
        "commands",
        sa.Column("program_id", sa.Text(collation="C"), nullable=False),
        sa.Column("reference", sa.Text(collation="C"), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("outcome", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["program_id"], ["programs.program_id"], name=op.f("fk_commands_program_id")),
        sa.PrimaryKeyConstraint("program_id", "reference", name=op.f("pk_commands")),
    )
    op.create_table(
        "conversions",
        sa.Column("program_id", sa.Text(collation="C"), nullable=False),
        sa.Column("transaction_id", sa.Text(collation="C"), nullable=False),
        sa.Column("conversion", sa.Text(), nullable=False),
        sa.Column("from_unit", sa.Text(), nullable=False),
        sa.Column("to_unit", sa.Text(), nullable=False),
        sa.Column("from_amount", sa.BigInteger(), nullable=False),
        sa.Column("to_amount", sa.BigInteger(), nullable=False),
        sa.Column("rate_from", sa.BigInteger(), nullable=False),
        sa.Column("rate_to", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "from_amount > 0 AND to_amount > 0 AND rate_from > 0 AND rate_to > 0", name=op.f("ck_conversions_amounts")
        ),
        sa.CheckConstraint("from_unit <> to_unit", name=op.f("ck_conversions_two_units")),
        sa.ForeignKeyConstraint(
            ["program_id", "transaction_id"],
            ["transactions.program_id", "transactions.id"],
            name=op.f("fk_conversions_program_id_transaction_id"),
        ),
        sa.PrimaryKeyConstraint("transaction_id", name=op.f("pk_conversions")),
    )
    op.create_table(
        "refusals",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("program_id", sa.Text(collation="C"), nullable=False),
        sa.Column("reference", sa.Text(collation="C"), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("detail", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("member_id", sa.Text(collation="C"), nullable=True),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("xid", Xid(), server_default=sa.text("pg_current_xact_id()"), nullable=False),
        sa.ForeignKeyConstraint(["program_id"], ["programs.program_id"], name=op.f("fk_refusals_program_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_refusals")),
        sa.UniqueConstraint("program_id", "id", name=op.f("uq_refusals_program_id_id")),
    )
    op.create_index(op.f("ix_refusals_program_id_recorded_at"), "refusals", ["program_id", "recorded_at"], unique=False)
    op.create_table(
        "adjustments",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("program_id", sa.Text(collation="C"), nullable=False),
        sa.Column("reference", sa.Text(collation="C"), nullable=False),
        sa.Column("member_id", sa.Text(collation="C"), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("proposed_by", sa.Text(), nullable=False),
        sa.Column("decided_by", sa.Text(), nullable=True),
        sa.Column("transaction_id", sa.Text(collation="C"), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(state = 'approved') = (transaction_id IS NOT NULL)", name=op.f("ck_adjustments_approved_is_posted")
        ),
        sa.CheckConstraint("(state = 'proposed') = (decided_by IS NULL)", name=op.f("ck_adjustments_decided")),
        sa.CheckConstraint("state IN ('proposed', 'approved', 'rejected')", name=op.f("ck_adjustments_state")),
        sa.CheckConstraint("amount <> 0", name=op.f("ck_adjustments_amount")),
        sa.CheckConstraint("decided_by <> proposed_by", name=op.f("ck_adjustments_two_people")),
        sa.ForeignKeyConstraint(
            ["program_id", "member_id"],
            ["members.program_id", "members.id"],
            name=op.f("fk_adjustments_program_id_member_id"),
        ),
        sa.ForeignKeyConstraint(
            ["program_id", "transaction_id"],
            ["transactions.program_id", "transactions.id"],
            name=op.f("fk_adjustments_program_id_transaction_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_adjustments")),
        sa.UniqueConstraint("program_id", "id", name=op.f("uq_adjustments_program_id_id")),
        sa.UniqueConstraint("program_id", "reference", name=op.f("uq_adjustments_program_id_reference")),
    )
    op.create_index(
        "ix_adjustments_proposed",
        "adjustments",
        ["program_id", "id"],
        unique=False,
        postgresql_where=sa.text("state = 'proposed'"),
    )
    op.create_table(
        "merges",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("program_id", sa.Text(collation="C"), nullable=False),
        sa.Column("from_member_id", sa.Text(collation="C"), nullable=False),
        sa.Column("to_member_id", sa.Text(collation="C"), nullable=False),
        sa.Column("undoes", sa.Text(collation="C"), nullable=True),
        sa.Column("moved", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("from_member_id <> to_member_id", name=op.f("ck_merges_two_members")),
        sa.ForeignKeyConstraint(
            ["program_id", "from_member_id"],
            ["members.program_id", "members.id"],
            name=op.f("fk_merges_program_id_from_member_id"),
        ),
        sa.ForeignKeyConstraint(
            ["program_id", "to_member_id"],
            ["members.program_id", "members.id"],
            name=op.f("fk_merges_program_id_to_member_id"),
        ),
        sa.ForeignKeyConstraint(
            ["program_id", "undoes"], ["merges.program_id", "merges.id"], name=op.f("fk_merges_program_id_undoes")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_merges")),
        sa.UniqueConstraint("program_id", "id", name=op.f("uq_merges_program_id_id")),
        sa.UniqueConstraint("program_id", "undoes", name=op.f("uq_merges_program_id_undoes")),
    )
    op.create_index(
        op.f("ix_merges_program_id_from_member_id"), "merges", ["program_id", "from_member_id"], unique=False
    )
    op.create_index(op.f("ix_merges_program_id_to_member_id"), "merges", ["program_id", "to_member_id"], unique=False)
    op.create_table(
        "pendings",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("program_id", sa.Text(collation="C"), nullable=False),
        sa.Column("account_id", sa.Text(collation="C"), nullable=False),
        sa.Column("pending_account_id", sa.Text(collation="C"), nullable=False),
        sa.Column("transaction_id", sa.Text(collation="C"), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("available_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("closed_by", sa.Text(collation="C"), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("(state = 'open') = (closed_by IS NULL)", name=op.f("ck_pendings_closed")),
        sa.CheckConstraint("state IN ('open', 'confirmed', 'cancelled')", name=op.f("ck_pendings_state")),
        sa.CheckConstraint("amount > 0", name=op.f("ck_pendings_amount")),
        sa.ForeignKeyConstraint(
            ["program_id", "account_id"],
            ["accounts.program_id", "accounts.id"],
            name=op.f("fk_pendings_program_id_account_id"),
        ),
        sa.ForeignKeyConstraint(
            ["program_id", "pending_account_id"],
            ["accounts.program_id", "accounts.id"],
            name=op.f("fk_pendings_program_id_pending_account_id"),
        ),
        sa.ForeignKeyConstraint(
            ["program_id", "transaction_id"],
            ["transactions.program_id", "transactions.id"],
            name=op.f("fk_pendings_program_id_transaction_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pendings")),
        sa.UniqueConstraint("program_id", "id", name=op.f("uq_pendings_program_id_id")),
    )
    op.create_index(
        "ix_pendings_due",
        "pendings",
        ["available_at"],
        unique=False,
        postgresql_where=sa.text("state = 'open' AND available_at IS NOT NULL"),
    )
    op.create_index(
        "ix_pendings_open", "pendings", ["pending_account_id"], unique=False, postgresql_where=sa.text("state = 'open'")
    )
    op.add_column("accounts", sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("holds", sa.Column("settled", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("holds", sa.Column("released", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("holds", sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        "ix_holds_expiring",
        "holds",
        ["expires_at"],
        unique=False,
        postgresql_where=sa.text("state = 'open' AND expires_at IS NOT NULL"),
    )
    op.add_column("members", sa.Column("merged_into", sa.Text(collation="C"), nullable=True))
    op.create_index(
        "ix_members_merged",
        "members",
        ["program_id", "merged_into"],
        unique=False,
        postgresql_where=sa.text("merged_into IS NOT NULL"),
    )
    op.create_foreign_key(
        op.f("fk_members_program_id_merged_into"),
        "members",
        "members",
        ["program_id", "merged_into"],
        ["program_id", "id"],
    )
    op.add_column("transactions", sa.Column("actor", sa.Text(), nullable=True))
    op.add_column("transactions", sa.Column("reason", sa.Text(), nullable=True))
    op.add_column(
        "transactions", sa.Column("xid", Xid(), server_default=sa.text("pg_current_xact_id()"), nullable=False)
    )
    op.execute(
        """UPDATE holds SET settled = CASE state WHEN 'settled' THEN amount ELSE 0 END,
        released = CASE state WHEN 'released' THEN amount ELSE 0 END"""
    )
    for table, name in WIDENED:
        op.drop_constraint(op.f(f"ck_{table}_{name}"), table, type_="check")
    for table, name, condition in CHECKS:
        op.create_check_constraint(op.f(f"ck_{table}_{name}"), table, condition)
    op.execute(f"REVOKE UPDATE, DELETE, TRUNCATE ON {', '.join(APPEND_ONLY)} FROM laurel_app")


def downgrade() -> None:
    for table, name, _ in CHECKS:
        op.drop_constraint(op.f(f"ck_{table}_{name}"), table, type_="check")
    for table, name, condition in BEFORE:
        op.create_check_constraint(op.f(f"ck_{table}_{name}"), table, condition)
    op.drop_column("transactions", "xid")
    op.drop_column("transactions", "reason")
    op.drop_column("transactions", "actor")
    op.drop_constraint(op.f("fk_members_program_id_merged_into"), "members", type_="foreignkey")
    op.drop_index("ix_members_merged", table_name="members", postgresql_where=sa.text("merged_into IS NOT NULL"))
    op.drop_column("members", "merged_into")
    op.drop_index(
        "ix_holds_expiring", table_name="holds", postgresql_where=sa.text("state = 'open' AND expires_at IS NOT NULL")
    )
    op.drop_column("holds", "expires_at")
    op.drop_column("holds", "released")
    op.drop_column("holds", "settled")
    op.drop_column("accounts", "closed_at")
    op.drop_index("ix_pendings_open", table_name="pendings", postgresql_where=sa.text("state = 'open'"))
    op.drop_index(
        "ix_pendings_due",
        table_name="pendings",
        postgresql_where=sa.text("state = 'open' AND available_at IS NOT NULL"),
    )
    op.drop_table("pendings")
    op.drop_index(op.f("ix_merges_program_id_to_member_id"), table_name="merges")
    op.drop_index(op.f("ix_merges_program_id_from_member_id"), table_name="merges")
    op.drop_table("merges")
    op.drop_index("ix_adjustments_proposed", table_name="adjustments", postgresql_where=sa.text("state = 'proposed'"))
    op.drop_table("adjustments")
    op.drop_index(op.f("ix_refusals_program_id_recorded_at"), table_name="refusals")
    op.drop_table("refusals")
    op.drop_table("conversions")
    op.drop_table("commands")
