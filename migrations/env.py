"""Run by Alembic, on the connection that `revops.store.upgrade` gives it: revops has no alembic.ini and no second
URL.
"""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection

from revops.store.tables import metadata

connection: Connection = context.config.attributes["connection"]
# Batches, since SQLite can't alter tables; one transaction for all, since both databases can take back DDL.
context.configure(
    connection=connection,
    target_metadata=metadata,
    render_as_batch=True,
    transactional_ddl=True,
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
