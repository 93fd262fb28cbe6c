"""The tables of what the companion plugin has recorded."""

from __future__ import annotations

from sqlalchemy import Index, Table

from revops.store.columns import at, flag, key, primary, refers, whole, words
from revops.store.metadata import metadata

#: How far the spool was read, and what it brought in all: one row a node. The segment goes by its number and its first
#: line; NULL before the first one.
recorder = Table(
    "recorder", metadata, key("node_key"), whole("segment", null=True), whole("offset_bytes", null=True),
    words("segment_run_id", null=True), whole("segment_sequence", null=True), whole("connect_count"),
    whole("disconnect_count"), whole("forward_count"), whole("state_count"), whole("dropped_count"),
    whole("removed_count"), whole("malformed_count"), at("last", null=True), flag("readable"), primary(),
)  # fmt: skip

#: A time in which nothing that the plugin saw is missing. One run of it has several where it was silent for too long,
#: or had to drop events; `last_sequence` is the number of the last line of the run that was read by then.
recorder_span = Table(
    "recorder_span", metadata, key("node_key"), key("span_key"), words("run_id"), at("from"), at("until"),
    at("node_started", null=True), whole("last_sequence"), primary("span_key"), Index(None, "node_key", "until_at"),
    Index(None, "node_key", "run_id"), sqlite_with_rowid=False,
)  # fmt: skip

#: Peers that came and went, and channels that changed their state. Forwards are only counted.
recorder_event = Table(
    "recorder_event", metadata, key("node_key"), key("span_key"), whole("sequence"), words("kind"), at("happened"),
    key("peer_key"), key("channel_key", null=True), words("old_state", null=True), words("new_state", null=True),
    words("cause", null=True), primary("span_key", "sequence"), refers("span_key", to="recorder_span"),
    refers("peer_key", to="peer"), refers("channel_key", to="channel"), Index(None, "node_key", "happened_at"),
    sqlite_with_rowid=False,
)  # fmt: skip
