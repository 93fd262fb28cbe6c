"""Rebalance jobs with many sources and all their steps, what they paid by the node's own ledger, and where reserves and
other fee tools stand.

Revision: 0011, after 0010. There is no way back: restore a backup.

Jobs that were stored before have one source, and no steps: which ones they took is not known.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def key(name: str, *, null: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), autoincrement=False, nullable=null)


def msat(name: str, *, null: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=null)


def refers(table: str, column: str, to: str, other: str) -> sa.ForeignKeyConstraint:
    ends = [f"{to}.node_key", f"{to}.{other}"]
    return sa.ForeignKeyConstraint(["node_key", column], ends, name=op.f(f"fk_{table}_node_key_{column}"))


def upgrade() -> None:
    for column in (
        sa.Column("executor", sa.Text(), server_default="native", nullable=False),
        sa.Column("attempt", sa.Integer(), server_default="1", nullable=False),
        key("retry_of_key", null=True),
        sa.Column("terms_json", sa.Text(), nullable=True),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.Column("erring_scidd", sa.Text(), nullable=True),
        msat("local_before_msat", null=True),
    ):
        op.add_column("rebalance_job", column)
    with op.batch_alter_table("spend_ledger") as ledger:
        ledger.alter_column("job_key", existing_type=sa.Integer(), nullable=True)
        ledger.create_check_constraint("job", "category != 'rebalance' OR job_key IS NOT NULL")
    op.create_table(
        "rebalance_source",
        key("node_key"),
        key("job_key"),
        key("source_channel_key"),
        sa.Column("rank", sa.Integer(), nullable=False),
        msat("max_fee_msat"),
        msat("quoted_fee_msat", null=True),
        refers("rebalance_source", "job_key", "rebalance_job", "job_key"),
        refers("rebalance_source", "source_channel_key", "channel", "channel_key"),
        sa.PrimaryKeyConstraint("node_key", "job_key", "source_channel_key", name=op.f("pk_rebalance_source")),
        sqlite_with_rowid=False,
    )
    op.execute(
        "INSERT INTO rebalance_source (node_key, job_key, source_channel_key, rank, max_fee_msat)"
        " SELECT node_key, job_key, source_channel_key, 1, max_fee_msat FROM rebalance_job"
    )
    op.create_index(
        op.f("ix_channel_move_node_key_payment_hash"), "channel_move", ["node_key", "payment_hash"], unique=False
    )
    op.create_table(
        "rebalance_step",
        key("node_key"),
        key("job_key"),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("stepped_at", sa.Double(), nullable=False),
        key("run_key", null=True),
        sa.Column("note", sa.Text(), nullable=True),
        refers("rebalance_step", "job_key", "rebalance_job", "job_key"),
        sa.PrimaryKeyConstraint("node_key", "job_key", "step", name=op.f("pk_rebalance_step")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "rebalance_payment",
        key("node_key"),
        sa.Column("payment_hash", sa.LargeBinary(32), nullable=False),
        key("job_key"),
        key("source_channel_key"),
        key("target_channel_key"),
        msat("amount_msat"),
        msat("fee_msat"),
        sa.Column("moved_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("node_key", "payment_hash", name=op.f("pk_rebalance_payment")),
        sqlite_with_rowid=False,
    )
    for columns in (["node_key", "target_channel_key", "moved_at"], ["node_key", "job_key"]):
        name = op.f(f"ix_rebalance_payment_{'_'.join(columns)}")
        op.create_index(name, "rebalance_payment", columns, unique=False)
    op.create_table(
        "reserve_state",
        key("node_key"),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("since_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("node_key", "place", name=op.f("pk_reserve_state")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "clboss_tag",
        key("node_key"),
        key("peer_key"),
        sa.Column("tags", sa.Text(), nullable=False),
        sa.Column("taken_at", sa.Double(), nullable=False),
        sa.Column("returned_at", sa.Double(), nullable=True),
        refers("clboss_tag", "peer_key", "peer", "peer_key"),
        sa.PrimaryKeyConstraint("node_key", "peer_key", name=op.f("pk_clboss_tag")),
        sqlite_with_rowid=False,
    )
