"""Which channels might be worth filling, out of which, before any route was asked for: each live channel as a target,
with the offers that may be worth a route, or why there is none.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from revops.decide.rebalance.bound import bound
from revops.decide.rebalance.obstacles import kept_out
from revops.decide.rebalance.offers import Offer, last_hop_ppm, offer
from revops.decide.rebalance.reliability import Wait
from revops.decide.rebalance.sale_chance import SaleChance
from revops.decide.rebalance.scene import Scene
from revops.decide.rebalance.stop_loss import stop_loss
from revops.decide.rebalance.worthless import why_nothing
from revops.domain.channel import Channel
from revops.domain.reason import Reason, ReasonCode, why
from revops.domain.units import MSAT_PER_SAT, sat_floor

#: Sources that are looked at for one target, those first that give a sat for the least.
SOURCES_LOOKED_AT: Final = 16


@dataclass(frozen=True, slots=True)
class Candidate:
    """A target with those that might fill it, best first, or with why nobody does."""

    target: Channel
    offers: tuple[Offer, ...] = ()
    obstacle: Reason | None = None


def survey(scene: Scene) -> tuple[Candidate, ...]:
    """Given a scene, return every live channel as a target, the most hopeful first, those that nobody fills last."""
    sources = _sources(scene)
    found = [_candidate(scene, channel, sources) for channel in scene.live]

    def key(one: Candidate) -> tuple[float, str]:
        return -one.offers[0].hopeful_gain_msat if one.offers else 1.0, one.target.channel_id

    return tuple(sorted(found, key=key))


def _sources(scene: Scene) -> list[Channel]:
    """The channels that may give at all, those first that give a sat for the least."""
    least_msat = scene.policy.min_amount_sat * MSAT_PER_SAT
    able = [
        channel
        for channel in scene.live
        if scene.spare_msat(channel) >= least_msat and kept_out(channel, "source", scene.snapshot) is None
    ]

    def key(channel: Channel) -> tuple[float, int, str]:
        given_ppm = scene.worth(channel).mean_ppm(
            channel.spendable_after_msat - least_msat, channel.spendable_after_msat
        )
        return round(given_ppm, 1), -scene.spare_msat(channel), channel.channel_id

    return sorted(able, key=key)


def _candidate(scene: Scene, target: Channel, sources: Sequence[Channel]) -> Candidate:
    obstacle = _obstacle(scene, target)
    if obstacle is not None:
        return Candidate(target, obstacle=obstacle)
    room_msat, least_msat = scene.room_msat(target), scene.least_msat(target)
    chance = scene.chance(target, room_msat)
    waits: list[Wait] = []
    found: list[Offer] = []
    for source in islice(_free(scene, target, sources, waits), SOURCES_LOOKED_AT):
        most_msat = min(room_msat, scene.spare_msat(source))
        one = offer(scene, source, target, most_msat, chance) if most_msat >= least_msat else None
        if one is not None:
            found.append(one)
    large = [one for one in found if one.wanted_msat >= least_msat]
    hopeful = [one for one in large if 0 < one.limit_ppm >= one.last_hop_ppm]
    if hopeful:
        hopeful.sort(key=lambda one: (-one.hopeful_gain_msat, one.source.channel_id))
        return Candidate(target, tuple(hopeful))
    if not (found or waits):
        return Candidate(target, obstacle=_nothing_gains(scene, target, sources))
    return Candidate(target, obstacle=_nobody(scene, target, found, large, waits, chance))


def _free(scene: Scene, target: Channel, sources: Sequence[Channel], waits: list[Wait]) -> Iterator[Channel]:
    """The sources that may be tried now; how long the others wait is added to `waits`."""
    for source in sources:
        if source.peer_id == target.peer_id:
            continue
        wait = scene.attempts.pair_wait(source.channel_id, target.channel_id, scene.policy)
        if wait is None:
            yield source
        else:
            waits.append(wait)


def _obstacle(scene: Scene, target: Channel) -> Reason | None:
    """Why a channel isn't filled at all, whoever could, or not yet; None where it may be."""
    obstacle = target_obstacle(scene, target)
    if obstacle is not None:
        return obstacle
    wait = scene.attempts.target_wait(target.channel_id, scene.policy)
    return None if wait is None else _cooling(scene, wait)


