"""The schema, once, for SQLite and PostgreSQL. Alembic compares it with what the migrations make.

Every primary key starts with a small `node_key`, so that nodes can share a database and PostgreSQL can shard by it.
Hex ids stand once, in `channel` and `peer`; other tables carry small integers. Instants that we or the node measure
with fractions are doubles, whole seconds of the node are integers; both are UTC. Bulk tables are clustered by their
key on SQLite.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    CheckConstraint,
    Column,
    Double,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from revops.store.columns import at, decayed, flag, key, msat, primary, refers, whole, words
from revops.store.metadata import metadata as metadata
from revops.store.tables_books import EVER as EVER
from revops.store.tables_books import balance_day as balance_day
from revops.store.tables_books import books as books
from revops.store.tables_books import chain_cost as chain_cost
from revops.store.tables_books import chain_move as chain_move
from revops.store.tables_books import channel_class as channel_class
from revops.store.tables_books import channel_move as channel_move
from revops.store.tables_books import failure_sum as failure_sum
from revops.store.tables_books import flow_sum as flow_sum
from revops.store.tables_books import forward_day as forward_day
from revops.store.tables_books import move_sum as move_sum
from revops.store.tables_recorder import recorder as recorder
from revops.store.tables_recorder import recorder_event as recorder_event
from revops.store.tables_recorder import recorder_span as recorder_span
from revops.store.tables_splices import splice_job as splice_job
from revops.store.tables_splices import splice_plan as splice_plan

#: The newest migration. A test holds it equal to Alembic's head.
SCHEMA_VERSION: Final = "0017"

# ---- the node and who it is connected to

node = Table(
    "node", metadata, key("node_key"), Column("node_id", String(66), nullable=False), words("alias"), words("network"),
    words("version", null=True), whole("blockheight", null=True), msat("wallet_spendable", null=True),
    msat("channels_spendable", null=True), at("synced", null=True),
    PrimaryKeyConstraint("node_key"), UniqueConstraint("node_id"),
)  # fmt: skip

peer = Table(
    "peer", metadata, key("node_key"), key("peer_key"), Column("peer_id", String(66), nullable=False),
    words("alias", null=True), at("alias_checked", null=True), flag("connected"),
    primary("peer_key"), UniqueConstraint("node_key", "peer_id"),
)  # fmt: skip

#: What others charge into a peer; NULL where too few do. A row a peer, measured again and again.
peer_anchor = Table(
    "peer_anchor", metadata, key("node_key"), key("peer_key"), whole("anchor_ppm", null=True),
    at("checked", null=True), at("tried"), primary("peer_key"), refers("peer_key", to="peer"),
)  # fmt: skip

#: `channel_id` is "unknown:SCID" for a channel that only its forwards remember: totals add up with it, too.
channel = Table(
    "channel", metadata, key("node_key"), key("channel_key"), Column("channel_id", Text, nullable=False),
    key("peer_key", null=True), words("scid", null=True), words("alias_local", null=True),
    words("alias_remote", null=True), Column("direction", SmallInteger), words("state"), words("opener", null=True),
    flag("private"), flag("connected"), msat("capacity", null=True), msat("local", null=True),
    msat("spendable", null=True), msat("receivable", null=True), msat("our_reserve", null=True),
    msat("their_reserve", null=True), msat("fee_base", null=True), whole("fee_ppm", null=True),
    msat("htlc_min", null=True), msat("htlc_max", null=True), whole("cltv_delta_blocks", null=True),
    msat("remote_fee_base", null=True), whole("remote_fee_ppm", null=True), msat("remote_htlc_min", null=True),
    msat("remote_htlc_max", null=True), whole("remote_cltv_delta_blocks", null=True),
    whole("max_accepted_htlcs", null=True), whole("htlc_count"), whole("opened_at", null=True),
    whole("last_stable_connection_at", null=True), at("first_seen"), at("last_seen"), at("closed", null=True),
    whole("htlc_out_count", null=True), msat("htlc_out", null=True), msat("htlc_out_limit", null=True),
    whole("htlc_in_count", null=True), msat("htlc_in", null=True), msat("htlc_in_limit", null=True),
    whole("nearest_expiry_blockheight", null=True),
    primary("channel_key"), UniqueConstraint("node_key", "channel_id"), refers("peer_key", to="peer"),
)  # fmt: skip

channel_scid = Table(
    "channel_scid", metadata, key("node_key"), words("scid"), key("channel_key"), at("first_seen"),
    primary("scid"), refers("channel_key", to="channel"), sqlite_with_rowid=False,
)  # fmt: skip

closed_channel = Table(
    "closed_channel", metadata, key("node_key"), key("channel_key"), words("opener"), words("closer", null=True),
    words("close_cause"), msat("capacity"), msat("final_local"), whole("last_stable_connection_at", null=True),
    at("seen"), primary("channel_key"), refers("channel_key", to="channel"),
)  # fmt: skip

# ---- what went through it

#: `counted_at` dates a forward in every sum: when it was resolved, else (local_failed, offered) when it was received.
#: `resolved_at` is there only where that is another moment (`forwards.resolved_at`), since a wrong clock dated it into
#: the future. `score_msat` and `interest_permille` are what strategies learn from, fixed when the forward became final
#: (NULL: never scored, take the fee, and the size of what settled).
forward = Table(
    "forward", metadata, key("node_key"), whole("created_index"), whole("updated_index", null=True),
    key("in_channel_key"), key("out_channel_key", null=True), msat("in"), msat("out", null=True),
    msat("fee", null=True), Column("status", SmallInteger, nullable=False), at("received"), at("resolved", null=True),
    at("counted"), Column("failcode", Integer), msat("score", null=True), Column("interest_permille", SmallInteger),
    primary("created_index"), sqlite_with_rowid=False,
)  # fmt: skip
_SETTLED: Final = text("status = 1")
_INTERESTED: Final = text("status = 3 AND interest_permille > 0")
# What one channel earned since a price came into force, and what else wanted to leave by it then. These find the rows,
# and hold no copy of what is in them: that would take more room than the rows, and those of a window lie side by side.
Index(
    "ix_forward_earned", forward.c.node_key, forward.c.out_channel_key, forward.c.received_at, sqlite_where=_SETTLED,
    postgresql_where=_SETTLED,
)  # fmt: skip
Index(
    "ix_forward_interest", forward.c.node_key, forward.c.out_channel_key, forward.c.received_at,
    sqlite_where=_INTERESTED, postgresql_where=_INTERESTED,
)  # fmt: skip
# Every sum over a window, and what a rollup may prune.
Index("ix_forward_status", forward.c.node_key, forward.c.status, forward.c.counted_at)

#: Decayed sums (domain/traffic.py), fed once by each forward that becomes final: what came of a peer's payments,
peer_signal = Table(
    "peer_signal", metadata, key("node_key"), key("peer_key"), words("role"), decayed("success"), decayed("failure"),
    decayed("hold_log"), decayed("hold_weight"), at("updated"), decayed("settled_msat", default="0"),
    decayed("unsettled_msat", default="0"), primary("peer_key", "role"),
    refers("peer_key", to="peer"), CheckConstraint("role IN ('sender', 'receiver')", name="role"),
    sqlite_with_rowid=False,
)  # fmt: skip

#: and what went through a channel; `since_at` is NULL before anything has. `value_ppm` is the value of its liquidity.
channel_signal = Table(
    "channel_signal", metadata, key("node_key"), key("channel_key"), at("since", null=True), at("updated"),
    decayed("demand_msat"), decayed("demand_squares"), decayed("inflow_msat"), decayed("inflow_squares"),
    decayed("entry_msat"), decayed("entry_value"), decayed("value_ppm"), at("value", null=True), primary("channel_key"),
    refers("channel_key", to="channel"), sqlite_with_rowid=False,
)  # fmt: skip

peer_event = Table(
    "peer_event", metadata, key("node_key"), whole("created_index"), key("peer_key"), words("kind"),
    whole("happened_at"), Column("duration_seconds", Double), primary("created_index"),
    Index(None, "node_key", "peer_key", "created_index"), refers("peer_key", to="peer"), sqlite_with_rowid=False,
)  # fmt: skip

feerate_sample = Table(
    "feerate_sample", metadata, key("node_key"), at("sampled"), whole("floor_perkw", null=True),
    whole("opening_perkw", null=True), whole("mutual_close_perkw", null=True),
    whole("unilateral_close_perkw", null=True), whole("penalty_perkw", null=True),
    whole("blocks_2_perkw", null=True), whole("blocks_12_perkw", null=True), primary("sampled_at"),
    sqlite_with_rowid=False,
)  # fmt: skip

clock_mark = Table(
    "clock_mark", metadata, key("node_key"), at("marked"), whole("blockheight"), primary("marked_at"),
    sqlite_with_rowid=False,
)  # fmt: skip

# ---- what was decided and done

run = Table(
    "run", metadata, key("node_key"), key("run_key"), words("command"), words("version"), at("started"),
    at("finished", null=True), Column("exit_code", Integer), words("message", null=True), primary("run_key"),
    Index(None, "node_key", "command", "run_key"),
)  # fmt: skip
_SUCCEEDED: Final = text("exit_code = 0")
_UNFINISHED: Final = text("finished_at IS NULL")
# The last success of a command, and its runs that never ended: both are asked for by every run.
Index(
    "ix_run_succeeded", run.c.node_key, run.c.command, run.c.finished_at, sqlite_where=_SUCCEEDED,
    postgresql_where=_SUCCEEDED,
)  # fmt: skip
Index("ix_run_unfinished", run.c.node_key, run.c.command, sqlite_where=_UNFINISHED, postgresql_where=_UNFINISHED)

#: `source_channel_key` is 0 where a decision has one channel only.
decision = Table(
    "decision", metadata, key("node_key"), key("decision_key"), key("run_key"), words("command"),
    key("channel_key", null=True), key("source_channel_key"), words("name"), words("outcome"),
    whole("old_ppm", null=True), whole("new_ppm", null=True), msat("amount", null=True), msat("expected_gain"),
    words("reasons_json"), at("first"), at("last"), whole("repeat_count"), words("details_json", null=True),
    primary("decision_key"),
    Index(None, "node_key", "command", "channel_key", "last_at"), Index(None, "node_key", "last_at"),
)  # fmt: skip

#: Decisions ever made, and jobs that ended, by outcome, and by outcome and reason (`store/tally.py`); survives the
#: retention of `decision` and `rebalance_job`.
decision_tally = Table(
    "decision_tally", metadata, key("node_key"), words("command"), words("outcome"), whole("decision_count"),
    primary("command", "outcome"), sqlite_with_rowid=False,
)  # fmt: skip

#: `state_json`: what a strategy remembers once the call is carried out; kept only while that isn't known.
action = Table(
    "action", metadata, key("node_key"), key("action_key"), key("run_key"), words("method"),
    key("channel_key", null=True), words("request_json"), words("status"), words("reply_json", null=True),
    at("created"), at("settled", null=True), words("state_json", null=True), primary("action_key"),
    Index(None, "node_key", "status", "method"),
    CheckConstraint("status IN ('pending', 'done', 'failed', 'unknown')", name="status"),
)  # fmt: skip

fee_state = Table(
    "fee_state", metadata, key("node_key"), key("channel_key"), words("strategy"), words("state_json"),
    at("updated"), primary("channel_key"), refers("channel_key", to="channel"),
)  # fmt: skip

#: `base_msat` is the base fee since then; NULL where it wasn't recorded.
fee_change = Table(
    "fee_change", metadata, key("node_key"), key("change_key"), key("channel_key"), at("changed"),
    whole("old_ppm", null=True), whole("new_ppm"), words("source"), msat("base", null=True), primary("change_key"),
    refers("channel_key", to="channel"), Index(None, "node_key", "channel_key", "changed_at"),
    Index("ix_fee_change_last", "node_key", "channel_key", "change_key", "source"),
    Index("ix_fee_change_announced", "node_key", "changed_at", "channel_key", "source"),
)  # fmt: skip

#: Fees that the operator set by hand; a row is never changed but for its end.
fee_pin = Table(
    "fee_pin", metadata, key("node_key"), key("pin_key"), key("channel_key"), whole("pin_ppm"), at("set"),
    at("until", null=True), flag("forced"), at("released", null=True), primary("pin_key"),
    refers("channel_key", to="channel"), Index(None, "node_key", "channel_key"),
)  # fmt: skip

#: What was registered when an experiment began, and its end: all but the last three columns never changes.
experiment = Table(
    "experiment", metadata, key("node_key"), key("experiment_key"), at("started"), words("a_strategy"),
    words("b_strategy"), whole("seed"), whole("block_seconds"), whole("washout_seconds"), whole("block_count"),
    Column("seen_ratio", Double, nullable=False), Column("harm_alpha", Double, nullable=False), words("metric"),
    words("second_metric"), words("version"), whole("look_count"), at("ended", null=True), words("ending", null=True),
    primary("experiment_key"),
    CheckConstraint("ending IN ('complete', 'stopped', 'harm')", name="ending"),
    CheckConstraint("(ended_at IS NULL) = (ending IS NULL)", name="ended"),
)  # fmt: skip
#: One at a time.
Index(
    "ix_experiment_running", experiment.c.node_key, unique=True, sqlite_where=text("ended_at IS NULL"),
    postgresql_where=text("ended_at IS NULL"),
)  # fmt: skip

#: A channel in a block: how long it was looked at, and, once `recorded_at` is set, what came of it. Then it is final.
experiment_block = Table(
    "experiment_block", metadata, key("node_key"), key("experiment_key"), key("channel_key"), whole("block"),
    words("arm"), at("measured"), at("counted"), Column("open_seconds", Double, nullable=False),
    Column("seen_seconds", Double, nullable=False), msat("score", null=True), msat("fee", null=True),
    whole("forward_count", null=True), at("recorded", null=True),
    primary("experiment_key", "channel_key", "block"), refers("experiment_key", to="experiment"),
    refers("channel_key", to="channel"), CheckConstraint("arm IN ('A', 'B')", name="arm"), sqlite_with_rowid=False,
)  # fmt: skip

rebalance_plan = Table(
    "rebalance_plan", metadata, key("node_key"), key("plan_key"), key("run_key"), at("created"), at("expires"),
    primary("plan_key"),
)  # fmt: skip

#: One attempt to fill one target. `source_channel_key` is the source that pays, or the best of `rebalance_source` until
#: one is chosen. `terms_json` is what the plan weighed, `failure` which kind of failure it was, at `erring_scidd`.
#: `retry_of_key` names the attempt before this one. `local_before_msat` is the target's balance when it was reserved.
rebalance_job = Table(
    "rebalance_job", metadata, key("node_key"), key("job_key"), key("plan_key"), key("source_channel_key"),
    key("target_channel_key"), msat("amount"), msat("max_fee"), msat("expected_gain"), words("status"),
    at("created"), at("expires"), words("label", null=True), words("payment_hash", null=True),
    key("reserve_key", null=True), msat("fee", null=True), at("finished", null=True),
    words("reason_json", null=True), Column("executor", Text, nullable=False, server_default="native"),
    Column("attempt", Integer, nullable=False, server_default="1"), key("retry_of_key", null=True),
    words("terms_json", null=True), words("failure", null=True), words("erring_scidd", null=True),
    msat("local_before", null=True), primary("job_key"), refers("plan_key", to="rebalance_plan"),
    refers("source_channel_key", to="channel"), refers("target_channel_key", to="channel"),
    Index(None, "node_key", "status"), Index(None, "node_key", "finished_at"), UniqueConstraint("node_key", "label"),
    CheckConstraint(
        "status IN ('planned', 'reserved', 'sending', 'in_flight', 'settled', 'failed', 'released', 'expired')",
        name="status",
    ),
)  # fmt: skip

#: The channels that may pay for a job, the best of them at rank 1, each with the most that it may cost from there and
#: what a route was quoted at.
rebalance_source = Table(
    "rebalance_source", metadata, key("node_key"), key("job_key"), key("source_channel_key"),
    Column("rank", Integer, nullable=False), msat("max_fee"), msat("quoted_fee", null=True),
    primary("job_key", "source_channel_key"), refers("job_key", to="rebalance_job"),
    refers("source_channel_key", to="channel"), sqlite_with_rowid=False,
)  # fmt: skip

#: The states that a job went through, in order.
rebalance_step = Table(
    "rebalance_step", metadata, key("node_key"), key("job_key"), Column("step", Integer, nullable=False),
    words("status"), at("stepped"), key("run_key", null=True), words("note", null=True), primary("job_key", "step"),
    refers("job_key", to="rebalance_job"), sqlite_with_rowid=False,
)  # fmt: skip

#: Circular payments of ours as the node's ledger has them: each belongs to one job at most (0: to none that is known).
rebalance_payment = Table(
    "rebalance_payment", metadata, key("node_key"), Column("payment_hash", LargeBinary(32), nullable=False),
    key("job_key"), key("source_channel_key"), key("target_channel_key"), msat("amount"), msat("fee"), at("moved"),
    primary("payment_hash"), Index(None, "node_key", "target_channel_key", "moved_at"),
    Index(None, "node_key", "job_key"), sqlite_with_rowid=False,
)  # fmt: skip

#: What forwards have changed the balance of a refill's target by, from its end until `until_at`, and the lowest that
#: this was meanwhile (0: it never fell below). Can be made anew from forwards at any time.
lot_mark = Table(
    "lot_mark", metadata, key("node_key"), key("job_key"), key("channel_key"), at("until"), msat("net"), msat("low"),
    primary("job_key"), refers("job_key", to="rebalance_job"), refers("channel_key", to="channel"),
    sqlite_with_rowid=False,
)  # fmt: skip

#: Where funds are below their floor, and since when; a row goes when they are well above it again.
reserve_state = Table(
    "reserve_state", metadata, key("node_key"), words("place"), at("since"), primary("place"),
    sqlite_with_rowid=False,
)  # fmt: skip

#: What CLBOSS was told to leave to us, and since when; `returned_at` once it was given back.
clboss_tag = Table(
    "clboss_tag", metadata, key("node_key"), key("peer_key"), words("tags"), at("taken"), at("returned", null=True),
    primary("peer_key"), refers("peer_key", to="peer"), sqlite_with_rowid=False,
)  # fmt: skip

# ---- money: rows are only ever added

#: A settle or release names in `reserve_key` the reservation that it closes; UNIQUE, so each is closed at most once.
spend_ledger = Table(
    "spend_ledger", metadata, key("node_key"), key("entry_key"), words("kind"), key("reserve_key", null=True),
    msat("amount"), at("entered"), key("job_key", null=True), words("category"), key("run_key"),
    whole("blockheight", null=True), primary("entry_key"), UniqueConstraint("node_key", "reserve_key"),
    ForeignKeyConstraint(["node_key", "reserve_key"], ["spend_ledger.node_key", "spend_ledger.entry_key"]),
    ForeignKeyConstraint(["node_key", "job_key"], ["rebalance_job.node_key", "rebalance_job.job_key"]),
    CheckConstraint("kind IN ('reserve', 'settle', 'release')", name="kind"),
    CheckConstraint("(kind = 'reserve') = (reserve_key IS NULL)", name="linked"),
    CheckConstraint("amount_msat >= 0", name="amount"),
    CheckConstraint("category != 'rebalance' OR job_key IS NOT NULL", name="job"),
    Index(None, "node_key", "kind", "entered_at"),
)  # fmt: skip

#: One row a node, updated first by every ledger transaction: it is the lock, and its run the fence.
ledger_head = Table(
    "ledger_head", metadata, key("node_key"), key("fence_run_key"), whole("entry_count"), primary(),
)  # fmt: skip

# ---- how far we have read, and which keys are given out

cursor = Table(
    "cursor", metadata, key("node_key"), words("name"), whole("value"), primary("name"), sqlite_with_rowid=False,
)  # fmt: skip

#: The last key given out of each kind. A key is never used twice, also after its row was pruned.
serial = Table(
    "serial", metadata, key("node_key"), words("name"), key("last_key"), primary("name"), sqlite_with_rowid=False,
)  # fmt: skip
