"""What is known of people from an HRIS, and what was told of their employment."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0013"
down_revision: str | None = "0012"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("members", sa.Column("probation_ends_on", sa.Date(), nullable=True))
    op.create_table(
        "sync_cursors",
        sa.Column("connection_id", sa.Text(collation="C"), nullable=False),
        sa.Column("program_id", sa.Text(collation="C"), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("full_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("synced_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("full_at <= synced_at", name=op.f("ck_sync_cursors_full")),
        sa.ForeignKeyConstraint(
            ["program_id", "connection_id"],
            ["connections.program_id", "connections.id"],
            name=op.f("fk_sync_cursors_program_id_connection_id"),
        ),
        sa.PrimaryKeyConstraint("connection_id", name=op.f("pk_sync_cursors")),
    )
    op.create_table(
        "employment_facts",
        sa.Column("program_id", sa.Text(collation="C"), nullable=False),
        sa.Column("member_id", sa.Text(collation="C"), nullable=False),
        sa.Column("type", sa.Text(collation="C"), nullable=False),
        sa.Column("name", sa.Text(collation="C"), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("data", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("(state = 'standing') = (ended_at IS NULL)", name=op.f("ck_employment_facts_ended")),
        sa.CheckConstraint("state IN ('standing', 'withdrawn', 'closed')", name=op.f("ck_employment_facts_state")),
        sa.ForeignKeyConstraint(
            ["program_id", "member_id"],
            ["members.program_id", "members.id"],
            name=op.f("fk_employment_facts_program_id_member_id"),
        ),
        sa.PrimaryKeyConstraint("member_id", "type", "name", "n", name=op.f("pk_employment_facts")),
    )
    op.create_index(
        "uq_employment_facts_standing",
        "employment_facts",
        ["member_id", "type", "name"],
        unique=True,
        postgresql_where=sa.text("state = 'standing'"),
    )


def downgrade() -> None:
    op.drop_table("employment_facts")
    op.drop_table("sync_cursors")
    op.drop_column("members", "probation_ends_on")
