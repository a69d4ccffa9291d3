"""Erasures are recorded, and are the owner's alone."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0008"
down_revision: str | None = "0007"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "erasures",
        sa.Column("program_id", sa.Text(collation="C"), nullable=False),
        sa.Column("subject_id", sa.Text(collation="C"), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["program_id"], ["programs.program_id"], name=op.f("fk_erasures_program_id")),
        sa.PrimaryKeyConstraint("subject_id", name=op.f("pk_erasures")),
    )
    op.create_index(op.f("ix_erasures_program_id_recorded_at"), "erasures", ["program_id", "recorded_at"])
    op.execute("REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON erasures FROM laurel_app")
    op.execute("REVOKE UPDATE (salt) ON commitments FROM laurel_app")


def downgrade() -> None:
    op.execute("GRANT UPDATE (salt) ON commitments TO laurel_app")
    op.drop_table("erasures")
