"""Before a rebalance is sent: is the stored job still sound, and what does a real route cost now?

Only reads, but for the routing layer: askrene must be told once to keep our own node out of the path between two
peers, else it finds the cheapest one of all, through us.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from revops.decide.recheck import revalidate
from revops.decide.route import RouteRefusedError, circular_route, inbound_end, route_fee_msat
from revops.domain.channel import Channel
from revops.domain.payment import Hop
from revops.domain.reason import Reason, ReasonCode, why
from revops.domain.record import JobRecord
from revops.domain.snapshot import NodeView
from revops.domain.units import ppm_of_ceil, sat_floor, share_msat
from revops.node.errors import NodeError
from revops.node.reader import Reader
from revops.node.writer import Writer

#: The askrene layer that holds what we want of routes: our own node disabled, and what failed lately.
LAYER = "revops"
#: What failed is forgotten after this long: liquidity moves.
LAYER_MEMORY_SECONDS = 3_600
#: lightningd's `cltv-final` on mainnet, where the node doesn't say.
CLTV_FINAL_BLOCKS = 18
#: Blocks that may be found while the payment is under way.
CLTV_MARGIN_BLOCKS = 4
#: getroutes: no route, too dear, too long, timed out (common/jsonrpc_errors.h): an answer, not a fault.
NO_ROUTE_CODES = frozenset({205, 206, 207, 209, 210, 217})


@dataclass(frozen=True, slots=True)
class Prepared:
    """A job with the route that it would take. `seen_at` is when the node was looked at, by a clock that the chain
    confirmed: the spending windows end there.
    """

    job: JobRecord
    route: tuple[Hop, ...]
    fee_msat: int
    seen_at: float


def ensure_layer(reader: Reader, writer: Writer, own_id: str, now: float) -> None:
    """Make sure that the layer exists and keeps our node out, also after a run that died between the two steps."""
    disabled = reader.layer_disabled_nodes(LAYER)
    if disabled is None:
        writer.create_layer(LAYER)
    if disabled is None or own_id not in disabled:
        writer.disable_node(LAYER, own_id)
    writer.age_layer(LAYER, int(now) - LAYER_MEMORY_SECONDS)


def final_cltv_blocks(reader: Reader) -> int:
    """The delay of the last hop: what our node asks of payments that end here, with a margin for new blocks."""
    return (reader.config_int("cltv-final") or CLTV_FINAL_BLOCKS) + CLTV_MARGIN_BLOCKS


def prepare(
    job: JobRecord,
    view: NodeView,
    in_flight: frozenset[str],
    reader: Reader,
    cltv_blocks: int,
    max_fee_ppm: int,
    *,
    congested_since: Mapping[str, float],
    layered: bool = True,
) -> Prepared | Reason:
    """Given a stored job and the node as it is, return the job with its route, or why it can't be executed.

    `max_fee_ppm` is the policy's ceiling as it is now: it may have been lowered since the plan. `congested_since` is
    when the channels that were congested at the last look became so. `layered` is False in a dry run where the layer
    doesn't exist yet. Raise NodeError where the node doesn't answer.
    """
    channels = {channel.channel_id: channel for channel in view.channels}
    source, target = channels.get(job.source_channel_id), channels.get(job.target_channel_id)
    obstacle = revalidate(source, target, job.amount_msat, sorted(in_flight), congested_since, view.taken_at)
    if obstacle is not None or source is None or target is None:
        return obstacle or why(ReasonCode.NOT_USABLE, state="gone")
    for channel in (source, target):
        count = sum(1 for other in view.channels if other.live and other.peer_id == channel.peer_id)
        if count > 1:
            return why(ReasonCode.SEVERAL_CHANNELS, channel_count=count)
    capped = replace(job, max_fee_msat=min(job.max_fee_msat, share_msat(job.amount_msat, max_fee_ppm)))
    try:
        priced = _price(capped, view.node.node_id, source, target, reader, cltv_blocks, layered)
    except RouteRefusedError as refused:
        return why(ReasonCode.ROUTE_REFUSED, message=str(refused))
    except NodeError as error:
        if error.code in NO_ROUTE_CODES:
            limit_ppm = ppm_of_ceil(capped.max_fee_msat, job.amount_msat)
            return why(ReasonCode.NO_ROUTE, message=f"none within {limit_ppm:,} ppm ({error})")
        raise
    if isinstance(priced, Reason):
        return priced
    route, fee_msat = priced
    return Prepared(job, route, fee_msat, view.taken_at)


def _price(
    job: JobRecord, own_id: str, source: Channel, target: Channel, reader: Reader, cltv_blocks: int, layered: bool
) -> tuple[tuple[Hop, ...], int] | Reason:
    end = inbound_end(target, job.amount_msat, cltv_blocks)
    last_fee_msat = end.amount_msat - job.amount_msat
    if last_fee_msat > job.max_fee_msat:
        return why(ReasonCode.ROUTE_TOO_DEAR, fee_msat=last_fee_msat, max_fee_msat=job.max_fee_msat)
    path = reader.path(
        source.peer_id,
        target.peer_id,
        end.amount_msat,
        job.max_fee_msat - last_fee_msat,
        end.cltv_blocks,
        (LAYER,) if layered else (),
    )
    route = circular_route(own_id, source, target, path, job.amount_msat, cltv_blocks)
    fee_msat = route_fee_msat(route)
    if fee_msat > job.max_fee_msat:
        return why(ReasonCode.ROUTE_TOO_DEAR, fee_msat=fee_msat, max_fee_msat=job.max_fee_msat)
    if route[0].amount_msat > source.spendable_msat:
        return why(
            ReasonCode.LIQUIDITY_CHANGED,
            side="the source",
            have_sat=sat_floor(source.spendable_msat),
            wanted_sat=sat_floor(route[0].amount_msat),
        )
    return route, fee_msat
