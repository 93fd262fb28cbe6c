"""What is in flight on a channel by direction, and when the first of it expires.

Revision: 0005, after 0004. There is no way back: restore a backup.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

#: None until the next sync.
COLUMNS = (
    "htlc_out_count",
    "htlc_out_msat",
    "htlc_out_limit_msat",
    "htlc_in_count",
    "htlc_in_msat",
    "htlc_in_limit_msat",
    "nearest_expiry_blockheight",
)


def upgrade() -> None:
    for name in COLUMNS:
        op.add_column("channel", sa.Column(name, sa.BigInteger(), nullable=True))