def target_obstacle(scene: Scene, target: Channel) -> Reason | None:
    """Given a channel, return why it isn't filled at all, whoever could and however attempts went; None where it may
    be.
    """
    out = kept_out(target, "target", scene.snapshot)
    if out is not None:
        return out
    count = scene.channels_of_peer[target.peer_id]
    if count > 1:
        return why(ReasonCode.SEVERAL_CHANNELS, channel_count=count)
    if scene.income_ppm(target) <= 0:
        return why(ReasonCode.NO_INCOME, horizon_days=scene.policy.horizon_days)
    if scene.room_msat(target) < scene.least_msat(target):
        high_percent = round(100 * scene.band(target).high_ratio)
        return why(ReasonCode.FULL_ENOUGH, local_percent=target.local_percent, high_percent=high_percent)
    return stop_loss(scene.snapshot.lots.get(target.channel_id, ()), scene.policy)


def _cooling(scene: Scene, wait: Wait) -> Reason:
    minutes = round((wait.until_at - scene.now) / 60)
    return why(ReasonCode.COOLING_DOWN, failure_count=wait.failure_count, wait_minutes=minutes)


def _nobody(
    scene: Scene,
    target: Channel,
    found: Sequence[Offer],
    large: Sequence[Offer],
    waits: Sequence[Wait],
    chance: SaleChance,
) -> Reason:
    """Why none of the others fills it: what came nearest."""
    if large:
        best = max(large, key=lambda one: (one.limit_ppm - one.last_hop_ppm, one.source.channel_id))
        return why(
            ReasonCode.LAST_HOP_ABOVE_WORTH,
            source=best.source.name,
            limit_ppm=best.limit_ppm,
            last_hop_ppm=round(best.last_hop_ppm),
            target_ppm=round(best.target_ppm),
            source_ppm=round(best.source_ppm),
            low_percent=round(100 * chance.low_ratio),
            bound=bound(best, scene.policy),
        )
    if found:
        largest_msat = max(one.wanted_msat for one in found)
        least_sat = sat_floor(scene.least_msat(target))
        return why(ReasonCode.TOO_SMALL, amount_sat=sat_floor(largest_msat), min_sat=least_sat)
    return _cooling(scene, min(waits, key=lambda wait: wait.until_at))


def _nothing_gains(scene: Scene, target: Channel, sources: Sequence[Channel]) -> Reason:
    """Why not even the first sat gains, whoever gives it: it is worth nothing here, or no less elsewhere."""
    nothing = why_nothing(scene, target)
    if nothing:
        return nothing[0]
    worth_ppm = scene.worth(target).at_ppm(target.spendable_after_msat)
    others = [one for one in sources if one.peer_id != target.peer_id]
    if not others:
        least_sat = sat_floor(scene.least_msat(target))
        return why(ReasonCode.NOBODY_SPARES, worth_ppm=round(worth_ppm), min_sat=least_sat)
    given_ppm = {one.channel_id: scene.worth(one).at_ppm(one.spendable_after_msat) for one in others}
    source = min(others, key=lambda one: (given_ppm[one.channel_id], one.channel_id))
    source_ppm = given_ppm[source.channel_id]
    last_ppm = last_hop_ppm(target, scene.least_msat(target))
    gain_ppm, asked_ppm = worth_ppm - source_ppm - last_ppm, scene.policy.min_return_ratio * last_ppm
    if 0.5 <= gain_ppm <= asked_ppm:
        return why(
            ReasonCode.RETURN_TOO_SMALL,
            worth_ppm=round(worth_ppm),
            source=source.name,
            source_ppm=round(source_ppm),
            last_hop_ppm=round(last_ppm),
            gain_ppm=round(gain_ppm),
            asked_ppm=round(asked_ppm),
            min_return_ratio=scene.policy.min_return_ratio,
        )
    return why(
        ReasonCode.NOTHING_CHEAPER,
        worth_ppm=round(worth_ppm),
        source=source.name,
        source_ppm=round(source_ppm),
        last_hop_ppm=round(last_ppm),
    )
