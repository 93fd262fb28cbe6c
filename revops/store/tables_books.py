"""The tables of the books: sums that survive the rows that they were made of, and the node's own ledger."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, CheckConstraint, Column, Index, Integer, LargeBinary, SmallInteger, Table, text

from revops.store.columns import at, key, msat, primary, refers, whole, words
from revops.store.metadata import metadata

#: The `day` of sums over all days.
EVER: Final = -1

#: Exactly the rows that were pruned, added up. `out_channel_key` is 0 where no exit was chosen. refused = local_failed.
forward_day = Table(
    "forward_day", metadata, key("node_key"), key("day"), key("in_channel_key"), key("out_channel_key"),
    whole("settled_count"), msat("settled_in"), msat("settled_out"), msat("fee"), whole("failed_count"),
    msat("failed_in"), whole("refused_count"), msat("refused_in"), at("last_settled", null=True),
    Column("score_msat", BigInteger, nullable=False, server_default="0"),
    Column("settled_interest_permille", BigInteger, nullable=False, server_default="0"),
    Column("failed_interest_permille", BigInteger, nullable=False, server_default="0"),
    primary("day", "in_channel_key", "out_channel_key"), sqlite_with_rowid=False,
)  # fmt: skip

#: What went through each channel, of all forwards, raw or pruned, by day, and under EVER; what stores forwards keeps it
#: up to date. `channel_key` is 0 for failures for which no exit was chosen.
flow_sum = Table(
    "flow_sum", metadata, key("node_key"), key("day"), key("channel_key"), whole("in_count"), msat("in"),
    msat("sourced"), whole("out_count"), msat("out"), msat("earned"), whole("refused_count"), whole("failed_count"),
    at("last_settled", null=True), primary("day", "channel_key"), sqlite_with_rowid=False,
)  # fmt: skip

#: Failures by kind, of all forwards, by day. `channel_key` is the exit that was wanted, 0 where none was chosen;
#: `failcode` is the onion's (0: not told).
failure_sum = Table(
    "failure_sum", metadata, key("node_key"), key("day"), key("channel_key"), Column("status", SmallInteger),
    Column("failcode", Integer), whole("failure_count"), msat("in"),
    primary("day", "channel_key", "status", "failcode"), sqlite_with_rowid=False,
)  # fmt: skip

#: A channel's balance and size at the last sync of each day.
balance_day = Table(
    "balance_day", metadata, key("node_key"), key("day"), key("channel_key"), msat("local"), msat("capacity"),
    primary("day", "channel_key"), sqlite_with_rowid=False,
)  # fmt: skip

#: `account_key` is a channel_key, 0 for the wallet, -1 for the outside. Hashes are 32 bytes here: they are many.
channel_move = Table(
    "channel_move", metadata, key("node_key"), whole("created_index"), key("account_key"), msat("credit"),
    msat("debit"), whole("moved_at"), words("tag"), Column("payment_hash", LargeBinary(32)), msat("fees"),
    primary("created_index"), Index(None, "node_key", "payment_hash"), sqlite_with_rowid=False,
)  # fmt: skip
_ROUTED: Final = text("tag = 'routed'")
# Those that wait for their forwards: each sync asks for them.
Index(
    "ix_channel_move_routed", channel_move.c.node_key, channel_move.c.created_index, sqlite_where=_ROUTED,
    postgresql_where=_ROUTED,
)  # fmt: skip

#: Each channel move that was ever listed, added up by day and under EVER; those of forwards only under EVER, since
#: `flow_sum` has their days.
move_sum = Table(
    "move_sum", metadata, key("node_key"), key("day"), key("account_key"), words("tag"), whole("move_count"),
    msat("credit"), msat("debit"), msat("fees"), primary("day", "account_key", "tag"), sqlite_with_rowid=False,
)  # fmt: skip

#: Kept for ever: they are few. `txid` is the transaction by which it happened.
chain_move = Table(
    "chain_move", metadata, key("node_key"), whole("created_index"), key("account_key"), msat("credit"),
    msat("debit"), whole("moved_at"), words("tag"), words("extra_tags"), words("outpoint"),
    words("spending_txid", null=True), msat("output"), whole("blockheight"), words("txid", null=True),
    whole("output_count", null=True),
    primary("created_index"), Index(None, "node_key", "txid"),
)  # fmt: skip

#: What each transaction cost, by account; made of chain moves, and made anew whenever more of them come.
chain_cost = Table(
    "chain_cost", metadata, key("node_key"), words("txid"), key("account_key"), words("kind"), msat("cost"),
    whole("booked_at"), whole("blockheight"), whole("share_count"), primary("txid", "account_key"),
    Index(None, "node_key", "booked_at"),
)  # fmt: skip

books = Table(
    "books", metadata, key("node_key"), msat("opening", null=True), msat("node_fees", null=True),
    at("checked", null=True), primary(),
)  # fmt: skip

#: The profitability class in force of each open channel, and which one may follow it; written by the rollup alone.
channel_class = Table(
    "channel_class", metadata, key("node_key"), key("channel_key"), words("class"), at("since"),
    words("candidate", null=True), at("candidate_since", null=True), at("judged"), words("evidence_json"),
    primary("channel_key"), refers("channel_key", to="channel"),
    CheckConstraint("(candidate IS NULL) = (candidate_since_at IS NULL)", name="candidate"), sqlite_with_rowid=False,
)  # fmt: skip
