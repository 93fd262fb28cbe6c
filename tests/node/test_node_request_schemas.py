"""What is sent has only parameters that lightningd's own schemas know, and all those they require.

Plugins have no schemas. Runs where REVOPS_CLN_SCHEMAS names a folder of Core Lightning's `doc/schemas`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from revops.domain.ads import AdTerms, LeaseRates
from revops.domain.payment import Hop
from revops.domain.sling import SlingOrder
from revops.domain.splice import SpliceDirection
from revops.node.errors import NodeError
from revops.node.methods import METHODS
from revops.node.reader import NodeReader
from revops.node.rpc import Params
from revops.node.writer import NodeWriter

#: Methods of plugins that Core Lightning doesn't bring, and has no schemas of.
OF_PLUGINS = ("clboss-", "sling-")
FOLDER = os.environ.get("REVOPS_CLN_SCHEMAS", "")


#: `compact_lease` stands in the schema, but lightningd doesn't take it.
TERMS = AdTerms("match", 100, True, 1_000, 2_000, 3_000, 0, 100, LeaseRates(1_000, 2, 3, 4, 5))


class Recorder:
    """Refuses every call and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def call(self, method: str, params: Params = None, timeout_seconds: float | None = None) -> dict[str, object]:
        self.asked.append((method, dict(params) if isinstance(params, dict) else {}))
        raise NodeError(method, "no")


def requests() -> list[tuple[str, dict[str, Any]]]:
    """Every request that the layer can make."""
    recorder = Recorder()
    reader, writer, node, hash_ = NodeReader(recorder), NodeWriter(recorder), "02" * 33, "ab" * 32
    calls: list[Callable[[], object]] = [
        reader.info,
        reader.channels,
        lambda: reader.channel_by_scid("1x1x1"),
        reader.features,
        lambda: reader.channel(hash_),
        lambda: writer.preview_splice(SpliceDirection.IN, hash_, 1, 2),
        lambda: writer.make_splice(SpliceDirection.OUT, hash_, 1, 2),
        lambda: writer.reconnect(node),
        reader.closed_channels,
        lambda: reader.peer(node),
        lambda: reader.channels_into(node),
        reader.wallet,
        lambda: reader.feerates(1.0),
        lambda: reader.forwards("created", 1, 2),
        lambda: reader.top_index("forwards", "updated"),
        lambda: reader.channel_moves(1, 2),
        lambda: reader.chain_moves(1, 2),
        lambda: reader.node_events(1, 2),
        lambda: reader.invoice("l"),
        lambda: reader.payments(hash_),
        lambda: reader.wait_payment(hash_, 3),
        lambda: reader.path(node, node, 1, 2, 3, ("l",)),
        lambda: reader.layer_disabled_nodes("l"),
        lambda: reader.config_int("cltv-final"),
        lambda: reader.config_flag("experimental-dual-fund"),
        reader.lease_offers,
        lambda: writer.offer_leases(None),
        lambda: writer.offer_leases(TERMS),
        lambda: writer.set_fees(hash_, 1, 2),
        lambda: writer.set_fees(hash_, 1, 2, 3),
        lambda: writer.create_invoice("l", 1, "d", 2),
        lambda: writer.delete_invoice("l"),
        lambda: writer.send_pay((Hop(node, "1x1x1", 0, 1, 2),), hash_, hash_, "l"),
        lambda: writer.create_layer("l"),
        lambda: writer.disable_node("l", node),
        lambda: writer.inform_constrained("l", "1x1x1/0", 1),
        lambda: writer.age_layer("l", 1),
        lambda: writer.remove_layer("l"),
        reader.clboss_unmanaged,
        lambda: writer.clboss_unmanage(node, frozenset({"lnfee"})),
        reader.methods,
        reader.sling_version,
        reader.sling_jobs,
        reader.sling_tasks,
        lambda: reader.sent_payments(1, 2),
        reader.pending_payments,
        lambda: writer.sling_once(SlingOrder("1x1x1", 1, 1, 1, 1, ("2x1x1",), 1, 1, 1, "1-1-1")),
        lambda: writer.sling_stop("1x1x1", 1.0),
    ]
    for call in calls:
        with pytest.raises(NodeError):
            call()
    return recorder.asked


def test_every_listed_method_is_among_the_requests() -> None:
    assert {method for method, _ in requests()} == set(METHODS)


@pytest.mark.skipif(not FOLDER, reason="REVOPS_CLN_SCHEMAS names no folder of schemas")
@pytest.mark.parametrize(("method", "params"), [one for one in requests() if not one[0].startswith(OF_PLUGINS)])
def test_requests_fit_the_schemas(method: str, params: dict[str, Any]) -> None:
    schema = json.loads((Path(FOLDER) / f"{method}.json").read_text())["request"]
    assert set(params) <= set(schema["properties"])
    assert set(schema.get("required", [])) <= set(params)
    for name, value in params.items():
        kind = schema["properties"][name].get("type")
        wanted = {"string": str, "msat": int, "u64": int, "u32": int, "u16": int, "array": list, "pubkey": str}
        if kind in wanted:
            assert isinstance(value, wanted[kind])
        allowed = schema["properties"][name].get("enum")
        assert allowed is None or value in allowed
