"""Seals, commitments and checkpoints; refusals that are only counted."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0003"
down_revision: str | None = "0002"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

APPEND_ONLY = ("seals", "commitments", "checkpoints")


def upgrade() -> None:
    op.create_table(
        "refusal_counts",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("program_id", sa.Text(collation="C"), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("counted", sa.BigInteger(), nullable=False),
        sa.Column("from_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("open", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.CheckConstraint("counted > 0", name=op.f("ck_refusal_counts_counted")),
        sa.ForeignKeyConstraint(["program_id"], ["programs.program_id"], name=op.f("fk_refusal_counts_program_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_refusal_counts")),
    )
    op.create_index(
        "uq_refusal_counts_open",
        "refusal_counts",
        ["program_id", "actor"],
        unique=True,
        postgresql_where=sa.text("open"),
    )
    op.create_table(
        "seals",
        sa.Column("program_id", sa.Text(collation="C"), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.Text(collation="C"), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("salt", sa.LargeBinary(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("link", sa.LargeBinary(), nullable=False),
        sa.Column("sealed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("kind IN ('transaction', 'refusal', 'refusal_count')", name=op.f("ck_seals_kind")),
        sa.CheckConstraint("position >= 0", name=op.f("ck_seals_position")),
        sa.ForeignKeyConstraint(["program_id"], ["programs.program_id"], name=op.f("fk_seals_program_id")),
        sa.PrimaryKeyConstraint("program_id", "position", name=op.f("pk_seals")),
        sa.UniqueConstraint("subject_id", name=op.f("uq_seals_subject_id")),
    )
    op.create_table(
        "commitments",
        sa.Column("program_id", sa.Text(collation="C"), nullable=False),
        sa.Column("subject_id", sa.Text(collation="C"), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("salt", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(["program_id"], ["programs.program_id"], name=op.f("fk_commitments_program_id")),
        sa.PrimaryKeyConstraint("subject_id", name=op.f("pk_commitments")),
    )
    op.create_table(
        "checkpoints",
        sa.Column("program_id", sa.Text(collation="C"), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("roots", sa.LargeBinary(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("size > 0", name=op.f("ck_checkpoints_size")),
        sa.ForeignKeyConstraint(["program_id"], ["programs.program_id"], name=op.f("fk_checkpoints_program_id")),
        sa.PrimaryKeyConstraint("program_id", "size", name=op.f("pk_checkpoints")),
    )
    op.create_index(op.f("ix_transactions_program_id_xid_id"), "transactions", ["program_id", "xid", "id"])
    op.create_index(op.f("ix_refusals_program_id_xid_id"), "refusals", ["program_id", "xid", "id"])
    op.create_index(
        op.f("ix_refusals_program_id_actor_recorded_at"), "refusals", ["program_id", "actor", "recorded_at"]
    )
    op.execute(f"REVOKE UPDATE, DELETE, TRUNCATE ON {', '.join(APPEND_ONLY)} FROM laurel_app")
    # Taking a salt away is how a person's texts are forgotten.
    op.execute("GRANT UPDATE (salt) ON commitments TO laurel_app")


def downgrade() -> None:
    op.drop_index(op.f("ix_refusals_program_id_actor_recorded_at"), table_name="refusals")
    op.drop_index(op.f("ix_refusals_program_id_xid_id"), table_name="refusals")
    op.drop_index(op.f("ix_transactions_program_id_xid_id"), table_name="transactions")
    op.drop_table("checkpoints")
    op.drop_table("commitments")
    op.drop_table("seals")
    op.drop_index("uq_refusal_counts_open", table_name="refusal_counts", postgresql_where=sa.text("open"))
    op.drop_table("refusal_counts")
