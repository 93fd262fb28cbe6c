"""Channels that would earn by more capacity: those in which one more sat brings something, and where capacity binds.

Either alone means nothing. One more sat may be worth much on a channel that never runs empty; and one that runs empty,
and turns payments away, may do so at a price that pays for no transaction. How much more a channel can use follows from
what it turns away: each sat of more capacity sells once, and again as often as it comes back, so that

    amount = (what is turned away within the horizon) / (1 + how often a sat comes back within it)

is as much as can be sold. What is turned away is the smaller of what the records have of it, in which one payment that
was tried three times stands three times, and of what wanted to leave, as far as it is believed, beyond what did.
"""

from __future__ import annotations

from dataclasses import dataclass

from revops.decide.dead_capital import DAYS_PER_YEAR, WANTED_PPM
from revops.decide.marginal_sat import gained
from revops.domain.capital import CapitalStanding, RatioRange, SatWorth
from revops.domain.dead_capital import Standing
from revops.domain.policy import SpliceConfig
from revops.domain.reason import Reason, ReasonCode, why
from revops.domain.splice import SpliceScene, SpliceSite
from revops.domain.units import MSAT_PER_SAT, PPM, sat_floor

_WORDS = {
    CapitalStanding.YOUNG: "it is too young",
    CapitalStanding.UNVALUED: "its next sat was not judged yet",
    CapitalStanding.STALE: "its next sat was not judged lately",
    CapitalStanding.UNRATED: "balances are on record for too few days",
    CapitalStanding.BARE: "it held nothing",
}


@dataclass(frozen=True, slots=True)
class Want:
    """A channel that could use more: how much, what each sat of it brings within the horizon, and why."""

    site: SpliceSite
    amount_sat: int
    gain: RatioRange
    reasons: tuple[Reason, ...]


def want(site: SpliceSite, scene: SpliceScene, policy: SpliceConfig, min_days: int) -> Want | Reason:
    """Given a channel, and for how many days its peer must have been there, return what it could use, or why nothing.

    An empty channel, which held nothing on an average, may be the one that needs it most: it has no figure of its own,
    and is left to refills.
    """
    worth = site.row.worth
    if worth is None:
        return why(ReasonCode.SPLICE_NOT_COUNTED, standing=_WORDS.get(site.row.standing, str(site.row.standing)))
    gain = gained(worth, policy.horizon_days)
    if worth.value_ppm < WANTED_PPM:
        return why(ReasonCode.SPLICE_WORTHLESS, value_ppm=round(worth.value_ppm, 1))
    days = round(site.connected_days, 1)
    if site.connected_days < min_days:
        return why(ReasonCode.SPLICE_UNSEEN, connected_days=days, min_days=min_days)
    exhausted_ratio = site.exhausted_days / site.connected_days
    if exhausted_ratio < policy.min_exhausted_ratio or site.refused_count < policy.min_refused_count:
        return why(
            ReasonCode.SPLICE_NOT_BINDING,
            exhausted_percent=_percent(exhausted_ratio),
            connected_days=days,
            min_percent=_percent(policy.min_exhausted_ratio),
            refused_count=site.refused_count,
            min_count=policy.min_refused_count,
        )
    amount_sat = usable_sat(site, worth, scene, policy)
    if amount_sat < policy.min_amount_sat:
        return why(ReasonCode.SPLICE_TOO_SMALL, amount_sat=amount_sat, min_sat=policy.min_amount_sat)
    reasons = (
        why(
            ReasonCode.SPLICE_BINDS,
            exhausted_percent=_percent(exhausted_ratio),
            connected_days=days,
            refused_count=site.refused_count,
            refused_msat=site.refused_msat,
        ),
        why(
            ReasonCode.SPLICE_WORTH,
            gain_ppm=_ppm(gain.middle_ratio),
            low_ppm=_ppm(gain.low_ratio),
            high_ppm=_ppm(gain.high_ratio),
            horizon_days=policy.horizon_days,
            wanted_sat=amount_sat,
        ),
    )
    return Want(site, amount_sat, gain, reasons)


def is_loser(site: SpliceSite) -> bool:
    """Given a channel, return whether its capital is dead by the one predictor that has proved itself."""
    return site.standing is Standing.DEAD


def usable_sat(site: SpliceSite, worth: SatWorth, scene: SpliceScene, policy: SpliceConfig) -> int:
    """Given a channel, return how much more it could use, within what one splice may move."""
    if scene.rated_days <= 0:
        return 0
    refused_per_day = site.refused_msat / scene.rated_days
    unmet_per_day = max(site.demand_msat_per_day - site.row.out_msat / scene.rated_days, 0.0)
    turned_away_msat = min(refused_per_day, unmet_per_day) * policy.horizon_days
    sales = 1.0 + worth.returns_ratio * policy.horizon_days / DAYS_PER_YEAR
    growth_sat = int(site.channel.capacity_msat * policy.max_growth_ratio) // MSAT_PER_SAT
    return min(sat_floor(int(turned_away_msat / sales)), policy.max_amount_sat, growth_sat)


def _percent(ratio: float) -> int:
    return round(100 * ratio)


def _ppm(ratio: float) -> float:
    return round(ratio * PPM, 1)
