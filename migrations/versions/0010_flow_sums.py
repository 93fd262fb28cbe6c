"""No run reads all of history: what went through each channel, added up by day and for ever, and indexes.

Revision: 0010, after 0009. There is no way back: restore a backup.

The sums of what is there are made here, of raw forwards and of the days into which old ones went.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

SUMS = (
    "in_count", "in_msat", "sourced_msat", "out_count", "out_msat", "earned_msat", "refused_count", "failed_count"
)  # fmt: skip
#: The day of an instant: whole seconds first, since a quotient of floats is rounded, at midnight into the next day.
DAY = {"sqlite": "CAST(counted_at AS INTEGER) / 86400", "postgresql": "CAST(floor(counted_at) AS BIGINT) / 86400"}
ROWS = """
SELECT node_key, {day} AS day, in_channel_key AS channel_key, 1 AS in_count, in_msat, fee_msat AS sourced_msat,
    0 AS out_count, 0 AS out_msat, 0 AS earned_msat, 0 AS refused_count, 0 AS failed_count,
    counted_at AS last_settled_at
FROM forward WHERE status = 1
UNION ALL SELECT node_key, {day}, out_channel_key, 0, 0, 0, 1, out_msat, fee_msat, 0, 0, counted_at
FROM forward WHERE status = 1
UNION ALL SELECT node_key, {day}, COALESCE(out_channel_key, 0), 0, 0, 0, 0, 0, 0, CASE WHEN status = 2 THEN 1 ELSE 0 END,
    CASE WHEN status = 3 THEN 1 ELSE 0 END, NULL
FROM forward WHERE status IN (2, 3)
UNION ALL SELECT node_key, day, in_channel_key, settled_count, settled_in_msat, fee_msat, 0, 0, 0, 0, 0, last_settled_at
FROM forward_day WHERE settled_count > 0
UNION ALL SELECT node_key, day, out_channel_key, 0, 0, 0, settled_count, settled_out_msat, fee_msat, 0, 0, last_settled_at
FROM forward_day WHERE settled_count > 0
UNION ALL SELECT node_key, day, out_channel_key, 0, 0, 0, 0, 0, 0, refused_count, failed_count, NULL
FROM forward_day WHERE refused_count > 0 OR failed_count > 0
"""


def statements(dialect_name: str) -> tuple[str, str]:
    """What fills the sums: those of days, and of these those for ever."""
    names = ", ".join(SUMS)
    sums = ", ".join(f"SUM({name})" for name in SUMS)
    into = f"INSERT INTO flow_sum (node_key, day, channel_key, {names}, last_settled_at) SELECT node_key, "
    rows = ROWS.format(day=DAY[dialect_name])
    return (
        f"{into} day, channel_key, {sums}, MAX(last_settled_at) FROM ({rows}) AS one GROUP BY node_key, day, channel_key",
        f"{into} -1, channel_key, {sums}, MAX(last_settled_at) FROM flow_sum GROUP BY node_key, channel_key",
    )


def upgrade() -> None:
    op.create_table(
        "flow_sum",
        sa.Column("node_key", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("day", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("channel_key", sa.Integer(), autoincrement=False, nullable=False),
        *(sa.Column(name, sa.BigInteger(), autoincrement=False, nullable=False) for name in SUMS),
        sa.Column("last_settled_at", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("node_key", "day", "channel_key", name=op.f("pk_flow_sum")),
        sqlite_with_rowid=False,
    )
    for statement in statements(op.get_bind().dialect.name):
        op.execute(statement)
    last = ["node_key", "channel_key", "change_key", "source"]
    op.create_index("ix_fee_change_last", "fee_change", last, unique=False)
    announced = ["node_key", "changed_at", "channel_key", "source"]
    op.create_index("ix_fee_change_announced", "fee_change", announced, unique=False)
    partial = (("succeeded", ["finished_at"], "exit_code = 0"), ("unfinished", [], "finished_at IS NULL"))
    for name, columns, condition in partial:
        op.create_index(
            f"ix_run_{name}",
            "run",
            ["node_key", "command", *columns],
            unique=False,
            sqlite_where=sa.text(condition),
            postgresql_where=sa.text(condition),
        )
