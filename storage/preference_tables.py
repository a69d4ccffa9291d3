"""The schema of what members want to be told and when, what became of notifications, and words for celebrations.

The conventions are those of `storage.tables`, whose metadata these tables belong to.
"""

from sqlalchemy import (
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
    Time,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from storage.tables import Id, Instant, metadata

# What a member has said themselves; null: as the program declares it.
preferences = Table(
    "preferences",
    metadata,
    Column("program_id", Id, nullable=False),
    Column("member_id", Id, nullable=False),
    Column("opted_out", JSONB, nullable=False),
    Column("quiet_from", Time),
    Column("quiet_until", Time),
    Column("quiet_days", JSONB),
    Column("daily_limit", Integer),
    Column("updated_at", Instant, nullable=False),
    PrimaryKeyConstraint("program_id", "member_id"),
    ForeignKeyConstraint(["program_id", "member_id"], ["members.program_id", "members.id"]),
    CheckConstraint("(quiet_from IS NULL) = (quiet_until IS NULL)", name="quiet"),
    CheckConstraint("daily_limit >= 0", name="daily_limit"),
)

# What became of a notification on its way into a conversation; none: nobody has asked yet, or there is no conversation.
dispatches = Table(
    "dispatches",
    metadata,
    Column("program_id", Id, nullable=False),
    Column("notification_id", Id, nullable=False),
    Column("member_id", Id),  # null: to the program's administrators
    Column("state", Text, nullable=False),
    Column("due_at", Instant),
    Column("connection_id", Id),
    Column("conversation", Text),
    Column("told_at", Instant),
    PrimaryKeyConstraint("notification_id"),
    ForeignKeyConstraint(["notification_id"], ["notifications.id"]),
    ForeignKeyConstraint(["program_id", "member_id"], ["members.program_id", "members.id"]),
    CheckConstraint("state IN ('waiting', 'gathered', 'told', 'withheld')", name="state"),
    CheckConstraint("(state IN ('waiting', 'gathered')) = (due_at IS NOT NULL)", name="due"),
    CheckConstraint("(state = 'told') = (told_at IS NOT NULL)", name="told"),
    Index("ix_dispatches_due", "due_at", postgresql_where=text("state IN ('waiting', 'gathered')")),
    Index("ix_dispatches_told", "program_id", "member_id", "told_at", postgresql_where=text("state = 'told'")),
)

# What colleagues wrote beneath a celebration: one line of each.
celebration_words = Table(
    "celebration_words",
    metadata,
    Column("program_id", Id, nullable=False),
    Column("id", Id, nullable=False),
    Column("notification_id", Id, nullable=False),
    Column("member_id", Id, nullable=False),
    Column("words", Text, nullable=False),
    Column("written_at", Instant, nullable=False),
    PrimaryKeyConstraint("id"),
    UniqueConstraint("notification_id", "member_id"),
    ForeignKeyConstraint(["notification_id"], ["notifications.id"]),
    ForeignKeyConstraint(["program_id", "member_id"], ["members.program_id", "members.id"]),
)
