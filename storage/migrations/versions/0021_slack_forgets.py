"""What was said in Slack, and requests of it that could not be acted upon, are forgotten by their age."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0021"
down_revision: str | None = "0020"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_index(
        "ix_slack_envelopes_open", "slack_envelopes", ["recorded_at"], postgresql_where=sa.text("state = 'open'")
    )
    op.create_index(
        "ix_slack_messages_ended", "slack_messages", ["ended_at"], postgresql_where=sa.text("content <> '{}'")
    )


def downgrade() -> None:
    op.drop_index("ix_slack_messages_ended", table_name="slack_messages")
    op.drop_index("ix_slack_envelopes_open", table_name="slack_envelopes")
