"""What a channel's demand looked like when it was judged last, in figures for people and dashboards."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DemandFigures:
    """What `demand` believed at `judged_at`, of a channel or of all channels to its peer, at the price of `fee_ppm`,
    from `interest_count` payments as they count.

    `elasticity` is by how many percent fewer pay when the price rises by 1 %, `best_ppm` the price that was expected to
    bring the most of all up to `dearest_ppm`, beyond which no sale was expected yet, `value_ppm` what a local sat was
    worth at the margin. Between `_low` and `_high` lies 80 % of the belief; `decide/demand_figures.py` says what that
    takes into account.
    """

    judged_at: float
    fee_ppm: int
    interest_count: float
    elasticity: float
    elasticity_low: float
    elasticity_high: float
    best_ppm: int
    best_low_ppm: int
    best_high_ppm: int
    dearest_ppm: int
    value_ppm: float
    value_low_ppm: float
    value_high_ppm: float
    #: What a local sat was worth on equal steps of the balance, from empty to full, with no refill in sight.
    values_ppm: tuple[float, ...] = ()
