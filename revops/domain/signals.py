"""What the records and the market say of a channel, beyond what the node shows at the moment.

Rates are decayed averages, so that they follow what changes and need no scan of history. None means "not known", which
is not 0.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rate:
    """A decayed average of payments: msat per day, and the same of their squares (msat² per day), from which the noise
    of a sum follows: payments come as a compound Poisson process, whose variance is the sum of the squares.
    """

    msat_per_day: float = 0.0
    squares_per_day: float = 0.0


@dataclass(frozen=True, slots=True)
class Signals:
    """What is known of one channel.

    `demand` is what wanted to leave by it: settled, failed later, or refused by us for want of liquidity; each payment
    as far as it is believed. `inflow` is what entered by it. `entry_value_ppm` is the mean value of
    liquidity on the channels by which its payments enter, `value_ppm` that on the channel itself, both as they were
    stored last. `anchor_ppm` is what others charge into its peer, as gossip had it when it was last read
    (`anchor_age_seconds` ago; `market_read` is whether it ever was: a peer with too few channels has no price even so),
    `refill_ppm` what refills of it cost lately in each sat that it sold, `hold_seconds` how long its peer typically
    holds a payment, `settle_ratio` is which part of what is sent on to it settles, no less than is believed of payments
    that paid nothing.
    """

    demand: Rate = Rate()
    inflow: Rate = Rate()
    value_ppm: float = 0.0
    entry_value_ppm: float = 0.0
    anchor_ppm: int | None = None
    anchor_age_seconds: float = 0.0
    market_read: bool = False
    refill_ppm: int | None = None
    hold_seconds: float | None = None
    settle_ratio: float = 1.0


UNKNOWN = Signals()
