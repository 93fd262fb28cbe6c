"""What the companion plugin has recorded: how far its spool was read, when it was there, and what it saw.

Revision: 0015, after 0014. There is no way back: restore a backup.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "recorder",
        sa.Column("node_key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("segment", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("offset_bytes", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("segment_run_id", sa.Text(), nullable=True),
        sa.Column("segment_sequence", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("connect_count", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("disconnect_count", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("forward_count", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("state_count", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("dropped_count", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("removed_count", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("malformed_count", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("last_at", sa.Double(), nullable=True),
        sa.Column("readable", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("node_key", name=op.f("pk_recorder")),
    )
    op.create_table(
        "recorder_span",
        sa.Column("node_key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("span_key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("from_at", sa.Double(), nullable=False),
        sa.Column("until_at", sa.Double(), nullable=False),
        sa.Column("node_started_at", sa.Double(), nullable=True),
        sa.Column("last_sequence", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("node_key", "span_key", name=op.f("pk_recorder_span")),
        sqlite_with_rowid=False,
    )
    op.create_index(
        op.f("ix_recorder_span_node_key_until_at"), "recorder_span", ["node_key", "until_at"], unique=False
    )
    op.create_index(op.f("ix_recorder_span_node_key_run_id"), "recorder_span", ["node_key", "run_id"], unique=False)
    op.create_table(
        "recorder_event",
        sa.Column("node_key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("span_key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("sequence", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("happened_at", sa.Double(), nullable=False),
        sa.Column("peer_key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("channel_key", sa.Integer(), autoincrement=False, nullable=True),
        sa.Column("old_state", sa.Text(), nullable=True),
        sa.Column("new_state", sa.Text(), nullable=True),
        sa.Column("cause", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["node_key", "span_key"],
            ["recorder_span.node_key", "recorder_span.span_key"],
            name=op.f("fk_recorder_event_node_key_span_key"),
        ),
        sa.ForeignKeyConstraint(
            ["node_key", "peer_key"], ["peer.node_key", "peer.peer_key"], name=op.f("fk_recorder_event_node_key_peer_key")
        ),
        sa.ForeignKeyConstraint(
            ["node_key", "channel_key"],
            ["channel.node_key", "channel.channel_key"],
            name=op.f("fk_recorder_event_node_key_channel_key"),
        ),
        sa.PrimaryKeyConstraint("node_key", "span_key", "sequence", name=op.f("pk_recorder_event")),
        sqlite_with_rowid=False,
    )
    op.create_index(
        op.f("ix_recorder_event_node_key_happened_at"), "recorder_event", ["node_key", "happened_at"], unique=False
    )
