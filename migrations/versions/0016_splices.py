"""Splices that are planned: how much, into which channel or out of it, and what each may cost.

Revision: 0016, after 0015. There is no way back: restore a backup.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "splice_plan",
        sa.Column("node_key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("plan_key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("run_key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("node_key", "plan_key", name=op.f("pk_splice_plan")),
    )
    op.create_table(
        "splice_job",
        sa.Column("node_key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("splice_key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("plan_key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("channel_key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("direction", sa.Text(), nullable=False),
        sa.Column("amount_sat", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("max_feerate_perkw", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("max_cost_msat", sa.BigInteger(), nullable=False),
        sa.Column("expected_gain_msat", sa.BigInteger(), nullable=False),
        sa.Column("terms_json", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=False),
        sa.Column("reserve_key", sa.Integer(), autoincrement=False, nullable=True),
        sa.Column("txid", sa.Text(), nullable=True),
        sa.Column("finished_at", sa.Double(), nullable=True),
        sa.Column("reason_json", sa.Text(), nullable=True),
        sa.CheckConstraint("direction IN ('in', 'out')", name=op.f("ck_splice_job_direction")),
        sa.CheckConstraint(
            "status IN ('planned', 'reserved', 'sending', 'in_flight', 'settled', 'failed', 'released', 'expired')",
            name=op.f("ck_splice_job_status"),
        ),
        sa.ForeignKeyConstraint(
            ["node_key", "plan_key"],
            ["splice_plan.node_key", "splice_plan.plan_key"],
            name=op.f("fk_splice_job_node_key_plan_key"),
        ),
        sa.ForeignKeyConstraint(
            ["node_key", "channel_key"],
            ["channel.node_key", "channel.channel_key"],
            name=op.f("fk_splice_job_node_key_channel_key"),
        ),
        sa.PrimaryKeyConstraint("node_key", "splice_key", name=op.f("pk_splice_job")),
    )
    op.create_index(op.f("ix_splice_job_node_key_status"), "splice_job", ["node_key", "status"], unique=False)
