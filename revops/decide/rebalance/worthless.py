"""Why a further sat on a channel is worth nothing: what an operator asks first where nothing is refilled."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from revops.decide.inventory import value_at
from revops.decide.rebalance.scene import Scene
from revops.decide.rebalance.worth import is_fresh, marginal_revenue_ppm, sendable_msat
from revops.decide.value import chance_of_need
from revops.domain.channel import Channel
from revops.domain.decision import RebalanceDecision
from revops.domain.reason import Reason, ReasonCode, why
from revops.domain.units import sat_floor

#: Less than half a ppm shows as 0.
_NOTHING_PPM: Final = 0.5
#: What a decision may say of a channel's worth; where it does, a worth of 0 is explained.
_TELLS_WORTH: Final = frozenset(
    {ReasonCode.WORTH, ReasonCode.ROUTE_ABOVE_WORTH, ReasonCode.LAST_HOP_ABOVE_WORTH, ReasonCode.KELLY_REFUSED}
)


def explained(scene: Scene, decision: RebalanceDecision) -> RebalanceDecision:
    """Given a decision of a plan, return it with why a sat more is worth nothing on its target, if it says so."""
    target = next((one for one in scene.live if one.channel_id == decision.target_channel_id), None)
    if target is None or not any(reason.code in _TELLS_WORTH for reason in decision.reasons):
        return decision
    return replace(decision, reasons=(*decision.reasons, *why_nothing(scene, target)))


def why_nothing(scene: Scene, channel: Channel) -> tuple[Reason, ...]:
    """Given a channel, return why a sat more is worth nothing there; empty where it is worth something."""
    curve = scene.worth(channel)
    worth_ppm = curve.at_ppm(channel.spendable_after_msat)
    if worth_ppm >= _NOTHING_PPM:
        return ()
    if worth_ppm <= -_NOTHING_PPM and curve.taken_ppm(channel.spendable_after_msat) >= _NOTHING_PPM:
        return (why(ReasonCode.ROOM_SHORT, worth_ppm=round(worth_ppm)),)
    figures, income_ppm = scene.snapshot.figures.get(channel.channel_id), scene.income_ppm(channel)
    signals, days = scene.signals(channel), scene.policy.horizon_days
    notes: tuple[Reason, ...] = ()
    if figures is not None and not is_fresh(figures, scene.now):
        notes = (why(ReasonCode.FIGURES_STALE, days=round((scene.now - figures.judged_at) / 86_400, 1)),)
    sold_ppm = income_ppm * chance_of_need(signals.demand, signals.inflow, channel.spendable_after_msat, days)
    if figures is not None and is_fresh(figures, scene.now):
        curve_ppm = value_at(figures.values_ppm, channel.spendable_after_msat / sendable_msat(channel))
        sold_ppm = min(sold_ppm, curve_ppm) if scene.at_ceiling(channel) else curve_ppm
        dearer = not scene.at_ceiling(channel) and marginal_revenue_ppm(income_ppm, figures) < _NOTHING_PPM
        if dearer and sold_ppm >= _NOTHING_PPM:
            return (
                why(
                    ReasonCode.DEARER_INSTEAD,
                    worth_ppm=round(worth_ppm),
                    low=round(figures.elasticity_low, 2),
                    fee_ppm=channel.local_terms.fee_ppm,
                ),
            )
    if sold_ppm >= _NOTHING_PPM > scene.sale_ppm(channel):
        return (
            why(
                ReasonCode.ROOM_ELSEWHERE,
                worth_ppm=round(worth_ppm),
                income_ppm=round(income_ppm),
                entries_ppm=round(scene.room_prices().entries_ppm),
            ),
            *notes,
        )
    if sold_ppm >= _NOTHING_PPM:
        return (why(ReasonCode.ROOM_SHORT, worth_ppm=round(worth_ppm)), *notes)
    wanted_msat, enters_msat = (rate.msat_per_day * days for rate in (signals.demand, signals.inflow))
    if sat_floor(int(wanted_msat)) <= 0:
        return (why(ReasonCode.NOT_WANTED, worth_ppm=round(worth_ppm)), *notes)
    plenty = why(
        ReasonCode.PLENTY,
        worth_ppm=round(worth_ppm),
        have_sat=sat_floor(channel.spendable_after_msat),
        wanted_sat=sat_floor(int(wanted_msat)),
        enters_sat=sat_floor(int(enters_msat)),
        horizon_days=days,
    )
    return (plenty, *notes)
