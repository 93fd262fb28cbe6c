"""What a month of traffic would have left in the records: one channel wants more, and one is dead."""

from __future__ import annotations

from dataclasses import replace

from revops.decide.marginal_sat import marginal
from revops.domain.capital import CapitalStanding, SatWorth
from revops.domain.dead_capital import Standing
from revops.domain.splice import SpliceScene, SpliceSite

#: Each sat more brings 5,000 ppm with every second sale.
WORTH = SatWorth(5_000.0, 4_000.0, 6_000.0, 30.0, 10_000.0, 0.0, 0.0, 0.0)
MSAT_PER_SAT = 1_000


def told(found: SpliceScene, wanted: str, wanted_sat: int, dead: str) -> SpliceScene:
    """The scene with the records that were given."""
    sites = (_told(one, wanted, wanted_sat, dead) for one in found.sites)
    return replace(found, sites=tuple(sites), rated_days=30.0)


def _told(site: SpliceSite, wanted: str, wanted_sat: int, dead: str) -> SpliceSite:
    if site.channel.channel_id == dead:
        return replace(site, standing=Standing.DEAD, silent_days=90.0)
    if site.channel.channel_id != wanted:
        return site
    row = replace(site.row, standing=CapitalStanding.COUNTED, worth=WORTH, marginal=marginal(WORTH), out_msat=0)
    away_msat = wanted_sat * MSAT_PER_SAT // 3  # of 30 days; the horizon has 90
    return replace(
        site, row=row, standing=Standing.ALIVE, connected_days=30.0, exhausted_days=15.0, refused_count=40,
        refused_msat=away_msat, demand_msat_per_day=away_msat / 30,
    )  # fmt: skip
