"""A member's closed holds and promises have indexes; what is proposed keeps when it takes effect and lapses."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0007"
down_revision: str | None = "0006"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

CLOSED = sa.text("state <> 'open'")


def upgrade() -> None:
    op.create_index("ix_holds_closed", "holds", ["held_account_id", "id"], postgresql_where=CLOSED)
    op.create_index("ix_pendings_closed", "pendings", ["pending_account_id", "id"], postgresql_where=CLOSED)
    for name in ("effective_at", "expires_at"):
        op.add_column("adjustments", sa.Column(name, sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    for name in ("effective_at", "expires_at"):
        op.drop_column("adjustments", name)
    op.drop_index("ix_pendings_closed", table_name="pendings")
    op.drop_index("ix_holds_closed", table_name="holds")
