"""What revops asks of the node, as domain values. Nothing here changes the node.

Lists are read by page: lightningd builds a reply in one piece, and a million forwards at once can take it down. The
caller turns the pages, so that it can keep each one before it asks for the next.
"""

from __future__ import annotations

import logging
from typing import Final, Literal, Protocol

from revops.domain.ads import MarketOffer
from revops.domain.channel import Channel, ClosedChannel, PeerInfo
from revops.domain.clboss import Tags
from revops.domain.forward import ChainMove
from revops.domain.gossip import GossipEdge
from revops.domain.listed import ChannelMove, Forward
from revops.domain.node import Feerates, NodeEvent, NodeInfo, Wallet
from revops.domain.payment import Invoice, PathStep, Payment
from revops.domain.sling import SentPayment, SlingJob, SlingTask
from revops.node import (
    parse_ads,
    parse_channels,
    parse_clboss,
    parse_features,
    parse_forwards,
    parse_gossip,
    parse_node,
)
from revops.node.errors import NodeError, garbage
from revops.node.parse_features import Features
from revops.node.reader_payments import PaymentReading
from revops.node.reader_sling import SlingReading
from revops.node.rpc import Caller

ForwardIndex = Literal["created", "updated"]
Subsystem = Literal["forwards", "channelmoves", "chainmoves", "networkevents", "invoices", "sendpays", "htlcs"]
IndexName = Literal["created", "updated", "deleted"]

_UNKNOWN_METHOD: Final = -32601
_INVALID_PARAMS: Final = -32602

_log = logging.getLogger(__name__)


class Reader(Protocol):
    """The node as the cycles see it; `NodeReader` says what each method does."""

    def info(self) -> NodeInfo: ...
    def channels(self) -> tuple[Channel, ...]: ...
    def channel_by_scid(self, scid: str) -> Channel | None: ...
    def channel(self, channel_id: str) -> Channel | None: ...
    def features(self) -> Features: ...
    def closed_channels(self) -> tuple[ClosedChannel, ...]: ...
    def peer(self, node_id: str) -> PeerInfo: ...
    def channels_into(self, node_id: str) -> tuple[GossipEdge, ...]: ...
    def wallet(self) -> Wallet: ...
    def feerates(self, sampled_at: float) -> Feerates: ...
    def forwards(self, index: ForwardIndex, start: int, limit: int) -> tuple[Forward, ...]: ...
    def top_index(self, subsystem: Subsystem, indexname: IndexName) -> int: ...
    def channel_moves(self, start: int, limit: int) -> tuple[ChannelMove, ...]: ...
    def chain_moves(self, start: int, limit: int) -> tuple[ChainMove, ...]: ...
    def node_events(self, start: int, limit: int) -> tuple[NodeEvent, ...]: ...
    def invoice(self, label: str) -> Invoice | None: ...
    def payments(self, payment_hash: str) -> tuple[Payment, ...]: ...
    def wait_payment(self, payment_hash: str, timeout_seconds: int) -> Payment: ...
    def path(
        self,
        source_id: str,
        destination_id: str,
        amount_msat: int,
        max_fee_msat: int,
        final_cltv_blocks: int,
        layers: tuple[str, ...],
    ) -> tuple[PathStep, ...]: ...
    def layer_disabled_nodes(self, layer: str) -> frozenset[str] | None: ...
    def config_int(self, name: str) -> int | None: ...
    def config_flag(self, name: str) -> bool: ...
    def lease_offers(self) -> tuple[MarketOffer, ...]: ...
    def clboss_unmanaged(self) -> dict[str, Tags] | None: ...
    def sling_version(self) -> str: ...
    def sling_jobs(self) -> tuple[SlingJob, ...]: ...
    def sling_tasks(self) -> tuple[SlingTask, ...]: ...
    def sent_payments(self, start: int, limit: int) -> tuple[SentPayment, ...]: ...
    def pending_payments(self) -> tuple[SentPayment, ...]: ...


