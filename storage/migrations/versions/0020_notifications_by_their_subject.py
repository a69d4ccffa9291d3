"""Notifications are found by the row that they are about: what begins their reference."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0020"
down_revision: str | None = "0019"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.alter_column("notifications", "reference", type_=sa.Text(collation="C"))
    op.drop_index("ix_dispatches_about", table_name="dispatches")
    op.drop_column("dispatches", "about")


def downgrade() -> None:
    op.add_column("dispatches", sa.Column("about", sa.Text(collation="C"), nullable=False, server_default=""))
    op.execute(
        "UPDATE dispatches SET about = split_part(n.reference, '/', 1) FROM notifications n WHERE n.id = notification_id"
    )
    op.alter_column("dispatches", "about", server_default=None)
    op.create_index(
        "ix_dispatches_about", "dispatches", ["program_id", "about"], postgresql_where=sa.text("state = 'told'")
    )
    op.alter_column("notifications", "reference", type_=sa.Text())
