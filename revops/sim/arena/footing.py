"""On what a comparison of strategies in markets like a node stands: on its records, or on what is believed of any node.

What a strategy earns hangs on what customers do at prices that the node doesn't ask now. Records tell that of channels
of which prices far apart were tried; of the others the prior does, and it would rank strategies alike on any node.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from revops.domain.node_traffic import NodeTraffic
from revops.domain.text import counted
from revops.report.amounts import instant
from revops.sim.arena.calibrate import (
    LEAST_ATTEMPTS,
    LEAST_DAYS,
    LEAST_RHYTHM_ATTEMPTS,
    NARROW_RATIO,
    Calibration,
)
from revops.sim.arena.rhythm import DAYS_PER_WEEK, LEAST_WEEKS

#: From these on, rhythms of days and weeks are told from chance (`gaps.py`).
FIRM_DAYS: Final = float(LEAST_WEEKS * DAYS_PER_WEEK)
FIRM_ATTEMPTS: Final = LEAST_RHYTHM_ATTEMPTS
#: With less of the traffic on channels of which prices far apart were tried, the prior decides more than the records.
FIRM_PRICED_RATIO: Final = 0.5


def warnings(fit: Calibration) -> tuple[str, ...]:
    """Given a calibration, return what is to be said before any ranking, since it rests on the prior more than on the
    node; nothing where it doesn't.
    """
    traffic, ratio = fit.traffic, priced_ratio(fit)
    if ratio >= FIRM_PRICED_RATIO and traffic.days >= FIRM_DAYS and traffic.attempt_count >= FIRM_ATTEMPTS:
        return ()
    return tuple(_sentences(fit, ratio))


def priced_ratio(fit: Calibration) -> float:
    """Given a calibration, return the share of payments that wanted to leave by channels of which prices far apart were
    tried.
    """
    priced = sum(one.past.attempt_count for one in fit.channels if one.tried_apart)
    return priced / fit.traffic.attempt_count if fit.traffic.attempt_count else 0.0


def waiting(traffic: NodeTraffic) -> str:
    """Given traffic of which too little is known, say when it will do, and when it will mean something."""
    any_at = _reached_at(traffic, LEAST_DAYS, LEAST_ATTEMPTS)
    firm_at = _reached_at(traffic, FIRM_DAYS, FIRM_ATTEMPTS)
    if any_at is None or firm_at is None:
        return "no payment is on record yet: how long that takes can't be said"
    return (
        f"at this pace there are days and payments enough from {instant(any_at)} on; a ranking begins to mean "
        f"something with {FIRM_DAYS:.0f} days and {FIRM_ATTEMPTS} payments, from {instant(firm_at)} on"
    )


def _sentences(fit: Calibration, ratio: float) -> Iterator[str]:
    traffic, channels = fit.traffic, counted(len(fit.channels), "channel")
    priced = sum(one.tried_apart for one in fit.channels)
    if priced == 0:
        yield (
            f"The ranking below is the prior's alone, not this node's: of none of its {channels} prices are on record "
            f"of which one is {NARROW_RATIO:g} times the other; what customers do at another price is a guess."
        )
    elif ratio < FIRM_PRICED_RATIO:
        yield (
            "The ranking below is more the prior's than this node's: what another price does to most payments "
            "isn't known."
        )
    else:
        yield "The ranking below means little as yet: the records are too short."
    yield (
        f"on record: {traffic.days:.1f} days (it takes {FIRM_DAYS:.0f}), {counted(traffic.attempt_count, 'payment')} "
        f"(it takes {FIRM_ATTEMPTS}), and prices {NARROW_RATIO:g} times apart on {priced} of {channels}, with "
        f"{100 * ratio:.0f} % of the payments (it takes {100 * FIRM_PRICED_RATIO:.0f} %)"
    )
    if not all(one.past.priced for one in fit.channels):
        yield (
            "what was asked before revops first looked isn't known, whatever the forwards paid: prices go on record "
            "from the first `revops fees adjust` on that is no dry run"
        )
    at = _reached_at(traffic, FIRM_DAYS, FIRM_ATTEMPTS)
    soonest = "" if at is None or at <= traffic.taken_at else f", not before {instant(at)}"
    yield f"it begins to mean something with all three{soonest}"
    if ratio < FIRM_PRICED_RATIO:
        yield "other prices are tried by `revops fees adjust` in mode act; time alone brings none"


def _reached_at(traffic: NodeTraffic, days: float, attempts: int) -> float | None:
    """When so many days and payments are on record, at the pace so far; None where there is none."""
    missing = max(attempts - traffic.attempt_count, 0)
    if missing and (traffic.attempt_count == 0 or traffic.days <= 0):
        return None
    pace_days = missing * traffic.days / traffic.attempt_count if missing else 0.0
    return traffic.taken_at + max(days - traffic.days, pace_days, 0.0) * 86_400
