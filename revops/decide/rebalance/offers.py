"""What one channel promises to another, before any route was asked for.

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

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from revops.decide.rebalance.kelly import dearest_ppm
from revops.decide.rebalance.sale_chance import SaleChance
from revops.decide.rebalance.scene import Scene
from revops.domain.channel import Channel
from revops.domain.units import MSAT_PER_SAT, PPM, forward_fee_msat

#: A payment that hangs does so for about a day.
HANG_DAYS: Final = 1.0
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


def offer(scene: Scene, source: Channel, target: Channel, most_msat: int, chance: SaleChance) -> Offer | None:
    """Given a pair, the most that may be moved, and the chance of its sale, return what it promises; None where nothing
    gains.
    """
    cost_ppm = last_hop_ppm(target, most_msat) + risk_ppm(scene, source, target)
    wanted_msat = fitting_msat(scene, source, target, most_msat, cost_ppm)
    if wanted_msat <= 0:
        return None
    return replace(offer_of(scene, source, target, wanted_msat, chance), last_hop_ppm=last_hop_ppm(target, most_msat))


def offer_of(scene: Scene, source: Channel, target: Channel, amount_msat: int, chance: SaleChance) -> Offer:
    """Given a pair, an amount and the chance of its sale, return what just that amount promises, good or bad."""
    there, here = scene.worth(target), scene.worth(source)
    pair_risk_ppm = risk_ppm(scene, source, target)
    target_ppm = there.mean_ppm(target.spendable_after_msat, target.spendable_after_msat + amount_msat)
    source_ppm = here.mean_ppm(source.spendable_after_msat - amount_msat, source.spendable_after_msat)
    room_ppm = room_low_ppm(scene, source, source_ppm)
    sale_ppm = sale_low_ppm(chance, scene.sale_ppm(target)) + room_ppm - max(source_ppm, 0.0)
    gain_ppm = (target_ppm - pair_risk_ppm - source_ppm) / (1.0 + scene.policy.min_return_ratio)
    return Offer(
        source=source,
        wanted_msat=amount_msat,
        target_ppm=target_ppm,
        source_ppm=source_ppm,
        risk_ppm=pair_risk_ppm,
        limit_ppm=int(min(max(min(gain_ppm, sale_ppm), 0.0), scene.policy.max_fee_ppm)),
        last_hop_ppm=last_hop_ppm(target, amount_msat),
        success_ratio=scene.attempts.success_ratio(source.channel_id, target.channel_id),
    )


def risk_ppm(scene: Scene, source: Channel, target: Channel) -> float:
    """Given a pair, return what a payment that hangs is expected to cost: what both ends' liquidity would have been
    worth meanwhile.
    """
    there, here = scene.worth(target), scene.worth(source)
    hang_ratio = scene.attempts.hang_ratio(source.channel_id, target.channel_id)
    at_stake_ppm = max(there.at_ppm(target.spendable_after_msat), 0.0) + max(
        here.at_ppm(source.spendable_after_msat), 0.0
    )
    return hang_ratio * at_stake_ppm * HANG_DAYS / scene.policy.horizon_days


def sale_low_ppm(chance: SaleChance, sale_ppm: float) -> float:
    """Given the chance of a sale and what one leaves, return what it earns at least, in ppm. One that costs more room
    than it pays is as likely as it seems, and not less.
    """
    return chance.mean_ratio * sale_ppm if sale_ppm < 0 else dearest_ppm(chance.low_ratio, sale_ppm)


def room_low_ppm(scene: Scene, source: Channel, source_ppm: float) -> float:
    """Given a source and what a sat is worth there, return what the room that it gains earns at least, in ppm: 0 where
    the sat is worth something itself.
    """
    if source_ppm >= 0:
        return 0.0
    room = scene.room(source)
    return min(room.low_ratio * room.income_ppm, -source_ppm)


def fitting_msat(scene: Scene, source: Channel, target: Channel, most_msat: int, cost_ppm: float) -> int:
    """Given a pair, the most that may be moved and what a sat costs on the way, return up to where each further one
    gains, with the return that the policy asks for; whole sat.
    """
    there, here = scene.worth(target), scene.worth(source)
    least_ppm = cost_ppm * (1.0 + scene.policy.min_return_ratio)

    def gains(amount_msat: float) -> bool:
        given_ppm = here.at_ppm(source.spendable_after_msat - amount_msat)
        return there.at_ppm(target.spendable_after_msat + amount_msat) - given_ppm > least_ppm

    return int(_last_true(gains, most_msat)) // MSAT_PER_SAT * MSAT_PER_SAT


def last_hop_ppm(target: Channel, amount_msat: int) -> float:
    """Given a target and an amount, return what its peer asks for letting it in to us; 0 where that isn't known: no
    route is built then either.
    """
    terms = target.remote_terms
    if terms is None or amount_msat <= 0:
        return 0.0
    return forward_fee_msat(amount_msat, terms.fee_base_msat, terms.fee_ppm) / amount_msat * PPM


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
