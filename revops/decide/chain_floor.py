"""The mempool-aware floor: what a channel must earn to be worth the force-close that it may end in.

    floor = cost of a force-close at today's rate x its chance in a year / what leaves by the channel in a year

An earlier tool had a floor that ignored the channel's size, and that rose when the call for feerates failed. Here a
failed call changes nothing: the last sample that has an estimate counts, and when that is too old there is no floor.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from revops.domain.channel import Channel
from revops.domain.node import Feerates
from revops.domain.units import PPM

#: Weight of a commitment with both balances, both anchors and no HTLC (BOLT 3, appendix A, option_anchors). The opener
#: pays for it; HTLCs are left out, since most channels are closed while they rest.
COMMITMENT_WEIGHT: Final = 1_124
#: A transaction of one input and one output beside its input: 53 bytes and the witness header (BOLT 5, "Penalty
#: Transactions Weight Calculation").
_FRAME_WEIGHT: Final = 4 * 53 + 2
#: An input of the wallet's: P2WPKH, as BOLT 5 has it; one that spends to a taproot address weighs 42 less.
WALLET_INPUT_WEIGHT: Final = 272
#: Spending the anchor, which whoever wants the close confirmed pays: its input (41 bytes, and a witness of 1 + 1 + 73 +
#: 1 + 40) and one of the wallet's.
ANCHOR_WEIGHT: Final = _FRAME_WEIGHT + (4 * 41 + 116) + WALLET_INPUT_WEIGHT
#: Sweeping our own balance after the delay: an input of 324 (BOLT 5 gives it for the same script's penalty branch).
SWEEP_WEIGHT: Final = _FRAME_WEIGHT + 324
#: Force-closes per channel and year. Nobody publishes the figure; a channel lives some years and perhaps every third
#: ends this way. Errs dear, and the cap by the market bounds what the error can do.
CLOSES_PER_YEAR: Final = 0.1
#: What leaves by an ordinary channel in a year, in capacities: a little less than its half each month.
TURNOVERS_PER_YEAR: Final = 5
#: `FeeInput.sold_msat` is of 30 days.
SOLD_PER_YEAR: Final = 365 / 30
#: Feerates move by themselves within a day by so much; only what is above their own median by more is a spike.
CALM_RATIO: Final = 1.5
#: So far above the median the premium is full: in a mempool of that kind HTLCs that must go on chain are dear, too.
FULL_SPIKE_RATIO: Final = 4.0
MOST_PREMIUM: Final = 2.0
#: A median of fewer samples is no habit to compare with.
LEAST_SAMPLES: Final = 4
_DAY_SECONDS: Final = 86_400.0
#: Samples older than this say nothing of today.
OLDEST_SECONDS: Final = 3 * _DAY_SECONDS
#: A sample is of now if it was taken in this run, or in one shortly before.
_FRESH_SECONDS: Final = 3_600.0


@dataclass(frozen=True, slots=True)
class ChainRate:
    """What space on the chain costs: the rate, how old the sample is, and the factor for a spike (1: none)."""

    perkw: int
    age_seconds: float
    ratio: float = 1.0

    @property
    def old(self) -> bool:
        """Whether the node had no estimate lately."""
        return self.age_seconds > _FRESH_SECONDS

    @property
    def premium(self) -> float:
        """The factor for a spike, which goes as the median follows."""
        share = (self.ratio - CALM_RATIO) / (FULL_SPIKE_RATIO - CALM_RATIO)
        return 1.0 + (MOST_PREMIUM - 1.0) * min(max(share, 0.0), 1.0)


def chain_rate(samples: Iterable[Feerates], now: float) -> ChainRate | None:
    """Given samples of feerates in any order, and the time, return the rate that counts; None where none is known.

    Samples from the future were made by a clock that was wrong.
    """
    known = sorted(
        (sample.sampled_at, perkw)
        for sample in samples
        if now - OLDEST_SECONDS <= sample.sampled_at <= now and (perkw := _close_perkw(sample)) is not None
    )
    if not known:
        return None
    sampled_at, perkw = known[-1]
    day = [rate for at, rate in known if at > sampled_at - _DAY_SECONDS]
    ratio = perkw / statistics.median(day) if len(day) >= LEAST_SAMPLES else 1.0
    return ChainRate(perkw, now - sampled_at, ratio)


def _close_perkw(sample: Feerates) -> int | None:
    """What a force-close would pay: the node's own estimate for one, else the nearest thing.

    `floor` is none: it is the least that the node's bitcoind relays, also when it can't estimate.
    """
    for perkw in (
        sample.unilateral_close_perkw,
        sample.blocks_12_perkw,
        sample.opening_perkw,
        sample.mutual_close_perkw,
    ):
        if perkw is not None and perkw > 0:
            return perkw
    return None


def close_cost_msat(channel: Channel, perkw: int) -> int:
    """Given a channel and a rate, return what a force-close would cost us; weight x sat per 1000 weight is msat."""
    return unilateral_weight(channel.opener) * perkw


def unilateral_weight(opener: str | None) -> int:
    """Given who opened a channel ("local", "remote"; None: not known, taken for us), return the weight that we pay for
    when it is closed by force: anchor and sweep, and the opener's commitment.
    """
    return ANCHOR_WEIGHT + SWEEP_WEIGHT + (0 if opener == "remote" else COMMITMENT_WEIGHT)


def yearly_msat(channels: Sequence[Channel], sold_msat: int) -> int:
    """Given channels and what left by them in 30 days, return what is expected to leave in a year."""
    usual_msat = TURNOVERS_PER_YEAR * sum(channel.capacity_msat for channel in channels)
    return max(usual_msat, round(sold_msat * SOLD_PER_YEAR))


def exposure_ppm(cost_msat: int, volume_msat: int) -> float:
    """Given the cost of a close and a year's volume, return the rate that earns back what is expected to be lost."""
    return cost_msat * CLOSES_PER_YEAR * PPM / volume_msat if volume_msat > 0 else 0.0
