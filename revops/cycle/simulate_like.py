"""`revops simulate --like-my-node`: a market like the node, from its records alone, and strategies side by side in it.

Reads the database only: it takes no lock, asks no node, and writes nothing but its own metrics.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Final

from msgspec.structs import replace

from revops.cycle.node_traffic import read_traffic
from revops.cycle.records import open_records
from revops.cycle.session import Clock
from revops.domain.likeness import Likeness
from revops.domain.options import CommonOptions
from revops.domain.policy import FeesConfig
from revops.sim.arena.calibrate import calibrate, too_little
from revops.sim.arena.found import channels_found, parameters_found
from revops.sim.arena.gaps import list_gaps
from revops.sim.arena.policies import Policy, Product, constant
from revops.sim.arena.side_by_side import compare

COMMAND = "simulate"
MARKET_COUNT: Final = 8
MARKET_DAYS: Final = 30
#: Compared with the configured strategy, whatever that is.
STRATEGIES: Final = ("demand", "hill_climb", "proportional")
NOTHING: Final = "nothing"


def run(
    options: CommonOptions, market_count: int = MARKET_COUNT, market_days: int = MARKET_DAYS, clock: Clock = time.time
) -> Likeness:
    """Given the flags, and how many markets of how many days, return what the records tell of the node's market, what
    they don't, and how strategies do in markets like it.
    """
    with open_records(options, COMMAND, clock) as records:
        with records.database.read(records.node_key) as tx:
            traffic = read_traffic(tx, clock())
        reason = too_little(traffic)
        if reason is not None:
            return Likeness(
                traffic.taken_at, traffic.days, traffic.attempt_count, traffic.earned_msat_per_month, (), (), (), reason
            )
        fit = calibrate(traffic, records.config.fees.start_ppm)
        configured = records.config.fees.strategy
        contenders = compare(
            fit, _contenders(records.config.fees), configured, market_count, market_days, options.progress
        )
        return Likeness(
            taken_at=traffic.taken_at,
            days=traffic.days,
            attempt_count=traffic.attempt_count,
            earned_msat_per_month=traffic.earned_msat_per_month,
            parameters=parameters_found(fit),
            channels=channels_found(fit),
            unknown=list_gaps(fit, bool(records.config.rules)),
            market_count=market_count,
            market_days=market_days,
            contenders=contenders,
        )


def _contenders(policy: FeesConfig) -> Mapping[str, Callable[[], Policy]]:
    """What makes each strategy, all with the configured rails; the configured one first."""
    names = dict.fromkeys((policy.strategy, *STRATEGIES))
    made: dict[str, Callable[[], Policy]] = {name: _product(replace(policy, strategy=name)) for name in names}
    return made | {NOTHING: lambda: constant}


def _product(policy: FeesConfig) -> Callable[[], Policy]:
    return lambda: Product(policy)
