"""Challenges, their claims and their final standings."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0011"
down_revision: str | None = "0010"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "challenges",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("program_id", sa.Text(collation="C"), nullable=False),
        sa.Column("key", sa.Text(collation="C"), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("body", postgresql.JSONB(), nullable=False),
        sa.Column("reason", sa.Text()),
        sa.Column("written_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("settled_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_challenges")),
        sa.ForeignKeyConstraint(["program_id"], ["programs.program_id"], name=op.f("fk_challenges_program_id")),
        sa.CheckConstraint("(state = 'settled') = (settled_at IS NOT NULL)", name=op.f("ck_challenges_settled")),
        sa.CheckConstraint("origin IN ('file', 'page')", name=op.f("ck_challenges_origin")),
        sa.CheckConstraint(
            "state IN ('draft', 'scheduled', 'open', 'closed', 'settled', 'cancelled')",
            name=op.f("ck_challenges_state"),
        ),
        sa.UniqueConstraint("program_id", "id", name=op.f("uq_challenges_program_id_id")),
        sa.UniqueConstraint("program_id", "key", name=op.f("uq_challenges_program_id_key")),
    )
    op.create_table(
        "challenge_claims",
        sa.Column("program_id", sa.Text(collation="C"), nullable=False),
        sa.Column("challenge", sa.Text(collation="C"), nullable=False),
        sa.Column("event_id", sa.Text(collation="C"), nullable=False),
        sa.Column("member_id", sa.Text(collation="C"), nullable=False),
        sa.Column("number", sa.Integer()),
        sa.Column("place", sa.Integer()),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("points", sa.BigInteger(), nullable=False),
        sa.Column("due", sa.BigInteger(), nullable=False),
        sa.Column("team", sa.Text()),
        sa.Column("prize", sa.Text()),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("event_id", "challenge", name=op.f("pk_challenge_claims")),
        sa.ForeignKeyConstraint(
            ["program_id", "challenge"],
            ["challenges.program_id", "challenges.key"],
            name=op.f("fk_challenge_claims_program_id_challenge"),
        ),
        sa.ForeignKeyConstraint(
            ["program_id", "event_id"],
            ["events.program_id", "events.id"],
            name=op.f("fk_challenge_claims_program_id_event_id"),
        ),
        sa.ForeignKeyConstraint(
            ["program_id", "member_id"],
            ["members.program_id", "members.id"],
            name=op.f("fk_challenge_claims_program_id_member_id"),
        ),
        sa.CheckConstraint("number > 0 AND place > 0", name=op.f("ck_challenge_claims_counted")),
        sa.CheckConstraint("points >= 0 AND due >= 0", name=op.f("ck_challenge_claims_amounts")),
        sa.CheckConstraint(
            "state IN ('standing', 'beyond', 'honoured', 'displaced', 'withdrawn')",
            name=op.f("ck_challenge_claims_state"),
        ),
        sa.UniqueConstraint("program_id", "challenge", "number", name=op.f("uq_challenge_claims_number")),
        sa.UniqueConstraint("program_id", "challenge", "place", name=op.f("uq_challenge_claims_place")),
    )
    op.create_table(
        "challenge_standings",
        sa.Column("program_id", sa.Text(collation="C"), nullable=False),
        sa.Column("challenge", sa.Text(collation="C"), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("member_id", sa.Text(collation="C")),
        sa.Column("team", sa.Text()),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("completions", sa.Integer(), nullable=False),
        sa.Column("points", sa.BigInteger(), nullable=False),
        sa.Column("reached_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reached", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("program_id", "challenge", "scope", "rank", name=op.f("pk_challenge_standings")),
        sa.ForeignKeyConstraint(
            ["program_id", "challenge"],
            ["challenges.program_id", "challenges.key"],
            name=op.f("fk_challenge_standings_program_id_challenge"),
        ),
        sa.ForeignKeyConstraint(
            ["program_id", "member_id"],
            ["members.program_id", "members.id"],
            name=op.f("fk_challenge_standings_program_id_member_id"),
        ),
        sa.CheckConstraint("(scope = 'members') = (member_id IS NOT NULL)", name=op.f("ck_challenge_standings_who")),
        sa.CheckConstraint("(scope = 'teams') = (team IS NOT NULL)", name=op.f("ck_challenge_standings_team")),
        sa.CheckConstraint("scope IN ('members', 'teams')", name=op.f("ck_challenge_standings_scope")),
    )
    op.create_index(
        op.f("ix_challenges_running"),
        "challenges",
        ["id"],
        postgresql_where=sa.text("state IN ('scheduled', 'open', 'closed')"),
    )
    op.create_index(
        op.f("ix_challenge_claims_program_id_challenge_member_id"),
        "challenge_claims",
        ["program_id", "challenge", "member_id"],
    )
    op.execute("REVOKE UPDATE, DELETE, TRUNCATE ON challenge_standings FROM laurel_app")


def downgrade() -> None:
    op.drop_table("challenge_standings")
    op.drop_table("challenge_claims")
    op.drop_table("challenges")
