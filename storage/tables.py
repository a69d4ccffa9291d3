"""The schema, as one reads it: every table of Laurel, with the invariants that the database itself keeps.

Every row belongs to a program. Ids are prefixed text in time order; money is minor units with an ISO 4217 code; times
are instants. What is in APPEND_ONLY, the application's role can neither change nor delete.
"""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import UserDefinedType

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

Id = Text(collation="C")
Instant = DateTime(timezone=True)


class Xid(UserDefinedType[int]):
    """A PostgreSQL transaction's number, which never comes round again: xid8."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "xid8"


APPEND_ONLY = (
    "configurations",
    "decisions",
    "transactions",
    "transfers",
    "entries",
    "lot_moves",
    "conversions",
    "commands",
    "refusals",
    "merges",
    "seals",
    "commitments",
    "checkpoints",
    "erasures",
    "event_revisions",
    "member_versions",
    "order_steps",
    "board_snapshots",
    "board_places",
    "tier_changes",
    "challenge_standings",
    "nomination_decisions",
)


def _program() -> Column[str]:
    return Column("program_id", Id, nullable=False)


def _written_by() -> Column[int]:
    """Who wrote the row: sealing waits until every transaction below this one has ended."""
    return Column("xid", Xid, nullable=False, server_default=text("pg_current_xact_id()"))


def _belongs_to(table: str, column: str, target: str = "id") -> ForeignKeyConstraint:
    """The reference carries the program, so that no row can name another program's."""
    return ForeignKeyConstraint(["program_id", column], [f"{table}.program_id", f"{table}.{target}"])


# -- Programs, keys, connections -----------------------------------------------------------------------------------

