"""What a splice costs on the chain: its weight times the feerate; sat per 1000 weight times weight is msat.

Whoever begins a splice pays for the fields that both share, the channel's old output and its new one, and for its own
inputs and outputs (BOLT 2, "Interactive Transaction Construction"). So a splice out is a transaction of the same form
as a mutual close: the channel's output is spent, into the new one and one of the wallet's. A splice in has the wallet's
inputs besides, and change.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from revops.decide.dead_capital import MUTUAL_WEIGHT
from revops.domain.capital import RatioRange
from revops.domain.node import WalletOutput
from revops.domain.policy import SpliceConfig
from revops.domain.reason import Reason, ReasonCode, why
from revops.domain.splice import SpliceDirection, SpliceTerms
from revops.domain.units import MSAT_PER_SAT, sat_floor

OUT_WEIGHT: Final = MUTUAL_WEIGHT
#: An input of the wallet of the widest kind: what a peer's force-close left us on a channel with anchors. It weighs 277
#: (BOLT 3, "Bitcoin Transaction Weight of `to_remote`"), but lightningd takes it for one of two keys, as a channel's,
#: and pays for that (bitcoin/psbt.c, psbt_input_get_weight): measured on v26.06.6.
WIDEST_INPUT_WEIGHT: Final = 4 * 41 + 1 + 222
#: lightningd pays out no change below this.
DUST_MSAT: Final = 546 * MSAT_PER_SAT
#: Today's feerate may rise by this until the splice is made, without a new plan.
FEERATE_SLACK: Final = 1.5


def in_weight(input_count: int) -> int:
    """Given how many inputs of the wallet fund it, return the weight of a splice in, of whatever kind they are."""
    return MUTUAL_WEIGHT + input_count * WIDEST_INPUT_WEIGHT


def largest_first(outputs: Sequence[WalletOutput], amount_msat: int, perkw: int) -> tuple[WalletOutput, ...]:
    """Given the wallet's outputs, an amount to be spliced in and a feerate, return those that pay for both, the largest
    first: as few as can. All of them where they don't.

    Which ones the node takes is left to chance: these are what a plan counts on, `most_inputs` is what it may cost.
    """
    taken: list[WalletOutput] = []
    have_msat = 0
    for one in sorted(outputs, key=lambda one: (-one.amount_msat, one.outpoint)):
        if taken and have_msat >= amount_msat + in_weight(len(taken)) * perkw:
            break
        taken.append(one)
        have_msat += one.amount_msat
    return tuple(taken)


def most_inputs(outputs: Sequence[WalletOutput], amount_msat: int, perkw: int) -> int:
    """Given the wallet's outputs, an amount to be spliced in and a feerate, return how many of them the node takes at
    most. It takes them in random order until they pay for amount and fee (lightningd's `addpsbtinput`): never more than
    if the smallest came first. Where it lacks a part of the fee at the end, it takes one more.
    """
    have_msat, amounts_msat = 0, sorted(one.amount_msat for one in outputs)
    for count, one_msat in enumerate(amounts_msat, 1):
        have_msat += one_msat
        if have_msat >= amount_msat + in_weight(count) * perkw:
            return min(count + 1, len(amounts_msat))
    return len(amounts_msat)


def worst_msat(direction: SpliceDirection, weight: int, perkw: int) -> int:
    """Given a splice's greatest weight and its feerate, return what it may cost: of one in, change that is too small to
    be paid out goes to the miner, too.
    """
    return weight * perkw + (DUST_MSAT if direction is SpliceDirection.IN else 0)


def feerate_limit_perkw(gain_msat: float, weight: int, perkw: int, policy: SpliceConfig) -> int:
    """Given what a splice brings, its weight and today's feerate, return the most that it may pay: what the operator
    allows, half as much again as today, and what leaves the return that is asked for.
    """
    worth_perkw = int(gain_msat / (1 + policy.min_return_ratio) / weight)
    return min(policy.max_feerate_perkw, math.ceil(perkw * FEERATE_SLACK), worth_perkw)


def terms_of(
    direction: SpliceDirection,
    gain: RatioRange,
    amount_sat: int,
    weight: int,
    perkw: int,
    policy: SpliceConfig,
    other_msat: int = 0,
) -> SpliceTerms | None:
    """Given which way funds go, what each sat brings within the horizon, how many, the splice's greatest weight,
    today's feerate, and what else it takes to bring that, return the terms; None where it brings too little for what
    both cost.
    """
    amount_msat = amount_sat * MSAT_PER_SAT
    low, middle, high = (int(amount_msat * one) for one in (gain.low_ratio, gain.middle_ratio, gain.high_ratio))
    limit_perkw = feerate_limit_perkw(middle - other_msat * (1 + policy.min_return_ratio), weight, perkw, policy)
    if limit_perkw < perkw:
        return None
    return SpliceTerms(
        gain_low_msat=low,
        gain_msat=middle,
        gain_high_msat=high,
        horizon_days=policy.horizon_days,
        weight=weight,
        cost_msat=weight * perkw,
        max_feerate_perkw=limit_perkw,
        max_cost_msat=worst_msat(direction, weight, limit_perkw),
        payback_days=(weight * perkw + other_msat) / middle * policy.horizon_days,
    )


def cost_reason(terms: SpliceTerms, perkw: int) -> Reason:
    """Given a splice's terms and today's feerate, return what it costs, and may cost, as a reason."""
    return why(
        ReasonCode.SPLICE_COST,
        cost_msat=terms.cost_msat,
        perkw=perkw,
        payback_days=round(terms.payback_days, 1),
        max_perkw=terms.max_feerate_perkw,
        max_cost_msat=terms.max_cost_msat,
    )


def channels_short(free_msat: int) -> Reason:
    """Given what the channels can send above their reserve, say that it is too little."""
    return why(ReasonCode.SPLICE_CHANNELS_SHORT, free_sat=max(sat_floor(free_msat), 0))


def too_dear(amount_sat: int, gain_msat: float, cost_msat: int, policy: SpliceConfig) -> Reason:
    """Given how much a splice would move, bring and cost, say that it isn't worth it."""
    return why(
        ReasonCode.SPLICE_TOO_DEAR,
        amount_sat=amount_sat,
        gain_msat=int(gain_msat),
        cost_msat=cost_msat,
        horizon_days=policy.horizon_days,
        min_return_ratio=policy.min_return_ratio,
    )
