"""Books: sums of all channel moves, failures by kind, balances by day, what transactions cost, and channels' classes.

Revision: 0013, after 0012. There is no way back: restore a backup.

The node's ledger is read once more by the next sync, from its first row: only so are the sums those of all moves, and
what was left out before comes in. Failures by kind are made here, of raw forwards; of days that were summarised the
code isn't known any more (0).

Some migrations stood in other forms before, for some commits each. What these left out is made up for here, first.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

#: The day of an instant: whole seconds first, since a quotient of floats is rounded, at midnight into the next day.
DAY = {"sqlite": "CAST(counted_at AS INTEGER) / 86400", "postgresql": "CAST(floor(counted_at) AS BIGINT) / 86400"}
FAILURES = """
INSERT INTO failure_sum (node_key, day, channel_key, status, failcode, failure_count, in_msat)
SELECT node_key, day, channel_key, status, failcode, SUM(failure_count), SUM(in_msat) FROM (
    SELECT node_key, {day} AS day, COALESCE(out_channel_key, 0) AS channel_key, status,
        COALESCE(failcode, 0) AS failcode, 1 AS failure_count, in_msat
    FROM forward WHERE status IN (2, 3)
    UNION ALL SELECT node_key, day, out_channel_key, 2, 0, refused_count, refused_in_msat
    FROM forward_day WHERE refused_count > 0
    UNION ALL SELECT node_key, day, out_channel_key, 3, 0, failed_count, failed_in_msat
    FROM forward_day WHERE failed_count > 0
) AS one GROUP BY node_key, day, channel_key, status, failcode
"""
#: Up to there nothing is looked for that the node may have deleted: some of it was summarised, and can't be told apart.
KNOWN = """
INSERT INTO cursor (node_key, name, value)
SELECT node_key, 'forwards_until', CAST(MAX(last_settled_at) AS BIGINT) + 1 FROM flow_sum
WHERE day = -1 AND last_settled_at IS NOT NULL GROUP BY node_key
"""


def whole(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), autoincrement=False, nullable=False)


def msat(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=False)


def key(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), autoincrement=False, nullable=False)


def words(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=False)


def make_up_for_earlier_forms() -> None:
    """0001 without `status` in an index, 0003 right after 0001, 0011 without ranks, its first rows and two indexes.

    Where a database was made by the migrations as they are now, nothing is done.
    """
    found = sa.inspect(op.get_bind())

    def lacks(table: str, *columns: str) -> bool:
        return columns not in {tuple(index["column_names"]) for index in found.get_indexes(table)}

    settled = ("node_key", "counted_at", "in_channel_key", "out_channel_key", "in_msat", "out_msat", "fee_msat", "status")
    if lacks("forward", *settled):
        is_settled = sa.text("status = 1")
        op.drop_index("ix_forward_settled", table_name="forward")
        op.create_index(
            "ix_forward_settled", "forward", settled, sqlite_where=is_settled, postgresql_where=is_settled
        )
    if "blockheight" not in {column["name"] for column in found.get_columns("spend_ledger")}:
        op.add_column("spend_ledger", sa.Column("blockheight", sa.BigInteger(), nullable=True))
    if lacks("channel_move", "node_key", "payment_hash"):
        op.create_index(op.f("ix_channel_move_node_key_payment_hash"), "channel_move", ["node_key", "payment_hash"])
    if lacks("peer_event", "node_key", "peer_key", "created_index"):
        name = op.f("ix_peer_event_node_key_peer_key_created_index")
        op.create_index(name, "peer_event", ["node_key", "peer_key", "created_index"])
    if "rank" not in {column["name"] for column in found.get_columns("rebalance_source")}:
        rank_sources()


def rank_sources() -> None:
    """Make the table anew: the source that a job names is the best. Nothing has written others at that time, but if
    there are any, the one that may cost most comes next.
    """
    bind = op.get_bind()
    rows = bind.execute(sa.text("SELECT * FROM rebalance_source")).mappings().all()
    chosen = bind.execute(sa.text("SELECT node_key, job_key, source_channel_key, max_fee_msat FROM rebalance_job")).all()
    offers = {(row["node_key"], row["job_key"], row["source_channel_key"]): dict(row) for row in rows}
    for job in chosen:
        made = {"node_key": job[0], "job_key": job[1], "source_channel_key": job[2], "max_fee_msat": job[3]}
        offers.setdefault(tuple(job[:3]), made | {"quoted_fee_msat": None})
    first = {tuple(job[:3]) for job in chosen}
    ranks: dict[tuple[int, int], int] = {}
    for place in sorted(offers, key=lambda place: (place not in first, -offers[place]["max_fee_msat"], place)):
        offers[place]["rank"] = ranks[place[:2]] = ranks.get(place[:2], 0) + 1
    op.drop_table("rebalance_source")
    table = op.create_table(
        "rebalance_source",
        key("node_key"),
        key("job_key"),
        key("source_channel_key"),
        sa.Column("rank", sa.Integer(), nullable=False),
        msat("max_fee_msat"),
        sa.Column("quoted_fee_msat", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["node_key", "job_key"],
            ["rebalance_job.node_key", "rebalance_job.job_key"],
            name=op.f("fk_rebalance_source_node_key_job_key"),
        ),
        sa.ForeignKeyConstraint(
            ["node_key", "source_channel_key"],
            ["channel.node_key", "channel.channel_key"],
            name=op.f("fk_rebalance_source_node_key_source_channel_key"),
        ),
        sa.PrimaryKeyConstraint("node_key", "job_key", "source_channel_key", name=op.f("pk_rebalance_source")),
        sqlite_with_rowid=False,
    )
    op.bulk_insert(table, [offers[place] for place in sorted(offers)])


def upgrade() -> None:
    make_up_for_earlier_forms()
    op.create_table(
        "failure_sum",
        key("node_key"),
        key("day"),
        key("channel_key"),
        sa.Column("status", sa.SmallInteger(), nullable=False),
        sa.Column("failcode", sa.Integer(), nullable=False),
        whole("failure_count"),
        msat("in_msat"),
        sa.PrimaryKeyConstraint("node_key", "day", "channel_key", "status", "failcode", name=op.f("pk_failure_sum")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "balance_day",
        key("node_key"),
        key("day"),
        key("channel_key"),
        msat("local_msat"),
        msat("capacity_msat"),
        sa.PrimaryKeyConstraint("node_key", "day", "channel_key", name=op.f("pk_balance_day")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "move_sum",
        key("node_key"),
        key("day"),
        key("account_key"),
        words("tag"),
        whole("move_count"),
        msat("credit_msat"),
        msat("debit_msat"),
        msat("fees_msat"),
        sa.PrimaryKeyConstraint("node_key", "day", "account_key", "tag", name=op.f("pk_move_sum")),
        sqlite_with_rowid=False,
    )
    routed = sa.text("tag = 'routed'")
    op.create_index(
        "ix_channel_move_routed",
        "channel_move",
        ["node_key", "created_index"],
        unique=False,
        sqlite_where=routed,
        postgresql_where=routed,
    )
    op.create_table(
        "chain_cost",
        key("node_key"),
        words("txid"),
        key("account_key"),
        words("kind"),
        msat("cost_msat"),
        whole("booked_at"),
        whole("blockheight"),
        whole("share_count"),
        sa.PrimaryKeyConstraint("node_key", "txid", "account_key", name=op.f("pk_chain_cost")),
    )
    op.create_index(op.f("ix_chain_cost_node_key_booked_at"), "chain_cost", ["node_key", "booked_at"], unique=False)
    op.create_table(
        "channel_class",
        key("node_key"),
        key("channel_key"),
        words("class"),
        sa.Column("since_at", sa.Double(), nullable=False),
        sa.Column("candidate", sa.Text(), nullable=True),
        sa.Column("candidate_since_at", sa.Double(), nullable=True),
        sa.Column("judged_at", sa.Double(), nullable=False),
        words("evidence_json"),
        sa.CheckConstraint(
            "(candidate IS NULL) = (candidate_since_at IS NULL)", name=op.f("ck_channel_class_candidate")
        ),
        sa.ForeignKeyConstraint(
            ["node_key", "channel_key"],
            ["channel.node_key", "channel.channel_key"],
            name=op.f("fk_channel_class_node_key_channel_key"),
        ),
        sa.PrimaryKeyConstraint("node_key", "channel_key", name=op.f("pk_channel_class")),
        sqlite_with_rowid=False,
    )
    op.add_column("chain_move", sa.Column("txid", sa.Text(), nullable=True))
    op.add_column("chain_move", sa.Column("output_count", sa.BigInteger(), autoincrement=False, nullable=True))
    op.create_index(op.f("ix_chain_move_node_key_txid"), "chain_move", ["node_key", "txid"], unique=False)
    op.execute(FAILURES.format(day=DAY[op.get_bind().dialect.name]))
    op.execute("DELETE FROM chain_move")
    op.execute(KNOWN)
    op.execute("DELETE FROM cursor WHERE name IN ('channelmoves_created', 'chainmoves_created')")
