"""What forwards teach: their scores, and decayed sums of peers and channels.

Revision: 0006, after 0005. There is no way back: restore a backup.

Forwards that were stored before have no score: they count as what they earned. The sums start with the next sync.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "peer_signal",
        sa.Column("node_key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("peer_key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("success", sa.Double(), nullable=False),
        sa.Column("failure", sa.Double(), nullable=False),
        sa.Column("hold_log", sa.Double(), nullable=False),
        sa.Column("hold_weight", sa.Double(), nullable=False),
        sa.Column("updated_at", sa.Double(), nullable=False),
        sa.CheckConstraint("role IN ('sender', 'receiver')", name=op.f("ck_peer_signal_role")),
        sa.ForeignKeyConstraint(
            ["node_key", "peer_key"],
            ["peer.node_key", "peer.peer_key"],
            name=op.f("fk_peer_signal_node_key_peer_key"),
        ),
        sa.PrimaryKeyConstraint("node_key", "peer_key", "role", name=op.f("pk_peer_signal")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "channel_signal",
        sa.Column("node_key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("channel_key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("since_at", sa.Double(), nullable=True),
        sa.Column("updated_at", sa.Double(), nullable=False),
        sa.Column("demand_msat", sa.Double(), nullable=False),
        sa.Column("demand_squares", sa.Double(), nullable=False),
        sa.Column("inflow_msat", sa.Double(), nullable=False),
        sa.Column("inflow_squares", sa.Double(), nullable=False),
        sa.Column("entry_msat", sa.Double(), nullable=False),
        sa.Column("entry_value", sa.Double(), nullable=False),
        sa.Column("value_ppm", sa.Double(), nullable=False),
        sa.Column("value_at", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(
            ["node_key", "channel_key"],
            ["channel.node_key", "channel.channel_key"],
            name=op.f("fk_channel_signal_node_key_channel_key"),
        ),
        sa.PrimaryKeyConstraint("node_key", "channel_key", name=op.f("pk_channel_signal")),
        sqlite_with_rowid=False,
    )
    op.add_column("forward", sa.Column("score_msat", sa.BigInteger(), nullable=True))
    # The default makes it one statement on both databases; the sums of old days are those of what they earned.
    op.add_column("forward_day", sa.Column("score_msat", sa.BigInteger(), server_default="0", nullable=False))
    op.execute("UPDATE forward_day SET score_msat = fee_msat")
    op.drop_index("ix_forward_earned", table_name="forward")
    op.create_index(
        "ix_forward_earned",
        "forward",
        ["node_key", "out_channel_key", "received_at", "fee_msat", "counted_at", "status", "score_msat", "out_msat"],
        unique=False,
        sqlite_where=sa.text("status = 1"),
        postgresql_where=sa.text("status = 1"),
    )
