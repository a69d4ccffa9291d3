"""Streaks, their marks, and absences."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0010"
down_revision: str | None = "0009"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "streak_marks",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("program_id", sa.Text(collation="C"), nullable=False),
        sa.Column("member_id", sa.Text(collation="C"), nullable=False),
        sa.Column("policy", sa.Text(collation="C"), nullable=False),
        sa.Column("event_id", sa.Text(collation="C"), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("arrived_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("amount > 0", name=op.f("ck_streak_marks_amount")),
        sa.ForeignKeyConstraint(
            ["program_id", "event_id"],
            ["events.program_id", "events.id"],
            name=op.f("fk_streak_marks_program_id_event_id"),
        ),
        sa.ForeignKeyConstraint(
            ["program_id", "member_id"],
            ["members.program_id", "members.id"],
            name=op.f("fk_streak_marks_program_id_member_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_streak_marks")),
    )
    op.create_index(
        op.f("ix_streak_marks_program_id_member_id_policy_occurred_at"),
        "streak_marks",
        ["program_id", "member_id", "policy", "occurred_at"],
        unique=False,
    )
    op.create_index(
        "uq_streak_marks_standing",
        "streak_marks",
        ["event_id", "policy"],
        unique=True,
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_table(
        "streaks",
        sa.Column("program_id", sa.Text(collation="C"), nullable=False),
        sa.Column("member_id", sa.Text(collation="C"), nullable=False),
        sa.Column("policy", sa.Text(collation="C"), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("current", sa.Integer(), nullable=False),
        sa.Column("longest", sa.Integer(), nullable=False),
        sa.Column("started_on", sa.Date(), nullable=True),
        sa.Column("last_qualifying_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_event_id", sa.Text(collation="C"), nullable=True),
        sa.Column("grace_period_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("next_deadline_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("freezes", sa.Integer(), nullable=False),
        sa.Column("tally", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("folded_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("(state = 'broken') = (current = 0)", name=op.f("ck_streaks_broken_has_no_length")),
        sa.CheckConstraint("state IN ('active', 'at_risk', 'protected', 'broken')", name=op.f("ck_streaks_state")),
        sa.CheckConstraint("current >= 0 AND longest >= current AND freezes >= 0", name=op.f("ck_streaks_lengths")),
        sa.ForeignKeyConstraint(
            ["program_id", "member_id"],
            ["members.program_id", "members.id"],
            name=op.f("fk_streaks_program_id_member_id"),
        ),
        sa.PrimaryKeyConstraint("member_id", "policy", name=op.f("pk_streaks")),
    )
    op.create_index(
        "ix_streaks_due",
        "streaks",
        ["program_id", "policy", "next_deadline_at"],
        unique=False,
        postgresql_where=sa.text("next_deadline_at IS NOT NULL"),
    )
    op.create_table(
        "streak_freezes",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("program_id", sa.Text(collation="C"), nullable=False),
        sa.Column("member_id", sa.Text(collation="C"), nullable=False),
        sa.Column("policy", sa.Text(collation="C"), nullable=False),
        sa.Column("granted_on", sa.Date(), nullable=False),
        sa.Column("amount", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("amount > 0", name=op.f("ck_streak_freezes_amount")),
        sa.ForeignKeyConstraint(
            ["program_id", "member_id"],
            ["members.program_id", "members.id"],
            name=op.f("fk_streak_freezes_program_id_member_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_streak_freezes")),
    )
    op.create_index(
        op.f("ix_streak_freezes_program_id_member_id_policy"),
        "streak_freezes",
        ["program_id", "member_id", "policy"],
        unique=False,
    )
    op.create_table(
        "streak_awards",
        sa.Column("program_id", sa.Text(collation="C"), nullable=False),
        sa.Column("member_id", sa.Text(collation="C"), nullable=False),
        sa.Column("policy", sa.Text(collation="C"), nullable=False),
        sa.Column("length", sa.Integer(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("started_on", sa.Date(), nullable=False),
        sa.Column("reached_on", sa.Date(), nullable=False),
        sa.Column("found_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("retracted_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("state IN ('paid', 'retracted')", name=op.f("ck_streak_awards_state")),
        sa.CheckConstraint("length > 0 AND n > 0", name=op.f("ck_streak_awards_counted")),
        sa.ForeignKeyConstraint(
            ["program_id", "member_id"],
            ["members.program_id", "members.id"],
            name=op.f("fk_streak_awards_program_id_member_id"),
        ),
        sa.PrimaryKeyConstraint("member_id", "policy", "length", "n", name=op.f("pk_streak_awards")),
    )
    op.create_table(
        "absences",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("program_id", sa.Text(collation="C"), nullable=False),
        sa.Column("member_id", sa.Text(collation="C"), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("starts_on", sa.Date(), nullable=False),
        sa.Column("ends_on", sa.Date(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("(state = 'standing') = (ended_at IS NULL)", name=op.f("ck_absences_ended")),
        sa.CheckConstraint("kind IN ('pto', 'sick', 'parental', 'holiday', 'other')", name=op.f("ck_absences_kind")),
        sa.CheckConstraint("state IN ('standing', 'replaced', 'withdrawn')", name=op.f("ck_absences_state")),
        sa.CheckConstraint("ends_on >= starts_on", name=op.f("ck_absences_days")),
        sa.ForeignKeyConstraint(
            ["program_id", "member_id"],
            ["members.program_id", "members.id"],
            name=op.f("fk_absences_program_id_member_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_absences")),
        sa.UniqueConstraint("program_id", "id", name=op.f("uq_absences_program_id_id")),
    )
    op.create_index(
        op.f("ix_absences_program_id_member_id_starts_on"),
        "absences",
        ["program_id", "member_id", "starts_on"],
        unique=False,
    )
    op.create_index(
        "uq_absences_standing",
        "absences",
        ["program_id", "source", "external_id"],
        unique=True,
        postgresql_where=sa.text("state = 'standing'"),
    )
    op.create_table(
        "outages",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("program_id", sa.Text(collation="C"), nullable=False),
        sa.Column("connection_id", sa.Text(collation="C"), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("ended_at >= began_at", name=op.f("ck_outages_instants")),
        sa.ForeignKeyConstraint(
            ["program_id", "connection_id"],
            ["connections.program_id", "connections.id"],
            name=op.f("fk_outages_program_id_connection_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outages")),
    )
    op.create_index(op.f("ix_outages_program_id_began_at"), "outages", ["program_id", "began_at"], unique=False)
    op.create_index(
        "uq_outages_open",
        "outages",
        ["connection_id", "source"],
        unique=True,
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_table(
        "grace_windows",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("program_id", sa.Text(collation="C"), nullable=False),
        sa.Column("member_id", sa.Text(collation="C"), nullable=False),
        sa.Column("policy", sa.Text(collation="C"), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("length", sa.Integer(), nullable=False),
        sa.Column("started_on", sa.Date(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("remind_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reminded_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("(state = 'open') = (closed_at IS NULL)", name=op.f("ck_grace_windows_closed")),
        sa.CheckConstraint("length > 0", name=op.f("ck_grace_windows_length")),
        sa.CheckConstraint("state IN ('open', 'kept', 'broken', 'restored')", name=op.f("ck_grace_windows_state")),
        sa.ForeignKeyConstraint(
            ["program_id", "member_id"],
            ["members.program_id", "members.id"],
            name=op.f("fk_grace_windows_program_id_member_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_grace_windows")),
        sa.UniqueConstraint("program_id", "id", name=op.f("uq_grace_windows_program_id_id")),
    )
    op.create_index(
        op.f("ix_grace_windows_member_id_policy_id"), "grace_windows", ["member_id", "policy", "id"], unique=False
    )
    op.create_index(
        "ix_grace_windows_open",
        "grace_windows",
        ["program_id", "id"],
        unique=False,
        postgresql_where=sa.text("state = 'open'"),
    )
    op.create_index(
        "uq_grace_windows_open",
        "grace_windows",
        ["member_id", "policy"],
        unique=True,
        postgresql_where=sa.text("state = 'open'"),
    )
    op.execute("REVOKE DELETE, TRUNCATE ON grace_windows FROM laurel_app")
    op.execute("REVOKE DELETE, TRUNCATE ON streak_marks, streak_freezes, absences, outages FROM laurel_app")


def downgrade() -> None:
    op.drop_table("grace_windows")
    op.drop_table("outages")
    op.drop_table("absences")
    op.drop_table("streak_awards")
    op.drop_table("streak_freezes")
    op.drop_table("streaks")
    op.drop_table("streak_marks")
