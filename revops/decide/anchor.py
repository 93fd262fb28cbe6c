"""The market anchor: what others charge for the way to a peer.

Strangers set these fees, and some set them to mislead: a flood of free channels, a fee that nobody would pay, one huge
channel. So it is a median, weighted by capacity since that is what a sender finds liquidity in, where no single node
weighs much more than the others.
"""

from __future__ import annotations

import statistics
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable
from itertools import accumulate
from typing import Final

from revops.domain.forward import TYPICAL_PAYMENT_MSAT
from revops.domain.gossip import GossipEdge
from revops.domain.units import ppm_of_ceil

#: Fewer channels than this are somebody's taste, not a market.
LEAST_CHANNELS: Final = 4
#: More than 1 % is no price but a way to say no.
ABSURD_PPM: Final = 10_000
#: No node weighs more than the median node: one huge channel would else be the market, and who lends capital to a lie
#: has it back the next day. To mislead takes about half of all nodes.
MOST_WEIGHT: Final = 1


def anchor_ppm(edges: Iterable[GossipEdge], own_id: str) -> int | None:
    """Given the channels that lead to a peer, and our own id, return what others charge; None where too few do.

    Our own channels, disabled ones, free ones and absurd fees are left out. A base fee counts as what it adds to the
    rate of a typical payment.
    """
    offers = [(price_ppm(edge), edge) for edge in edges if edge.active and edge.source_id != own_id]
    offers = [(ppm, edge) for ppm, edge in offers if 0 < ppm <= ABSURD_PPM and edge.capacity_msat > 0]
    if len(offers) < LEAST_CHANNELS:
        return None
    scales = _scales(edge for _ppm, edge in offers)
    weighted = sorted((ppm, edge.capacity_msat * scales[edge.source_id]) for ppm, edge in offers)
    reached = list(accumulate(weight for _ppm, weight in weighted))
    return weighted[bisect_left(reached, reached[-1] / 2)][0]


def price_ppm(edge: GossipEdge) -> int:
    """Given a channel, return what it costs for a typical payment as a rate, the base fee folded in."""
    return edge.fee_ppm + ppm_of_ceil(edge.fee_base_msat, TYPICAL_PAYMENT_MSAT)


def _scales(edges: Iterable[GossipEdge]) -> dict[str, float]:
    """By how much the capacity of each node's channels counts."""
    capacity: dict[str, int] = defaultdict(int)
    for edge in edges:
        capacity[edge.source_id] += edge.capacity_msat
    most = MOST_WEIGHT * statistics.median(capacity.values())
    return {source_id: min(1.0, most / total_msat) for source_id, total_msat in capacity.items()}
