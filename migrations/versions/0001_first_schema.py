"""The first schema.

Revision: 0001, after None. There is no way back: restore a backup.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "action",
        sa.Column("node_key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("action_key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("run_key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("channel_key", sa.Integer(), autoincrement=False, nullable=True),
        sa.Column("request_json", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("reply_json", sa.Text(), nullable=True),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("settled_at", sa.Double(), nullable=True),
        sa.CheckConstraint(
            "status IN ('pending', 'done', 'failed', 'unknown')", name=op.f("ck_action_status")
        ),
        sa.PrimaryKeyConstraint("node_key", "action_key", name=op.f("pk_action")),
    )
    op.create_index(
        op.f("ix_action_node_key_status_method"), "action", ["node_key", "status", "method"], unique=False
    )
    op.create_table(
        "books",
        sa.Column("node_key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("opening_msat", sa.BigInteger(), nullable=True),
        sa.Column("node_fees_msat", sa.BigInteger(), nullable=True),
        sa.Column("checked_at", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("node_key", name=op.f("pk_books")),
    )
    op.create_table(
        "chain_move",
        sa.Column("node_key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("created_index", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("account_key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("credit_msat", sa.BigInteger(), nullable=False),
        sa.Column("debit_msat", sa.BigInteger(), nullable=False),
        sa.Column("moved_at", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("tag", sa.Text(), nullable=False),
        sa.Column("extra_tags", sa.Text(), nullable=False),
        sa.Column("outpoint", sa.Text(), nullable=False),
        sa.Column("spending_txid", sa.Text(), nullable=True),
        sa.Column("output_msat", sa.BigInteger(), nullable=False),
        sa.Column("blockheight", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("node_key", "created_index", name=op.f("pk_chain_move")),
    )
    op.create_table(
        "channel_move",
        sa.Column("node_key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("created_index", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("account_key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("credit_msat", sa.BigInteger(), nullable=False),
        sa.Column("debit_msat", sa.BigInteger(), nullable=False),
        sa.Column("moved_at", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("tag", sa.Text(), nullable=False),
        sa.Column("payment_hash", sa.LargeBinary(length=32), nullable=True),
        sa.Column("fees_msat", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("node_key", "created_index", name=op.f("pk_channel_move")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "clock_mark",
        sa.Column("node_key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("marked_at", sa.Double(), nullable=False),
        sa.Column("blockheight", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("node_key", "marked_at", name=op.f("pk_clock_mark")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "cursor",
        sa.Column("node_key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("node_key", "name", name=op.f("pk_cursor")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "decision",
        sa.Column("node_key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("decision_key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("run_key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("command", sa.Text(), nullable=False),
        sa.Column("channel_key", sa.Integer(), autoincrement=False, nullable=True),
        sa.Column("source_channel_key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("old_ppm", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("new_ppm", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("amount_msat", sa.BigInteger(), nullable=True),
        sa.Column("expected_gain_msat", sa.BigInteger(), nullable=False),
        sa.Column("reasons_json", sa.Text(), nullable=False),
        sa.Column("first_at", sa.Double(), nullable=False),
        sa.Column("last_at", sa.Double(), nullable=False),
        sa.Column("repeat_count", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("node_key", "decision_key", name=op.f("pk_decision")),
    )
    op.create_index(
        op.f("ix_decision_node_key_command_channel_key_last_at"),
        "decision",
        ["node_key", "command", "channel_key", "last_at"],
        unique=False,
    )
    op.create_index(op.f("ix_decision_node_key_last_at"), "decision", ["node_key", "last_at"], unique=False)
    op.create_table(
        "decision_tally",
        sa.Column("node_key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("command", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("decision_count", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("node_key", "command", "outcome", name=op.f("pk_decision_tally")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "feerate_sample",
        sa.Column("node_key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("sampled_at", sa.Double(), nullable=False),
        sa.Column("floor_perkw", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("opening_perkw", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("mutual_close_perkw", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("unilateral_close_perkw", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("penalty_perkw", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("blocks_2_perkw", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("blocks_12_perkw", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.PrimaryKeyConstraint("node_key", "sampled_at", name=op.f("pk_feerate_sample")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "forward",
        sa.Column("node_key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("created_index", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("updated_index", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("in_channel_key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("in_htlc_id", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("out_channel_key", sa.Integer(), autoincrement=False, nullable=True),
        sa.Column("in_msat", sa.BigInteger(), nullable=False),
        sa.Column("out_msat", sa.BigInteger(), nullable=True),
        sa.Column("fee_msat", sa.BigInteger(), nullable=True),
        sa.Column("status", sa.SmallInteger(), nullable=False),
        sa.Column("received_at", sa.Double(), nullable=False),
        sa.Column("resolved_at", sa.Double(), nullable=True),
        sa.Column("counted_at", sa.Double(), nullable=False),
        sa.Column("failcode", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("node_key", "created_index", name=op.f("pk_forward")),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_forward_earned",
        "forward",
        ["node_key", "out_channel_key", "received_at", "fee_msat", "counted_at", "status"],
        unique=False,
        sqlite_where=sa.text("status = 1"),
        postgresql_where=sa.text("status = 1"),
    )
    op.create_index(
        "ix_forward_settled",
        "forward",
        [
            "node_key",
            "counted_at",
            "in_channel_key",
            "out_channel_key",
            "in_msat",
            "out_msat",
            "fee_msat",
            "status",
        ],
        unique=False,
        sqlite_where=sa.text("status = 1"),
        postgresql_where=sa.text("status = 1"),
    )
    op.create_index(
        "ix_forward_status", "forward", ["node_key", "status", "counted_at", "out_channel_key"], unique=False
    )
    op.create_table(
        "forward_day",
        sa.Column("node_key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("day", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("in_channel_key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("out_channel_key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("settled_count", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("settled_in_msat", sa.BigInteger(), nullable=False),
        sa.Column("settled_out_msat", sa.BigInteger(), nullable=False),
        sa.Column("fee_msat", sa.BigInteger(), nullable=False),
        sa.Column("failed_count", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("failed_in_msat", sa.BigInteger(), nullable=False),
        sa.Column("refused_count", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("refused_in_msat", sa.BigInteger(), nullable=False),
        sa.Column("last_settled_at", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint(
            "node_key", "day", "in_channel_key", "out_channel_key", name=op.f("pk_forward_day")
        ),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "ledger_head",
        sa.Column("node_key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("fence_run_key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("entry_count", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("node_key", name=op.f("pk_ledger_head")),
    )
    op.create_table(
        "node",
        sa.Column("node_key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("node_id", sa.String(length=66), nullable=False),
        sa.Column("alias", sa.Text(), nullable=False),
        sa.Column("network", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=True),
        sa.Column("blockheight", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("wallet_spendable_msat", sa.BigInteger(), nullable=True),
        sa.Column("channels_spendable_msat", sa.BigInteger(), nullable=True),
        sa.Column("synced_at", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("node_key", name=op.f("pk_node")),
        sa.UniqueConstraint("node_id", name=op.f("uq_node_node_id")),
    )
    op.create_table(
        "peer",
        sa.Column("node_key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("peer_key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("peer_id", sa.String(length=66), nullable=False),
        sa.Column("alias", sa.Text(), nullable=True),
        sa.Column("alias_checked_at", sa.Double(), nullable=True),
        sa.Column("connected", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("node_key", "peer_key", name=op.f("pk_peer")),
        sa.UniqueConstraint("node_key", "peer_id", name=op.f("uq_peer_node_key_peer_id")),
    )
    op.create_table(
        "rebalance_plan",
        sa.Column("node_key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("plan_key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("run_key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("node_key", "plan_key", name=op.f("pk_rebalance_plan")),
    )
    op.create_table(
        "run",
        sa.Column("node_key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("run_key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("command", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("started_at", sa.Double(), nullable=False),
        sa.Column("finished_at", sa.Double(), nullable=True),
        sa.Column("exit_code", sa.Integer(), nullable=True),
        sa.Column("message", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("node_key", "run_key", name=op.f("pk_run")),
    )
    op.create_index(
        op.f("ix_run_node_key_command_run_key"), "run", ["node_key", "command", "run_key"], unique=False
    )
    op.create_table(
        "serial",
        sa.Column("node_key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("last_key", sa.Integer(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("node_key", "name", name=op.f("pk_serial")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "channel",
        sa.Column("node_key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("channel_key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("channel_id", sa.Text(), nullable=False),
        sa.Column("peer_key", sa.Integer(), autoincrement=False, nullable=True),
        sa.Column("scid", sa.Text(), nullable=True),
        sa.Column("alias_local", sa.Text(), nullable=True),
        sa.Column("alias_remote", sa.Text(), nullable=True),
        sa.Column("direction", sa.SmallInteger(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("opener", sa.Text(), nullable=True),
        sa.Column("private", sa.Boolean(), nullable=False),
        sa.Column("connected", sa.Boolean(), nullable=False),
        sa.Column("capacity_msat", sa.BigInteger(), nullable=True),
        sa.Column("local_msat", sa.BigInteger(), nullable=True),
        sa.Column("spendable_msat", sa.BigInteger(), nullable=True),
        sa.Column("receivable_msat", sa.BigInteger(), nullable=True),
        sa.Column("our_reserve_msat", sa.BigInteger(), nullable=True),
        sa.Column("their_reserve_msat", sa.BigInteger(), nullable=True),
        sa.Column("fee_base_msat", sa.BigInteger(), nullable=True),
        sa.Column("fee_ppm", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("htlc_min_msat", sa.BigInteger(), nullable=True),
        sa.Column("htlc_max_msat", sa.BigInteger(), nullable=True),
        sa.Column("cltv_delta_blocks", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("remote_fee_base_msat", sa.BigInteger(), nullable=True),
        sa.Column("remote_fee_ppm", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("remote_htlc_min_msat", sa.BigInteger(), nullable=True),
        sa.Column("remote_htlc_max_msat", sa.BigInteger(), nullable=True),
        sa.Column("remote_cltv_delta_blocks", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("max_accepted_htlcs", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("htlc_count", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("opened_at", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("last_stable_connection_at", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("first_seen_at", sa.Double(), nullable=False),
        sa.Column("last_seen_at", sa.Double(), nullable=False),
        sa.Column("closed_at", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(
            ["node_key", "peer_key"],
            ["peer.node_key", "peer.peer_key"],
            name=op.f("fk_channel_node_key_peer_key"),
        ),
        sa.PrimaryKeyConstraint("node_key", "channel_key", name=op.f("pk_channel")),
        sa.UniqueConstraint("node_key", "channel_id", name=op.f("uq_channel_node_key_channel_id")),
    )
    op.create_table(
        "peer_event",
        sa.Column("node_key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("created_index", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("peer_key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("happened_at", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("duration_seconds", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(
            ["node_key", "peer_key"],
            ["peer.node_key", "peer.peer_key"],
            name=op.f("fk_peer_event_node_key_peer_key"),
        ),
        sa.PrimaryKeyConstraint("node_key", "created_index", name=op.f("pk_peer_event")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "channel_scid",
        sa.Column("node_key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("scid", sa.Text(), nullable=False),
        sa.Column("channel_key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("first_seen_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["node_key", "channel_key"],
            ["channel.node_key", "channel.channel_key"],
            name=op.f("fk_channel_scid_node_key_channel_key"),
        ),
        sa.PrimaryKeyConstraint("node_key", "scid", name=op.f("pk_channel_scid")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "closed_channel",
        sa.Column("node_key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("channel_key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("opener", sa.Text(), nullable=False),
        sa.Column("closer", sa.Text(), nullable=True),
        sa.Column("close_cause", sa.Text(), nullable=False),
        sa.Column("capacity_msat", sa.BigInteger(), nullable=False),
        sa.Column("final_local_msat", sa.BigInteger(), nullable=False),
        sa.Column("last_stable_connection_at", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("seen_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["node_key", "channel_key"],
            ["channel.node_key", "channel.channel_key"],
            name=op.f("fk_closed_channel_node_key_channel_key"),
        ),
        sa.PrimaryKeyConstraint("node_key", "channel_key", name=op.f("pk_closed_channel")),
    )
    op.create_table(
        "fee_change",
        sa.Column("node_key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("change_key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("channel_key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("changed_at", sa.Double(), nullable=False),
        sa.Column("old_ppm", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("new_ppm", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["node_key", "channel_key"],
            ["channel.node_key", "channel.channel_key"],
            name=op.f("fk_fee_change_node_key_channel_key"),
        ),
        sa.PrimaryKeyConstraint("node_key", "change_key", name=op.f("pk_fee_change")),
    )
    op.create_index(
        op.f("ix_fee_change_node_key_channel_key_changed_at"),
        "fee_change",
        ["node_key", "channel_key", "changed_at"],
        unique=False,
    )
    op.create_table(
        "fee_state",
        sa.Column("node_key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("channel_key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("strategy", sa.Text(), nullable=False),
        sa.Column("state_json", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["node_key", "channel_key"],
            ["channel.node_key", "channel.channel_key"],
            name=op.f("fk_fee_state_node_key_channel_key"),
        ),
        sa.PrimaryKeyConstraint("node_key", "channel_key", name=op.f("pk_fee_state")),
    )
    op.create_table(
        "rebalance_job",
        sa.Column("node_key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("job_key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("plan_key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("source_channel_key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("target_channel_key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("amount_msat", sa.BigInteger(), nullable=False),
        sa.Column("max_fee_msat", sa.BigInteger(), nullable=False),
        sa.Column("expected_gain_msat", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=False),
        sa.Column("label", sa.Text(), nullable=True),
        sa.Column("payment_hash", sa.Text(), nullable=True),
        sa.Column("reserve_key", sa.Integer(), autoincrement=False, nullable=True),
        sa.Column("fee_msat", sa.BigInteger(), nullable=True),
        sa.Column("finished_at", sa.Double(), nullable=True),
        sa.Column("reason_json", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "status IN ('planned', 'reserved', 'sending', 'in_flight', 'settled', 'failed', 'released', 'expired')",
            name=op.f("ck_rebalance_job_status"),
        ),
        sa.ForeignKeyConstraint(
            ["node_key", "plan_key"],
            ["rebalance_plan.node_key", "rebalance_plan.plan_key"],
            name=op.f("fk_rebalance_job_node_key_plan_key"),
        ),
        sa.ForeignKeyConstraint(
            ["node_key", "source_channel_key"],
            ["channel.node_key", "channel.channel_key"],
            name=op.f("fk_rebalance_job_node_key_source_channel_key"),
        ),
        sa.ForeignKeyConstraint(
            ["node_key", "target_channel_key"],
            ["channel.node_key", "channel.channel_key"],
            name=op.f("fk_rebalance_job_node_key_target_channel_key"),
        ),
        sa.PrimaryKeyConstraint("node_key", "job_key", name=op.f("pk_rebalance_job")),
        sa.UniqueConstraint("node_key", "label", name=op.f("uq_rebalance_job_node_key_label")),
    )
    op.create_index(
        op.f("ix_rebalance_job_node_key_finished_at"),
        "rebalance_job",
        ["node_key", "finished_at"],
        unique=False,
    )
    op.create_index(
        op.f("ix_rebalance_job_node_key_status"), "rebalance_job", ["node_key", "status"], unique=False
    )
    op.create_table(
        "spend_ledger",
        sa.Column("node_key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("entry_key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("reserve_key", sa.Integer(), autoincrement=False, nullable=True),
        sa.Column("amount_msat", sa.BigInteger(), nullable=False),
        sa.Column("entered_at", sa.Double(), nullable=False),
        sa.Column("job_key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("run_key", sa.Integer(), autoincrement=False, nullable=False),
        sa.CheckConstraint("(kind = 'reserve') = (reserve_key IS NULL)", name=op.f("ck_spend_ledger_linked")),
        sa.CheckConstraint("kind IN ('reserve', 'settle', 'release')", name=op.f("ck_spend_ledger_kind")),
        sa.CheckConstraint("amount_msat >= 0", name=op.f("ck_spend_ledger_amount")),
        sa.ForeignKeyConstraint(
            ["node_key", "job_key"],
            ["rebalance_job.node_key", "rebalance_job.job_key"],
            name=op.f("fk_spend_ledger_node_key_job_key"),
        ),
        sa.ForeignKeyConstraint(
            ["node_key", "reserve_key"],
            ["spend_ledger.node_key", "spend_ledger.entry_key"],
            name=op.f("fk_spend_ledger_node_key_reserve_key"),
        ),
        sa.PrimaryKeyConstraint("node_key", "entry_key", name=op.f("pk_spend_ledger")),
        sa.UniqueConstraint("node_key", "reserve_key", name=op.f("uq_spend_ledger_node_key_reserve_key")),
    )
    op.create_index(
        op.f("ix_spend_ledger_node_key_kind_entered_at"),
        "spend_ledger",
        ["node_key", "kind", "entered_at"],
        unique=False,
    )
