"""Splices that were begun: what was asked of the node, and what each has cost.

Revision: 0017, after 0016. There is no way back: restore a backup.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("splice_job", sa.Column("start_json", sa.Text(), nullable=True))
    op.add_column("splice_job", sa.Column("cost_msat", sa.BigInteger(), nullable=True))
