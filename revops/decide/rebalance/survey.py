"""Which channels might be worth filling, out of which, before any route was asked for.

For a target b and a source a, an amount x gains per sat what it is worth there less what it is worth here,

    V_b over (L_b, L_b + x)  -  V_a over (L_a - x, L_a)  -  route  -  risk                                 [ppm]

and the amount is the one up to which each further sat still gains. Of the route one part is known: what the target's
peer asks for the last hop, which so bounds the amount from above. The rest is for the node to say (`plan.py`).

The most that a route may cost is what the liquidity is worth, with the return that the policy asks for on top of the
price, not what is left after the price was taken off: an earlier tool took the price off first, and looked for routes
at the difference. It is also at most what keeps the bet on its sale worth a stake (`kelly.py`), and what the policy
allows. The return is there since worth is only estimated, and thin gains are where the errors are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from revops.decide.rebalance.kelly import dearest_ppm
from revops.decide.rebalance.obstacles import kept_out
from revops.decide.rebalance.reliability import Wait
from revops.decide.rebalance.sale_chance import SaleChance
from revops.decide.rebalance.scene import Scene
from revops.decide.rebalance.stop_loss import stop_loss
from revops.domain.channel import Channel
from revops.domain.reason import Reason, ReasonCode, why
from revops.domain.units import MSAT_PER_SAT, PPM, forward_fee_msat, sat_floor

#: A payment that hangs does so for about a day.
HANG_DAYS: Final = 1.0
#: Sources that are looked at for one target, those first that give a sat for the least.
SOURCES_LOOKED_AT: Final = 16
_HALVINGS: Final = 16


@dataclass(frozen=True, slots=True)
class Offer:
    """What a source promises to a target: how much at most, what it is worth at both ends (ppm), and the most that all
    of the route may cost. `wanted_msat` is what would be worth moving if it cost no more than the last hop.
    """

    source: Channel
    wanted_msat: int
    target_ppm: float
    source_ppm: float
    risk_ppm: float
    limit_ppm: int
    last_hop_ppm: float
    success_ratio: float

    @property
    def hopeful_gain_msat(self) -> float:
        """What it would gain if the last hop were all that the route costs."""
        gain_ppm = self.target_ppm - self.source_ppm - self.risk_ppm - self.last_hop_ppm
        return self.success_ratio * gain_ppm * self.wanted_msat / PPM


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


def offer(scene: Scene, source: Channel, target: Channel, most_msat: int, chance: SaleChance) -> Offer | None:
    """Given a pair, the most that may be moved, and the chance of its sale, return what it promises; None where nothing
    gains.
    """
    last_ppm = last_hop_ppm(target, most_msat)
    there, here = scene.worth(target), scene.worth(source)
    hang_ratio = scene.attempts.hang_ratio(source.channel_id, target.channel_id)
    at_stake_ppm = max(there.at_ppm(target.spendable_msat), 0.0) + max(here.at_ppm(source.spendable_msat), 0.0)
    risk_ppm = hang_ratio * at_stake_ppm * HANG_DAYS / scene.policy.horizon_days
    wanted_msat = fitting_msat(scene, source, target, most_msat, last_ppm + risk_ppm)
    if wanted_msat <= 0:
        return None
    target_ppm = there.mean_ppm(target.spendable_msat, target.spendable_msat + wanted_msat)
    source_ppm = here.mean_ppm(source.spendable_msat - wanted_msat, source.spendable_msat)
    # That a sat only takes up room at the source makes its sale no likelier: the bet doesn't count it.
    sale_ppm = dearest_ppm(chance.low_ratio, scene.income_ppm(target)) - max(source_ppm, 0.0)
    gain_ppm = (target_ppm - risk_ppm - source_ppm) / (1.0 + scene.policy.min_return_ratio)
    return Offer(
        source=source,
        wanted_msat=wanted_msat,
        target_ppm=target_ppm,
        source_ppm=source_ppm,
        risk_ppm=risk_ppm,
        limit_ppm=int(min(max(min(gain_ppm, sale_ppm), 0.0), scene.policy.max_fee_ppm)),
        last_hop_ppm=last_ppm,
        success_ratio=scene.attempts.success_ratio(source.channel_id, target.channel_id),
    )


def fitting_msat(scene: Scene, source: Channel, target: Channel, most_msat: int, cost_ppm: float) -> int:
    """Given a pair, the most that may be moved and what a sat costs on the way, return up to where each further one
    gains, with the return that the policy asks for; whole sat.
    """
    there, here = scene.worth(target), scene.worth(source)
    least_ppm = cost_ppm * (1.0 + scene.policy.min_return_ratio)

    def gains(amount_msat: float) -> bool:
        given_ppm = here.at_ppm(source.spendable_msat - amount_msat)
        return there.at_ppm(target.spendable_msat + amount_msat) - given_ppm > least_ppm

    return int(_last_true(gains, most_msat)) // MSAT_PER_SAT * MSAT_PER_SAT


def last_hop_ppm(target: Channel, amount_msat: int) -> float:
    """Given a target and an amount, return what its peer asks for letting it in to us; 0 where that isn't known: no
    route is built then either.
    """
    terms = target.remote_terms
    if terms is None or amount_msat <= 0:
        return 0.0
    return forward_fee_msat(amount_msat, terms.fee_base_msat, terms.fee_ppm) / amount_msat * PPM


def _sources(scene: Scene) -> list[Channel]:
    """The channels that may give at all, those first that give a sat for the least."""
    least_msat = scene.policy.min_amount_sat * MSAT_PER_SAT
    able = [
        channel
        for channel in scene.live
        if scene.spare_msat(channel) >= least_msat and kept_out(channel, "source", scene.snapshot) is None
    ]

    def key(channel: Channel) -> tuple[float, int, str]:
        given_ppm = scene.worth(channel).mean_ppm(channel.spendable_msat - least_msat, channel.spendable_msat)
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
    """Why a channel isn't filled at all, whoever could; None where it may be."""
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
        return why(ReasonCode.FULL_ENOUGH, local_percent=round(100 * target.local_ratio), high_percent=high_percent)
    lost = stop_loss(scene.snapshot.lots.get(target.channel_id, ()), scene.policy)
    if lost is not None:
        return lost
    wait = scene.attempts.target_wait(target.channel_id, scene.policy)
    return None if wait is None else _cooling(scene, wait)


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
        )
    if found:
        largest_msat = max(one.wanted_msat for one in found)
        least_sat = sat_floor(scene.least_msat(target))
        return why(ReasonCode.TOO_SMALL, amount_sat=sat_floor(largest_msat), min_sat=least_sat)
    if waits:
        return _cooling(scene, min(waits, key=lambda wait: wait.until_at))
    worth_ppm = scene.worth(target).at_ppm(target.spendable_msat)
    return why(ReasonCode.NOTHING_CHEAPER, worth_ppm=round(worth_ppm))


def _last_true(holds: Callable[[float], bool], most: float) -> float:
    """Up to where a condition holds that, once it fails, fails for good; 0 where it never does."""
    if not holds(0.0):
        return 0.0
    if holds(most):
        return most
    low, high = 0.0, most
    for _halving in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low
