"""The schema of recognitions: what members thank each other with, and what a sign of thanks was told last.

The conventions are those of `storage.tables`, whose metadata these tables belong to.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Index,
    PrimaryKeyConstraint,
    Table,
    Text,
    text,
)

from storage.tables import Id, Instant, metadata

# One row for each receiver. A withdrawn one stays withdrawn: what is there again is another row under the same key.
recognitions = Table(
    "recognitions",
    metadata,
    Column("id", Id, nullable=False),
    Column("program_id", Id, nullable=False),
    # The caller's name for the thanks, the same for all its receivers.
    Column("key", Text(collation="C"), nullable=False),
    Column("giver_id", Id, nullable=False),
    Column("receiver_id", Id, nullable=False),
    Column("unit", Text(collation="C"), nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("value", Text),
    # A person's words; null where there were none, and when they were erased.
    Column("reason", Text),
    Column("public", Boolean, nullable=False),
    Column("state", Text, nullable=False),
    # What the giver spent, and what the receiver was told to have received.
    Column("transaction_id", Id, nullable=False),
    Column("event_id", Id, nullable=False),
    Column("given_at", Instant, nullable=False),
    Column("withdrawn_at", Instant),
    PrimaryKeyConstraint("id"),
    ForeignKeyConstraint(["program_id", "giver_id"], ["members.program_id", "members.id"]),
    ForeignKeyConstraint(["program_id", "receiver_id"], ["members.program_id", "members.id"]),
    ForeignKeyConstraint(["program_id", "transaction_id"], ["transactions.program_id", "transactions.id"]),
    ForeignKeyConstraint(["program_id", "event_id"], ["events.program_id", "events.id"]),
    CheckConstraint("state IN ('given', 'withdrawn')", name="state"),
    CheckConstraint("(state = 'withdrawn') = (withdrawn_at IS NOT NULL)", name="withdrawn_at"),
    CheckConstraint("amount > 0", name="amount"),
    CheckConstraint("giver_id <> receiver_id", name="of_another"),
    Index(None, "program_id", "key"),
    # A key gives to a receiver once, however often it is told.
    Index(
        "uq_recognitions_given",
        "program_id",
        "key",
        "receiver_id",
        unique=True,
        postgresql_where=text("state = 'given'"),
    ),
    Index(None, "program_id", "giver_id", "id"),
    Index(None, "program_id", "giver_id", "receiver_id", "given_at"),
    Index(None, "program_id", "receiver_id", "id"),
    Index("ix_recognitions_feed", "program_id", "id", postgresql_where=text("public AND state = 'given'")),
)

# Of signs that come and go, such as a reaction: what the newest word says, also of what was never given.
recognition_presences = Table(
    "recognition_presences",
    metadata,
    Column("program_id", Id, nullable=False),
    Column("key", Text(collation="C"), nullable=False),
    Column("is_present", Boolean, nullable=False),
    Column("told_at", Instant, nullable=False),
    PrimaryKeyConstraint("program_id", "key"),
    ForeignKeyConstraint(["program_id"], ["programs.program_id"]),
)
