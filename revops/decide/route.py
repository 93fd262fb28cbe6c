"""A circular route: out over one channel, through the network, in over another.

`getroutes` finds no cycles (and a request for one kills its worker), so it is asked for the path between the two
peers, and this adds our own two ends. The last hop's fee is the in-peer's, by its `channel_update` towards us;
amounts and delays are computed backwards from what shall arrive, as in BOLT 4 and BOLT 7. Whatever looks odd is
refused: a wrong route costs money.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from revops.domain.channel import Channel
from revops.domain.payment import Hop, PathStep
from revops.domain.units import forward_fee_msat


class RouteRefusedError(ValueError):
    """The route breaks a rule; the message says which."""


@dataclass(frozen=True, slots=True)
class InboundEnd:
    """What the in-peer must receive so that `amount_msat` reaches us over its channel, and with how many blocks."""

    amount_msat: int
    cltv_blocks: int


def inbound_end(target: Channel, amount_msat: int, final_cltv_blocks: int) -> InboundEnd:
    """Given the channel to refill and what shall arrive, return what its peer must receive.

    Raise RouteRefusedError where the peer's terms are unknown or don't allow the amount.
    """
    terms = target.remote_terms
    if terms is None:
        raise RouteRefusedError(f"the fee of {target.name}'s peer is not known")
    if not terms.htlc_min_msat <= amount_msat <= terms.htlc_max_msat:
        raise RouteRefusedError(
            f"{target.name}'s peer forwards {terms.htlc_min_msat} to {terms.htlc_max_msat} msat, not {amount_msat}"
        )
    fee_msat = forward_fee_msat(amount_msat, terms.fee_base_msat, terms.fee_ppm)
    return InboundEnd(amount_msat + fee_msat, final_cltv_blocks + terms.cltv_delta_blocks)


def circular_route(
    own_id: str,
    source: Channel,
    target: Channel,
    path: Sequence[PathStep],
    amount_msat: int,
    final_cltv_blocks: int,
) -> tuple[Hop, ...]:
    """Given the two channels and the path between their peers, return the whole route for `sendpay`.

    Raise RouteRefusedError where the path doesn't join the two peers, passes us, shrinks where it mustn't, or where a
    channel can't be named.
    """
    end = inbound_end(target, amount_msat, final_cltv_blocks)
    _check_path(own_id, source, target, path, end)
    first_scid, last_scid = source.scid or source.alias_local, _inbound_scid(target)
    if first_scid is None or last_scid is None or source.direction is None or target.direction is None:
        raise RouteRefusedError("a channel without a short channel id can't be part of a route")
    first = Hop(source.peer_id, first_scid, source.direction, path[0].amount_in_msat, path[0].cltv_in_blocks)
    middle = [
        Hop(step.node_id_out, step.scid, step.direction, step.amount_out_msat, step.cltv_out_blocks) for step in path
    ]
    last = Hop(own_id, last_scid, 1 - target.direction, amount_msat, final_cltv_blocks)
    return (first, *middle, last)


def _inbound_scid(target: Channel) -> str | None:
    """What the target's peer calls the channel. BOLT 2: it always knows the alias that it gave us, and with
    `option_scid_alias` it refuses a private channel's real scid.
    """
    if target.private and target.alias_remote is not None:
        return target.alias_remote
    return target.scid or target.alias_remote


def route_fee_msat(route: Sequence[Hop]) -> int:
    """Given a route, return what it costs: what leaves us less what arrives."""
    return route[0].amount_msat - route[-1].amount_msat


def _check_path(own_id: str, source: Channel, target: Channel, path: Sequence[PathStep], end: InboundEnd) -> None:
    if source.peer_id == target.peer_id:
        raise RouteRefusedError("both channels have the same peer")
    if not path:
        raise RouteRefusedError("the path is empty")
    if path[-1].node_id_out != target.peer_id:
        raise RouteRefusedError(f"the path ends at {path[-1].node_id_out}, not at the peer of {target.name}")
    nodes = [step.node_id_out for step in path]
    if own_id in nodes:
        raise RouteRefusedError("the path leads through our own node")
    if source.peer_id in nodes or len(set(nodes)) != len(nodes):
        raise RouteRefusedError("the path visits a node twice")
    _check_amounts(path, end)


def _check_amounts(path: Sequence[PathStep], end: InboundEnd) -> None:
    if path[-1].amount_out_msat != end.amount_msat or path[-1].cltv_out_blocks != end.cltv_blocks:
        raise RouteRefusedError("the path delivers another amount or delay than was asked for")
    for before, after in pairwise(path):
        if before.amount_out_msat != after.amount_in_msat or before.cltv_out_blocks != after.cltv_in_blocks:
            raise RouteRefusedError(f"the amounts at {before.node_id_out} don't join")
    for step in path:
        if step.amount_in_msat < step.amount_out_msat or step.cltv_in_blocks < step.cltv_out_blocks:
            raise RouteRefusedError(f"the amount or delay grows over {step.scid}")
