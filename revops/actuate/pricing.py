"""Before a rebalance is sent: is the stored job still sound, and what do real routes cost now?

Only reads, but for the routing layer: askrene must be told once to keep our own node out of the path between two
peers, else it finds the cheapest one of all, through us. The layer is left behind on purpose: what it has learnt of
failures is good for an hour, for the next run and the next plan; lightningd forgets it when it stops. Nothing is ever
reserved in askrene, so that no death of a run can leave a reservation there: they don't expire.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from revops.decide.attempts import no_route_kind
from revops.decide.in_flight import short
from revops.decide.recheck import revalidate
from revops.decide.route import RouteRefusedError, circular_route, inbound_end, route_fee_msat
from revops.domain.channel import Channel
from revops.domain.payment import Hop
from revops.domain.reason import Reason, ReasonCode, why
from revops.domain.rebalance import FailureKind
from revops.domain.record import JobRecord
from revops.domain.snapshot import NodeView
from revops.domain.units import ppm_of_ceil, share_msat
from revops.node.errors import NodeError
from revops.node.reader import Reader
from revops.node.writer import Writer

#: The askrene layer that holds what we want of routes: our own node disabled, and what failed lately.
LAYER: Final = "revops"
#: What failed is forgotten after this long: liquidity moves.
LAYER_MEMORY_SECONDS: Final = 3_600
#: lightningd's `cltv-final` on mainnet, where the node doesn't say.
CLTV_FINAL_BLOCKS: Final = 18
#: Blocks that may be found while the payment is under way.
CLTV_MARGIN_BLOCKS: Final = 4
#: getroutes: no route, too dear, too long, timed out (common/jsonrpc_errors.h): an answer, not a fault.
NO_ROUTE_CODES: Final = frozenset({205, 206, 207, 209, 210, 217})
#: Routes that are asked for one job at most: each search keeps lightningd's router busy.
MOST_ROUTES: Final = 5


@dataclass(frozen=True, slots=True)
class Prepared:
    """A job with the source that pays and the route that it would take. `seen_at` is when the node was looked at, by a
    clock that the chain confirmed: the spending windows end there.
    """

    job: JobRecord
    source: Channel
    target: Channel
    route: tuple[Hop, ...]
    fee_msat: int
    #: What the route costs less than it may.
    left_msat: int
    seen_at: float

    @property
    def last_hop_msat(self) -> int:
        """What the target's peer asks, from whichever source."""
        return self.route[-2].amount_msat - self.route[-1].amount_msat


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a job can't be executed; `failure` is OTHER where that says nothing of the way."""

    reason: Reason
    failure: FailureKind = FailureKind.OTHER


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
) -> Prepared | Refused:
    """Given a stored job and the node as it is, return the job with the source and route that leave most of what they
    may cost, or why it can't be executed.

    Sources are tried as they were ranked, until none of the others can leave more, or enough routes were asked for.
    `max_fee_ppm` is the policy's ceiling as it is now: it may have been lowered since the plan. `congested_since` is
    when the channels that were congested at the last look became so. `layered` is False in a dry run where the layer
    doesn't exist yet. Raise NodeError where the node doesn't answer.
    """
    channels = {channel.channel_id: channel for channel in view.channels}
    target = channels.get(job.target_channel_id)
    ceiling_msat, busy = share_msat(job.amount_msat, max_fee_ppm), sorted(in_flight)
    best: Prepared | None = None
    untried: list[Refused] = []
    tried: list[Refused] = []
    asked_count = 0
    for offer in job.sources:
        limit_msat = min(offer.max_fee_msat, ceiling_msat)
        if asked_count == MOST_ROUTES:
            break
        if best is not None and limit_msat - best.last_hop_msat <= best.left_msat:
            continue
        source = channels.get(offer.channel_id)
        obstacle = revalidate(source, target, job.amount_msat, busy, congested_since, view)
        if obstacle is not None or source is None or target is None:
            untried.append(Refused(obstacle or why(ReasonCode.NOT_USABLE, state="gone")))
            continue
        search = _Search(job, view, target, reader, cltv_blocks, (LAYER,) if layered else ())
        found = search.from_source(source, limit_msat)
        asked_count += 1
        if isinstance(found, Refused):
            tried.append(found)
        elif best is None or found.left_msat > best.left_msat:
            best = found
    if best is not None:
        return best
    return _most_telling(tried) or _most_telling(untried) or Refused(why(ReasonCode.NO_SOURCE))


def _most_telling(refused: list[Refused]) -> Refused | None:
    """The first of those that say most of the way: there is a route, and it is too dear; there is none; anything."""
    for kind in (FailureKind.FEE_TOO_LOW, FailureKind.NO_ROUTE):
        for one in refused:
            if one.failure is kind:
                return one
    return refused[0] if refused else None


def route_within(
    reader: Reader,
    own_id: str,
    source: Channel,
    target: Channel,
    amount_msat: int,
    limit_msat: int,
    cltv_blocks: int,
    layers: tuple[str, ...],
) -> tuple[tuple[Hop, ...], int]:
    """Given two channels, what has to arrive and what it may cost, return the route that the node finds and its cost;
    no route, and the cost of the last hop, where that alone is more.

    Raise RouteRefusedError where none can be built, NodeError as `Reader.path` does.
    """
    end = inbound_end(target, amount_msat, cltv_blocks)
    last_fee_msat = end.amount_msat - amount_msat
    if last_fee_msat > limit_msat:
        return (), last_fee_msat
    most_msat = limit_msat - last_fee_msat
    path = reader.path(source.peer_id, target.peer_id, end.amount_msat, most_msat, end.cltv_blocks, layers)
    route = circular_route(own_id, source, target, path, amount_msat, cltv_blocks)
    return route, route_fee_msat(route)


@dataclass(frozen=True, slots=True)
class _Search:
    """What all searches for one job share."""

    job: JobRecord
    view: NodeView
    target: Channel
    reader: Reader
    cltv_blocks: int
    layers: tuple[str, ...]

    def from_source(self, source: Channel, limit_msat: int) -> Prepared | Refused:
        """Given a source and what the route may cost from there, return the route, or why there is none."""
        try:
            return self._route(source, limit_msat)
        except RouteRefusedError as refused:
            return Refused(why(ReasonCode.ROUTE_REFUSED, message=str(refused)))
        except NodeError as error:
            if error.code not in NO_ROUTE_CODES:
                raise
            limit_ppm = ppm_of_ceil(limit_msat, self.job.amount_msat)
            message = f"none within {limit_ppm:,} ppm ({error})"
            return Refused(why(ReasonCode.NO_ROUTE, message=message), no_route_kind(error.code, str(error)))

    def _route(self, source: Channel, limit_msat: int) -> Prepared | Refused:
        job, target, own_id = self.job, self.target, self.view.node.node_id
        route, fee_msat = route_within(
            self.reader, own_id, source, target, job.amount_msat, limit_msat, self.cltv_blocks, self.layers
        )
        if fee_msat > limit_msat:
            return _too_dear(fee_msat, limit_msat)
        if route[0].amount_msat > source.spendable_msat:
            return Refused(short(source, "the source", source.spendable_msat, route[0].amount_msat))
        return Prepared(job, source, target, route, fee_msat, limit_msat - fee_msat, self.view.taken_at)


def _too_dear(fee_msat: int, limit_msat: int) -> Refused:
    reason = why(ReasonCode.ROUTE_TOO_DEAR, fee_msat=fee_msat, max_fee_msat=limit_msat)
    return Refused(reason, FailureKind.FEE_TOO_LOW)
