"""What capital must earn that is committed for a lease: what it is priced by."""

from __future__ import annotations

from revops.cycle.capital import capital_report
from revops.decide.capital import committed
from revops.domain.ads import LEASE_DAYS
from revops.domain.capital import RatioRange
from revops.domain.policy import Config
from revops.domain.units import MSAT_PER_SAT
from revops.store.engine import Tx


def cost_of_capital(tx: Tx, config: Config, now: float) -> RatioRange | None:
    """Given the configuration and the time, return what a sat must earn a year that is lent, as `report capital` tells
    it; None where nothing tells.
    """
    report = capital_report(tx, config.classes, config.reserve, now)
    return committed(report, config.ads.max_lease_sat * MSAT_PER_SAT, LEASE_DAYS)
