"""The schema of the game: counters of all members together, streaks, challenges, boards, tiers, badges, absences.

The conventions are those of `storage.tables`, whose metadata these tables belong to.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    ForeignKeyConstraint,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from storage.tables import Id, Instant, metadata

# What budgets and challenges count of all members together, per period in the program's time zone.
program_counters = Table(
    "program_counters",
    metadata,
    Column("program_id", Id, nullable=False),
    Column("name", Text(collation="C"), nullable=False),
    Column("period", Text(collation="C"), nullable=False),
    Column("period_on", Date, nullable=False),
    Column("uses", BigInteger, nullable=False),
    Column("total", BigInteger, nullable=False),
    PrimaryKeyConstraint("program_id", "name", "period", "period_on"),
    ForeignKeyConstraint(["program_id"], ["programs.program_id"]),
)

# -- Streaks -------------------------------------------------------------------------------------------------------

# One row for each event and policy that counts; ended, never deleted, when the event is taken back or amended.
streak_marks = Table(
    "streak_marks",
    metadata,
    Column("id", Id, nullable=False),
    Column("program_id", Id, nullable=False),
    Column("member_id", Id, nullable=False),
    Column("policy", Text(collation="C"), nullable=False),
    Column("event_id", Id, nullable=False),
    Column("occurred_at", Instant, nullable=False),
    Column("amount", BigInteger, nullable=False),
    # When the event came; an amendment begins another mark of an event that arrived no later for it.
    Column("arrived_at", Instant, nullable=False),
    Column("recorded_at", Instant, nullable=False),
    Column("ended_at", Instant),
    PrimaryKeyConstraint("id"),
    ForeignKeyConstraint(["program_id", "member_id"], ["members.program_id", "members.id"]),
    ForeignKeyConstraint(["program_id", "event_id"], ["events.program_id", "events.id"]),
    CheckConstraint("amount > 0", name="amount"),
    Index(None, "program_id", "member_id", "policy", "occurred_at"),
    Index("uq_streak_marks_standing", "event_id", "policy", unique=True, postgresql_where=text("ended_at IS NULL")),
)

# What domain.streak_fold.fold makes of the facts, kept for reads; the tally is where the next fold may begin.
streaks = Table(
    "streaks",
    metadata,
    Column("program_id", Id, nullable=False),
    Column("member_id", Id, nullable=False),
    Column("policy", Text(collation="C"), nullable=False),
    Column("state", Text, nullable=False),
    Column("current", Integer, nullable=False),
    Column("longest", Integer, nullable=False),
    Column("started_on", Date),
    Column("last_qualifying_at", Instant),
    Column("last_event_id", Id),
    Column("grace_period_until", Instant),
    # When the passing of time changes it next; null while only a fact can.
    Column("next_deadline_at", Instant),
    Column("freezes", Integer, nullable=False),
    Column("tally", JSONB),
    Column("folded_at", Instant, nullable=False),
    PrimaryKeyConstraint("member_id", "policy"),
    ForeignKeyConstraint(["program_id", "member_id"], ["members.program_id", "members.id"]),
    CheckConstraint("state IN ('active', 'at_risk', 'protected', 'broken')", name="state"),
    CheckConstraint("current >= 0 AND longest >= current AND freezes >= 0", name="lengths"),
    CheckConstraint("(state = 'broken') = (current = 0)", name="broken_has_no_length"),
    Index(
        "ix_streaks_due",
        "program_id",
        "policy",
        "next_deadline_at",
        postgresql_where=text("next_deadline_at IS NOT NULL"),
    ),
)

# Freezes that people were given by hand; those that a policy grants follow from its periods.
streak_freezes = Table(
    "streak_freezes",
    metadata,
    Column("id", Id, nullable=False),
    Column("program_id", Id, nullable=False),
    Column("member_id", Id, nullable=False),
    Column("policy", Text(collation="C"), nullable=False),
    Column("granted_on", Date, nullable=False),
    Column("amount", Integer, nullable=False),
    Column("reason", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("recorded_at", Instant, nullable=False),
    Column("ended_at", Instant),
    PrimaryKeyConstraint("id"),
    ForeignKeyConstraint(["program_id", "member_id"], ["members.program_id", "members.id"]),
    CheckConstraint("amount > 0", name="amount"),
    Index(None, "program_id", "member_id", "policy"),
)

# Lengths that were told as events streak.reached: `n` counts those of one member, policy and length.
streak_awards = Table(
    "streak_awards",
    metadata,
    Column("program_id", Id, nullable=False),
    Column("member_id", Id, nullable=False),
    Column("policy", Text(collation="C"), nullable=False),
    Column("length", Integer, nullable=False),
    Column("n", Integer, nullable=False),
    Column("state", Text, nullable=False),
    # The run for which it stands now: its first day, and the first day of the period that brought the length.
    Column("started_on", Date, nullable=False),
    Column("reached_on", Date, nullable=False),
    Column("found_at", Instant, nullable=False),
    Column("retracted_at", Instant),
    PrimaryKeyConstraint("member_id", "policy", "length", "n"),
    ForeignKeyConstraint(["program_id", "member_id"], ["members.program_id", "members.id"]),
    CheckConstraint("state IN ('paid', 'retracted')", name="state"),
    CheckConstraint("length > 0 AND n > 0", name="counted"),
)

# From the end of a period that was not kept to the moment at which the streak breaks for it, unless something saves it.
grace_windows = Table(
    "grace_windows",
    metadata,
    Column("id", Id, nullable=False),
    Column("program_id", Id, nullable=False),
    Column("member_id", Id, nullable=False),
    Column("policy", Text(collation="C"), nullable=False),
    Column("state", Text, nullable=False),
    # The streak's when it opened.
    Column("length", Integer, nullable=False),
    Column("started_on", Date, nullable=False),
    Column("opened_at", Instant, nullable=False),
    Column("ends_at", Instant, nullable=False),
    Column("remind_at", Instant),
    Column("reminded_at", Instant),
    Column("closed_at", Instant),
    PrimaryKeyConstraint("id"),
    UniqueConstraint("program_id", "id"),
    ForeignKeyConstraint(["program_id", "member_id"], ["members.program_id", "members.id"]),
    CheckConstraint("state IN ('open', 'kept', 'broken', 'restored')", name="state"),
    CheckConstraint("(state = 'open') = (closed_at IS NULL)", name="closed"),
    CheckConstraint("length > 0", name="length"),
    Index(None, "member_id", "policy", "id"),
    Index("ix_grace_windows_open", "program_id", "id", postgresql_where=text("state = 'open'")),
    Index("uq_grace_windows_open", "member_id", "policy", unique=True, postgresql_where=text("state = 'open'")),
)

# -- What protects streaks -----------------------------------------------------------------------------------------

# One row for each version of an absence: what a source says anew ends the version that stood.
absences = Table(
    "absences",
    metadata,
    Column("id", Id, nullable=False),
    Column("program_id", Id, nullable=False),
    Column("member_id", Id, nullable=False),
    Column("source", Text, nullable=False),
    Column("external_id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("starts_on", Date, nullable=False),
    Column("ends_on", Date, nullable=False),
    Column("state", Text, nullable=False),
    Column("recorded_at", Instant, nullable=False),
    Column("ended_at", Instant),
    PrimaryKeyConstraint("id"),
    UniqueConstraint("program_id", "id"),
    ForeignKeyConstraint(["program_id", "member_id"], ["members.program_id", "members.id"]),
    CheckConstraint("state IN ('standing', 'replaced', 'withdrawn')", name="state"),
    CheckConstraint("(state = 'standing') = (ended_at IS NULL)", name="ended"),
    CheckConstraint("kind IN ('pto', 'sick', 'parental', 'holiday', 'other')", name="kind"),
    CheckConstraint("ends_on >= starts_on", name="days"),
    Index(None, "program_id", "member_id", "starts_on"),
    Index(
        "uq_absences_standing",
        "program_id",
        "source",
        "external_id",
        unique=True,
        postgresql_where=text("state = 'standing'"),
    ),
)

# When a source could not be heard; it goes on until `ended_at`, when it has caught up.
outages = Table(
    "outages",
    metadata,
    Column("id", Id, nullable=False),
    Column("program_id", Id, nullable=False),
    Column("connection_id", Id, nullable=False),
    Column("source", Text, nullable=False),
    Column("began_at", Instant, nullable=False),
    Column("ended_at", Instant),
    Column("recorded_at", Instant, nullable=False),
    PrimaryKeyConstraint("id"),
    ForeignKeyConstraint(["program_id", "connection_id"], ["connections.program_id", "connections.id"]),
    CheckConstraint("ended_at >= began_at", name="instants"),
    Index(None, "program_id", "began_at"),
    Index("uq_outages_open", "connection_id", "source", unique=True, postgresql_where=text("ended_at IS NULL")),
)

# -- Boards --------------------------------------------------------------------------------------------------------

# What members earned of units that a board over a week or a month, or a ladder over days, looks at: by the day on which
# it took effect, in the program's zone. What was taken back is taken from the day on which it was earned.
earned_days = Table(
    "earned_days",
    metadata,
    Column("program_id", Id, nullable=False),
    Column("member_id", Id, nullable=False),
    Column("unit", Text(collation="C"), nullable=False),
    Column("day", Date, nullable=False),
    Column("amount", BigInteger, nullable=False),
    # When the book last changed it.
    Column("changed_at", Instant, nullable=False),
    PrimaryKeyConstraint("member_id", "unit", "day"),
    ForeignKeyConstraint(["program_id", "member_id"], ["members.program_id", "members.id"]),
)

# Who wants no place on any board; points are kept, and earned, all the same.
board_opt_outs = Table(
    "board_opt_outs",
    metadata,
    Column("program_id", Id, nullable=False),
    Column("member_id", Id, nullable=False),
    Column("hidden_at", Instant, nullable=False),
    PrimaryKeyConstraint("member_id"),
    ForeignKeyConstraint(["program_id", "member_id"], ["members.program_id", "members.id"]),
)

# A board's period that has ended everywhere, and how many had a place.
board_snapshots = Table(
    "board_snapshots",
    metadata,
    Column("program_id", Id, nullable=False),
    Column("board", Text(collation="C"), nullable=False),
    Column("per", Text(collation="C"), nullable=False),
    Column("period_on", Date, nullable=False),
    Column("configuration", Integer, nullable=False),
    Column("places", Integer, nullable=False),
    Column("settled_at", Instant, nullable=False),
    PrimaryKeyConstraint("program_id", "board", "per", "period_on"),
    ForeignKeyConstraint(["program_id"], ["programs.program_id"]),
    CheckConstraint("per IN ('week', 'month')", name="per"),
)

# `cohort` has the values of the attributes that the board goes by, as a JSON list.
board_places = Table(
    "board_places",
    metadata,
    Column("program_id", Id, nullable=False),
    Column("board", Text(collation="C"), nullable=False),
    Column("per", Text(collation="C"), nullable=False),
    Column("period_on", Date, nullable=False),
    Column("cohort", Text(collation="C"), nullable=False),
    Column("rank", Integer, nullable=False),
    Column("member_id", Id, nullable=False),
    Column("points", BigInteger, nullable=False),
    Column("reached_at", Instant, nullable=False),
    PrimaryKeyConstraint("program_id", "board", "per", "period_on", "cohort", "rank"),
    ForeignKeyConstraint(
        ["program_id", "board", "per", "period_on"],
        [f"board_snapshots.{name}" for name in ("program_id", "board", "per", "period_on")],
        name="fk_board_places_snapshot",
    ),
    ForeignKeyConstraint(["program_id", "member_id"], ["members.program_id", "members.id"]),
    CheckConstraint("rank > 0 AND points > 0", name="counted"),
)

# -- Tiers and badges ----------------------------------------------------------------------------------------------

# The step of a ladder on which a member stands, by its last change; null below the lowest.
member_tiers = Table(
    "member_tiers",
    metadata,
    Column("program_id", Id, nullable=False),
    Column("member_id", Id, nullable=False),
    Column("ladder", Text(collation="C"), nullable=False),
    Column("tier", Text),
    Column("n", Integer, nullable=False),
    Column("since", Instant, nullable=False),
    PrimaryKeyConstraint("member_id", "ladder"),
    ForeignKeyConstraint(["program_id", "member_id"], ["members.program_id", "members.id"]),
    Index(None, "program_id", "ladder", "member_id"),
)

# Every change of a tier, what had been earned then, and the event by which; a silent one was told to nobody.
tier_changes = Table(
    "tier_changes",
    metadata,
    Column("program_id", Id, nullable=False),
    Column("member_id", Id, nullable=False),
    Column("ladder", Text(collation="C"), nullable=False),
    Column("n", Integer, nullable=False),
    Column("tier", Text),
    Column("before", Text),
    Column("amount", BigInteger, nullable=False),
    Column("event_id", Id),
    Column("configuration", Integer, nullable=False),
    Column("silent", Boolean, nullable=False),
    Column("recorded_at", Instant, nullable=False),
    PrimaryKeyConstraint("member_id", "ladder", "n"),
    ForeignKeyConstraint(["program_id", "member_id"], ["members.program_id", "members.id"]),
    CheckConstraint("tier IS DISTINCT FROM before", name="changes"),
)

# `n` counts how often the member has earned the badge; it stands once at most.
member_badges = Table(
    "member_badges",
    metadata,
    Column("program_id", Id, nullable=False),
    Column("member_id", Id, nullable=False),
    Column("badge", Text(collation="C"), nullable=False),
    Column("n", Integer, nullable=False),
    Column("state", Text, nullable=False),
    # Null: the member had it when the badge was introduced.
    Column("event_id", Id),
    Column("configuration", Integer, nullable=False),
    Column("earned_at", Instant, nullable=False),
    Column("recorded_at", Instant, nullable=False),
    Column("withdrawn_at", Instant),
    PrimaryKeyConstraint("member_id", "badge", "n"),
    ForeignKeyConstraint(["program_id", "member_id"], ["members.program_id", "members.id"]),
    CheckConstraint("state IN ('standing', 'withdrawn')", name="state"),
    CheckConstraint("(state = 'withdrawn') = (withdrawn_at IS NOT NULL)", name="withdrawn"),
    Index("uq_member_badges_standing", "member_id", "badge", unique=True, postgresql_where=text("state = 'standing'")),
    Index(None, "program_id", "badge", postgresql_where=text("state = 'standing'")),
    Index("ix_member_badges_event", "event_id", postgresql_where=text("event_id IS NOT NULL")),
)

# -- Challenges ----------------------------------------------------------------------------------------------------

# `body` is the definition as it was last said; once launched it is in the snapshot too, and deciding reads it there.
challenges = Table(
    "challenges",
    metadata,
    Column("id", Id, nullable=False),
    Column("program_id", Id, nullable=False),
    Column("key", Text(collation="C"), nullable=False),
    Column("origin", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("body", JSONB, nullable=False),
    Column("reason", Text),
    Column("written_by", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("settled_at", Instant),
    PrimaryKeyConstraint("id"),
    UniqueConstraint("program_id", "id"),
    UniqueConstraint("program_id", "key"),
    ForeignKeyConstraint(["program_id"], ["programs.program_id"]),
    CheckConstraint("origin IN ('file', 'page')", name="origin"),
    CheckConstraint("state IN ('draft', 'scheduled', 'open', 'closed', 'settled', 'cancelled')", name="state"),
    CheckConstraint("(state = 'settled') = (settled_at IS NOT NULL)", name="settled"),
    Index("ix_challenges_running", "id", postgresql_where=text("state IN ('scheduled', 'open', 'closed')")),
)

# One row for each completion. `number` counts them as they came, `place` is one among the first: never given twice.
challenge_claims = Table(
    "challenge_claims",
    metadata,
    Column("program_id", Id, nullable=False),
    Column("challenge", Text(collation="C"), nullable=False),
    Column("event_id", Id, nullable=False),
    Column("member_id", Id, nullable=False),
    Column("number", Integer),
    Column("place", Integer),
    Column("state", Text, nullable=False),
    Column("amount", BigInteger, nullable=False),
    # What is paid, and what would be at a place; `prize` names the derived event that paid it, if its own did not.
    Column("points", BigInteger, nullable=False),
    Column("due", BigInteger, nullable=False),
    Column("team", Text),
    Column("prize", Text),
    Column("occurred_at", Instant, nullable=False),
    Column("recorded_at", Instant, nullable=False),
    PrimaryKeyConstraint("event_id", "challenge"),
    ForeignKeyConstraint(["program_id", "challenge"], ["challenges.program_id", "challenges.key"]),
    ForeignKeyConstraint(["program_id", "member_id"], ["members.program_id", "members.id"]),
    ForeignKeyConstraint(["program_id", "event_id"], ["events.program_id", "events.id"]),
    UniqueConstraint("program_id", "challenge", "number", name="uq_challenge_claims_number"),
    UniqueConstraint("program_id", "challenge", "place", name="uq_challenge_claims_place"),
    CheckConstraint("state IN ('standing', 'beyond', 'honoured', 'displaced', 'withdrawn')", name="state"),
    CheckConstraint("number > 0 AND place > 0", name="counted"),
    CheckConstraint("points >= 0 AND due >= 0", name="amounts"),
    Index(None, "program_id", "challenge", "member_id"),
)

# Final standings of members, and of teams where the goal is a team's; `reached` is whether it was.
challenge_standings = Table(
    "challenge_standings",
    metadata,
    Column("program_id", Id, nullable=False),
    Column("challenge", Text(collation="C"), nullable=False),
    Column("scope", Text, nullable=False),
    Column("rank", Integer, nullable=False),
    Column("member_id", Id),
    Column("team", Text),
    Column("amount", BigInteger, nullable=False),
    Column("completions", Integer, nullable=False),
    Column("points", BigInteger, nullable=False),
    Column("reached_at", Instant, nullable=False),
    Column("reached", Boolean, nullable=False),
    PrimaryKeyConstraint("program_id", "challenge", "scope", "rank"),
    ForeignKeyConstraint(["program_id", "challenge"], ["challenges.program_id", "challenges.key"]),
    ForeignKeyConstraint(["program_id", "member_id"], ["members.program_id", "members.id"]),
    CheckConstraint("scope IN ('members', 'teams')", name="scope"),
    CheckConstraint("(scope = 'members') = (member_id IS NOT NULL)", name="who"),
    CheckConstraint("(scope = 'teams') = (team IS NOT NULL)", name="team"),
)

# -- Employment ----------------------------------------------------------------------------------------------------

# How far a connection's runs have read what its system has; null until the first full run has ended.
sync_cursors = Table(
    "sync_cursors",
    metadata,
    Column("connection_id", Id, nullable=False),
    Column("program_id", Id, nullable=False),
    # Everything that changed there before is known here.
    Column("changed_at", Instant, nullable=False),
    Column("full_at", Instant, nullable=False),
    Column("synced_at", Instant, nullable=False),
    PrimaryKeyConstraint("connection_id"),
    ForeignKeyConstraint(["program_id", "connection_id"], ["connections.program_id", "connections.id"]),
    CheckConstraint("full_at <= synced_at", name="full"),
)

# What was told of a member's employment: an anniversary, the end of probation, a promotion. `n` counts how often the
# same one was told; a telling that did not hold is withdrawn, one of an employment that is over is closed.
employment_facts = Table(
    "employment_facts",
    metadata,
    Column("program_id", Id, nullable=False),
    Column("member_id", Id, nullable=False),
    Column("type", Text(collation="C"), nullable=False),
    Column("name", Text(collation="C"), nullable=False),
    Column("n", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("data", JSONB, nullable=False),
    Column("told_at", Instant, nullable=False),
    Column("ended_at", Instant),
    PrimaryKeyConstraint("member_id", "type", "name", "n"),
    ForeignKeyConstraint(["program_id", "member_id"], ["members.program_id", "members.id"]),
    CheckConstraint("state IN ('standing', 'withdrawn', 'closed')", name="state"),
    CheckConstraint("(state = 'standing') = (ended_at IS NULL)", name="ended"),
    Index(
        "uq_employment_facts_standing",
        "member_id",
        "type",
        "name",
        unique=True,
        postgresql_where=text("state = 'standing'"),
    ),
)
