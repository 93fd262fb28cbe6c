"""What capital earns elsewhere in a year: what a lease is priced by."""

from __future__ import annotations

from revops.cycle.dead_capital import dead_report
from revops.domain.ads import YearlyRange
from revops.domain.policy import ClassesConfig
from revops.store.engine import Tx


def cost_of_capital(tx: Tx, policy: ClassesConfig, now: float) -> YearlyRange | None:
    """Given how channels are judged, and the time, return what a sat earns elsewhere a year; None where nothing tells.

    A stand-in for what one more sat would earn at the margin: what the node's profitable channels returned on the
    average sat, their median and quartiles, as `report dead` tells them. The average sat earns no less than the
    marginal one, since more of the same earns less: it errs dear.
    """
    found = dead_report(tx, policy, now).elsewhere
    return None if found is None else YearlyRange(found.low_ratio, found.median_ratio, found.high_ratio)
