"""Notifications keep the sentences that they are made of, so that they can be told in any language."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0022"
down_revision: str | None = "0021"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("notifications", sa.Column("sentences", postgresql.JSONB()))


def downgrade() -> None:
    op.drop_column("notifications", "sentences")
