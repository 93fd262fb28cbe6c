"""The parameters of a market. What policies are tuned on and what they are judged on differ in them, not only in seeds:
a policy that fits one set of numbers shows it on the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Setting:
    """All that is the same in every world of a set. Spreads are standard deviations of a logarithm."""

    name: str
    channel_count: int
    #: Customers per channel and day at price 0; at the best price about a third of them comes.
    customers_per_day: float
    customers_spread: float
    median_payment_msat: int
    payment_spread: float
    capacities_sat: tuple[int, ...]
    #: A channel's price level is drawn evenly in the logarithm between these two.
    low_ppm: float
    high_ppm: float
    #: Nobody pays more than so many times the channel's price level.
    tail_ratio: float
    failure_ratio: float
    #: Most senders know a new fee after some minutes, some after hours, and a few have it from nodes that pass on one
    #: update a day.
    lag_seconds: float
    laggard_ratio: float
    limited_ratio: float
    daily_swing: float
    weekly_swing: float
    #: For an hour or two every other day a channel's customers are so many times as many.
    burst_factor: float
    #: What others charge into a peer is twice its price level, off by an error of the node's own and one of the
    #: channel's. Most families' customers have the middle of their willingness there; the elasticity families have
    #: none, and are treated alike. In `shift` others don't follow the jumps, on purpose: their prices go stale.
    node_error: float
    channel_error: float
    unknown_ratio: float
    #: Tiny, and failing, payments of one spammer a day.
    spam_per_day: float
    #: How often a day a jammer fills a channel's slots, and for how long.
    jams_per_day: float
    jam_seconds: float
    #: How long a flapping peer stays, and stays away.
    up_seconds: float
    down_seconds: float
    #: A drifting competitor's step of the logarithm in a day.
    drift: float
    feerate_perkw: int
    fee_spikes_per_month: float


TUNING: Final = Setting(
    name="tuning",
    channel_count=10,
    customers_per_day=100.0,
    customers_spread=0.6,
    median_payment_msat=25_000_000,
    payment_spread=1.2,
    capacities_sat=(2_000_000, 5_000_000, 5_000_000, 10_000_000),
    low_ppm=30.0,
    high_ppm=600.0,
    tail_ratio=20.0,
    failure_ratio=0.25,
    lag_seconds=600.0,
    laggard_ratio=0.08,
    limited_ratio=0.05,
    daily_swing=0.5,
    weekly_swing=0.2,
    burst_factor=4.0,
    node_error=0.4,
    channel_error=0.5,
    unknown_ratio=0.1,
    spam_per_day=300.0,
    jams_per_day=3.0,
    jam_seconds=2.0 * 3_600,
    up_seconds=5.0 * 3_600,
    down_seconds=1.5 * 3_600,
    drift=0.12,
    feerate_perkw=1_250,
    fee_spikes_per_month=1.0,
)

#: What was judged on until November 2026. Results on it have been seen, so that it serves for tuning since.
FORMER: Final = Setting(
    name="former",
    channel_count=10,
    customers_per_day=80.0,
    customers_spread=0.8,
    median_payment_msat=40_000_000,
    payment_spread=1.0,
    capacities_sat=(1_000_000, 3_000_000, 5_000_000, 8_000_000),
    low_ppm=40.0,
    high_ppm=900.0,
    tail_ratio=12.0,
    failure_ratio=0.35,
    lag_seconds=900.0,
    laggard_ratio=0.12,
    limited_ratio=0.1,
    daily_swing=0.7,
    weekly_swing=0.3,
    burst_factor=6.0,
    node_error=0.5,
    channel_error=0.6,
    unknown_ratio=0.2,
    spam_per_day=400.0,
    jams_per_day=4.0,
    jam_seconds=3.0 * 3_600,
    up_seconds=3.0 * 3_600,
    down_seconds=1.0 * 3_600,
    drift=0.09,
    feerate_perkw=2_500,
    fee_spikes_per_month=2.0,
)

#: Each number drawn evenly in the logarithm between the smaller of the two above less a fifth, and the larger plus a
#: quarter: nobody chose them.
JUDGED: Final = Setting(
    name="judged",
    channel_count=10,
    customers_per_day=110.0,
    customers_spread=0.52,
    median_payment_msat=41_000_000,
    payment_spread=1.2,
    capacities_sat=(1_000_000, 2_000_000, 5_000_000, 8_000_000),
    low_ppm=37.0,
    high_ppm=1_100.0,
    tail_ratio=11.0,
    failure_ratio=0.34,
    lag_seconds=670.0,
    laggard_ratio=0.089,
    limited_ratio=0.062,
    daily_swing=0.51,
    weekly_swing=0.3,
    burst_factor=7.2,
    node_error=0.43,
    channel_error=0.65,
    unknown_ratio=0.16,
    spam_per_day=350.0,
    jams_per_day=4.4,
    jam_seconds=11_000.0,
    up_seconds=18_000.0,
    down_seconds=3_200.0,
    drift=0.083,
    feerate_perkw=1_900,
    fee_spikes_per_month=0.83,
)

SETTINGS: Final = {setting.name: setting for setting in (TUNING, FORMER, JUDGED)}
