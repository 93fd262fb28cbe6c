"""`revops simulate --like-my-node`: a market like the node, from its records alone, and strategies side by side in it.

Reads the database only: it takes no lock, asks no node, and writes nothing but its own metrics.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Final

from msgspec.structs import replace

from revops.cycle.node_traffic import read_traffic
from revops.cycle.records import open_records
from revops.cycle.session import Clock
from revops.domain.likeness import Likeness
from revops.domain.options import CommonOptions
from revops.domain.policy import FeesConfig
from revops.sim.arena.calibrate import calibrate, too_little
from revops.sim.arena.footing import waiting, warnings
from revops.sim.arena.found import channels_found, parameters_found
from revops.sim.arena.gaps import list_gaps
from revops.sim.arena.pool import core_count
from revops.sim.arena.side_by_side import MarketJob, compare

COMMAND = "simulate"
MARKET_COUNT: Final = 8
MARKET_DAYS: Final = 30.0
#: Compared with the configured strategy, whatever that is.
STRATEGIES: Final = ("demand", "hill_climb", "proportional")
NOTHING: Final = "nothing"


def run(
    options: CommonOptions,
    market_count: int | None = None,
    market_days: float | None = None,
    process_count: int | None = None,
    clock: Clock = time.time,
) -> Likeness:
    """Given the flags, how many markets of how many days, and on how many processes (None: the usual), return what the
    records tell of the node's market, what they don't, and how strategies do in markets like it.
    """
    days = market_days or MARKET_DAYS
    with open_records(options, COMMAND, clock) as records:
        with records.database.read(records.node_key) as tx:
            traffic = read_traffic(tx, clock())
        reason = too_little(traffic)
        if reason is not None:
            return Likeness(
                taken_at=traffic.taken_at,
                days=traffic.days,
                attempt_count=traffic.attempt_count,
                earned_msat_per_month=traffic.earned_msat_per_month,
                parameters=(),
                channels=(),
                unknown=(),
                too_little=reason,
                warnings=(waiting(traffic),),
            )
        fit = calibrate(traffic, records.config.fees.start_ppm)
        policies = _policies(records.config.fees)
        jobs = [MarketJob(fit, number, days, policies) for number in range(market_count or MARKET_COUNT)]
        contenders = compare(jobs, records.config.fees.strategy, process_count or core_count(), options.progress)
        return Likeness(
            taken_at=traffic.taken_at,
            days=traffic.days,
            attempt_count=traffic.attempt_count,
            earned_msat_per_month=traffic.earned_msat_per_month,
            parameters=parameters_found(fit),
            channels=channels_found(fit),
            unknown=list_gaps(fit, bool(records.config.rules)),
            market_count=len(jobs),
            market_days=days,
            contenders=contenders,
            warnings=warnings(fit),
        )


def _policies(policy: FeesConfig) -> Mapping[str, FeesConfig | None]:
    """By name: each strategy with the configured rails, the configured one first, and leaving all as it is."""
    names = dict.fromkeys((policy.strategy, *STRATEGIES))
    found: dict[str, FeesConfig | None] = {name: replace(policy, strategy=name) for name in names}
    return found | {NOTHING: None}
