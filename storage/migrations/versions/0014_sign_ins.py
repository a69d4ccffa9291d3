"""Signing in to the pages of administrators."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0014"
down_revision: str | None = "0013"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "sign_in_links",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("program_id", sa.Text(collation="C"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sign_in_links")),
        sa.UniqueConstraint("digest", name=op.f("uq_sign_in_links_digest")),
        sa.UniqueConstraint("program_id", "id", name=op.f("uq_sign_in_links_program_id_id")),
        sa.ForeignKeyConstraint(["program_id"], ["programs.program_id"], name=op.f("fk_sign_in_links_program_id")),
    )
    op.create_table(
        "admin_sessions",
        sa.Column("id", sa.Text(collation="C"), nullable=False),
        sa.Column("program_id", sa.Text(collation="C"), nullable=False),
        sa.Column("link_id", sa.Text(collation="C"), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_admin_sessions")),
        sa.UniqueConstraint("link_id", name=op.f("uq_admin_sessions_link_id")),
        sa.UniqueConstraint("digest", name=op.f("uq_admin_sessions_digest")),
        sa.ForeignKeyConstraint(
            ["program_id", "link_id"],
            ["sign_in_links.program_id", "sign_in_links.id"],
            name=op.f("fk_admin_sessions_program_id_link_id"),
        ),
    )


def downgrade() -> None:
    op.drop_table("admin_sessions")
    op.drop_table("sign_in_links")
