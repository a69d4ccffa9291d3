"""Alembic's entry point: runs on the connection that storage.schema hands over."""

from alembic import context

from storage import game_tables  # noqa: F401 - its tables belong to the metadata
from storage.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    compare_type=True,
    compare_server_default=False,
)
with context.begin_transaction():
    context.run_migrations()
