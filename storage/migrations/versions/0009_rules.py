"""What budgets and challenges count of all members together; proposals of configurations, for a second person."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0009"
down_revision: str | None = "0008"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "program_counters",
        sa.Column("program_id", sa.Text(collation="C"), nullable=False),
        sa.Column("name", sa.Text(collation="C"), nullable=False),
        sa.Column("period", sa.Text(collation="C"), nullable=False),
        sa.Column("period_on", sa.Date(), nullable=False),
        sa.Column("uses", sa.BigInteger(), nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["program_id"], ["programs.program_id"], name=op.f("fk_program_counters_program_id")),
        sa.PrimaryKeyConstraint("program_id", "name", "period", "period_on", name=op.f("pk_program_counters")),
    )
    op.add_column(
        "programs", sa.Column("second_person_publishes", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    )
    op.create_table(
        "configuration_proposals",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("program_id", sa.Text(collation="C"), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("expected", sa.Integer(), nullable=False),
        sa.Column("body", postgresql.JSONB(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("diff", postgresql.JSONB(), nullable=False),
        sa.Column("proposed_by", sa.Text(), nullable=False),
        sa.Column("proposed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_by", sa.Text()),
        sa.Column("decided_at", sa.DateTime(timezone=True)),
        sa.Column("published_as", sa.Integer()),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_configuration_proposals")),
        sa.ForeignKeyConstraint(
            ["program_id"], ["programs.program_id"], name=op.f("fk_configuration_proposals_program_id")
        ),
        sa.CheckConstraint(
            "state IN ('proposed', 'published', 'withdrawn', 'outdated')",
            name=op.f("ck_configuration_proposals_state"),
        ),
        sa.CheckConstraint(
            "(state = 'proposed') = (decided_at IS NULL)", name=op.f("ck_configuration_proposals_decided")
        ),
        sa.CheckConstraint(
            "(state = 'published') = (published_as IS NOT NULL)", name=op.f("ck_configuration_proposals_published")
        ),
        sa.CheckConstraint(
            "state <> 'published' OR decided_by <> proposed_by", name=op.f("ck_configuration_proposals_second_person")
        ),
    )
    op.create_index(op.f("ix_configuration_proposals_program_id_id"), "configuration_proposals", ["program_id", "id"])


def downgrade() -> None:
    op.drop_table("configuration_proposals")
    op.drop_column("programs", "second_person_publishes")
    op.drop_table("program_counters")