programs = Table(
    "programs",
    metadata,
    Column("program_id", Id, primary_key=True),
    Column("name", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("time_zone", Text, nullable=False, server_default="UTC"),
    Column("configuration", Integer, nullable=False, server_default="0"),
    Column("orders_paused", Boolean, nullable=False, server_default=text("false")),
    # Real money's guards: value ordered per day and month in minor units of `limit_currency`; null is no limit.
    Column("daily_limit_minor", BigInteger),
    Column("monthly_limit_minor", BigInteger),
    Column("limit_currency", Text, nullable=False, server_default="USD"),
    # Of web pages that may call with member tokens.
    Column("origins", JSONB, nullable=False, server_default=text("'[]'")),
    # Whether configurations and challenges become active by somebody else than who wrote them.
    Column("second_person_publishes", Boolean, nullable=False, server_default=text("false")),
    Column("created_at", Instant, nullable=False),
    CheckConstraint("kind IN ('sandbox', 'live')", name="kind"),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", Id, primary_key=True),
    _program(),
    Column("name", Text, nullable=False),
    Column("prefix", Text, nullable=False),
    Column("digest", LargeBinary, nullable=False, unique=True),
    Column("scopes", JSONB, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant),
    Column("revoked_at", Instant),
    ForeignKeyConstraint(["program_id"], ["programs.program_id"]),
    Index(None, "program_id", "created_at"),
)

# Links and sessions of the administrators' pages, as digests: a link opens one session, once.
sign_in_links = Table(
    "sign_in_links",
    metadata,
    Column("id", Id, primary_key=True),
    _program(),
    Column("name", Text, nullable=False),
    Column("digest", LargeBinary, nullable=False, unique=True),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("used_at", Instant),
    UniqueConstraint("program_id", "id"),
    ForeignKeyConstraint(["program_id"], ["programs.program_id"]),
)

admin_sessions = Table(
    "admin_sessions",
    metadata,
    Column("id", Id, primary_key=True),
    _program(),
    Column("link_id", Id, nullable=False, unique=True),
    Column("digest", LargeBinary, nullable=False, unique=True),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("ended_at", Instant),
    _belongs_to("sign_in_links", "link_id"),
)

connections = Table(
    "connections",
    metadata,
    Column("id", Id, nullable=False),
    _program(),
    Column("kind", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("config", JSONB, nullable=False, server_default=text("'{}'")),
    Column("secrets", LargeBinary, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("rotated_at", Instant),
    PrimaryKeyConstraint("id"),
    UniqueConstraint("program_id", "id"),
    UniqueConstraint("program_id", "name"),
    ForeignKeyConstraint(["program_id"], ["programs.program_id"]),
)

configurations = Table(
    "configurations",
    metadata,
    _program(),
    Column("number", Integer, nullable=False),
    Column("body", JSONB, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("applied_at", Instant, nullable=False),
    Column("applied_by", Text, nullable=False),
    PrimaryKeyConstraint("program_id", "number"),
    ForeignKeyConstraint(["program_id"], ["programs.program_id"]),
)

# Definitions that wait, or waited, for a second person; `diff` is what that person is shown.
configuration_proposals = Table(
    "configuration_proposals",
    metadata,
    Column("id", Id, nullable=False),
    _program(),
    Column("state", Text, nullable=False),
    Column("expected", Integer, nullable=False),
    Column("body", JSONB, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("diff", JSONB, nullable=False),
    Column("proposed_by", Text, nullable=False),
    Column("proposed_at", Instant, nullable=False),
    Column("decided_by", Text),
    Column("decided_at", Instant),
    Column("published_as", Integer),
    PrimaryKeyConstraint("id"),
    ForeignKeyConstraint(["program_id"], ["programs.program_id"]),
    CheckConstraint("state IN ('proposed', 'published', 'withdrawn', 'outdated')", name="state"),
    CheckConstraint("(state = 'proposed') = (decided_at IS NULL)", name="decided"),
    CheckConstraint("(state = 'published') = (published_as IS NOT NULL)", name="published"),
    CheckConstraint("state <> 'published' OR decided_by <> proposed_by", name="second_person"),
    Index(None, "program_id", "id"),
)

# -- Members -------------------------------------------------------------------------------------------------------

members = Table(
    "members",
    metadata,
    Column("id", Id, nullable=False),
    _program(),
    Column("external_id", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("email", Text),
    Column("time_zone", Text, nullable=False, server_default="UTC"),
    Column("country", Text),
    Column("location", Text),
    Column("department", Text),
    Column("role", Text),
    Column("hired_on", Date),
    Column("probation_ends_on", Date),
    Column("birthday", Text),  # month and day, never the year
    Column("manager_id", Id),
    Column("performance_tier", Text),
    Column("status", Text, nullable=False, server_default="active"),
    Column("custom", JSONB, nullable=False, server_default=text("'{}'")),
    # The version of the attributes: the row of member_versions that holds today.
    Column("version", Integer, nullable=False, server_default="1"),
    # The member that this one turned out to be: every credit goes there. Never a member that is itself merged.
    Column("merged_into", Id),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    PrimaryKeyConstraint("id"),
    UniqueConstraint("program_id", "id"),
    UniqueConstraint("program_id", "external_id"),
    ForeignKeyConstraint(["program_id"], ["programs.program_id"]),
    _belongs_to("members", "merged_into"),
    CheckConstraint("status IN ('active', 'on_leave', 'left')", name="status"),
    CheckConstraint("merged_into <> id", name="merged_into_another"),
    CheckConstraint("birthday ~ '^[0-9]{2}-[0-9]{2}$'", name="birthday"),
    Index("ix_members_merged", "program_id", "merged_into", postgresql_where=text("merged_into IS NOT NULL")),
    Index(None, "program_id", "department"),
)

member_versions = Table(
    "member_versions",
    metadata,
    _program(),
    Column("member_id", Id, nullable=False),
    Column("version", Integer, nullable=False),
    Column("attributes", JSONB, nullable=False),
    Column("effective_at", Instant, nullable=False),
    Column("recorded_at", Instant, nullable=False),
    PrimaryKeyConstraint("member_id", "version"),
    _belongs_to("members", "member_id"),
)

identities = Table(
    "identities",
    metadata,
    _program(),
    Column("source", Text, nullable=False),
    Column("external_id", Text, nullable=False),
    Column("member_id", Id, nullable=False),
    Column("created_at", Instant, nullable=False),
    PrimaryKeyConstraint("program_id", "source", "external_id"),
    _belongs_to("members", "member_id"),
    Index(None, "program_id", "member_id"),
)

# -- Events and decisions ------------------------------------------------------------------------------------------

events = Table(
    "events",
    metadata,
    Column("id", Id, nullable=False),
    _program(),
    Column("source", Text, nullable=False),
    Column("external_id", Text, nullable=False),
    # awaited: a retraction came first; this row keeps its place until the original arrives.
    Column("state", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("member_id", Id),
    Column("identity_source", Text, nullable=False),
    Column("identity_external_id", Text, nullable=False),
    Column("alternatives", JSONB, nullable=False, server_default=text("'[]'")),
    Column("data", JSONB, nullable=False),
    Column("fingerprint", LargeBinary, nullable=False),
    Column("source_version", BigInteger),
    Column("revision", Integer, nullable=False, server_default="1"),
    Column("retracts", Text),
    Column("retracted_by", Id),
    Column("occurred_at", Instant, nullable=False),
    Column("recorded_at", Instant, nullable=False),
    Column("error", Text),
    PrimaryKeyConstraint("id"),
    UniqueConstraint("program_id", "id"),
    UniqueConstraint("program_id", "source", "external_id"),
    ForeignKeyConstraint(["program_id"], ["programs.program_id"]),
    _belongs_to("members", "member_id"),
    CheckConstraint("state IN ('decided', 'parked', 'quarantined', 'retracted', 'awaited', 'closed')", name="state"),
    CheckConstraint("state <> 'decided' OR member_id IS NOT NULL OR retracts IS NOT NULL", name="decided_has_member"),
    Index("ix_events_member", "program_id", "member_id", "id"),
    Index(
        "ix_events_parked",
        "program_id",
        "identity_source",
        "identity_external_id",
        postgresql_where=text("state = 'parked'"),
    ),
    Index("ix_events_quarantined", "program_id", "id", postgresql_where=text("state = 'quarantined'")),
)

event_revisions = Table(
    "event_revisions",
    metadata,
    _program(),
    Column("event_id", Id, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("type", Text, nullable=False),
    Column("data", JSONB, nullable=False),
    Column("fingerprint", LargeBinary, nullable=False),
    Column("source_version", BigInteger),
    Column("occurred_at", Instant, nullable=False),
    Column("recorded_at", Instant, nullable=False),
    PrimaryKeyConstraint("event_id", "revision"),
    _belongs_to("events", "event_id"),
)

quarantined_amendments = Table(
    "quarantined_amendments",
    metadata,
    _program(),
    Column("event_id", Id, nullable=False),
    Column("fingerprint", LargeBinary, nullable=False),
    Column("source_version", BigInteger),
    # The event as it was told, and the policy under which.
    Column("told", JSONB, nullable=False),
    Column("error", Text, nullable=False),
    Column("recorded_at", Instant, nullable=False),
    PrimaryKeyConstraint("event_id", "fingerprint"),
    _belongs_to("events", "event_id"),
    Index(None, "program_id", "event_id"),
)

decisions = Table(
    "decisions",
    metadata,
    _program(),
    Column("event_id", Id, nullable=False),
    Column("n", Integer, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("member_id", Id),
    Column("kind", Text, nullable=False),
    Column("points", BigInteger, nullable=False),
    Column("verdict", JSONB, nullable=False),
    Column("inputs", JSONB, nullable=False),
    Column("transaction_id", Id),
    Column("recorded_at", Instant, nullable=False),
    # Given under the locks of whom a decision concerns: in this order they can be made again.
    Column("position", BigInteger, Identity(always=True), nullable=False),
    PrimaryKeyConstraint("event_id", "n"),
    _belongs_to("events", "event_id"),
    CheckConstraint("kind IN ('award', 'retraction', 'amendment')", name="kind"),
)

# Uses of event types and rules per member and period: aggregates for conditions, and what caps have let through.
counters = Table(
    "counters",
    metadata,
    _program(),
    Column("member_id", Id, nullable=False),
    Column("name", Text(collation="C"), nullable=False),
    Column("period", Text(collation="C"), nullable=False),
    Column("period_on", Date, nullable=False),
    Column("uses", BigInteger, nullable=False),
    Column("total", BigInteger, nullable=False),
    PrimaryKeyConstraint("member_id", "name", "period", "period_on"),
    _belongs_to("members", "member_id"),
)

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    _program(),
    Column("scope", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("fingerprint", LargeBinary, nullable=False),
    Column("outcome", JSONB, nullable=False),
    Column("recorded_at", Instant, nullable=False),
    PrimaryKeyConstraint("program_id", "scope", "key"),
    Index(None, "recorded_at"),
)

notices = Table(
    "notices",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    _program(),
    Column("connection_id", Id, nullable=False),
    Column("notice_key", Text, nullable=False),
    Column("object_id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("body", JSONB, nullable=False),
    Column("occurred_at", Instant),
    Column("recorded_at", Instant, nullable=False),
    Column("handled_at", Instant),
    UniqueConstraint("program_id", "connection_id", "notice_key"),
    _belongs_to("connections", "connection_id"),
    CheckConstraint("state IN ('ignored', 'open', 'handled')", name="state"),
    Index("ix_notices_open", "connection_id", "object_id", "id", postgresql_where=text("state = 'open'")),
)

# What is known of an object that notices are about: the external ids of the facts that it gave.
outside_objects = Table(
    "outside_objects",
    metadata,
    _program(),
    Column("connection_id", Id, nullable=False),
    Column("object_id", Text, nullable=False),
    Column("facts", JSONB, nullable=False),
    Column("fetched_at", Instant, nullable=False),
    PrimaryKeyConstraint("connection_id", "object_id"),
    _belongs_to("connections", "connection_id"),
)

statements = Table(
    "statements",
    metadata,
    _program(),
    Column("connection_id", Id, nullable=False),
    Column("statement_id", Text, nullable=False),
    Column("body", JSONB, nullable=False),
    # The statement that this one voids.
    Column("voids", Text),
    Column("stored_at", Instant, nullable=False),
    PrimaryKeyConstraint("connection_id", "statement_id"),
    _belongs_to("connections", "connection_id"),
    Index("ix_statements_voids", "connection_id", "voids", postgresql_where=text("voids IS NOT NULL")),
)

# -- Ledger --------------------------------------------------------------------------------------------------------

# Running accounts (members, their held and pending value) carry a balance and a dense version; summed ones
# (program:issued and the like) carry none, so that no row is hot; only they may go below zero without debt.
accounts = Table(
    "accounts",
    metadata,
    Column("id", Id, nullable=False),
    _program(),
    Column("unit", Text, nullable=False),
    Column("member_id", Id),
    Column("running", Boolean, nullable=False),
    Column("balance", BigInteger, nullable=False, server_default="0"),
    Column("version", BigInteger, nullable=False, server_default="0"),
    Column("debt", BigInteger, nullable=False, server_default="0"),
    Column("lifetime", BigInteger, nullable=False, server_default="0"),
    Column("created_at", Instant, nullable=False),
    Column("closed_at", Instant),
    PrimaryKeyConstraint("id"),
    UniqueConstraint("program_id", "id"),
    _belongs_to("members", "member_id"),
    CheckConstraint("debt >= 0", name="debt"),
    CheckConstraint("NOT running OR balance >= -debt", name="covered"),
    CheckConstraint("running OR (balance = 0 AND version = 0 AND debt = 0)", name="summed"),
    CheckConstraint("closed_at IS NULL OR (balance = 0 AND debt = 0)", name="closed_is_empty"),
    Index(None, "member_id"),
)

transactions = Table(
    "transactions",
    metadata,
    Column("id", Id, nullable=False),
    _program(),
    Column("kind", Text, nullable=False),
    Column("business_key", Text(collation="C"), nullable=False),
    Column("event_id", Id),
    Column("order_id", Id),
    Column("reverses_id", Id),
    # Who ordered it and why, where a person or an integration did: a key's id or a person's name.
    Column("actor", Text),
    Column("reason", Text),
    Column("effective_at", Instant, nullable=False),
    Column("recorded_at", Instant, nullable=False),
    _written_by(),
    PrimaryKeyConstraint("id"),
    UniqueConstraint("program_id", "id"),
    UniqueConstraint("program_id", "business_key"),
    UniqueConstraint("program_id", "reverses_id"),
    _belongs_to("transactions", "reverses_id"),
    CheckConstraint(
        "kind IN ('earn', 'pend', 'confirm', 'cancel', 'adjust', 'hold', 'settle', 'release', 'refund', 'expire',"
        " 'reverse', 'transfer', 'convert', 'merge', 'spend')",
        name="kind",
    ),
    CheckConstraint("(kind = 'reverse') = (reverses_id IS NOT NULL)", name="reversal_names_original"),
    Index(None, "program_id", "xid", "id"),
    Index(None, "program_id", "event_id", postgresql_where=text("event_id IS NOT NULL")),
    Index(None, "program_id", "order_id", postgresql_where=text("order_id IS NOT NULL")),
)

transfers = Table(
    "transfers",
    metadata,
    _program(),
    Column("transaction_id", Id, nullable=False),
    Column("n", Integer, nullable=False),
    Column("unit", Text, nullable=False),
    Column("from_account", Id, nullable=False),
    Column("to_account", Id, nullable=False),
    Column("amount", BigInteger, nullable=False),
    PrimaryKeyConstraint("transaction_id", "n"),
    _belongs_to("transactions", "transaction_id"),
    _belongs_to("accounts", "from_account"),
    _belongs_to("accounts", "to_account"),
    CheckConstraint("amount > 0", name="amount_positive"),
    CheckConstraint("from_account <> to_account", name="two_accounts"),
)

# One side of a transfer: the source's entry is negative. Running accounts record balance and version after the entry.
entries = Table(
    "entries",
    metadata,
    _program(),
    Column("transaction_id", Id, nullable=False),
    Column("n", Integer, nullable=False),
    Column("account_id", Id, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("balance", BigInteger),
    Column("version", BigInteger),
    PrimaryKeyConstraint("transaction_id", "n", "account_id"),
    ForeignKeyConstraint(["transaction_id", "n"], ["transfers.transaction_id", "transfers.n"]),
    UniqueConstraint("account_id", "version"),
    CheckConstraint("amount <> 0", name="amount"),
    CheckConstraint("(balance IS NULL) = (version IS NULL)", name="running"),
)

lots = Table(
    "lots",
    metadata,
    Column("id", Id, nullable=False),
    _program(),
    Column("account_id", Id, nullable=False),
    Column("transaction_id", Id, nullable=False),
    Column("granted", BigInteger, nullable=False),
    # What left by holds (less what came back), debt repaid, reversal and expiry.
    Column("allocated", BigInteger, nullable=False, server_default="0"),
    Column("expired", BigInteger, nullable=False, server_default="0"),
    Column("reversed", BigInteger, nullable=False, server_default="0"),
    Column("remaining", BigInteger, nullable=False),
    Column("expires_at", Instant),
    Column("granted_at", Instant, nullable=False),
    PrimaryKeyConstraint("id"),
    UniqueConstraint("program_id", "id"),
    _belongs_to("accounts", "account_id"),
    _belongs_to("transactions", "transaction_id"),
    CheckConstraint("granted > 0", name="granted"),
    CheckConstraint("remaining = granted - allocated - expired - reversed", name="remaining"),
    CheckConstraint("remaining >= 0 AND allocated >= 0 AND expired >= 0 AND reversed >= 0", name="not_negative"),
    Index("ix_lots_open", "account_id", "expires_at", "id", postgresql_where=text("remaining > 0")),
    Index(
        "ix_lots_lapsing",
        "program_id",
        "expires_at",
        "id",
        postgresql_where=text("remaining > 0 AND expires_at IS NOT NULL"),
    ),
    Index(None, "transaction_id"),
)

# Every movement of a lot after its grant: positive takes from the lot, negative gives back. A settlement takes nothing
# that its hold had not taken before: its moves say which of the held lots it used.
lot_moves = Table(
    "lot_moves",
    metadata,
    _program(),
    Column("transaction_id", Id, nullable=False),
    Column("lot_id", Id, nullable=False),
    Column("kind", Text, nullable=False),
    Column("amount", BigInteger, nullable=False),
    PrimaryKeyConstraint("transaction_id", "lot_id", "kind"),
    _belongs_to("lots", "lot_id"),
    _belongs_to("transactions", "transaction_id"),
    CheckConstraint(
        "kind IN ('hold', 'release', 'refund', 'debt', 'reverse', 'expire', 'adjust', 'transfer', 'convert', 'merge',"
        " 'renew', 'settle', 'return', 'spend')",
        name="kind",
    ),
    CheckConstraint("(kind IN ('release', 'refund', 'return')) = (amount < 0) AND amount <> 0", name="direction"),
    Index(None, "lot_id"),
)

holds = Table(
    "holds",
    metadata,
    Column("id", Id, nullable=False),
    _program(),
    Column("account_id", Id, nullable=False),
    Column("held_account_id", Id, nullable=False),
    Column("transaction_id", Id, nullable=False),
    Column("order_id", Id),
    Column("amount", BigInteger, nullable=False),
    # What of it has been spent and given back; open while anything is left.
    Column("settled", BigInteger, nullable=False, server_default="0"),
    Column("released", BigInteger, nullable=False, server_default="0"),
    Column("state", Text, nullable=False),
    Column("closed_by", Id),
    # Null for an order's: it ends only with the order.
    Column("expires_at", Instant),
    Column("created_at", Instant, nullable=False),
    PrimaryKeyConstraint("id"),
    UniqueConstraint("program_id", "id"),
    UniqueConstraint("program_id", "order_id"),
    _belongs_to("accounts", "account_id"),
    _belongs_to("accounts", "held_account_id"),
    _belongs_to("transactions", "transaction_id"),
    CheckConstraint("amount > 0", name="amount"),
    CheckConstraint("state IN ('open', 'settled', 'released')", name="state"),
    CheckConstraint("(state = 'open') = (closed_by IS NULL)", name="closed"),
    CheckConstraint("settled >= 0 AND released >= 0 AND settled + released <= amount", name="parts"),
    CheckConstraint("(state = 'open') = (settled + released < amount)", name="open_while_left"),
    CheckConstraint("state <> 'released' OR settled = 0", name="released_whole"),
    CheckConstraint("order_id IS NULL OR expires_at IS NULL", name="order_holds_do_not_expire"),
    Index("ix_holds_open", "held_account_id", postgresql_where=text("state = 'open'")),
    Index("ix_holds_closed", "held_account_id", "id", postgresql_where=text("state <> 'open'")),
    Index("ix_holds_expiring", "expires_at", postgresql_where=text("state = 'open' AND expires_at IS NOT NULL")),
)

# Value that is promised and not yet spendable: until an instant, or until somebody approves.
pendings = Table(
    "pendings",
    metadata,
    Column("id", Id, nullable=False),
    _program(),
    Column("account_id", Id, nullable=False),
    Column("pending_account_id", Id, nullable=False),
    Column("transaction_id", Id, nullable=False),
    Column("amount", BigInteger, nullable=False),
    # Null waits for an approval.
    Column("available_at", Instant),
    Column("expires_at", Instant),
    Column("state", Text, nullable=False),
    Column("closed_by", Id),
    Column("created_at", Instant, nullable=False),
    PrimaryKeyConstraint("id"),
    UniqueConstraint("program_id", "id"),
    _belongs_to("accounts", "account_id"),
    _belongs_to("accounts", "pending_account_id"),
    _belongs_to("transactions", "transaction_id"),
    CheckConstraint("amount > 0", name="amount"),
    CheckConstraint("state IN ('open', 'confirmed', 'cancelled')", name="state"),
    CheckConstraint("(state = 'open') = (closed_by IS NULL)", name="closed"),
    Index("ix_pendings_open", "pending_account_id", postgresql_where=text("state = 'open'")),
    Index("ix_pendings_closed", "pending_account_id", "id", postgresql_where=text("state <> 'open'")),
    Index("ix_pendings_due", "available_at", postgresql_where=text("state = 'open' AND available_at IS NOT NULL")),
)

# Adjustments above a unit's threshold: proposed by one, approved by another.
adjustments = Table(
    "adjustments",
    metadata,
    Column("id", Id, nullable=False),
    _program(),
    Column("reference", Text(collation="C"), nullable=False),
    Column("member_id", Id, nullable=False),
    Column("unit", Text, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    # As it was proposed: null takes effect when it is approved, and lapses as the unit says.
    Column("effective_at", Instant),
    Column("expires_at", Instant),
    Column("state", Text, nullable=False),
    Column("proposed_by", Text, nullable=False),
    Column("decided_by", Text),
    Column("transaction_id", Id),
    Column("created_at", Instant, nullable=False),
    Column("decided_at", Instant),
    PrimaryKeyConstraint("id"),
    UniqueConstraint("program_id", "id"),
    UniqueConstraint("program_id", "reference"),
    _belongs_to("members", "member_id"),
    _belongs_to("transactions", "transaction_id"),
    CheckConstraint("amount <> 0", name="amount"),
    CheckConstraint("state IN ('proposed', 'approved', 'rejected')", name="state"),
    CheckConstraint("(state = 'proposed') = (decided_by IS NULL)", name="decided"),
    CheckConstraint("(state = 'approved') = (transaction_id IS NOT NULL)", name="approved_is_posted"),
    CheckConstraint("decided_by <> proposed_by", name="two_people"),
    Index("ix_adjustments_proposed", "program_id", "id", postgresql_where=text("state = 'proposed'")),
)

# The rate at which value changed its unit: `rate_from` of the one for `rate_to` of the other.
conversions = Table(
    "conversions",
    metadata,
    _program(),
    Column("transaction_id", Id, nullable=False),
    Column("conversion", Text, nullable=False),
    Column("from_unit", Text, nullable=False),
    Column("to_unit", Text, nullable=False),
    Column("from_amount", BigInteger, nullable=False),
    Column("to_amount", BigInteger, nullable=False),
    Column("rate_from", BigInteger, nullable=False),
    Column("rate_to", BigInteger, nullable=False),
    PrimaryKeyConstraint("transaction_id"),
    _belongs_to("transactions", "transaction_id"),
    CheckConstraint("from_amount > 0 AND to_amount > 0 AND rate_from > 0 AND rate_to > 0", name="amounts"),
    CheckConstraint("from_unit <> to_unit", name="two_units"),
)

# What callers have ordered, each under its own reference, for ever: the same again is answered with the first outcome.
commands = Table(
    "commands",
    metadata,
    _program(),
    Column("reference", Text(collation="C"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("fingerprint", LargeBinary, nullable=False),
    Column("outcome", JSONB, nullable=False),
    Column("actor", Text, nullable=False),
    Column("recorded_at", Instant, nullable=False),
    PrimaryKeyConstraint("program_id", "reference"),
    ForeignKeyConstraint(["program_id"], ["programs.program_id"]),
)

# What callers have ordered in vain, and why not.
refusals = Table(
    "refusals",
    metadata,
    Column("id", Id, nullable=False),
    _program(),
    Column("reference", Text(collation="C"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("code", Text, nullable=False),
    Column("detail", JSONB, nullable=False, server_default=text("'{}'")),
    Column("member_id", Id),
    Column("actor", Text, nullable=False),
    Column("recorded_at", Instant, nullable=False),
    _written_by(),
    PrimaryKeyConstraint("id"),
    UniqueConstraint("program_id", "id"),
    ForeignKeyConstraint(["program_id"], ["programs.program_id"]),
    Index(None, "program_id", "recorded_at"),
    Index(None, "program_id", "actor", "recorded_at"),
    Index(None, "program_id", "xid", "id"),
)

# Refusals of one actor that were too many to keep: only counted. Open until it is sealed.
refusal_counts = Table(
    "refusal_counts",
    metadata,
    Column("id", Id, nullable=False),
    _program(),
    Column("actor", Text, nullable=False),
    Column("counted", BigInteger, nullable=False),
    Column("from_at", Instant, nullable=False),
    Column("until_at", Instant, nullable=False),
    Column("open", Boolean, nullable=False, server_default=text("true")),
    PrimaryKeyConstraint("id"),
    ForeignKeyConstraint(["program_id"], ["programs.program_id"]),
    CheckConstraint("counted > 0", name="counted"),
    Index("uq_refusal_counts_open", "program_id", "actor", unique=True, postgresql_where=text("open")),
)

# Two members who turned out to be one, or (`undoes`) turned out not to be. `moved` is what undoing must give back.
merges = Table(
    "merges",
    metadata,
    Column("id", Id, nullable=False),
    _program(),
    Column("from_member_id", Id, nullable=False),
    Column("to_member_id", Id, nullable=False),
    Column("undoes", Id),
    Column("moved", JSONB, nullable=False),
    Column("actor", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("recorded_at", Instant, nullable=False),
    PrimaryKeyConstraint("id"),
    UniqueConstraint("program_id", "id"),
    UniqueConstraint("program_id", "undoes"),
    _belongs_to("members", "from_member_id"),
    _belongs_to("members", "to_member_id"),
    _belongs_to("merges", "undoes"),
    CheckConstraint("from_member_id <> to_member_id", name="two_members"),
    Index(None, "program_id", "from_member_id"),
    Index(None, "program_id", "to_member_id"),
)

# -- Proof against tampering ---------------------------------------------------------------------------------------

# The chain of a program: what has no row here is not sealed yet. `salt` hides a record's parts from one another.
seals = Table(
    "seals",
    metadata,
    _program(),
    Column("position", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),
    Column("subject_id", Id, nullable=False),
    Column("version", Integer, nullable=False),
    Column("salt", LargeBinary, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("link", LargeBinary, nullable=False),
    Column("sealed_at", Instant, nullable=False),
    PrimaryKeyConstraint("program_id", "position"),
    UniqueConstraint("subject_id"),
    ForeignKeyConstraint(["program_id"], ["programs.program_id"]),
    CheckConstraint("kind IN ('transaction', 'refusal', 'refusal_count')", name="kind"),
    CheckConstraint("position >= 0", name="position"),
)

# What stands for a person's texts in a sealed record. An erasure takes the salt away, as the owner.
commitments = Table(
    "commitments",
    metadata,
    _program(),
    Column("subject_id", Id, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("salt", LargeBinary),
    PrimaryKeyConstraint("subject_id"),
    ForeignKeyConstraint(["program_id"], ["programs.program_id"]),
)

# Whose texts were taken out of a record, by whom and why: a salt that is gone without a row here was not erased so.
erasures = Table(
    "erasures",
    metadata,
    _program(),
    Column("subject_id", Id, nullable=False),
    Column("actor", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("recorded_at", Instant, nullable=False),
    PrimaryKeyConstraint("subject_id"),
    ForeignKeyConstraint(["program_id"], ["programs.program_id"]),
    Index(None, "program_id", "recorded_at"),
)

# `roots` are those of the tree's complete subtrees, so that the next checkpoint goes on from here.
checkpoints = Table(
    "checkpoints",
    metadata,
    _program(),
    Column("size", BigInteger, nullable=False),
    Column("roots", LargeBinary, nullable=False),
    Column("note", Text, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    PrimaryKeyConstraint("program_id", "size"),
    ForeignKeyConstraint(["program_id"], ["programs.program_id"]),
    CheckConstraint("size > 0", name="size"),
)

# -- Milestones, rewards, orders -----------------------------------------------------------------------------------

crossings = Table(
    "crossings",
    metadata,
    Column("id", Id, nullable=False),
    _program(),
    Column("member_id", Id, nullable=False),
    Column("milestone", Text, nullable=False),
    Column("n", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("event_id", Id),
    Column("configuration", Integer, nullable=False),
    Column("crossed_at", Instant, nullable=False),
    PrimaryKeyConstraint("id"),
    UniqueConstraint("program_id", "id"),
    _belongs_to("members", "member_id"),
    CheckConstraint("state IN ('standing', 'withdrawn')", name="state"),
    Index(
        "uq_crossings_standing",
        "program_id",
        "milestone",
        "member_id",
        "n",
        unique=True,
        postgresql_where=text("state = 'standing'"),
    ),
    Index(None, "member_id"),
)

rewards = Table(
    "rewards",
    metadata,
    Column("id", Id, nullable=False),
    _program(),
    Column("member_id", Id, nullable=False),
    Column("reward", Text, nullable=False),
    Column("configuration", Integer, nullable=False),
    Column("crossing_id", Id),
    Column("event_id", Id),
    Column("rule", Text),
    Column("state", Text, nullable=False),
    Column("reason", Text),
    Column("order_id", Id),
    Column("offered_at", Instant),
    Column("expires_at", Instant),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    PrimaryKeyConstraint("id"),
    UniqueConstraint("program_id", "id"),
    UniqueConstraint("program_id", "crossing_id"),
    _belongs_to("members", "member_id"),
    _belongs_to("crossings", "crossing_id"),
    CheckConstraint("state IN ('unlocked', 'offered', 'ordered', 'declined', 'expired', 'withdrawn')", name="state"),
    CheckConstraint("(state = 'ordered') = (order_id IS NOT NULL)", name="ordered"),
    Index(
        "uq_rewards_rule", "program_id", "event_id", "rule", unique=True, postgresql_where=text("state <> 'withdrawn'")
    ),
    Index(None, "program_id", "member_id", "id"),
    Index("ix_rewards_open", "program_id", "id", postgresql_where=text("state IN ('unlocked', 'offered')")),
)

orders = Table(
    "orders",
    metadata,
    Column("id", Id, nullable=False),
    _program(),
    Column("member_id", Id, nullable=False),
    Column("reward_id", Id),
    Column("item", Text, nullable=False),
    Column("item_name", Text, nullable=False),
    Column("connection_id", Id),
    Column("product", Text),
    Column("value_minor", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),
    Column("price_points", BigInteger, nullable=False),
    Column("hold_id", Id),
    Column("recipient_name", Text, nullable=False),
    Column("recipient_email", Text, nullable=False),
    Column("delivery_method", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text),
    Column("delivery_state", Text, nullable=False),
    Column("vendor_request", LargeBinary),
    Column("vendor_order_id", Text),
    Column("vendor_reward_id", Text),
    Column("link", LargeBinary),
    Column("key_id", Text),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    PrimaryKeyConstraint("id"),
    UniqueConstraint("program_id", "id"),
    UniqueConstraint("connection_id", "vendor_order_id"),
    _belongs_to("members", "member_id"),
    _belongs_to("connections", "connection_id"),
    _belongs_to("holds", "hold_id"),
    CheckConstraint("value_minor > 0 AND price_points >= 0", name="amounts"),
    CheckConstraint(
        "state IN ('placed', 'paused', 'awaiting_funds', 'ordering', 'unanswered', 'rejected', 'ordered', 'accepted',"
        " 'sent', 'in_review', 'cancelling', 'delivered', 'refunded', 'failed')",
        name="state",
    ),
    CheckConstraint(
        "delivery_state IN ('none', 'pending', 'bounced', 'readdressed', 'delivered', 'cancelled')", name="delivery"
    ),
    CheckConstraint("(connection_id IS NULL) = (vendor_request IS NULL)", name="vendor_has_request"),
    CheckConstraint("(price_points > 0) = (hold_id IS NOT NULL)", name="member_pays_by_hold"),
    CheckConstraint("(link IS NULL) = (key_id IS NULL)", name="link_has_key"),
    Index(None, "program_id", "member_id", "id"),
    Index(None, "program_id", "created_at"),
    Index(
        "uq_orders_reward",
        "program_id",
        "reward_id",
        unique=True,
        postgresql_where=text("state NOT IN ('refunded', 'failed')"),
    ),
    Index(
        "ix_orders_open", "program_id", "id", postgresql_where=text("state NOT IN ('delivered', 'refunded', 'failed')")
    ),
)

# What happened to an order, in order: each transition and each vendor call, for stories and reviews. No secrets.
order_steps = Table(
    "order_steps",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    _program(),
    Column("order_id", Id, nullable=False),
    Column("step", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("detail", JSONB, nullable=False, server_default=text("'{}'")),
    Column("actor", Text, nullable=False),
    Column("recorded_at", Instant, nullable=False),
    _belongs_to("orders", "order_id"),
    Index(None, "order_id", "id"),
)

# What the vendors of a program sold when they were last asked; the catalog outlives their absence.
vendor_products = Table(
    "vendor_products",
    metadata,
    _program(),
    Column("connection_id", Id, nullable=False),
    Column("code", Text, nullable=False),
    Column("body", JSONB, nullable=False),
    Column("on_sale", Boolean, nullable=False),
    Column("seen_at", Instant, nullable=False),
    PrimaryKeyConstraint("connection_id", "code"),
    _belongs_to("connections", "connection_id"),
)

# -- What must follow ----------------------------------------------------------------------------------------------

outbox = Table(
    "outbox",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    _program(),
    Column("lane", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("order_key", Text(collation="C")),
    Column("payload", JSONB, nullable=False),
    Column("state", Text, nullable=False, server_default="open"),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("available_at", Instant, nullable=False),
    Column("claimed_until", Instant),
    Column("error", Text),
    Column("created_at", Instant, nullable=False),
    Column("done_at", Instant),
    CheckConstraint("state IN ('open', 'done', 'dead')", name="state"),
    Index("ix_outbox_open", "lane", "id", postgresql_where=text("state = 'open'")),
    Index("ix_outbox_order", "order_key", "id", postgresql_where=text("state <> 'done' AND order_key IS NOT NULL")),
    Index("ix_outbox_done", "done_at", postgresql_where=text("state = 'done'")),
    Index("ix_outbox_dead", "program_id", "id", postgresql_where=text("state = 'dead'")),
)

notifications = Table(
    "notifications",
    metadata,
    Column("id", Id, nullable=False),
    _program(),
    Column("member_id", Id),  # null: to the program's administrators
    Column("kind", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("reference", Text(collation="C"), nullable=False),  # begins with the row that it is about
    Column("created_at", Instant, nullable=False),
    Column("read_at", Instant),
    Column("sentences", JSONB),  # subject and body for every language; what is not in it is told as it stands
    PrimaryKeyConstraint("id"),
    UniqueConstraint("program_id", "kind", "reference"),
    _belongs_to("members", "member_id"),
    Index(None, "program_id", "member_id", "id"),
)
