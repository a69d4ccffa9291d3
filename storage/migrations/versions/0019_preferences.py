"""What members want to be told, and when; what became of notifications; birthdays, and words for celebrations."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0019"
down_revision: str | None = "0018"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("members", sa.Column("birthday", sa.Text()))
    op.create_check_constraint(op.f("ck_members_birthday"), "members", "birthday ~ '^[0-9]{2}-[0-9]{2}$'")
    op.create_table(
        "preferences",
        sa.Column("program_id", sa.Text(collation="C"), nullable=False),
        sa.Column("member_id", sa.Text(collation="C"), nullable=False),
        sa.Column("opted_out", postgresql.JSONB(), nullable=False),
        sa.Column("quiet_from", sa.Time()),
        sa.Column("quiet_until", sa.Time()),
        sa.Column("quiet_days", postgresql.JSONB()),
        sa.Column("daily_limit", sa.Integer()),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("program_id", "member_id", name=op.f("pk_preferences")),
        _of_member("preferences"),
        sa.CheckConstraint("(quiet_from IS NULL) = (quiet_until IS NULL)", name=op.f("ck_preferences_quiet")),
        sa.CheckConstraint("daily_limit >= 0", name=op.f("ck_preferences_daily_limit")),
    )
    op.create_table(
        "dispatches",
        sa.Column("program_id", sa.Text(collation="C"), nullable=False),
        sa.Column("notification_id", sa.Text(collation="C"), nullable=False),
        sa.Column("member_id", sa.Text(collation="C")),
        sa.Column("about", sa.Text(collation="C"), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True)),
        sa.Column("connection_id", sa.Text(collation="C")),
        sa.Column("conversation", sa.Text()),
        sa.Column("told_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("notification_id", name=op.f("pk_dispatches")),
        _of_notification("dispatches"),
        _of_member("dispatches"),
        sa.CheckConstraint("state IN ('waiting', 'gathered', 'told', 'withheld')", name=op.f("ck_dispatches_state")),
        sa.CheckConstraint("(state IN ('waiting', 'gathered')) = (due_at IS NOT NULL)", name=op.f("ck_dispatches_due")),
        sa.CheckConstraint("(state = 'told') = (told_at IS NOT NULL)", name=op.f("ck_dispatches_told")),
    )
    open_, told = sa.text("state IN ('waiting', 'gathered')"), sa.text("state = 'told'")
    op.create_index("ix_dispatches_due", "dispatches", ["due_at"], postgresql_where=open_)
    op.create_index("ix_dispatches_told", "dispatches", ["program_id", "member_id", "told_at"], postgresql_where=told)
    op.create_index("ix_dispatches_about", "dispatches", ["program_id", "about"], postgresql_where=told)
    op.create_table(
        "celebration_words",
        sa.Column("program_id", sa.Text(collation="C"), nullable=False),
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("notification_id", sa.Text(collation="C"), nullable=False),
        sa.Column("member_id", sa.Text(collation="C"), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("written_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_celebration_words")),
        sa.UniqueConstraint(
            "notification_id", "member_id", name=op.f("uq_celebration_words_notification_id_member_id")
        ),
        _of_notification("celebration_words"),
        _of_member("celebration_words"),
    )


def _of_member(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["program_id", "member_id"],
        ["members.program_id", "members.id"],
        name=op.f(f"fk_{table}_program_id_member_id"),
    )


def _of_notification(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["notification_id"], ["notifications.id"], name=op.f(f"fk_{table}_notification_id"))


def downgrade() -> None:
    op.drop_table("celebration_words")
    op.drop_table("dispatches")
    op.drop_table("preferences")
    op.drop_column("members", "birthday")
