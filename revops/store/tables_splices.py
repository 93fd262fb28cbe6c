"""The tables of splices: plans, and what became of each."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Index, Table

from revops.store.columns import at, key, msat, primary, refers, whole, words
from revops.store.metadata import metadata

splice_plan = Table(
    "splice_plan", metadata, key("node_key"), key("plan_key"), key("run_key"), at("created"), at("expires"),
    primary("plan_key"),
)  # fmt: skip

#: A splice of one channel: into it out of the wallet ("in"), or out of it. `max_feerate_perkw` and `max_cost_msat` are
#: what it may cost at most, `terms_json` what the plan weighed, `start_json` what was asked of the node, and of which
#: channel; `txid` is its transaction once that is known, `cost_msat` what it came to.
splice_job = Table(
    "splice_job", metadata, key("node_key"), key("splice_key"), key("plan_key"), key("channel_key"),
    words("direction"), whole("amount_sat"), whole("max_feerate_perkw"), msat("max_cost"), msat("expected_gain"),
    words("terms_json"), words("status"), at("created"), at("expires"), key("reserve_key", null=True),
    words("txid", null=True), at("finished", null=True), words("reason_json", null=True),
    words("start_json", null=True), msat("cost", null=True),
    primary("splice_key"), refers("plan_key", to="splice_plan"), refers("channel_key", to="channel"),
    Index(None, "node_key", "status"),
    CheckConstraint("direction IN ('in', 'out')", name="direction"),
    CheckConstraint(
        "status IN ('planned', 'reserved', 'sending', 'in_flight', 'settled', 'failed', 'released', 'expired')",
        name="status",
    ),
)  # fmt: skip
