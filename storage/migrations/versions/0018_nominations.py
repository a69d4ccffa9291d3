"""Nominations and who decided them."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0018"
down_revision: str | None = "0017"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "nominations",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("program_id", sa.Text(collation="C"), nullable=False),
        sa.Column("nominator_id", sa.Text(collation="C"), nullable=False),
        sa.Column("nominee_id", sa.Text(collation="C"), nullable=False),
        sa.Column("category", sa.Text(collation="C"), nullable=False),
        sa.Column("configuration", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=True),
        sa.Column("proposed_amount", sa.BigInteger(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("level_since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reminded_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("escalated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("event_id", sa.Text(collation="C"), nullable=True),
        sa.Column("closing", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "(state IN ('approved', 'given')) = (event_id IS NOT NULL)",
            name=op.f("ck_nominations_approved_by_an_event"),
        ),
        sa.CheckConstraint(
            "state IN ('pending', 'approved', 'given', 'declined', 'withdrawn', 'expired')",
            name=op.f("ck_nominations_state"),
        ),
        sa.CheckConstraint("amount >= 0 AND proposed_amount >= 0 AND level > 0", name=op.f("ck_nominations_counted")),
        sa.CheckConstraint("nominator_id <> nominee_id", name=op.f("ck_nominations_nominates_another")),
        sa.ForeignKeyConstraint(
            ["program_id", "event_id"],
            ["events.program_id", "events.id"],
            name=op.f("fk_nominations_program_id_event_id"),
        ),
        sa.ForeignKeyConstraint(
            ["program_id", "nominator_id"],
            ["members.program_id", "members.id"],
            name=op.f("fk_nominations_program_id_nominator_id"),
        ),
        sa.ForeignKeyConstraint(
            ["program_id", "nominee_id"],
            ["members.program_id", "members.id"],
            name=op.f("fk_nominations_program_id_nominee_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_nominations")),
        sa.UniqueConstraint("program_id", "id", name=op.f("uq_nominations_program_id_id")),
    )
    op.create_index(
        op.f("ix_nominations_program_id_nominator_id_id"),
        "nominations",
        ["program_id", "nominator_id", "id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_nominations_program_id_nominee_id_id"), "nominations", ["program_id", "nominee_id", "id"], unique=False
    )
    op.create_index(
        "ix_nominations_unfinished",
        "nominations",
        ["id"],
        unique=False,
        postgresql_where=sa.text("state IN ('pending', 'approved')"),
    )
    op.create_index(
        "uq_nominations_open",
        "nominations",
        ["program_id", "nominator_id", "nominee_id", "category"],
        unique=True,
        postgresql_where=sa.text("state = 'pending'"),
    )
    op.create_table(
        "nomination_approvers",
        sa.Column("program_id", sa.Text(collation="C"), nullable=False),
        sa.Column("nomination_id", sa.Text(collation="C"), nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("approver_id", sa.Text(collation="C"), nullable=False),
        sa.Column("member_id", sa.Text(collation="C"), nullable=False),
        sa.Column("because", sa.Text(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(because = 'named') = (approver_id = member_id)", name=op.f("ck_nomination_approvers_named")
        ),
        sa.CheckConstraint("because = 'named' OR asked_at IS NOT NULL", name=op.f("ck_nomination_approvers_asked")),
        sa.CheckConstraint(
            "because IN ('named', 'conflict', 'absence', 'escalation')", name=op.f("ck_nomination_approvers_because")
        ),
        sa.ForeignKeyConstraint(
            ["program_id", "approver_id"],
            ["members.program_id", "members.id"],
            name=op.f("fk_nomination_approvers_program_id_approver_id"),
        ),
        sa.ForeignKeyConstraint(
            ["program_id", "member_id"],
            ["members.program_id", "members.id"],
            name=op.f("fk_nomination_approvers_program_id_member_id"),
        ),
        sa.ForeignKeyConstraint(
            ["program_id", "nomination_id"],
            ["nominations.program_id", "nominations.id"],
            name=op.f("fk_nomination_approvers_program_id_nomination_id"),
        ),
        sa.PrimaryKeyConstraint(
            "nomination_id", "level", "approver_id", "member_id", name=op.f("pk_nomination_approvers")
        ),
    )
    op.create_index(
        op.f("ix_nomination_approvers_program_id_member_id_nomination_id"),
        "nomination_approvers",
        ["program_id", "member_id", "nomination_id"],
        unique=False,
    )
    op.create_table(
        "nomination_decisions",
        sa.Column("program_id", sa.Text(collation="C"), nullable=False),
        sa.Column("nomination_id", sa.Text(collation="C"), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("approver_id", sa.Text(collation="C"), nullable=True),
        sa.Column("decided_by", sa.Text(collation="C"), nullable=True),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=True),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "(verdict = 'approved') = (amount IS NOT NULL)", name=op.f("ck_nomination_decisions_approves_an_amount")
        ),
        sa.CheckConstraint(
            "verdict = 'approved' OR comment <> ''", name=op.f("ck_nomination_decisions_declines_with_words")
        ),
        sa.CheckConstraint("verdict IN ('approved', 'declined')", name=op.f("ck_nomination_decisions_verdict")),
        sa.CheckConstraint(
            "(approver_id IS NULL) = (decided_by IS NULL)", name=op.f("ck_nomination_decisions_administrators")
        ),
        sa.ForeignKeyConstraint(
            ["program_id", "approver_id"],
            ["members.program_id", "members.id"],
            name=op.f("fk_nomination_decisions_program_id_approver_id"),
        ),
        sa.ForeignKeyConstraint(
            ["program_id", "decided_by"],
            ["members.program_id", "members.id"],
            name=op.f("fk_nomination_decisions_program_id_decided_by"),
        ),
        sa.ForeignKeyConstraint(
            ["program_id", "nomination_id"],
            ["nominations.program_id", "nominations.id"],
            name=op.f("fk_nomination_decisions_program_id_nomination_id"),
        ),
        sa.PrimaryKeyConstraint("nomination_id", "n", name=op.f("pk_nomination_decisions")),
        sa.UniqueConstraint(
            "nomination_id",
            "level",
            "approver_id",
            name=op.f("uq_nomination_decisions_nomination_id_level_approver_id"),
            postgresql_nulls_not_distinct=True,
        ),
    )

    op.execute("REVOKE DELETE, TRUNCATE ON nominations, nomination_approvers FROM laurel_app")
    op.execute("REVOKE UPDATE, DELETE, TRUNCATE ON nomination_decisions FROM laurel_app")


def downgrade() -> None:
    op.drop_table("nomination_decisions")
    op.drop_table("nomination_approvers")
    op.drop_table("nominations")
