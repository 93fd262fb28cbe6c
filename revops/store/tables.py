"""The schema, once, for SQLite and PostgreSQL. Alembic compares it with what the migrations make.

Every primary key starts with a small `node_key`, so that nodes can share a database and PostgreSQL can shard by it.
Hex ids stand once, in `channel` and `peer`; other tables carry small integers. Instants that we or the node measure
with fractions are doubles, whole seconds of the node are integers; both are UTC. Bulk tables are clustered by their
key on SQLite.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Double,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

#: The newest migration. A test holds it equal to Alembic's head.
SCHEMA_VERSION: Final = "0007"

metadata: Final = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _key(name: str, *, null: bool = False) -> Column[int]:
    return Column(name, Integer, nullable=null, autoincrement=False)


def _whole(name: str, *, null: bool = False) -> Column[int]:
    return Column(name, BigInteger, nullable=null, autoincrement=False)


def _msat(name: str, *, null: bool = False) -> Column[int]:
    return Column(f"{name}_msat", BigInteger, nullable=null)


def _at(name: str, *, null: bool = False) -> Column[float]:
    return Column(f"{name}_at", Double, nullable=null)


def _sum(name: str, *, default: str | None = None) -> Column[float]:
    """A decayed sum: fractions of payments, so a float also where it is of msat."""
    return Column(name, Double, nullable=False, server_default=default)


def _text(name: str, *, null: bool = False) -> Column[str]:
    return Column(name, Text, nullable=null)


def _flag(name: str) -> Column[bool]:
    return Column(name, Boolean, nullable=False)


def _refers(*columns: str, to: str) -> ForeignKeyConstraint:
    """A reference within one node: (node_key, column) to the table of that key."""
    target = {"channel": "channel_key", "peer": "peer_key", "run": "run_key", "rebalance_plan": "plan_key"}
    return ForeignKeyConstraint(["node_key", *columns], [f"{to}.node_key", f"{to}.{target[to]}"])


def _primary(*columns: str) -> PrimaryKeyConstraint:
    return PrimaryKeyConstraint("node_key", *columns)


# ---- the node and who it is connected to

node = Table(
    "node", metadata, _key("node_key"), Column("node_id", String(66), nullable=False), _text("alias"), _text("network"),
    _text("version", null=True), _whole("blockheight", null=True), _msat("wallet_spendable", null=True),
    _msat("channels_spendable", null=True), _at("synced", null=True),
    PrimaryKeyConstraint("node_key"), UniqueConstraint("node_id"),
)  # fmt: skip

peer = Table(
    "peer", metadata, _key("node_key"), _key("peer_key"), Column("peer_id", String(66), nullable=False),
    _text("alias", null=True), _at("alias_checked", null=True), _flag("connected"),
    _primary("peer_key"), UniqueConstraint("node_key", "peer_id"),
)  # fmt: skip

#: What others charge into a peer; NULL where too few do. A row a peer, measured again and again.
peer_anchor = Table(
    "peer_anchor", metadata, _key("node_key"), _key("peer_key"), _whole("anchor_ppm", null=True),
    _at("checked", null=True), _at("tried"), _primary("peer_key"), _refers("peer_key", to="peer"),
)  # fmt: skip

#: `channel_id` is "unknown:SCID" for a channel that only its forwards remember: totals add up with it, too.
channel = Table(
    "channel", metadata, _key("node_key"), _key("channel_key"), Column("channel_id", Text, nullable=False),
    _key("peer_key", null=True), _text("scid", null=True), _text("alias_local", null=True),
    _text("alias_remote", null=True), Column("direction", SmallInteger), _text("state"), _text("opener", null=True),
    _flag("private"), _flag("connected"), _msat("capacity", null=True), _msat("local", null=True),
    _msat("spendable", null=True), _msat("receivable", null=True), _msat("our_reserve", null=True),
    _msat("their_reserve", null=True), _msat("fee_base", null=True), _whole("fee_ppm", null=True),
    _msat("htlc_min", null=True), _msat("htlc_max", null=True), _whole("cltv_delta_blocks", null=True),
    _msat("remote_fee_base", null=True), _whole("remote_fee_ppm", null=True), _msat("remote_htlc_min", null=True),
    _msat("remote_htlc_max", null=True), _whole("remote_cltv_delta_blocks", null=True),
    _whole("max_accepted_htlcs", null=True), _whole("htlc_count"), _whole("opened_at", null=True),
    _whole("last_stable_connection_at", null=True), _at("first_seen"), _at("last_seen"), _at("closed", null=True),
    _whole("htlc_out_count", null=True), _msat("htlc_out", null=True), _msat("htlc_out_limit", null=True),
    _whole("htlc_in_count", null=True), _msat("htlc_in", null=True), _msat("htlc_in_limit", null=True),
    _whole("nearest_expiry_blockheight", null=True),
    _primary("channel_key"), UniqueConstraint("node_key", "channel_id"), _refers("peer_key", to="peer"),
)  # fmt: skip

channel_scid = Table(
    "channel_scid", metadata, _key("node_key"), _text("scid"), _key("channel_key"), _at("first_seen"),
    _primary("scid"), _refers("channel_key", to="channel"), sqlite_with_rowid=False,
)  # fmt: skip

closed_channel = Table(
    "closed_channel", metadata, _key("node_key"), _key("channel_key"), _text("opener"), _text("closer", null=True),
    _text("close_cause"), _msat("capacity"), _msat("final_local"), _whole("last_stable_connection_at", null=True),
    _at("seen"), _primary("channel_key"), _refers("channel_key", to="channel"),
)  # fmt: skip

# ---- what went through it

#: `counted_at` dates a forward in every sum: when it was resolved, else (local_failed, offered) when it was received.
#: `score_msat` and `interest_permille` are what strategies learn from, fixed when the forward became final (NULL: never
#: scored, take the fee, and the size of what settled).
forward = Table(
    "forward", metadata, _key("node_key"), _whole("created_index"), _whole("updated_index", null=True),
    _key("in_channel_key"), _whole("in_htlc_id", null=True), _key("out_channel_key", null=True), _msat("in"),
    _msat("out", null=True), _msat("fee", null=True), Column("status", SmallInteger, nullable=False), _at("received"),
    _at("resolved", null=True), _at("counted"), Column("failcode", Integer), _msat("score", null=True),
    Column("interest_permille", SmallInteger), _primary("created_index"), sqlite_with_rowid=False,
)  # fmt: skip
_SETTLED: Final = text("status = 1")
_INTERESTED: Final = text("status = 3 AND interest_permille > 0")
# What one channel earned since a price came into force, what else wanted to leave by it then, and every sum over a
# window. They cover their queries: `status` is in them since SQLite wants to see the column of the condition, though it
# is always the same there.
Index(
    "ix_forward_earned", forward.c.node_key, forward.c.out_channel_key, forward.c.received_at, forward.c.fee_msat,
    forward.c.counted_at, forward.c.status, forward.c.score_msat, forward.c.out_msat, forward.c.interest_permille,
    sqlite_where=_SETTLED, postgresql_where=_SETTLED,
)  # fmt: skip
Index(
    "ix_forward_interest", forward.c.node_key, forward.c.out_channel_key, forward.c.received_at,
    forward.c.interest_permille, forward.c.status, sqlite_where=_INTERESTED, postgresql_where=_INTERESTED,
)  # fmt: skip
Index(
    "ix_forward_settled", forward.c.node_key, forward.c.counted_at, forward.c.in_channel_key, forward.c.out_channel_key,
    forward.c.in_msat, forward.c.out_msat, forward.c.fee_msat, forward.c.status, sqlite_where=_SETTLED,
    postgresql_where=_SETTLED,
)  # fmt: skip
# Failures in a window, and what a rollup may prune.
Index("ix_forward_status", forward.c.node_key, forward.c.status, forward.c.counted_at, forward.c.out_channel_key)

#: Exactly the rows that were pruned, added up. `out_channel_key` is 0 where no exit was chosen. refused = local_failed.
forward_day = Table(
    "forward_day", metadata, _key("node_key"), _key("day"), _key("in_channel_key"), _key("out_channel_key"),
    _whole("settled_count"), _msat("settled_in"), _msat("settled_out"), _msat("fee"), _whole("failed_count"),
    _msat("failed_in"), _whole("refused_count"), _msat("refused_in"), _at("last_settled", null=True),
    Column("score_msat", BigInteger, nullable=False, server_default="0"),
    Column("settled_interest_permille", BigInteger, nullable=False, server_default="0"),
    Column("failed_interest_permille", BigInteger, nullable=False, server_default="0"),
    _primary("day", "in_channel_key", "out_channel_key"), sqlite_with_rowid=False,
)  # fmt: skip

#: Decayed sums (domain/traffic.py), fed once by each forward that becomes final: what came of a peer's payments,
peer_signal = Table(
    "peer_signal", metadata, _key("node_key"), _key("peer_key"), _text("role"), _sum("success"), _sum("failure"),
    _sum("hold_log"), _sum("hold_weight"), _at("updated"), _sum("settled_msat", default="0"),
    _sum("unsettled_msat", default="0"), _primary("peer_key", "role"),
    _refers("peer_key", to="peer"), CheckConstraint("role IN ('sender', 'receiver')", name="role"),
    sqlite_with_rowid=False,
)  # fmt: skip

#: and what went through a channel; `since_at` is NULL before anything has. `value_ppm` is the value of its liquidity.
channel_signal = Table(
    "channel_signal", metadata, _key("node_key"), _key("channel_key"), _at("since", null=True), _at("updated"),
    _sum("demand_msat"), _sum("demand_squares"), _sum("inflow_msat"), _sum("inflow_squares"), _sum("entry_msat"),
    _sum("entry_value"), _sum("value_ppm"), _at("value", null=True), _primary("channel_key"),
    _refers("channel_key", to="channel"), sqlite_with_rowid=False,
)  # fmt: skip

#: `account_key` is a channel_key, 0 for the wallet, -1 for the outside. Hashes are 32 bytes here: they are many.
channel_move = Table(
    "channel_move", metadata, _key("node_key"), _whole("created_index"), _key("account_key"), _msat("credit"),
    _msat("debit"), _whole("moved_at"), _text("tag"), Column("payment_hash", LargeBinary(32)), _msat("fees"),
    _primary("created_index"), sqlite_with_rowid=False,
)  # fmt: skip

chain_move = Table(
    "chain_move", metadata, _key("node_key"), _whole("created_index"), _key("account_key"), _msat("credit"),
    _msat("debit"), _whole("moved_at"), _text("tag"), _text("extra_tags"), _text("outpoint"),
    _text("spending_txid", null=True), _msat("output"), _whole("blockheight"), _primary("created_index"),
)  # fmt: skip

peer_event = Table(
    "peer_event", metadata, _key("node_key"), _whole("created_index"), _key("peer_key"), _text("kind"),
    _whole("happened_at"), Column("duration_seconds", Double), _primary("created_index"),
    _refers("peer_key", to="peer"), sqlite_with_rowid=False,
)  # fmt: skip

feerate_sample = Table(
    "feerate_sample", metadata, _key("node_key"), _at("sampled"), _whole("floor_perkw", null=True),
    _whole("opening_perkw", null=True), _whole("mutual_close_perkw", null=True),
    _whole("unilateral_close_perkw", null=True), _whole("penalty_perkw", null=True),
    _whole("blocks_2_perkw", null=True), _whole("blocks_12_perkw", null=True), _primary("sampled_at"),
    sqlite_with_rowid=False,
)  # fmt: skip

clock_mark = Table(
    "clock_mark", metadata, _key("node_key"), _at("marked"), _whole("blockheight"), _primary("marked_at"),
    sqlite_with_rowid=False,
)  # fmt: skip

# ---- what was decided and done

run = Table(
    "run", metadata, _key("node_key"), _key("run_key"), _text("command"), _text("version"), _at("started"),
    _at("finished", null=True), Column("exit_code", Integer), _text("message", null=True), _primary("run_key"),
    Index(None, "node_key", "command", "run_key"),
)  # fmt: skip

#: `source_channel_key` is 0 where a decision has one channel only.
decision = Table(
    "decision", metadata, _key("node_key"), _key("decision_key"), _key("run_key"), _text("command"),
    _key("channel_key", null=True), _key("source_channel_key"), _text("name"), _text("outcome"),
    _whole("old_ppm", null=True), _whole("new_ppm", null=True), _msat("amount", null=True), _msat("expected_gain"),
    _text("reasons_json"), _at("first"), _at("last"), _whole("repeat_count"), _text("details_json", null=True),
    _primary("decision_key"),
    Index(None, "node_key", "command", "channel_key", "last_at"), Index(None, "node_key", "last_at"),
)  # fmt: skip

#: Decisions ever made; survives the retention of `decision`.
decision_tally = Table(
    "decision_tally", metadata, _key("node_key"), _text("command"), _text("outcome"), _whole("decision_count"),
    _primary("command", "outcome"), sqlite_with_rowid=False,
)  # fmt: skip

action = Table(
    "action", metadata, _key("node_key"), _key("action_key"), _key("run_key"), _text("method"),
    _key("channel_key", null=True), _text("request_json"), _text("status"), _text("reply_json", null=True),
    _at("created"), _at("settled", null=True), _primary("action_key"), Index(None, "node_key", "status", "method"),
    CheckConstraint("status IN ('pending', 'done', 'failed', 'unknown')", name="status"),
)  # fmt: skip

fee_state = Table(
    "fee_state", metadata, _key("node_key"), _key("channel_key"), _text("strategy"), _text("state_json"),
    _at("updated"), _primary("channel_key"), _refers("channel_key", to="channel"),
)  # fmt: skip

fee_change = Table(
    "fee_change", metadata, _key("node_key"), _key("change_key"), _key("channel_key"), _at("changed"),
    _whole("old_ppm", null=True), _whole("new_ppm"), _text("source"), _primary("change_key"),
    _refers("channel_key", to="channel"), Index(None, "node_key", "channel_key", "changed_at"),
)  # fmt: skip

#: Fees that the operator set by hand; a row is never changed but for its end.
fee_pin = Table(
    "fee_pin", metadata, _key("node_key"), _key("pin_key"), _key("channel_key"), _whole("pin_ppm"), _at("set"),
    _at("until", null=True), _flag("forced"), _at("released", null=True), _primary("pin_key"),
    _refers("channel_key", to="channel"), Index(None, "node_key", "channel_key"),
)  # fmt: skip

rebalance_plan = Table(
    "rebalance_plan", metadata, _key("node_key"), _key("plan_key"), _key("run_key"), _at("created"), _at("expires"),
    _primary("plan_key"),
)  # fmt: skip

rebalance_job = Table(
    "rebalance_job", metadata, _key("node_key"), _key("job_key"), _key("plan_key"), _key("source_channel_key"),
    _key("target_channel_key"), _msat("amount"), _msat("max_fee"), _msat("expected_gain"), _text("status"),
    _at("created"), _at("expires"), _text("label", null=True), _text("payment_hash", null=True),
    _key("reserve_key", null=True), _msat("fee", null=True), _at("finished", null=True),
    _text("reason_json", null=True), _primary("job_key"), _refers("plan_key", to="rebalance_plan"),
    _refers("source_channel_key", to="channel"), _refers("target_channel_key", to="channel"),
    Index(None, "node_key", "status"), Index(None, "node_key", "finished_at"), UniqueConstraint("node_key", "label"),
    CheckConstraint(
        "status IN ('planned', 'reserved', 'sending', 'in_flight', 'settled', 'failed', 'released', 'expired')",
        name="status",
    ),
)  # fmt: skip

# ---- money: rows are only ever added

#: A settle or release names in `reserve_key` the reservation that it closes; UNIQUE, so each is closed at most once.
spend_ledger = Table(
    "spend_ledger", metadata, _key("node_key"), _key("entry_key"), _text("kind"), _key("reserve_key", null=True),
    _msat("amount"), _at("entered"), _key("job_key"), _text("category"), _key("run_key"),
    _whole("blockheight", null=True), _primary("entry_key"), UniqueConstraint("node_key", "reserve_key"),
    ForeignKeyConstraint(["node_key", "reserve_key"], ["spend_ledger.node_key", "spend_ledger.entry_key"]),
    ForeignKeyConstraint(["node_key", "job_key"], ["rebalance_job.node_key", "rebalance_job.job_key"]),
    CheckConstraint("kind IN ('reserve', 'settle', 'release')", name="kind"),
    CheckConstraint("(kind = 'reserve') = (reserve_key IS NULL)", name="linked"),
    CheckConstraint("amount_msat >= 0", name="amount"), Index(None, "node_key", "kind", "entered_at"),
)  # fmt: skip

#: One row a node, updated first by every ledger transaction: it is the lock, and its run the fence.
ledger_head = Table(
    "ledger_head", metadata, _key("node_key"), _key("fence_run_key"), _whole("entry_count"), _primary(),
)  # fmt: skip

books = Table(
    "books", metadata, _key("node_key"), _msat("opening", null=True), _msat("node_fees", null=True),
    _at("checked", null=True), _primary(),
)  # fmt: skip

# ---- how far we have read, and which keys are given out

cursor = Table(
    "cursor", metadata, _key("node_key"), _text("name"), _whole("value"), _primary("name"), sqlite_with_rowid=False,
)  # fmt: skip

#: The last key given out of each kind. A key is never used twice, also after its row was pruned.
serial = Table(
    "serial", metadata, _key("node_key"), _text("name"), _key("last_key"), _primary("name"), sqlite_with_rowid=False,
)  # fmt: skip
