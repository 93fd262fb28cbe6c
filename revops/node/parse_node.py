"""`getinfo`, `listnodes`, `listfunds`, `feerates`, `wait`, `listconfigs`, `help` and `askrene-listlayers` as domain
values.
"""

from __future__ import annotations

from typing import Final

from revops.domain.channel import PeerInfo
from revops.domain.node import Feerates, NodeInfo, Wallet, WalletOutput
from revops.node.fields import Fields

_SYNC_WARNINGS: Final = ("warning_bitcoind_sync", "warning_lightningd_sync")
#: BOLT 7 gives an alias 32 bytes, of which lightningd may make two characters each. A longer one is nobody's, and would
#: stand on each row of each page.
_LONGEST_ALIAS: Final = 64
_OUTPUT_STATES: Final = ("unconfirmed", "confirmed", "spent", "immature")


def node_info(reply: dict[str, object]) -> NodeInfo:
    """Given the reply of `getinfo`, return the node at this moment."""
    fields = Fields("getinfo", reply)
    warnings = [fields.text(name) for name in _SYNC_WARNINGS if name in fields]
    return NodeInfo(
        node_id=fields.node_id("id"),
        alias=fields.text("alias")[:_LONGEST_ALIAS],
        version=fields.text("version"),
        network=fields.text("network"),
        blockheight=fields.whole("blockheight"),
        fees_collected_msat=fields.msat("fees_collected_msat"),
        sync_warning="; ".join(warnings) or None,
    )


def peer_info(reply: dict[str, object], node_id: str) -> PeerInfo:
    """Given the reply of `listnodes` for a node, return what gossip says of it; nothing, if it never announced
    itself.
    """
    for row in Fields("listnodes", reply).rows("nodes"):
        if row.node_id("nodeid") != node_id:
            raise row.wrong("nodeid", "is not the node that was asked for")
        alias = row.maybe(row.text, "alias")
        return PeerInfo(node_id=node_id, alias=alias and alias[:_LONGEST_ALIAS])
    return PeerInfo(node_id=node_id, alias=None)


def wallet(reply: dict[str, object]) -> Wallet:
    """Given the reply of `listfunds`, return the on-chain wallet."""
    return Wallet(
        outputs=tuple(
            WalletOutput(
                outpoint=f"{row.hash('txid')}:{row.whole('output')}",
                amount_msat=row.msat("amount_msat"),
                status=row.one_of("status", _OUTPUT_STATES),
                # lightningd gives the height with a reservation only: where the two disagree, it counts for nothing.
                reserved=row.flag("reserved") or "reserved_to_block" in row,
            )
            for row in Fields("listfunds", reply).rows("outputs")
        )
    )


def feerates(reply: dict[str, object], sampled_at: float) -> Feerates:
    """Given the reply of `feerates style=perkw`, return the rates; one without an estimate is left out."""
    rates = Fields("feerates", reply).child("perkw")
    estimates = {row.whole("blockcount"): row.whole("feerate") for row in rates.rows("estimates")}
    return Feerates(
        sampled_at=sampled_at,
        floor_perkw=rates.whole("floor"),
        opening_perkw=rates.maybe(rates.whole, "opening"),
        mutual_close_perkw=rates.maybe(rates.whole, "mutual_close"),
        unilateral_close_perkw=rates.maybe(rates.whole, "unilateral_close"),
        penalty_perkw=rates.maybe(rates.whole, "penalty"),
        blocks_2_perkw=estimates.get(2),
        blocks_12_perkw=estimates.get(12),
    )


def index_value(reply: dict[str, object], subsystem: str, indexname: str) -> int:
    """Given the reply of `wait` with nextvalue 0, return how far that index has come."""
    fields = Fields("wait", reply)
    if fields.text("subsystem") != subsystem:
        raise fields.wrong("subsystem", "is not the one that was asked for")
    return fields.whole(indexname)


def config_value(reply: dict[str, object], name: str) -> int | None:
    """Given the reply of `listconfigs` for one option, return its whole number, or None where the node has no such
    option.
    """
    options = Fields("listconfigs", reply).child("configs")
    if name not in options:
        return None
    option = options.child(name)
    return option.msat("value_msat") if "value_msat" in option else option.whole("value_int")


def config_flag(reply: dict[str, object], name: str) -> bool:
    """Given the reply of `listconfigs` for a switch, return whether it is on; one that isn't there is off."""
    options = Fields("listconfigs", reply).child("configs")
    return name in options and options.child(name).flag("set")


def method_names(reply: dict[str, object]) -> frozenset[str]:
    """Given the reply of `help`, return the methods that there are. Each row begins with the name; what follows are its
    parameters.
    """
    return frozenset(row.text("command").partition(" ")[0] for row in Fields("help", reply).rows("help"))


def disabled_nodes(reply: dict[str, object], layer: str) -> frozenset[str] | None:
    """Given the reply of `askrene-listlayers`, return the nodes that a layer disables, or None where there is no such
    layer.
    """
    for row in Fields("askrene-listlayers", reply).rows("layers"):
        if row.text("layer") == layer:
            return frozenset(row.texts("disabled_nodes"))
    return None
