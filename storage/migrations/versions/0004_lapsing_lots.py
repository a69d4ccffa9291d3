"""What lapses next in a program is found without looking at what does not."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0004"
down_revision: str | None = "0003"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_index(
        "ix_lots_lapsing",
        "lots",
        ["program_id", "expires_at", "id"],
        unique=False,
        postgresql_where=sa.text("remaining > 0 AND expires_at IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index(
        "ix_lots_lapsing",
        table_name="lots",
        postgresql_where=sa.text("remaining > 0 AND expires_at IS NOT NULL"),
    )
