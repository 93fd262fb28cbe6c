"""Switch-back experiments: what was registered when one began, and what its blocks brought.

Revision: 0009, after 0008. There is no way back: restore a backup.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "experiment",
        sa.Column("node_key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("experiment_key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("started_at", sa.Double(), nullable=False),
        sa.Column("a_strategy", sa.Text(), nullable=False),
        sa.Column("b_strategy", sa.Text(), nullable=False),
        sa.Column("seed", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("block_seconds", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("washout_seconds", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("block_count", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("seen_ratio", sa.Double(), nullable=False),
        sa.Column("harm_alpha", sa.Double(), nullable=False),
        sa.Column("metric", sa.Text(), nullable=False),
        sa.Column("second_metric", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("look_count", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("ended_at", sa.Double(), nullable=True),
        sa.Column("ending", sa.Text(), nullable=True),
        sa.CheckConstraint("ending IN ('complete', 'stopped', 'harm')", name=op.f("ck_experiment_ending")),
        sa.CheckConstraint("(ended_at IS NULL) = (ending IS NULL)", name=op.f("ck_experiment_ended")),
        sa.PrimaryKeyConstraint("node_key", "experiment_key", name=op.f("pk_experiment")),
    )
    op.create_index(
        "ix_experiment_running",
        "experiment",
        ["node_key"],
        unique=True,
        sqlite_where=sa.text("ended_at IS NULL"),
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_table(
        "experiment_block",
        sa.Column("node_key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("experiment_key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("channel_key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("block", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("arm", sa.Text(), nullable=False),
        sa.Column("measured_at", sa.Double(), nullable=False),
        sa.Column("counted_at", sa.Double(), nullable=False),
        sa.Column("open_seconds", sa.Double(), nullable=False),
        sa.Column("seen_seconds", sa.Double(), nullable=False),
        sa.Column("score_msat", sa.BigInteger(), nullable=True),
        sa.Column("fee_msat", sa.BigInteger(), nullable=True),
        sa.Column("forward_count", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("recorded_at", sa.Double(), nullable=True),
        sa.CheckConstraint("arm IN ('A', 'B')", name=op.f("ck_experiment_block_arm")),
        sa.ForeignKeyConstraint(
            ["node_key", "channel_key"],
            ["channel.node_key", "channel.channel_key"],
            name=op.f("fk_experiment_block_node_key_channel_key"),
        ),
        sa.ForeignKeyConstraint(
            ["node_key", "experiment_key"],
            ["experiment.node_key", "experiment.experiment_key"],
            name=op.f("fk_experiment_block_node_key_experiment_key"),
        ),
        sa.PrimaryKeyConstraint(
            "node_key", "experiment_key", "channel_key", "block", name=op.f("pk_experiment_block")
        ),
        sqlite_with_rowid=False,
    )
