"""What others charge into each peer.

Revision: 0004, after 0003. There is no way back: restore a backup.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "peer_anchor",
        sa.Column("node_key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("peer_key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("anchor_ppm", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("checked_at", sa.Double(), nullable=True),
        sa.Column("tried_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["node_key", "peer_key"], ["peer.node_key", "peer.peer_key"], name=op.f("fk_peer_anchor_node_key_peer_key")
        ),
        sa.PrimaryKeyConstraint("node_key", "peer_key", name=op.f("pk_peer_anchor")),
    )
