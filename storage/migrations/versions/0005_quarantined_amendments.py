"""Amendments that could not be decided."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0005"
down_revision: str | None = "0004"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "quarantined_amendments",
        sa.Column("program_id", sa.Text(collation="C"), nullable=False),
        sa.Column("event_id", sa.Text(collation="C"), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("source_version", sa.BigInteger(), nullable=True),
        sa.Column("told", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["program_id", "event_id"],
            ["events.program_id", "events.id"],
            name=op.f("fk_quarantined_amendments_program_id_event_id"),
        ),
        sa.PrimaryKeyConstraint("event_id", "fingerprint", name=op.f("pk_quarantined_amendments")),
    )
    op.create_index(
        op.f("ix_quarantined_amendments_program_id_event_id"), "quarantined_amendments", ["program_id", "event_id"]
    )


def downgrade() -> None:
    op.drop_table("quarantined_amendments")
