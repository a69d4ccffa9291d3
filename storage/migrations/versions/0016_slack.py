"""Slack: workspaces, envelopes that came, conversations and messages."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0016"
down_revision: str | None = "0015"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "slack_workspaces",
        sa.Column("team_id", sa.Text(), nullable=False),
        sa.Column("program_id", sa.Text(collation="C"), nullable=False),
        sa.Column("connection_id", sa.Text(collation="C"), nullable=False),
        sa.Column("enterprise_id", sa.Text(), nullable=True),
        sa.Column("app_id", sa.Text(), nullable=False),
        sa.Column("bot_user_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("scopes", postgresql.JSONB(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("installed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("(state = 'removed') = (removed_at IS NOT NULL)", name=op.f("ck_slack_workspaces_removed")),
        sa.CheckConstraint("state IN ('installed', 'removed')", name=op.f("ck_slack_workspaces_state")),
        sa.ForeignKeyConstraint(
            ["program_id", "connection_id"],
            ["connections.program_id", "connections.id"],
            name=op.f("fk_slack_workspaces_program_id_connection_id"),
        ),
        sa.PrimaryKeyConstraint("team_id", name=op.f("pk_slack_workspaces")),
        sa.UniqueConstraint("connection_id", name=op.f("uq_slack_workspaces_connection_id")),
    )
    op.create_index(op.f("ix_slack_workspaces_program_id"), "slack_workspaces", ["program_id"], unique=False)
    op.create_table(
        "slack_install_links",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("program_id", sa.Text(collation="C"), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["program_id"], ["programs.program_id"], name=op.f("fk_slack_install_links_program_id")
        ),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_slack_install_links")),
    )
    op.create_table(
        "slack_users",
        sa.Column("program_id", sa.Text(collation="C"), nullable=False),
        sa.Column("connection_id", sa.Text(collation="C"), nullable=False),
        sa.Column("user_id", sa.Text(collation="C"), nullable=False),
        sa.Column("member_id", sa.Text(collation="C"), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("locale", sa.Text(), nullable=True),
        sa.Column("time_zone", sa.Text(), nullable=True),
        sa.Column("deleted", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("kind IN ('person', 'guest', 'external', 'bot')", name=op.f("ck_slack_users_kind")),
        sa.ForeignKeyConstraint(
            ["program_id", "connection_id"],
            ["connections.program_id", "connections.id"],
            name=op.f("fk_slack_users_program_id_connection_id"),
        ),
        sa.ForeignKeyConstraint(
            ["program_id", "member_id"],
            ["members.program_id", "members.id"],
            name=op.f("fk_slack_users_program_id_member_id"),
        ),
        sa.PrimaryKeyConstraint("connection_id", "user_id", name=op.f("pk_slack_users")),
    )
    op.create_index(
        op.f("ix_slack_users_program_id_member_id"), "slack_users", ["program_id", "member_id"], unique=False
    )
    op.create_table(
        "slack_envelopes",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("program_id", sa.Text(collation="C"), nullable=False),
        sa.Column("connection_id", sa.Text(collation="C"), nullable=False),
        sa.Column("key", sa.Text(collation="C"), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("body", postgresql.JSONB(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("answer", postgresql.JSONB(), nullable=True),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("handled_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("(state = 'handled') = (handled_at IS NOT NULL)", name=op.f("ck_slack_envelopes_handled")),
        sa.CheckConstraint(
            "kind IN ('event', 'command', 'shortcut', 'action', 'view')", name=op.f("ck_slack_envelopes_kind")
        ),
        sa.CheckConstraint("state IN ('open', 'handled')", name=op.f("ck_slack_envelopes_state")),
        sa.ForeignKeyConstraint(
            ["program_id", "connection_id"],
            ["connections.program_id", "connections.id"],
            name=op.f("fk_slack_envelopes_program_id_connection_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_slack_envelopes")),
        sa.UniqueConstraint("connection_id", "key", name=op.f("uq_slack_envelopes_connection_id_key")),
    )
    op.create_index(
        "ix_slack_envelopes_handled",
        "slack_envelopes",
        ["handled_at"],
        unique=False,
        postgresql_where=sa.text("state = 'handled'"),
    )
    op.create_table(
        "slack_conversations",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("program_id", sa.Text(collation="C"), nullable=False),
        sa.Column("connection_id", sa.Text(collation="C"), nullable=False),
        sa.Column("target", sa.Text(collation="C"), nullable=False),
        sa.Column("delivering", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("turn", sa.Integer(), server_default="0", nullable=False),
        sa.Column("turned_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["program_id", "connection_id"],
            ["connections.program_id", "connections.id"],
            name=op.f("fk_slack_conversations_program_id_connection_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_slack_conversations")),
        sa.UniqueConstraint("connection_id", "target", name=op.f("uq_slack_conversations_connection_id_target")),
        sa.UniqueConstraint("program_id", "id", name=op.f("uq_slack_conversations_program_id_id")),
    )
    op.create_index(
        "ix_slack_conversations_delivering",
        "slack_conversations",
        ["id"],
        unique=False,
        postgresql_where=sa.text("delivering"),
    )
    op.create_table(
        "slack_messages",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("program_id", sa.Text(collation="C"), nullable=False),
        sa.Column("conversation_id", sa.Text(collation="C"), nullable=False),
        sa.Column("key", sa.Text(collation="C"), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("content", postgresql.JSONB(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=True),
        sa.Column("edits", sa.Text(collation="C"), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=True),
        sa.Column("ts", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("(kind = 'edit') = (edits IS NOT NULL)", name=op.f("ck_slack_messages_edits")),
        sa.CheckConstraint("(state IN ('open', 'sending')) = (ended_at IS NULL)", name=op.f("ck_slack_messages_ended")),
        sa.CheckConstraint("kind <> 'ephemeral' OR user_id IS NOT NULL", name=op.f("ck_slack_messages_user")),
        sa.CheckConstraint(
            "kind IN ('post', 'ephemeral', 'edit', 'home', 'respond')", name=op.f("ck_slack_messages_kind")
        ),
        sa.CheckConstraint(
            "state IN ('open', 'sending', 'sent', 'superseded', 'unknown', 'failed')",
            name=op.f("ck_slack_messages_state"),
        ),
        sa.ForeignKeyConstraint(
            ["program_id", "conversation_id"],
            ["slack_conversations.program_id", "slack_conversations.id"],
            name=op.f("fk_slack_messages_program_id_conversation_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_slack_messages")),
        sa.UniqueConstraint("program_id", "key", name=op.f("uq_slack_messages_program_id_key")),
    )
    op.create_index(
        "ix_slack_messages_edits",
        "slack_messages",
        ["conversation_id", "edits"],
        unique=False,
        postgresql_where=sa.text("edits IS NOT NULL"),
    )
    op.create_index(
        "ix_slack_messages_open",
        "slack_messages",
        ["conversation_id", "id"],
        unique=False,
        postgresql_where=sa.text("state IN ('open', 'sending')"),
    )


def downgrade() -> None:
    op.drop_table("slack_messages")
    op.drop_table("slack_conversations")
    op.drop_table("slack_envelopes")
    op.drop_table("slack_users")
    op.drop_table("slack_install_links")
    op.drop_table("slack_workspaces")
