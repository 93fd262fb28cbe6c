"""Fees set by hand, and what a fee decision rested on.

Revision: 0003, after 0002. There is no way back: restore a backup.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "fee_pin",
        sa.Column("node_key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("pin_key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("channel_key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("pin_ppm", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("set_at", sa.Double(), nullable=False),
        sa.Column("until_at", sa.Double(), nullable=True),
        sa.Column("forced", sa.Boolean(), nullable=False),
        sa.Column("released_at", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(
            ["node_key", "channel_key"],
            ["channel.node_key", "channel.channel_key"],
            name=op.f("fk_fee_pin_node_key_channel_key"),
        ),
        sa.PrimaryKeyConstraint("node_key", "pin_key", name=op.f("pk_fee_pin")),
    )
    op.create_index(op.f("ix_fee_pin_node_key_channel_key"), "fee_pin", ["node_key", "channel_key"], unique=False)
    op.add_column("decision", sa.Column("details_json", sa.Text(), nullable=True))