class NodeReader(PaymentReading, SlingReading):
    """The reader of a real node. Every method raises NodeError where there is no answer, or one that can't be true."""

    def __init__(self, rpc: Caller) -> None:
        self._rpc = rpc

    def info(self) -> NodeInfo:
        """Return the node at this moment."""
        return parse_node.node_info(self._rpc.call("getinfo"))

    def channels(self) -> tuple[Channel, ...]:
        """Return all committed channels, whatever their state. Those still being opened have no funds of ours to
        speak of.
        """
        found, opening_count = parse_channels.channels(self._rpc.call("listpeerchannels"))
        if opening_count:
            _log.info("%d channels are still being opened and left out", opening_count)
        return found

    def channel_by_scid(self, scid: str) -> Channel | None:
        """Given an scid, also one from before a splice or a local alias, return the channel, or None where it is
        gone.
        """
        reply = self._rpc.call("listpeerchannels", {"short_channel_id": scid})
        found, _ = parse_channels.channels(reply)
        if len(found) > 1:
            raise garbage("listpeerchannels", f"lists {len(found)} channels for one short_channel_id")
        return found[0] if found else None

    def channel(self, channel_id: str) -> Channel | None:
        """Given a channel's id, return it as it is now; None where the node doesn't list it."""
        return next((one for one in self.channels() if one.channel_id == channel_id), None)

    def features(self) -> Features:
        """Return which features we signal, and our peers."""
        peers = self._rpc.call("listpeers")
        return parse_features.features(self._rpc.call("getinfo"), peers)

    def closed_channels(self) -> tuple[ClosedChannel, ...]:
        """Return the channels that are gone."""
        return parse_channels.closed_channels(self._rpc.call("listclosedchannels"))

    def peer(self, node_id: str) -> PeerInfo:
        """Given a node id, return what gossip says of it; its alias is None where it never announced itself."""
        return parse_node.peer_info(self._rpc.call("listnodes", {"id": node_id}), node_id)

    def channels_into(self, node_id: str) -> tuple[GossipEdge, ...]:
        """Given a node id, return the announced channels that lead to it, our own among them."""
        return parse_gossip.edges_into(self._rpc.call("listchannels", {"destination": node_id}), node_id)

    def wallet(self) -> Wallet:
        """Return the on-chain wallet."""
        return parse_node.wallet(self._rpc.call("listfunds"))

    def feerates(self, sampled_at: float) -> Feerates:
        """Given the time, return the on-chain feerates of now."""
        return parse_node.feerates(self._rpc.call("feerates", {"style": "perkw"}), sampled_at)

    def forwards(self, index: ForwardIndex, start: int, limit: int) -> tuple[Forward, ...]:
        """Given an index and where to start in it, return at most `limit` forwards in its order.

        By `updated`, rows that never changed after they were made are not listed (wallet/wallet.c).
        """
        return parse_forwards.forwards(self._page("listforwards", index, start, limit))

    def top_index(self, subsystem: Subsystem, indexname: IndexName) -> int:
        """Given a list and one of its indexes, return how far it has come. Never blocks: it waits for 0."""
        reply = self._rpc.call("wait", {"subsystem": subsystem, "indexname": indexname, "nextvalue": 0})
        return parse_node.index_value(reply, subsystem, indexname)

    def channel_moves(self, start: int, limit: int) -> tuple[ChannelMove, ...]:
        """Given a created index to start at, return at most `limit` changes of channel balances."""
        return parse_forwards.channel_moves(self._page("listchannelmoves", "created", start, limit))

    def chain_moves(self, start: int, limit: int) -> tuple[ChainMove, ...]:
        """Given a created index to start at, return at most `limit` changes on the chain."""
        return parse_forwards.chain_moves(self._page("listchainmoves", "created", start, limit))

    def node_events(self, start: int, limit: int) -> tuple[NodeEvent, ...]:
        """Given a created index to start at, return at most `limit` connects, disconnects, failures and pings."""
        return parse_forwards.node_events(self._page("listnetworkevents", "created", start, limit))

    def _page(self, method: str, index: str, start: int, limit: int) -> dict[str, object]:
        return self._rpc.call(method, {"index": index, "start": start, "limit": limit})

    def layer_disabled_nodes(self, layer: str) -> frozenset[str] | None:
        """Given the name of an askrene layer, return the nodes that it disables, or None where there is no such
        layer.
        """
        reply = self._call_or_none("askrene-listlayers", {"layer": layer})
        return None if reply is None else parse_node.disabled_nodes(reply, layer)

    def config_int(self, name: str) -> int | None:
        """Given the name of an option, return its whole number, or None where this node has no such option.

        Only the one option is asked for: the whole list holds passwords.
        """
        reply = self._call_or_none("listconfigs", {"config": name})
        return None if reply is None else parse_node.config_value(reply, name)

    def config_flag(self, name: str) -> bool:
        """Given the name of a switch, return whether it is on; False where this node has no such switch."""
        reply = self._call_or_none("listconfigs", {"config": name})
        return reply is not None and parse_node.config_flag(reply, name)

    def lease_offers(self) -> tuple[MarketOffer, ...]:
        """Return all nodes of the network that announce liquidity for lease, and their rates, our own among them."""
        return parse_ads.lease_offers(self._rpc.call("listnodes"))

    def methods(self) -> frozenset[str]:
        """Return the methods that this node has, its plugins' among them."""
        return parse_node.method_names(self._rpc.call("help"))

    def clboss_unmanaged(self) -> dict[str, Tags] | None:
        """Return what CLBOSS leaves to others, by peer_id; None where the plugin isn't there."""
        try:
            return parse_clboss.unmanaged(self._rpc.call("clboss-status"))
        except NodeError as error:
            if error.code == _UNKNOWN_METHOD:
                return None
            raise

    def _call_or_none(self, method: str, params: dict[str, object]) -> dict[str, object] | None:
        """Both methods refuse a name that they don't know as an invalid parameter."""
        try:
            return self._rpc.call(method, params)
        except NodeError as error:
            if error.code == _INVALID_PARAMS:
                return None
            raise
