"""The schema of Slack: workspaces and their people, envelopes that came, conversations and what is said in them.

The conventions are those of `storage.tables`, whose metadata these tables belong to.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from storage.tables import Id, Instant, metadata

# A workspace belongs to one program. Its bot's token is its connection's secret.
slack_workspaces = Table(
    "slack_workspaces",
    metadata,
    Column("team_id", Text, nullable=False),
    Column("program_id", Id, nullable=False),
    Column("connection_id", Id, nullable=False),
    Column("enterprise_id", Text),
    Column("app_id", Text, nullable=False),
    Column("bot_user_id", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("scopes", JSONB, nullable=False),
    Column("state", Text, nullable=False),
    Column("installed_at", Instant, nullable=False),
    Column("removed_at", Instant),
    PrimaryKeyConstraint("team_id"),
    UniqueConstraint("connection_id"),
    ForeignKeyConstraint(["program_id", "connection_id"], ["connections.program_id", "connections.id"]),
    CheckConstraint("state IN ('installed', 'removed')", name="state"),
    CheckConstraint("(state = 'removed') = (removed_at IS NOT NULL)", name="removed"),
    Index(None, "program_id"),
)

# Links by which a workspace is connected to a program, once, and who made them.
slack_install_links = Table(
    "slack_install_links",
    metadata,
    Column("digest", LargeBinary, nullable=False),
    Column("program_id", Id, nullable=False),
    Column("actor", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("used_at", Instant),
    PrimaryKeyConstraint("digest"),
    ForeignKeyConstraint(["program_id"], ["programs.program_id"]),
)

# What Slack says of a person, as of `updated_at` by its clock, and which member that is: none while nobody is known by
# that identity or e-mail.
slack_users = Table(
    "slack_users",
    metadata,
    Column("program_id", Id, nullable=False),
    Column("connection_id", Id, nullable=False),
    Column("user_id", Text(collation="C"), nullable=False),
    Column("member_id", Id),
    Column("kind", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("locale", Text),
    Column("time_zone", Text),
    Column("deleted", Boolean, nullable=False, server_default="false"),
    Column("updated_at", Instant, nullable=False),
    Column("seen_at", Instant, nullable=False),
    PrimaryKeyConstraint("connection_id", "user_id"),
    ForeignKeyConstraint(["program_id", "connection_id"], ["connections.program_id", "connections.id"]),
    ForeignKeyConstraint(["program_id", "member_id"], ["members.program_id", "members.id"]),
    CheckConstraint("kind IN ('person', 'guest', 'external', 'bot')", name="kind"),
    Index(None, "program_id", "member_id"),
)

# Requests of Slack as they came, each once by its key. `answer` is what a redelivery of one that is answered at once
# is told again.
slack_envelopes = Table(
    "slack_envelopes",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("program_id", Id, nullable=False),
    Column("connection_id", Id, nullable=False),
    Column("key", Text(collation="C"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("body", JSONB, nullable=False),
    Column("state", Text, nullable=False),
    Column("answer", JSONB),
    Column("recorded_at", Instant, nullable=False),
    Column("handled_at", Instant),
    UniqueConstraint("connection_id", "key"),
    ForeignKeyConstraint(["program_id", "connection_id"], ["connections.program_id", "connections.id"]),
    CheckConstraint("kind IN ('event', 'command', 'shortcut', 'action', 'view')", name="kind"),
    CheckConstraint("state IN ('open', 'handled')", name="state"),
    CheckConstraint("(state = 'handled') = (handled_at IS NOT NULL)", name="handled"),
    Index("ix_slack_envelopes_handled", "handled_at", postgresql_where=text("state = 'handled'")),
    Index("ix_slack_envelopes_open", "recorded_at", postgresql_where=text("state = 'open'")),
)

# Where something is said: a channel, a person (direct messages), a person's Home (home:U…), or the response URLs that a
# person's requests came with (respond:U…). While it is `delivering`, one activity, that of this `turn`, takes its open
# messages one after the other.
slack_conversations = Table(
    "slack_conversations",
    metadata,
    Column("id", Id, nullable=False),
    Column("program_id", Id, nullable=False),
    Column("connection_id", Id, nullable=False),
    Column("target", Text(collation="C"), nullable=False),
    Column("delivering", Boolean, nullable=False, server_default="false"),
    Column("turn", Integer, nullable=False, server_default="0"),
    Column("turned_at", Instant),
    PrimaryKeyConstraint("id"),
    UniqueConstraint("program_id", "id"),
    UniqueConstraint("connection_id", "target"),
    ForeignKeyConstraint(["program_id", "connection_id"], ["connections.program_id", "connections.id"]),
    Index("ix_slack_conversations_delivering", "id", postgresql_where=text("delivering")),
)

# What is said, each once by its key, in the order of its ids within a conversation; the content is forgotten later.
# `sending`: asked of Slack, and the answer is not known yet.
slack_messages = Table(
    "slack_messages",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("program_id", Id, nullable=False),
    Column("conversation_id", Id, nullable=False),
    Column("key", Text(collation="C"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("content", JSONB, nullable=False),
    Column("user_id", Text),
    Column("edits", Text(collation="C")),
    Column("state", Text, nullable=False),
    Column("channel", Text),
    Column("ts", Text),
    Column("error", Text),
    Column("created_at", Instant, nullable=False),
    Column("ended_at", Instant),
    UniqueConstraint("program_id", "key"),
    ForeignKeyConstraint(
        ["program_id", "conversation_id"], ["slack_conversations.program_id", "slack_conversations.id"]
    ),
    CheckConstraint("kind IN ('post', 'ephemeral', 'edit', 'home', 'respond')", name="kind"),
    CheckConstraint("state IN ('open', 'sending', 'sent', 'superseded', 'unknown', 'failed')", name="state"),
    CheckConstraint("(kind = 'edit') = (edits IS NOT NULL)", name="edits"),
    CheckConstraint("kind <> 'ephemeral' OR user_id IS NOT NULL", name="user"),
    CheckConstraint("(state IN ('open', 'sending')) = (ended_at IS NULL)", name="ended"),
    Index("ix_slack_messages_open", "conversation_id", "id", postgresql_where=text("state IN ('open', 'sending')")),
    Index("ix_slack_messages_ended", "ended_at", postgresql_where=text("content <> '{}'")),
    Index("ix_slack_messages_edits", "conversation_id", "edits", postgresql_where=text("edits IS NOT NULL")),
)
