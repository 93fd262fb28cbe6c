"""What an experiment has shown: the difference between two strategies, how sure it is, and what is still missing.

The unit is a pair of blocks of one peer. Which block of a pair was A's was drawn by lot, so that if the strategies
brought the same, each pair's difference could as well have had the other sign: the test compares the mean that was
seen with those under other draws of the signs, and assumes nothing else (R. A. Fisher, The Design of Experiments,
1935, section 21; E. Edgington and P. Onghena, Randomization Tests, 2007, for treatments by turns).

What is registered is an amount per hour and channel: over all channels, the node's total but for a constant. So pairs
are compared in msat, never as shares: a peer with hardly any traffic adds hardly anything, whatever its strategy makes
of it, and the one with most of it has most of the say. A pair weighs as many channels as it counts, for its rate is
their mean. These are the same in both blocks, so that a weight doesn't follow from what was drawn or earned, and the
test holds. Pairs must not weigh by what they bring: that would count the money twice, and by chance for one side.

The interval holds each constant effect that this test doesn't reject. A difference δ is rejected from below where the
signs turned at random make as large a mean of d - δ as was seen, that is, where the mean of d over the pairs that were
turned is at most δ. So the bounds are the outer quantiles of the (weighted) means over random subsets of the pairs, the
empty one counting as beyond either (J. A. Hartigan, Using Subsample Values as Typical Values, JASA 64, 1969). Few pairs
make the empty one frequent: with less than six there is no bound at 95 %.

Looking often for harm must not find it by chance. The chance of a false alarm grows evenly with the pairs that are over
and each look may spend what has come since the last (K. Lan and D. DeMets, Discrete Sequential Boundaries for Clinical
Trials, Biometrika 70, 1983); the parts are added up, which wastes a little. Nothing is ever stopped for being good.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import compress
from statistics import fmean, variance
from typing import Final

from revops.decide.experiment import due_blocks
from revops.domain.experiment import (
    FEES,
    NET,
    Arm,
    ArmSum,
    BlockResult,
    Difference,
    Experiment,
    ExperimentReport,
    Need,
)

#: Given a count, returns so many random bits.
Bits = Callable[[int], int]

#: Draws of the signs. With so many a p-value of 1 % is known to a tenth of it.
DRAW_COUNT: Final = 9_999
#: Looks for harm: at 1 % for all of them each may spend twice what one draw weighs.
MOST_LOOKS: Final = 50
#: Either side of a 95 % interval.
TAIL: Final = 0.025
#: Normal quantiles: what is seen at 5 %, two-sided, in four of five experiments.
SEEN: Final = 1.960 + 0.842
EFFECTS: Final = (0.1, 0.2, 0.5)
_HOUR_SECONDS: Final = 3_600
_DAY_SECONDS: Final = 86_400


@dataclass(frozen=True, slots=True)
class Pair:
    """Two blocks of one peer, one of each arm: what they brought per hour and channel, open or not, on the channels
    that count in both.
    """

    peer_id: str
    number: int
    channel_count: int
    a_net_msat: float
    b_net_msat: float
    a_fees_msat: float
    b_fees_msat: float


def counting(experiment: Experiment, results: Iterable[BlockResult]) -> tuple[list[Pair], list[BlockResult]]:
    """Given what blocks have brought, return the pairs that count, and the blocks that they are made of.

    A channel counts where enough was seen of it in both blocks, also where it could not forward: per open hour, a
    strategy that sells a channel out and leaves it empty would look better the less it leaves.
    """
    seen_seconds = experiment.seen_ratio * experiment.measured_seconds
    by_pair: dict[tuple[str, int], dict[str, list[BlockResult]]] = defaultdict(lambda: defaultdict(list))
    for result in results:
        if result.seen_seconds >= seen_seconds:
            by_pair[result.peer_id, result.block // 2][result.channel_id].append(result)
    pairs, used = [], []
    for (peer_id, number), channels in sorted(by_pair.items()):
        both = [result for found in channels.values() if len(found) == len(Arm) for result in found]
        blocks = {arm: [result for result in both if result.arm is arm] for arm in Arm}
        if both:
            a, b = blocks[Arm.A], blocks[Arm.B]
            pairs.append(Pair(peer_id, number, len(a), _net(a), _net(b), _fees(a), _fees(b)))
            used += both
    return pairs, used


def _net(blocks: Sequence[BlockResult]) -> float:
    return sum(one.score_msat for one in blocks) * _HOUR_SECONDS / sum(one.seen_seconds for one in blocks)


def _fees(blocks: Sequence[BlockResult]) -> float:
    return sum(one.fee_msat for one in blocks) * _HOUR_SECONDS / sum(one.seen_seconds for one in blocks)


def arm_sums(experiment: Experiment, used: Sequence[BlockResult]) -> tuple[ArmSum, ...]:
    """Given the blocks that count, return what each arm has brought in all."""
    return tuple(_arm_sum(experiment, arm, [one for one in used if one.arm is arm]) for arm in Arm)


def _arm_sum(experiment: Experiment, arm: Arm, blocks: Sequence[BlockResult]) -> ArmSum:
    seen_seconds = sum(one.seen_seconds for one in blocks)
    open_seconds = sum(one.open_seconds for one in blocks)
    return ArmSum(
        arm=arm,
        strategy=experiment.strategy_of(arm),
        block_count=len({(one.peer_id, one.block) for one in blocks}),
        seen_hours=seen_seconds / _HOUR_SECONDS,
        open_hours=open_seconds / _HOUR_SECONDS,
        open_ratio=open_seconds / seen_seconds if seen_seconds > 0 else None,
        forward_count=sum(one.forward_count for one in blocks),
        score_msat=sum(one.score_msat for one in blocks),
        fee_msat=sum(one.fee_msat for one in blocks),
    )


def differences(pairs: Sequence[Pair], bits: Bits) -> tuple[Difference, ...]:
    """Given pairs, return the difference by the metric that decides, then by the other; none where there is no pair."""
    if not pairs:
        return ()
    weights = [one.channel_count for one in pairs]
    net = difference(NET, [(one.a_net_msat, one.b_net_msat) for one in pairs], weights, bits)
    return net, difference(FEES, [(one.a_fees_msat, one.b_fees_msat) for one in pairs], weights, bits)


def difference(metric: str, pairs: Sequence[tuple[float, float]], weights: Sequence[int], bits: Bits) -> Difference:
    """Given a metric's name, and its (A, B) and the weight of each pair, of which there is one at least, return their
    difference.
    """
    gains = [b - a for a, b in pairs]
    means, empty_count = typical_means(gains, weights, bits)
    low_p, high_p = _chances(means, empty_count)
    beyond = int(TAIL * (DRAW_COUNT + 1)) - empty_count
    return Difference(
        metric=metric,
        pair_count=len(pairs),
        mean_msat=fmean(gains, weights),
        base_msat=fmean([a for a, _b in pairs], weights),
        low_msat=means[beyond - 1] if beyond > 0 else None,
        high_msat=means[-beyond] if beyond > 0 else None,
        p_value=min(2 * min(low_p, high_p), 1.0),
    )


def typical_means(gains: Sequence[float], weights: Sequence[int], bits: Bits) -> tuple[list[float], int]:
    """Given differences, their weights and random bits, return the means over random subsets, sorted, and how many were
    empty.
    """
    means: list[float] = []
    count = len(gains)
    weighted = [gain * weight for gain, weight in zip(gains, weights, strict=True)]
    for _draw in range(DRAW_COUNT):
        chosen = [bit == "1" for bit in f"{bits(count):0{count}b}"]
        size = sum(compress(weights, chosen))
        if size:
            means.append(math.fsum(compress(weighted, chosen)) / size)
    means.sort()
    return means, DRAW_COUNT - len(means)


def _chances(means: Sequence[float], empty_count: int) -> tuple[float, float]:
    """How likely so large a difference is by chance: upwards, and downwards."""
    at_most = empty_count + bisect_right(means, 0.0)
    at_least = empty_count + len(means) - bisect_left(means, 0.0)
    return (1 + at_most) / (DRAW_COUNT + 1), (1 + at_least) / (DRAW_COUNT + 1)


def look_due(experiment: Experiment, now: float) -> int | None:
    """Given the time, return how many pairs of blocks a look for harm would see now; None where it isn't time for one.

    After each pair, but not so often that a look could spend less than the draws can tell.
    """
    over_count = due_blocks(experiment, now) // 2
    step = -(-experiment.pair_count // MOST_LOOKS)
    return over_count if over_count - experiment.look_count >= step else None


def harmful(experiment: Experiment, pairs: Sequence[Pair], over_count: int, bits: Bits) -> bool:
    """Given the pairs that count, and how many pairs of blocks are over, return whether B is worse beyond doubt: worse
    than chance explains by what this look may spend of `harm_alpha`.
    """
    if not pairs:
        return False
    alpha = experiment.harm_alpha * (over_count - experiment.look_count) / experiment.pair_count
    gains = [one.b_net_msat - one.a_net_msat for one in pairs]
    means, empty_count = typical_means(gains, [one.channel_count for one in pairs], bits)
    return _chances(means, empty_count)[1] <= alpha


def needs(experiment: Experiment, pairs: Sequence[Pair], peer_count: int) -> tuple[Need, ...]:
    """Given the pairs, and how many peers take part, return how many blocks it takes to see effects of 10, 20 and 50 %
    of what A brings; none where that can't be told yet.

    As many as make the standard error so small that in four experiments of five such an effect is told from none at
    5 %: n = (1.960 + 0.842)² s² / δ² (J. Lachin, Introduction to Sample Size Determination, Controlled Clinical Trials
    2, 1981). Of pairs that weigh more than others s² is the variance of what each adds to the weighted mean.
    """
    weights = [one.channel_count for one in pairs]
    base_msat = fmean([one.a_net_msat for one in pairs], weights) if pairs else 0.0
    if len(pairs) < 2 or base_msat <= 0 or peer_count <= 0:
        return ()
    gains = [one.b_net_msat - one.a_net_msat for one in pairs]
    mean_msat, mean_weight = fmean(gains, weights), fmean(weights)
    noise = variance([(gain - mean_msat) * weight / mean_weight for gain, weight in zip(gains, weights, strict=True)])
    found = []
    for effect in EFFECTS:
        pair_count = max(math.ceil(SEEN**2 * noise / (effect * base_msat) ** 2), 2)
        missing_count = max(pair_count - len(pairs), 0)
        rounds = -(-missing_count // peer_count)
        days = math.ceil(rounds * 2 * experiment.block_seconds / _DAY_SECONDS)
        found.append(Need(effect, 2 * pair_count, 2 * missing_count, days))
    return tuple(found)


def reported(experiment: Experiment, results: Sequence[BlockResult], now: float, bits: Bits) -> ExperimentReport:
    """Given an experiment and what its blocks have brought, return all that can be said of it."""
    pairs, used = counting(experiment, results)
    peer_count = len({pair.peer_id for pair in pairs})
    by_block = {(one.peer_id, one.block) for one in results}
    begun = {(peer_id, block // 2) for peer_id, block in by_block}
    over = {(peer_id, number) for peer_id, number in begun if (number + 1) * 2 <= due_blocks(experiment, now)}
    return ExperimentReport(
        taken_at=now,
        experiment=experiment,
        peer_count=peer_count,
        pair_count=len(pairs),
        left_out_count=len(over - {(pair.peer_id, pair.number) for pair in pairs}),
        arms=arm_sums(experiment, used),
        differences=differences(pairs, bits),
        needs=needs(experiment, pairs, peer_count),
    )
