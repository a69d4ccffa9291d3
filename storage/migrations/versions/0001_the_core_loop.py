"""The core loop."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0001"
down_revision: str | None = None
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

# The role the application works under. Without a password: whoever owns the server sets one, or trusts the socket.
ROLES = """
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'laurel_app') THEN CREATE ROLE laurel_app LOGIN; END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $$;
GRANT USAGE ON SCHEMA public TO laurel_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO laurel_app;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO laurel_app;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO laurel_app;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE ON SEQUENCES TO laurel_app;
REVOKE INSERT, UPDATE, DELETE ON alembic_version FROM laurel_app;
"""
APPEND_ONLY = (
    "configurations",
    "decisions",
    "transactions",
    "transfers",
    "entries",
    "lot_moves",
    "event_revisions",
    "member_versions",
    "order_steps",
)


def upgrade() -> None:
    op.create_table(
        "idempotency_keys",
        sa.Column("program_id", sa.Text(collation="C"), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("outcome", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("program_id", "scope", "key", name=op.f("pk_idempotency_keys")),
    )
    op.create_index(op.f("ix_idempotency_keys_recorded_at"), "idempotency_keys", ["recorded_at"], unique=False)
    op.create_table(
        "outbox",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("program_id", sa.Text(collation="C"), nullable=False),
        sa.Column("lane", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("order_key", sa.Text(collation="C"), nullable=True),
        sa.Column("payload", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("state", sa.Text(), server_default="open", nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("available_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("claimed_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("state IN ('open', 'done', 'dead')", name=op.f("ck_outbox_state")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
    )
    op.create_index(
        "ix_outbox_dead", "outbox", ["program_id", "id"], unique=False, postgresql_where=sa.text("state = 'dead'")
    )
    op.create_index("ix_outbox_done", "outbox", ["done_at"], unique=False, postgresql_where=sa.text("state = 'done'"))
    op.create_index(
        "ix_outbox_open", "outbox", ["lane", "id"], unique=False, postgresql_where=sa.text("state = 'open'")
    )
    op.create_index(
        "ix_outbox_order",
        "outbox",
        ["order_key", "id"],
        unique=False,
        postgresql_where=sa.text("state <> 'done' AND order_key IS NOT NULL"),
    )
    op.create_table(
        "programs",
        sa.Column("program_id", sa.Text(collation="C"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("time_zone", sa.Text(), server_default="UTC", nullable=False),
        sa.Column("configuration", sa.Integer(), server_default="0", nullable=False),
        sa.Column("orders_paused", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("daily_limit_minor", sa.BigInteger(), nullable=True),
        sa.Column("monthly_limit_minor", sa.BigInteger(), nullable=True),
        sa.Column("limit_currency", sa.Text(), server_default="USD", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("kind IN ('sandbox', 'live')", name=op.f("ck_programs_kind")),
        sa.PrimaryKeyConstraint("program_id", name=op.f("pk_programs")),
    )
    op.create_table(
        "transactions",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("program_id", sa.Text(collation="C"), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("business_key", sa.Text(collation="C"), nullable=False),
        sa.Column("event_id", sa.Text(collation="C"), nullable=True),
        sa.Column("order_id", sa.Text(collation="C"), nullable=True),
        sa.Column("reverses_id", sa.Text(collation="C"), nullable=True),
        sa.Column("effective_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "(kind = 'reverse') = (reverses_id IS NOT NULL)", name=op.f("ck_transactions_reversal_names_original")
        ),
        sa.CheckConstraint(
            "kind IN ('earn', 'reverse', 'hold', 'settle', 'release', 'refund', 'expire')",
            name=op.f("ck_transactions_kind"),
        ),
        sa.ForeignKeyConstraint(
            ["program_id", "reverses_id"],
            ["transactions.program_id", "transactions.id"],
            name=op.f("fk_transactions_program_id_reverses_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_transactions")),
        sa.UniqueConstraint("program_id", "business_key", name=op.f("uq_transactions_program_id_business_key")),
        sa.UniqueConstraint("program_id", "id", name=op.f("uq_transactions_program_id_id")),
        sa.UniqueConstraint("program_id", "reverses_id", name=op.f("uq_transactions_program_id_reverses_id")),
    )
    op.create_index(
        op.f("ix_transactions_program_id_event_id"),
        "transactions",
        ["program_id", "event_id"],
        unique=False,
        postgresql_where=sa.text("event_id IS NOT NULL"),
    )
    op.create_index(
        op.f("ix_transactions_program_id_order_id"),
        "transactions",
        ["program_id", "order_id"],
        unique=False,
        postgresql_where=sa.text("order_id IS NOT NULL"),
    )
    op.create_table(
        "api_keys",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("program_id", sa.Text(collation="C"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("prefix", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("scopes", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["program_id"], ["programs.program_id"], name=op.f("fk_api_keys_program_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_keys")),
        sa.UniqueConstraint("digest", name=op.f("uq_api_keys_digest")),
    )
    op.create_index(op.f("ix_api_keys_program_id_created_at"), "api_keys", ["program_id", "created_at"], unique=False)
    op.create_table(
        "configurations",
        sa.Column("program_id", sa.Text(collation="C"), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("body", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("applied_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("applied_by", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["program_id"], ["programs.program_id"], name=op.f("fk_configurations_program_id")),
        sa.PrimaryKeyConstraint("program_id", "number", name=op.f("pk_configurations")),
    )
    op.create_table(
        "connections",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("program_id", sa.Text(collation="C"), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("config", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("secrets", sa.LargeBinary(), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("rotated_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["program_id"], ["programs.program_id"], name=op.f("fk_connections_program_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_connections")),
        sa.UniqueConstraint("program_id", "id", name=op.f("uq_connections_program_id_id")),
        sa.UniqueConstraint("program_id", "name", name=op.f("uq_connections_program_id_name")),
    )
    op.create_table(
        "members",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("program_id", sa.Text(collation="C"), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("time_zone", sa.Text(), server_default="UTC", nullable=False),
        sa.Column("country", sa.Text(), nullable=True),
        sa.Column("location", sa.Text(), nullable=True),
        sa.Column("department", sa.Text(), nullable=True),
        sa.Column("role", sa.Text(), nullable=True),
        sa.Column("hired_on", sa.Date(), nullable=True),
        sa.Column("manager_id", sa.Text(collation="C"), nullable=True),
        sa.Column("performance_tier", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), server_default="active", nullable=False),
        sa.Column("custom", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("status IN ('active', 'on_leave', 'left')", name=op.f("ck_members_status")),
        sa.ForeignKeyConstraint(["program_id"], ["programs.program_id"], name=op.f("fk_members_program_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_members")),
        sa.UniqueConstraint("program_id", "external_id", name=op.f("uq_members_program_id_external_id")),
        sa.UniqueConstraint("program_id", "id", name=op.f("uq_members_program_id_id")),
    )
    op.create_index(op.f("ix_members_program_id_department"), "members", ["program_id", "department"], unique=False)
    op.create_table(
        "accounts",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("program_id", sa.Text(collation="C"), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("member_id", sa.Text(collation="C"), nullable=True),
        sa.Column("running", sa.Boolean(), nullable=False),
        sa.Column("balance", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("version", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("debt", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("lifetime", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("NOT running OR balance >= -debt", name=op.f("ck_accounts_covered")),
        sa.CheckConstraint("debt >= 0", name=op.f("ck_accounts_debt")),
        sa.CheckConstraint("running OR (balance = 0 AND version = 0 AND debt = 0)", name=op.f("ck_accounts_summed")),
        sa.ForeignKeyConstraint(
            ["program_id", "member_id"],
            ["members.program_id", "members.id"],
            name=op.f("fk_accounts_program_id_member_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_accounts")),
        sa.UniqueConstraint("program_id", "id", name=op.f("uq_accounts_program_id_id")),
    )
    op.create_index(op.f("ix_accounts_member_id"), "accounts", ["member_id"], unique=False)
    op.create_table(
        "counters",
        sa.Column("program_id", sa.Text(collation="C"), nullable=False),
        sa.Column("member_id", sa.Text(collation="C"), nullable=False),
        sa.Column("name", sa.Text(collation="C"), nullable=False),
        sa.Column("period", sa.Text(collation="C"), nullable=False),
        sa.Column("period_on", sa.Date(), nullable=False),
        sa.Column("uses", sa.BigInteger(), nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["program_id", "member_id"],
            ["members.program_id", "members.id"],
            name=op.f("fk_counters_program_id_member_id"),
        ),
        sa.PrimaryKeyConstraint("member_id", "name", "period", "period_on", name=op.f("pk_counters")),
    )
    op.create_table(
        "crossings",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("program_id", sa.Text(collation="C"), nullable=False),
        sa.Column("member_id", sa.Text(collation="C"), nullable=False),
        sa.Column("milestone", sa.Text(), nullable=False),
        sa.Column("n", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("event_id", sa.Text(collation="C"), nullable=True),
        sa.Column("configuration", sa.Integer(), nullable=False),
        sa.Column("crossed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("state IN ('standing', 'withdrawn')", name=op.f("ck_crossings_state")),
        sa.ForeignKeyConstraint(
            ["program_id", "member_id"],
            ["members.program_id", "members.id"],
            name=op.f("fk_crossings_program_id_member_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_crossings")),
        sa.UniqueConstraint("program_id", "id", name=op.f("uq_crossings_program_id_id")),
    )
    op.create_index(op.f("ix_crossings_member_id"), "crossings", ["member_id"], unique=False)
    op.create_index(
        "uq_crossings_standing",
        "crossings",
        ["program_id", "milestone", "member_id", "n"],
        unique=True,
        postgresql_where=sa.text("state = 'standing'"),
    )
    op.create_table(
        "events",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("program_id", sa.Text(collation="C"), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("member_id", sa.Text(collation="C"), nullable=True),
        sa.Column("identity_source", sa.Text(), nullable=False),
        sa.Column("identity_external_id", sa.Text(), nullable=False),
        sa.Column(
            "alternatives", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'[]'"), nullable=False
        ),
        sa.Column("data", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("source_version", sa.BigInteger(), nullable=True),
        sa.Column("revision", sa.Integer(), server_default="1", nullable=False),
        sa.Column("retracts", sa.Text(), nullable=True),
        sa.Column("retracted_by", sa.Text(collation="C"), nullable=True),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "state <> 'decided' OR member_id IS NOT NULL OR retracts IS NOT NULL",
            name=op.f("ck_events_decided_has_member"),
        ),
        sa.CheckConstraint(
            "state IN ('decided', 'parked', 'quarantined', 'retracted', 'awaited', 'closed')",
            name=op.f("ck_events_state"),
        ),
        sa.ForeignKeyConstraint(
            ["program_id", "member_id"],
            ["members.program_id", "members.id"],
            name=op.f("fk_events_program_id_member_id"),
        ),
        sa.ForeignKeyConstraint(["program_id"], ["programs.program_id"], name=op.f("fk_events_program_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_events")),
        sa.UniqueConstraint("program_id", "id", name=op.f("uq_events_program_id_id")),
        sa.UniqueConstraint(
            "program_id", "source", "external_id", name=op.f("uq_events_program_id_source_external_id")
        ),
    )
    op.create_index("ix_events_member", "events", ["program_id", "member_id", "id"], unique=False)
    op.create_index(
        "ix_events_parked",
        "events",
        ["program_id", "identity_source", "identity_external_id"],
        unique=False,
        postgresql_where=sa.text("state = 'parked'"),
    )
    op.create_index(
        "ix_events_quarantined",
        "events",
        ["program_id", "id"],
        unique=False,
        postgresql_where=sa.text("state = 'quarantined'"),
    )
    op.create_table(
        "identities",
        sa.Column("program_id", sa.Text(collation="C"), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=False),
        sa.Column("member_id", sa.Text(collation="C"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["program_id", "member_id"],
            ["members.program_id", "members.id"],
            name=op.f("fk_identities_program_id_member_id"),
        ),
        sa.PrimaryKeyConstraint("program_id", "source", "external_id", name=op.f("pk_identities")),
    )
    op.create_index(op.f("ix_identities_program_id_member_id"), "identities", ["program_id", "member_id"], unique=False)
    op.create_table(
        "member_versions",
        sa.Column("program_id", sa.Text(collation="C"), nullable=False),
        sa.Column("member_id", sa.Text(collation="C"), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("attributes", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("effective_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["program_id", "member_id"],
            ["members.program_id", "members.id"],
            name=op.f("fk_member_versions_program_id_member_id"),
        ),
        sa.PrimaryKeyConstraint("member_id", "version", name=op.f("pk_member_versions")),
    )
    op.create_table(
        "notices",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("program_id", sa.Text(collation="C"), nullable=False),
        sa.Column("connection_id", sa.Text(collation="C"), nullable=False),
        sa.Column("notice_key", sa.Text(), nullable=False),
        sa.Column("object_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("body", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("handled_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("state IN ('ignored', 'open', 'handled')", name=op.f("ck_notices_state")),
        sa.ForeignKeyConstraint(
            ["program_id", "connection_id"],
            ["connections.program_id", "connections.id"],
            name=op.f("fk_notices_program_id_connection_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notices")),
        sa.UniqueConstraint(
            "program_id", "connection_id", "notice_key", name=op.f("uq_notices_program_id_connection_id_notice_key")
        ),
    )
    op.create_index(
        "ix_notices_open",
        "notices",
        ["connection_id", "object_id", "id"],
        unique=False,
        postgresql_where=sa.text("state = 'open'"),
    )
    op.create_table(
        "notifications",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("program_id", sa.Text(collation="C"), nullable=False),
        sa.Column("member_id", sa.Text(collation="C"), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("read_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["program_id", "member_id"],
            ["members.program_id", "members.id"],
            name=op.f("fk_notifications_program_id_member_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notifications")),
        sa.UniqueConstraint("program_id", "kind", "reference", name=op.f("uq_notifications_program_id_kind_reference")),
    )
    op.create_index(
        op.f("ix_notifications_program_id_member_id_id"),
        "notifications",
        ["program_id", "member_id", "id"],
        unique=False,
    )
    op.create_table(
        "outside_objects",
        sa.Column("program_id", sa.Text(collation="C"), nullable=False),
        sa.Column("connection_id", sa.Text(collation="C"), nullable=False),
        sa.Column("object_id", sa.Text(), nullable=False),
        sa.Column("facts", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("fetched_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["program_id", "connection_id"],
            ["connections.program_id", "connections.id"],
            name=op.f("fk_outside_objects_program_id_connection_id"),
        ),
        sa.PrimaryKeyConstraint("connection_id", "object_id", name=op.f("pk_outside_objects")),
    )
    op.create_table(
        "statements",
        sa.Column("program_id", sa.Text(collation="C"), nullable=False),
        sa.Column("connection_id", sa.Text(collation="C"), nullable=False),
        sa.Column("statement_id", sa.Text(), nullable=False),
        sa.Column("body", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("voids", sa.Text(), nullable=True),
        sa.Column("stored_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["program_id", "connection_id"],
            ["connections.program_id", "connections.id"],
            name=op.f("fk_statements_program_id_connection_id"),
        ),
        sa.PrimaryKeyConstraint("connection_id", "statement_id", name=op.f("pk_statements")),
    )
    op.create_index(
        "ix_statements_voids",
        "statements",
        ["connection_id", "voids"],
        unique=False,
        postgresql_where=sa.text("voids IS NOT NULL"),
    )
    op.create_table(
        "vendor_products",
        sa.Column("program_id", sa.Text(collation="C"), nullable=False),
        sa.Column("connection_id", sa.Text(collation="C"), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("body", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("on_sale", sa.Boolean(), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["program_id", "connection_id"],
            ["connections.program_id", "connections.id"],
            name=op.f("fk_vendor_products_program_id_connection_id"),
        ),
        sa.PrimaryKeyConstraint("connection_id", "code", name=op.f("pk_vendor_products")),
    )
    op.create_table(
        "decisions",
        sa.Column("program_id", sa.Text(collation="C"), nullable=False),
        sa.Column("event_id", sa.Text(collation="C"), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("member_id", sa.Text(collation="C"), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("points", sa.BigInteger(), nullable=False),
        sa.Column("verdict", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("inputs", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("transaction_id", sa.Text(collation="C"), nullable=True),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("kind IN ('award', 'retraction', 'amendment')", name=op.f("ck_decisions_kind")),
        sa.ForeignKeyConstraint(
            ["program_id", "event_id"],
            ["events.program_id", "events.id"],
            name=op.f("fk_decisions_program_id_event_id"),
        ),
        sa.PrimaryKeyConstraint("event_id", "n", name=op.f("pk_decisions")),
    )
    op.create_table(
        "event_revisions",
        sa.Column("program_id", sa.Text(collation="C"), nullable=False),
        sa.Column("event_id", sa.Text(collation="C"), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("data", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("source_version", sa.BigInteger(), nullable=True),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["program_id", "event_id"],
            ["events.program_id", "events.id"],
            name=op.f("fk_event_revisions_program_id_event_id"),
        ),
        sa.PrimaryKeyConstraint("event_id", "revision", name=op.f("pk_event_revisions")),
    )
    op.create_table(
        "holds",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("program_id", sa.Text(collation="C"), nullable=False),
        sa.Column("account_id", sa.Text(collation="C"), nullable=False),
        sa.Column("held_account_id", sa.Text(collation="C"), nullable=False),
        sa.Column("transaction_id", sa.Text(collation="C"), nullable=False),
        sa.Column("order_id", sa.Text(collation="C"), nullable=True),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("closed_by", sa.Text(collation="C"), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("(state = 'open') = (closed_by IS NULL)", name=op.f("ck_holds_closed")),
        sa.CheckConstraint("state IN ('open', 'settled', 'released')", name=op.f("ck_holds_state")),
        sa.CheckConstraint("amount > 0", name=op.f("ck_holds_amount")),
        sa.ForeignKeyConstraint(
            ["program_id", "account_id"],
            ["accounts.program_id", "accounts.id"],
            name=op.f("fk_holds_program_id_account_id"),
        ),
        sa.ForeignKeyConstraint(
            ["program_id", "held_account_id"],
            ["accounts.program_id", "accounts.id"],
            name=op.f("fk_holds_program_id_held_account_id"),
        ),
        sa.ForeignKeyConstraint(
            ["program_id", "transaction_id"],
            ["transactions.program_id", "transactions.id"],
            name=op.f("fk_holds_program_id_transaction_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_holds")),
        sa.UniqueConstraint("program_id", "id", name=op.f("uq_holds_program_id_id")),
        sa.UniqueConstraint("program_id", "order_id", name=op.f("uq_holds_program_id_order_id")),
    )
    op.create_index(
        "ix_holds_open", "holds", ["held_account_id"], unique=False, postgresql_where=sa.text("state = 'open'")
    )
    op.create_table(
        "lots",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("program_id", sa.Text(collation="C"), nullable=False),
        sa.Column("account_id", sa.Text(collation="C"), nullable=False),
        sa.Column("transaction_id", sa.Text(collation="C"), nullable=False),
        sa.Column("granted", sa.BigInteger(), nullable=False),
        sa.Column("allocated", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("expired", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("reversed", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("remaining", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("granted_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("granted > 0", name=op.f("ck_lots_granted")),
        sa.CheckConstraint("remaining = granted - allocated - expired - reversed", name=op.f("ck_lots_remaining")),
        sa.CheckConstraint(
            "remaining >= 0 AND allocated >= 0 AND expired >= 0 AND reversed >= 0", name=op.f("ck_lots_not_negative")
        ),
        sa.ForeignKeyConstraint(
            ["program_id", "account_id"],
            ["accounts.program_id", "accounts.id"],
            name=op.f("fk_lots_program_id_account_id"),
        ),
        sa.ForeignKeyConstraint(
            ["program_id", "transaction_id"],
            ["transactions.program_id", "transactions.id"],
            name=op.f("fk_lots_program_id_transaction_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lots")),
        sa.UniqueConstraint("program_id", "id", name=op.f("uq_lots_program_id_id")),
    )
    op.create_index(
        "ix_lots_open",
        "lots",
        ["account_id", "expires_at", "id"],
        unique=False,
        postgresql_where=sa.text("remaining > 0"),
    )
    op.create_index(op.f("ix_lots_transaction_id"), "lots", ["transaction_id"], unique=False)
    op.create_table(
        "rewards",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("program_id", sa.Text(collation="C"), nullable=False),
        sa.Column("member_id", sa.Text(collation="C"), nullable=False),
        sa.Column("reward", sa.Text(), nullable=False),
        sa.Column("configuration", sa.Integer(), nullable=False),
        sa.Column("crossing_id", sa.Text(collation="C"), nullable=True),
        sa.Column("event_id", sa.Text(collation="C"), nullable=True),
        sa.Column("rule", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("order_id", sa.Text(collation="C"), nullable=True),
        sa.Column("offered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("(state = 'ordered') = (order_id IS NOT NULL)", name=op.f("ck_rewards_ordered")),
        sa.CheckConstraint(
            "state IN ('unlocked', 'offered', 'ordered', 'declined', 'expired', 'withdrawn')",
            name=op.f("ck_rewards_state"),
        ),
        sa.ForeignKeyConstraint(
            ["program_id", "crossing_id"],
            ["crossings.program_id", "crossings.id"],
            name=op.f("fk_rewards_program_id_crossing_id"),
        ),
        sa.ForeignKeyConstraint(
            ["program_id", "member_id"],
            ["members.program_id", "members.id"],
            name=op.f("fk_rewards_program_id_member_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rewards")),
        sa.UniqueConstraint("program_id", "crossing_id", name=op.f("uq_rewards_program_id_crossing_id")),
        sa.UniqueConstraint("program_id", "id", name=op.f("uq_rewards_program_id_id")),
    )
    op.create_index(
        "ix_rewards_open",
        "rewards",
        ["program_id", "id"],
        unique=False,
        postgresql_where=sa.text("state IN ('unlocked', 'offered')"),
    )
    op.create_index(
        op.f("ix_rewards_program_id_member_id_id"), "rewards", ["program_id", "member_id", "id"], unique=False
    )
    op.create_index(
        "uq_rewards_rule",
        "rewards",
        ["program_id", "event_id", "rule"],
        unique=True,
        postgresql_where=sa.text("state <> 'withdrawn'"),
    )
    op.create_table(
        "transfers",
        sa.Column("program_id", sa.Text(collation="C"), nullable=False),
        sa.Column("transaction_id", sa.Text(collation="C"), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("from_account", sa.Text(collation="C"), nullable=False),
        sa.Column("to_account", sa.Text(collation="C"), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("amount > 0", name=op.f("ck_transfers_amount_positive")),
        sa.CheckConstraint("from_account <> to_account", name=op.f("ck_transfers_two_accounts")),
        sa.ForeignKeyConstraint(
            ["program_id", "from_account"],
            ["accounts.program_id", "accounts.id"],
            name=op.f("fk_transfers_program_id_from_account"),
        ),
        sa.ForeignKeyConstraint(
            ["program_id", "to_account"],
            ["accounts.program_id", "accounts.id"],
            name=op.f("fk_transfers_program_id_to_account"),
        ),
        sa.ForeignKeyConstraint(
            ["program_id", "transaction_id"],
            ["transactions.program_id", "transactions.id"],
            name=op.f("fk_transfers_program_id_transaction_id"),
        ),
        sa.PrimaryKeyConstraint("transaction_id", "n", name=op.f("pk_transfers")),
    )
    op.create_table(
        "entries",
        sa.Column("program_id", sa.Text(collation="C"), nullable=False),
        sa.Column("transaction_id", sa.Text(collation="C"), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Text(collation="C"), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("balance", sa.BigInteger(), nullable=True),
        sa.Column("version", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("(balance IS NULL) = (version IS NULL)", name=op.f("ck_entries_running")),
        sa.CheckConstraint("amount <> 0", name=op.f("ck_entries_amount")),
        sa.ForeignKeyConstraint(
            ["transaction_id", "n"],
            ["transfers.transaction_id", "transfers.n"],
            name=op.f("fk_entries_transaction_id_n"),
        ),
        sa.PrimaryKeyConstraint("transaction_id", "n", "account_id", name=op.f("pk_entries")),
        sa.UniqueConstraint("account_id", "version", name=op.f("uq_entries_account_id_version")),
    )
    op.create_table(
        "lot_moves",
        sa.Column("program_id", sa.Text(collation="C"), nullable=False),
        sa.Column("transaction_id", sa.Text(collation="C"), nullable=False),
        sa.Column("lot_id", sa.Text(collation="C"), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "(kind IN ('release', 'refund')) = (amount < 0) AND amount <> 0", name=op.f("ck_lot_moves_direction")
        ),
        sa.CheckConstraint(
            "kind IN ('hold', 'release', 'refund', 'debt', 'reverse', 'expire')", name=op.f("ck_lot_moves_kind")
        ),
        sa.ForeignKeyConstraint(
            ["program_id", "lot_id"], ["lots.program_id", "lots.id"], name=op.f("fk_lot_moves_program_id_lot_id")
        ),
        sa.ForeignKeyConstraint(
            ["program_id", "transaction_id"],
            ["transactions.program_id", "transactions.id"],
            name=op.f("fk_lot_moves_program_id_transaction_id"),
        ),
        sa.PrimaryKeyConstraint("transaction_id", "lot_id", "kind", name=op.f("pk_lot_moves")),
    )
    op.create_index(op.f("ix_lot_moves_lot_id"), "lot_moves", ["lot_id"], unique=False)
    op.create_table(
        "orders",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("program_id", sa.Text(collation="C"), nullable=False),
        sa.Column("member_id", sa.Text(collation="C"), nullable=False),
        sa.Column("reward_id", sa.Text(collation="C"), nullable=True),
        sa.Column("item", sa.Text(), nullable=False),
        sa.Column("item_name", sa.Text(), nullable=False),
        sa.Column("connection_id", sa.Text(collation="C"), nullable=True),
        sa.Column("product", sa.Text(), nullable=True),
        sa.Column("value_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("price_points", sa.BigInteger(), nullable=False),
        sa.Column("hold_id", sa.Text(collation="C"), nullable=True),
        sa.Column("recipient_name", sa.Text(), nullable=False),
        sa.Column("recipient_email", sa.Text(), nullable=False),
        sa.Column("delivery_method", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("delivery_state", sa.Text(), nullable=False),
        sa.Column("vendor_request", sa.LargeBinary(), nullable=True),
        sa.Column("vendor_order_id", sa.Text(), nullable=True),
        sa.Column("vendor_reward_id", sa.Text(), nullable=True),
        sa.Column("link", sa.LargeBinary(), nullable=True),
        sa.Column("key_id", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "delivery_state IN ('none', 'pending', 'bounced', 'readdressed', 'delivered', 'cancelled')",
            name=op.f("ck_orders_delivery"),
        ),
        sa.CheckConstraint(
            "state IN ('placed', 'paused', 'awaiting_funds', 'ordering', 'unanswered', 'rejected', 'ordered', 'accepted', 'sent', 'in_review', 'cancelling', 'delivered', 'refunded', 'failed')",
            name=op.f("ck_orders_state"),
        ),
        sa.CheckConstraint(
            "(connection_id IS NULL) = (vendor_request IS NULL)", name=op.f("ck_orders_vendor_has_request")
        ),
        sa.CheckConstraint("(link IS NULL) = (key_id IS NULL)", name=op.f("ck_orders_link_has_key")),
        sa.CheckConstraint("(price_points > 0) = (hold_id IS NOT NULL)", name=op.f("ck_orders_member_pays_by_hold")),
        sa.CheckConstraint("value_minor > 0 AND price_points >= 0", name=op.f("ck_orders_amounts")),
        sa.ForeignKeyConstraint(
            ["program_id", "connection_id"],
            ["connections.program_id", "connections.id"],
            name=op.f("fk_orders_program_id_connection_id"),
        ),
        sa.ForeignKeyConstraint(
            ["program_id", "hold_id"], ["holds.program_id", "holds.id"], name=op.f("fk_orders_program_id_hold_id")
        ),
        sa.ForeignKeyConstraint(
            ["program_id", "member_id"],
            ["members.program_id", "members.id"],
            name=op.f("fk_orders_program_id_member_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_orders")),
        sa.UniqueConstraint("connection_id", "vendor_order_id", name=op.f("uq_orders_connection_id_vendor_order_id")),
        sa.UniqueConstraint("program_id", "id", name=op.f("uq_orders_program_id_id")),
    )
    op.create_index(
        "ix_orders_open",
        "orders",
        ["program_id", "id"],
        unique=False,
        postgresql_where=sa.text("state NOT IN ('delivered', 'refunded', 'failed')"),
    )
    op.create_index(op.f("ix_orders_program_id_created_at"), "orders", ["program_id", "created_at"], unique=False)
    op.create_index(
        op.f("ix_orders_program_id_member_id_id"), "orders", ["program_id", "member_id", "id"], unique=False
    )
    op.create_index(
        "uq_orders_reward",
        "orders",
        ["program_id", "reward_id"],
        unique=True,
        postgresql_where=sa.text("state NOT IN ('refunded', 'failed')"),
    )
    op.create_table(
        "order_steps",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("program_id", sa.Text(collation="C"), nullable=False),
        sa.Column("order_id", sa.Text(collation="C"), nullable=False),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("detail", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["program_id", "order_id"],
            ["orders.program_id", "orders.id"],
            name=op.f("fk_order_steps_program_id_order_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_order_steps")),
    )
    op.create_index(op.f("ix_order_steps_order_id_id"), "order_steps", ["order_id", "id"], unique=False)
    op.execute(ROLES)
    op.execute(f"REVOKE UPDATE, DELETE, TRUNCATE ON {', '.join(APPEND_ONLY)} FROM laurel_app")


def downgrade() -> None:
    op.drop_index(op.f("ix_order_steps_order_id_id"), table_name="order_steps")
    op.drop_table("order_steps")
    op.drop_index(
        "uq_orders_reward", table_name="orders", postgresql_where=sa.text("state NOT IN ('refunded', 'failed')")
    )
    op.drop_index(op.f("ix_orders_program_id_member_id_id"), table_name="orders")
    op.drop_index(op.f("ix_orders_program_id_created_at"), table_name="orders")
    op.drop_index(
        "ix_orders_open",
        table_name="orders",
        postgresql_where=sa.text("state NOT IN ('delivered', 'refunded', 'failed')"),
    )
    op.drop_table("orders")
    op.drop_index(op.f("ix_lot_moves_lot_id"), table_name="lot_moves")
    op.drop_table("lot_moves")
    op.drop_table("entries")
    op.drop_table("transfers")
    op.drop_index("uq_rewards_rule", table_name="rewards", postgresql_where=sa.text("state <> 'withdrawn'"))
    op.drop_index(op.f("ix_rewards_program_id_member_id_id"), table_name="rewards")
    op.drop_index("ix_rewards_open", table_name="rewards", postgresql_where=sa.text("state IN ('unlocked', 'offered')"))
    op.drop_table("rewards")
    op.drop_index(op.f("ix_lots_transaction_id"), table_name="lots")
    op.drop_index("ix_lots_open", table_name="lots", postgresql_where=sa.text("remaining > 0"))
    op.drop_table("lots")
    op.drop_index("ix_holds_open", table_name="holds", postgresql_where=sa.text("state = 'open'"))
    op.drop_table("holds")
    op.drop_table("event_revisions")
    op.drop_table("decisions")
    op.drop_table("vendor_products")
    op.drop_index("ix_statements_voids", table_name="statements", postgresql_where=sa.text("voids IS NOT NULL"))
    op.drop_table("statements")
    op.drop_table("outside_objects")
    op.drop_index(op.f("ix_notifications_program_id_member_id_id"), table_name="notifications")
    op.drop_table("notifications")
    op.drop_index("ix_notices_open", table_name="notices", postgresql_where=sa.text("state = 'open'"))
    op.drop_table("notices")
    op.drop_table("member_versions")
    op.drop_index(op.f("ix_identities_program_id_member_id"), table_name="identities")
    op.drop_table("identities")
    op.drop_index("ix_events_quarantined", table_name="events", postgresql_where=sa.text("state = 'quarantined'"))
    op.drop_index("ix_events_parked", table_name="events", postgresql_where=sa.text("state = 'parked'"))
    op.drop_index("ix_events_member", table_name="events")
    op.drop_table("events")
    op.drop_index("uq_crossings_standing", table_name="crossings", postgresql_where=sa.text("state = 'standing'"))
    op.drop_index(op.f("ix_crossings_member_id"), table_name="crossings")
    op.drop_table("crossings")
    op.drop_table("counters")
    op.drop_index(op.f("ix_accounts_member_id"), table_name="accounts")
    op.drop_table("accounts")
    op.drop_index(op.f("ix_members_program_id_department"), table_name="members")
    op.drop_table("members")
    op.drop_table("connections")
    op.drop_table("configurations")
    op.drop_index(op.f("ix_api_keys_program_id_created_at"), table_name="api_keys")
    op.drop_table("api_keys")
    op.drop_index(
        op.f("ix_transactions_program_id_order_id"),
        table_name="transactions",
        postgresql_where=sa.text("order_id IS NOT NULL"),
    )
    op.drop_index(
        op.f("ix_transactions_program_id_event_id"),
        table_name="transactions",
        postgresql_where=sa.text("event_id IS NOT NULL"),
    )
    op.drop_table("transactions")
    op.drop_table("programs")
    op.drop_index(
        "ix_outbox_order", table_name="outbox", postgresql_where=sa.text("state <> 'done' AND order_key IS NOT NULL")
    )
    op.drop_index("ix_outbox_open", table_name="outbox", postgresql_where=sa.text("state = 'open'"))
    op.drop_index("ix_outbox_done", table_name="outbox", postgresql_where=sa.text("state = 'done'"))
    op.drop_index("ix_outbox_dead", table_name="outbox", postgresql_where=sa.text("state = 'dead'"))
    op.drop_table("outbox")
    op.drop_index(op.f("ix_idempotency_keys_recorded_at"), table_name="idempotency_keys")
    op.drop_table("idempotency_keys")
