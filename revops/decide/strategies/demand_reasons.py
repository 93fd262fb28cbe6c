"""What `demand` says of a price: what was found, what a try may cost, and why a better price isn't asked for yet."""

from __future__ import annotations

from revops.decide.demand_curve import Belief, rate_per_hour
from revops.decide.demand_figures import Outlook
from revops.decide.governor import dead_band_ppm
from revops.decide.strategies.evidence import Evidence
from revops.domain.demand import DemandFigures
from revops.domain.forward import TYPICAL_PAYMENT_MSAT
from revops.domain.policy import FeesConfig
from revops.domain.reason import Reason, ReasonCode, why
from revops.domain.units import PPM


def found(seen: Evidence, outlook: Outlook, figures: DemandFigures) -> Reason:
    """Given the evidence, and what is expected, return what was judged. A price in force that is none of those that may
    be tried can promise more than the best of them: then it says so, and tells of no gain.
    """
    belief = outlook.belief
    interest_count, per_day = round(belief.interest_count, 1), round(24 * rate_per_hour(belief, seen.fee_ppm), 2)
    elasticity, low, high = (
        round(one, 2) for one in (figures.elasticity, figures.elasticity_low, figures.elasticity_high)
    )
    gain_msat = round(24 * gain_msat_per_hour(belief, figures.best_ppm, seen.fee_ppm, outlook.cost_ppm))
    value_ppm, entry_value_ppm = round(outlook.value_ppm), round(seen.entry_value_ppm)
    if gain_msat < 0:
        return why(
            ReasonCode.DEMAND_OUTSIDE,
            fee_ppm=seen.fee_ppm,
            interest_count=interest_count,
            per_day=per_day,
            elasticity=elasticity,
            low=low,
            high=high,
            cheapest_ppm=outlook.prices_ppm[0],
            dearest_ppm=outlook.prices_ppm[-1],
            best_ppm=figures.best_ppm,
            lost_msat=-gain_msat,
            value_ppm=value_ppm,
            entry_value_ppm=entry_value_ppm,
        )
    return why(
        ReasonCode.DEMAND,
        fee_ppm=seen.fee_ppm,
        interest_count=interest_count,
        per_day=per_day,
        elasticity=elasticity,
        low=low,
        high=high,
        best_ppm=figures.best_ppm,
        gain_msat=gain_msat,
        value_ppm=value_ppm,
        entry_value_ppm=entry_value_ppm,
    )


def probing(belief: Belief, best_ppm: int, probe_ppm: int, cost_ppm: float) -> Reason:
    """Given the price that is expected to bring the most, and one to be tried in its place, return why it is."""
    lost_msat = max(round(24 * gain_msat_per_hour(belief, best_ppm, probe_ppm, cost_ppm)), 0)
    return why(ReasonCode.DEMAND_PROBE, probe_ppm=probe_ppm, lost_msat=lost_msat)


def why_kept(best_ppm: int, wanted_ppm: int, seen: Evidence, policy: FeesConfig) -> tuple[Reason, ...]:
    """Given the best price of all, and the one that would be asked for on the way to it, return why the one in force is
    kept; nothing where it is not, or where it is the best. It is kept where a bound lies nearer than the next price
    that is compared, where another isn't worth an update, or would be a dearer one without revenue: only a cheaper one
    can tell something then.
    """
    if best_ppm != wanted_ppm == seen.fee_ppm:
        bound_ppm = policy.max_ppm if best_ppm > seen.fee_ppm else policy.min_ppm
        return (why(ReasonCode.AT_BOUND, fee_ppm=seen.fee_ppm, bound_ppm=bound_ppm),)
    change_ppm, band_ppm = abs(wanted_ppm - seen.fee_ppm), dead_band_ppm(seen.fee_ppm, policy)
    if 0 < change_ppm < band_ppm:
        return (why(ReasonCode.DEAD_BAND, change_ppm=change_ppm, band_ppm=band_ppm),)
    if wanted_ppm > seen.fee_ppm and seen.earned_count == 0 and not seen.sold_out:
        return (why(ReasonCode.UNPAID, fee_ppm=seen.fee_ppm, wanted_ppm=wanted_ppm),)
    return ()


def gain_msat_per_hour(belief: Belief, better_ppm: int, than_ppm: int, cost_ppm: float) -> float:
    """Given a belief, two prices, and what a sold sat costs (ppm), return what the first is expected to bring more, in
    msat an hour, for payments of the typical size.
    """
    better = rate_per_hour(belief, better_ppm) * (better_ppm - cost_ppm)
    worse = rate_per_hour(belief, than_ppm) * (than_ppm - cost_ppm)
    return (better - worse) * TYPICAL_PAYMENT_MSAT / PPM
