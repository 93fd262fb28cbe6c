"""How far forwards were followed after each refill: no plan follows all of them again.

Revision: 0012, after 0011. There is no way back: restore a backup.

There are no marks yet: the first plan makes them, of the forwards that are there.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "lot_mark",
        sa.Column("node_key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("job_key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("channel_key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("until_at", sa.Double(), nullable=False),
        sa.Column("net_msat", sa.BigInteger(), nullable=False),
        sa.Column("low_msat", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["node_key", "job_key"],
            ["rebalance_job.node_key", "rebalance_job.job_key"],
            name=op.f("fk_lot_mark_node_key_job_key"),
        ),
        sa.ForeignKeyConstraint(
            ["node_key", "channel_key"],
            ["channel.node_key", "channel.channel_key"],
            name=op.f("fk_lot_mark_node_key_channel_key"),
        ),
        sa.PrimaryKeyConstraint("node_key", "job_key", name=op.f("pk_lot_mark")),
        sqlite_with_rowid=False,
    )
