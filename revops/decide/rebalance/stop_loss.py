"""Stop-loss: where liquidity that was bought did not sell, no more is bought.

Looked at are the lots of the last two horizons. The time of one is over when the horizon has passed: then what is left
of it counts as a loss of what it cost. If more than the allowed share of it all is left, the channel gets nothing until
its own traffic has sold it, or the lots are too old to tell of today.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from revops.domain.policy import RebalanceConfig
from revops.domain.reason import Reason, ReasonCode, why
from revops.domain.rebalance import Lot
from revops.domain.units import sat_ceil, sat_floor

HORIZONS: Final = 2


def stop_loss(lots: Sequence[Lot], policy: RebalanceConfig) -> Reason | None:
    """Given the lots that were bought for a channel, and the policy, return why no more is; None where more may be."""
    over = [lot for lot in lots if policy.horizon_days <= lot.age_days <= HORIZONS * policy.horizon_days]
    bought_msat = sum(lot.amount_msat for lot in over)
    left_msat = sum(lot.amount_msat - min(lot.sold_msat, lot.amount_msat) for lot in over)
    if bought_msat <= 0 or left_msat <= policy.stop_loss_ratio * bought_msat:
        return None
    return why(
        ReasonCode.STOP_LOSS,
        bought_sat=sat_floor(bought_msat),
        sold_percent=round(100 * (bought_msat - left_msat) / bought_msat),
        cost_sat=sat_ceil(sum(lot.fee_msat for lot in over)),
        horizon_days=policy.horizon_days,
        least_percent=round(100 * (1 - policy.stop_loss_ratio)),
    )
