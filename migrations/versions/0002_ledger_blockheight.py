"""The height of the chain at each entry of the spend ledger: a window ends when clock and chain both say so.

Revision: 0002, after 0001. There is no way back: restore a backup.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("spend_ledger", sa.Column("blockheight", sa.BigInteger(), nullable=True))
