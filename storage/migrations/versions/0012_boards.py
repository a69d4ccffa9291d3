"""What members earned by day, who has no place on boards, their snapshots, and tiers and badges."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0012"
down_revision: str | None = "0011"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

APPEND_ONLY = ("board_snapshots", "board_places", "tier_changes")


def upgrade() -> None:
    op.create_table(
        "earned_days",
        sa.Column("program_id", sa.Text(collation="C"), nullable=False),
        sa.Column("member_id", sa.Text(collation="C"), nullable=False),
        sa.Column("unit", sa.Text(collation="C"), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["program_id", "member_id"],
            ["members.program_id", "members.id"],
            name=op.f("fk_earned_days_program_id_member_id"),
        ),
        sa.PrimaryKeyConstraint("member_id", "unit", "day", name=op.f("pk_earned_days")),
    )
    op.create_table(
        "board_opt_outs",
        sa.Column("program_id", sa.Text(collation="C"), nullable=False),
        sa.Column("member_id", sa.Text(collation="C"), nullable=False),
        sa.Column("hidden_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["program_id", "member_id"],
            ["members.program_id", "members.id"],
            name=op.f("fk_board_opt_outs_program_id_member_id"),
        ),
        sa.PrimaryKeyConstraint("member_id", name=op.f("pk_board_opt_outs")),
    )
    op.create_table(
        "board_snapshots",
        sa.Column("program_id", sa.Text(collation="C"), nullable=False),
        sa.Column("board", sa.Text(collation="C"), nullable=False),
        sa.Column("per", sa.Text(collation="C"), nullable=False),
        sa.Column("period_on", sa.Date(), nullable=False),
        sa.Column("configuration", sa.Integer(), nullable=False),
        sa.Column("places", sa.Integer(), nullable=False),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("per IN ('week', 'month')", name=op.f("ck_board_snapshots_per")),
        sa.ForeignKeyConstraint(["program_id"], ["programs.program_id"], name=op.f("fk_board_snapshots_program_id")),
        sa.PrimaryKeyConstraint("program_id", "board", "per", "period_on", name=op.f("pk_board_snapshots")),
    )
    op.create_table(
        "board_places",
        sa.Column("program_id", sa.Text(collation="C"), nullable=False),
        sa.Column("board", sa.Text(collation="C"), nullable=False),
        sa.Column("per", sa.Text(collation="C"), nullable=False),
        sa.Column("period_on", sa.Date(), nullable=False),
        sa.Column("cohort", sa.Text(collation="C"), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("member_id", sa.Text(collation="C"), nullable=False),
        sa.Column("points", sa.BigInteger(), nullable=False),
        sa.Column("reached_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("rank > 0 AND points > 0", name=op.f("ck_board_places_counted")),
        sa.ForeignKeyConstraint(
            ["program_id", "board", "per", "period_on"],
            ["board_snapshots.program_id", "board_snapshots.board", "board_snapshots.per", "board_snapshots.period_on"],
            name="fk_board_places_snapshot",
        ),
        sa.ForeignKeyConstraint(
            ["program_id", "member_id"],
            ["members.program_id", "members.id"],
            name=op.f("fk_board_places_program_id_member_id"),
        ),
        sa.PrimaryKeyConstraint(
            "program_id", "board", "per", "period_on", "cohort", "rank", name=op.f("pk_board_places")
        ),
    )
    op.create_table(
        "member_tiers",
        sa.Column("program_id", sa.Text(collation="C"), nullable=False),
        sa.Column("member_id", sa.Text(collation="C"), nullable=False),
        sa.Column("ladder", sa.Text(collation="C"), nullable=False),
        sa.Column("tier", sa.Text(), nullable=True),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["program_id", "member_id"],
            ["members.program_id", "members.id"],
            name=op.f("fk_member_tiers_program_id_member_id"),
        ),
        sa.PrimaryKeyConstraint("member_id", "ladder", name=op.f("pk_member_tiers")),
    )
    op.create_index(
        op.f("ix_member_tiers_program_id_ladder_member_id"), "member_tiers", ["program_id", "ladder", "member_id"]
    )
    op.create_table(
        "tier_changes",
        sa.Column("program_id", sa.Text(collation="C"), nullable=False),
        sa.Column("member_id", sa.Text(collation="C"), nullable=False),
        sa.Column("ladder", sa.Text(collation="C"), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("tier", sa.Text(), nullable=True),
        sa.Column("before", sa.Text(), nullable=True),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("event_id", sa.Text(collation="C"), nullable=True),
        sa.Column("configuration", sa.Integer(), nullable=False),
        sa.Column("silent", sa.Boolean(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("tier IS DISTINCT FROM before", name=op.f("ck_tier_changes_changes")),
        sa.ForeignKeyConstraint(
            ["program_id", "member_id"],
            ["members.program_id", "members.id"],
            name=op.f("fk_tier_changes_program_id_member_id"),
        ),
        sa.PrimaryKeyConstraint("member_id", "ladder", "n", name=op.f("pk_tier_changes")),
    )
    op.create_table(
        "member_badges",
        sa.Column("program_id", sa.Text(collation="C"), nullable=False),
        sa.Column("member_id", sa.Text(collation="C"), nullable=False),
        sa.Column("badge", sa.Text(collation="C"), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("event_id", sa.Text(collation="C"), nullable=True),
        sa.Column("configuration", sa.Integer(), nullable=False),
        sa.Column("earned_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(state = 'withdrawn') = (withdrawn_at IS NOT NULL)", name=op.f("ck_member_badges_withdrawn")
        ),
        sa.CheckConstraint("state IN ('standing', 'withdrawn')", name=op.f("ck_member_badges_state")),
        sa.ForeignKeyConstraint(
            ["program_id", "member_id"],
            ["members.program_id", "members.id"],
            name=op.f("fk_member_badges_program_id_member_id"),
        ),
        sa.PrimaryKeyConstraint("member_id", "badge", "n", name=op.f("pk_member_badges")),
    )
    op.create_index(
        "ix_member_badges_event", "member_badges", ["event_id"], postgresql_where=sa.text("event_id IS NOT NULL")
    )
    op.create_index(
        op.f("ix_member_badges_program_id_badge"),
        "member_badges",
        ["program_id", "badge"],
        postgresql_where=sa.text("state = 'standing'"),
    )
    op.create_index(
        "uq_member_badges_standing",
        "member_badges",
        ["member_id", "badge"],
        unique=True,
        postgresql_where=sa.text("state = 'standing'"),
    )
    op.execute(f"REVOKE UPDATE, DELETE, TRUNCATE ON {', '.join(APPEND_ONLY)} FROM laurel_app")


def downgrade() -> None:
    op.drop_table("member_badges")
    op.drop_table("tier_changes")
    op.drop_table("member_tiers")
    op.drop_table("board_places")
    op.drop_table("board_snapshots")
    op.drop_table("board_opt_outs")
    op.drop_table("earned_days")
