"""The schema of nominations and who decided them.

The conventions are those of `storage.tables`, whose metadata these tables belong to.
"""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from storage.tables import Id, Instant, metadata

nominations = Table(
    "nominations",
    metadata,
    Column("id", Id, nullable=False),
    Column("program_id", Id, nullable=False),
    Column("nominator_id", Id, nullable=False),
    Column("nominee_id", Id, nullable=False),
    # The key of the category in the configuration of that number.
    Column("category", Text(collation="C"), nullable=False),
    Column("configuration", Integer, nullable=False),
    Column("reason", Text, nullable=False),
    Column("evidence", Text),
    Column("proposed_amount", BigInteger, nullable=False),
    # As approvers have left it.
    Column("amount", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    # Which level decides, and since when.
    Column("level", Integer, nullable=False),
    Column("level_since", Instant, nullable=False),
    Column("asked_at", Instant),
    Column("reminded_at", Instant),
    Column("escalated_at", Instant),
    # What the nominee was given by.
    Column("event_id", Id),
    Column("closing", Text),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    PrimaryKeyConstraint("id"),
    UniqueConstraint("program_id", "id"),
    ForeignKeyConstraint(["program_id", "nominator_id"], ["members.program_id", "members.id"]),
    ForeignKeyConstraint(["program_id", "nominee_id"], ["members.program_id", "members.id"]),
    ForeignKeyConstraint(["program_id", "event_id"], ["events.program_id", "events.id"]),
    CheckConstraint("state IN ('pending', 'approved', 'given', 'declined', 'withdrawn', 'expired')", name="state"),
    CheckConstraint("(state IN ('approved', 'given')) = (event_id IS NOT NULL)", name="approved_by_an_event"),
    CheckConstraint("nominator_id <> nominee_id", name="nominates_another"),
    CheckConstraint("amount >= 0 AND proposed_amount >= 0 AND level > 0", name="counted"),
    Index(None, "program_id", "nominator_id", "id"),
    Index(None, "program_id", "nominee_id", "id"),
    Index("ix_nominations_unfinished", "id", postgresql_where=text("state IN ('pending', 'approved')")),
    Index(
        "uq_nominations_open",
        "program_id",
        "nominator_id",
        "nominee_id",
        "category",
        unique=True,
        postgresql_where=text("state = 'pending'"),
    ),
)

# Who decides on a level: whom it names (`member_id` is `approver_id`), and who stands in for them.
nomination_approvers = Table(
    "nomination_approvers",
    metadata,
    Column("program_id", Id, nullable=False),
    Column("nomination_id", Id, nullable=False),
    Column("level", Integer, nullable=False),
    Column("approver_id", Id, nullable=False),
    Column("member_id", Id, nullable=False),
    Column("because", Text, nullable=False),
    # Null for whom the level names and who cannot be asked.
    Column("asked_at", Instant),
    PrimaryKeyConstraint("nomination_id", "level", "approver_id", "member_id"),
    ForeignKeyConstraint(["program_id", "nomination_id"], ["nominations.program_id", "nominations.id"]),
    ForeignKeyConstraint(["program_id", "approver_id"], ["members.program_id", "members.id"]),
    ForeignKeyConstraint(["program_id", "member_id"], ["members.program_id", "members.id"]),
    CheckConstraint("because IN ('named', 'conflict', 'absence', 'escalation')", name="because"),
    CheckConstraint("(because = 'named') = (approver_id = member_id)", name="named"),
    CheckConstraint("because = 'named' OR asked_at IS NOT NULL", name="asked"),
    Index(None, "program_id", "member_id", "nomination_id"),
)

# The first decision for an approver stands; an administrator's names no approver, and there is one on a level.
nomination_decisions = Table(
    "nomination_decisions",
    metadata,
    Column("program_id", Id, nullable=False),
    Column("nomination_id", Id, nullable=False),
    Column("n", Integer, nullable=False),
    Column("level", Integer, nullable=False),
    Column("approver_id", Id),
    Column("decided_by", Id),
    Column("actor", Text, nullable=False),
    Column("verdict", Text, nullable=False),
    Column("amount", BigInteger),
    Column("comment", Text, nullable=False),
    Column("decided_at", Instant, nullable=False),
    PrimaryKeyConstraint("nomination_id", "n"),
    UniqueConstraint("nomination_id", "level", "approver_id", postgresql_nulls_not_distinct=True),
    ForeignKeyConstraint(["program_id", "nomination_id"], ["nominations.program_id", "nominations.id"]),
    ForeignKeyConstraint(["program_id", "approver_id"], ["members.program_id", "members.id"]),
    ForeignKeyConstraint(["program_id", "decided_by"], ["members.program_id", "members.id"]),
    CheckConstraint("verdict IN ('approved', 'declined')", name="verdict"),
    CheckConstraint("(verdict = 'approved') = (amount IS NOT NULL)", name="approves_an_amount"),
    CheckConstraint("verdict = 'approved' OR comment <> ''", name="declines_with_words"),
    CheckConstraint("(approver_id IS NULL) = (decided_by IS NULL)", name="administrators"),
)
