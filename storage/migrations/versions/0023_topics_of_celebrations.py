"""Birthdays and anniversaries are topics of their own, which a member may do without separately."""

from collections.abc import Sequence

from alembic import op

revision: str = "0023"
down_revision: str | None = "0022"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

APART = """UPDATE preferences SET opted_out = (opted_out - 'celebrations') || '["birthdays", "anniversaries"]'
    WHERE opted_out @> '["celebrations"]'"""
# Who does without one of them does without both.
TOGETHER = """UPDATE preferences SET opted_out = (opted_out - 'birthdays' - 'anniversaries') || '["celebrations"]'
    WHERE opted_out @> '["birthdays"]' OR opted_out @> '["anniversaries"]'"""


def upgrade() -> None:
    op.execute(APART)


def downgrade() -> None:
    op.execute(TOGETHER)
