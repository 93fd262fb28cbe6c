"""Hypothesis strategies for all that a decision sees: ordinary and wild, but only what node and config can yield."""

from __future__ import annotations

from dataclasses import replace

import msgspec
from hypothesis import strategies as st

from revops.domain.channel import LIVE_STATES, Channel, Htlc, Terms
from revops.domain.decision import FeeState, PriceWindow
from revops.domain.demand import DemandFigures
from revops.domain.forward import Flow
from revops.domain.policy import FeesConfig, RebalanceConfig
from revops.domain.reason import Reason, ReasonCode, why
from revops.domain.rebalance import Attempt, FailureKind, Lot
from revops.domain.signals import UNKNOWN, Rate, Signals
from revops.domain.snapshot import FeeInput, FeePin, FeeSnapshot, RebalanceSnapshot
from revops.domain.units import MAX_MSAT, MAX_U32
from tests.builders import (
    DAY,
    HOUR,
    NOW,
    SAT,
    channel_id,
    make_channel,
    make_htlc,
    make_terms,
    make_view,
    make_wanted,
    node_id,
    spliced,
)

STATES = (*sorted(LIVE_STATES), "CHANNELD_AWAITING_LOCKIN", "CHANNELD_SHUTTING_DOWN", "ONCHAIN")
SUSPENDED: tuple[Reason, ...] = (why(ReasonCode.OBSERVE_MODE),)

#: Small figures, where rounding bites, and wide ones.
fees_ppm = st.one_of(st.integers(0, 60), st.integers(0, 3_000), st.integers(0, MAX_U32))
amounts_msat = st.one_of(st.integers(0, 2_000), st.integers(0, 10**11), st.integers(0, MAX_MSAT))
#: Moments around `NOW`, some of them in the future: clocks go back.
moments = st.floats(NOW - 40 * DAY, NOW + 2 * DAY)
spans_seconds = st.one_of(st.just(0.0), st.floats(0, 12 * HOUR), st.floats(0, 40 * DAY))


PLAIN_STRATEGIES = ("proportional", "static", "match_peer", "off")


@st.composite
def terms(draw: st.DrawFn) -> Terms:
    """One side's terms."""
    low, high = sorted((draw(amounts_msat), draw(amounts_msat)))
    return Terms(
        fee_base_msat=draw(st.one_of(st.just(0), st.just(1_000), st.integers(0, MAX_U32))),
        fee_ppm=draw(fees_ppm),
        htlc_min_msat=low,
        htlc_max_msat=high,
        cltv_delta_blocks=draw(st.integers(0, 2_016)),
    )


htlcs: st.SearchStrategy[Htlc] = st.builds(
    lambda direction, amount_msat: make_htlc(direction=direction, amount_msat=amount_msat),
    st.sampled_from(("in", "out")),
    # What fills a channel by itself is rare: else each would be congested.
    st.one_of(st.integers(0, 2_000), st.integers(0, 10**7), st.integers(0, 10**8), amounts_msat),
)


@st.composite
def channels(draw: st.DrawFn, number: int = 1, peer_number: int | None = None) -> Channel:
    """Channel `number` in any state, of any size, most of them usable."""
    capacity_msat = draw(st.one_of(st.integers(10**8, 2 * 10**10), amounts_msat))
    local_msat = int(capacity_msat * draw(st.floats(0, 1)))
    channel = make_channel(number, capacity_msat=capacity_msat, local_msat=min(local_msat, capacity_msat))
    has_scid = draw(st.integers(0, 9)) > 0
    drawn = replace(
        channel,
        peer_id=node_id(number if peer_number is None else peer_number),
        scid=channel.scid if has_scid else None,
        direction=draw(st.sampled_from((0, 1))),
        private=not has_scid or draw(st.booleans()),
        state=draw(st.sampled_from(STATES)) if draw(st.integers(0, 4)) == 0 else "CHANNELD_NORMAL",
        connected=draw(st.integers(0, 9)) > 0,
        spendable_msat=draw(st.one_of(st.just(channel.spendable_msat), st.integers(0, channel.spendable_msat))),
        receivable_msat=draw(st.one_of(st.just(channel.receivable_msat), st.integers(0, channel.receivable_msat))),
        local_terms=draw(terms()),
        remote_terms=draw(st.one_of(st.none(), st.just(channel.remote_terms), terms())),
        max_accepted_htlcs=draw(st.one_of(st.integers(0, 483), st.integers(0, 483), st.integers(0, 5))),
        max_in_flight_out_msat=draw(st.one_of(st.none(), st.none(), amounts_msat)),
        max_in_flight_in_msat=draw(st.one_of(st.none(), st.none(), amounts_msat)),
        htlcs=tuple(draw(st.lists(htlcs, max_size=3))),
    )
    if draw(st.integers(0, 4)) > 0:
        return drawn
    ours_sat, theirs_sat = local_msat // SAT, (capacity_msat - local_msat) // SAT
    changes = (draw(st.one_of(st.just(0), st.integers(-most, 10**7))) for most in (ours_sat, theirs_sat))
    return spliced(drawn, *changes)


@st.composite
def fees_policies(draw: st.DrawFn) -> FeesConfig:
    """Any `[fees]` section that the configuration accepts, wild ones among them."""
    low, high = sorted((draw(st.integers(0, 1_000_000)), draw(st.integers(0, 1_000_000))))
    hold, drop = sorted((draw(st.integers(0, 366 * 86_400)), draw(st.integers(0, 366 * 86_400))))
    step_ratio = draw(st.floats(0.001, 10))
    wild = {
        "strategy": draw(st.sampled_from(("hill_climb", "hill_climb", "demand", "demand", *PLAIN_STRATEGIES))),
        "min_ppm": low,
        "max_ppm": high,
        "base_msat": draw(st.sampled_from((0, 1, 1_000, MAX_U32))),
        "max_step_ratio": step_ratio,
        "min_interval_seconds": draw(st.integers(600, 30 * 86_400)),
        "max_updates_per_day": draw(st.one_of(st.integers(0, 4), st.integers(0, 100_000))),
        "dead_band_ppm": draw(st.one_of(st.integers(0, 5), st.integers(0, 1_000_000))),
        "dead_band_ratio": draw(st.floats(0, min(1.0, step_ratio), exclude_max=True)),
        "zero_flow_hold_seconds": hold,
        "zero_flow_drop_seconds": drop,
        "external": draw(st.sampled_from(("learn", "respect", "overwrite"))),
        "congestion": draw(st.sampled_from(("hold", "raise"))),
        "htlc_max": draw(st.sampled_from(("keep", "valve"))),
        "fixed_ppm": draw(st.integers(0, 1_000_000)),
        "full_ppm": draw(st.integers(0, 1_000_000)),
        "empty_ppm": draw(st.integers(0, 1_000_000)),
        "match_ratio": draw(st.floats(0.01, 10)),
        "zero_flow_drop_ratio": draw(st.floats(0, 1, exclude_min=True, exclude_max=True)),
    }
    # Each setting is the default or a wild one, so that no single wild one hides what the others do.
    section = {key: value for key, value in wild.items() if draw(st.booleans())}
    if not ("min_ppm" in section and "max_ppm" in section):
        section.pop("min_ppm", None)
        section.pop("max_ppm", None)
    if not ("max_step_ratio" in section and "dead_band_ratio" in section):
        section.pop("max_step_ratio", None)
        section.pop("dead_band_ratio", None)
    if not ("zero_flow_hold_seconds" in section and "zero_flow_drop_seconds" in section):
        section.pop("zero_flow_hold_seconds", None)
        section.pop("zero_flow_drop_seconds", None)
    return msgspec.convert(section, FeesConfig)


def price_windows() -> st.SearchStrategy[PriceWindow]:
    """A price that was in force before, and what it has shown."""
    return st.builds(PriceWindow, moments, fees_ppm, st.floats(0, 1_000), st.floats(0, 1e6))


def demand_figures() -> st.SearchStrategy[DemandFigures]:
    """What may have been judged of a channel; no figure fits another."""
    numbers = st.floats(0, 1e6)
    return st.builds(
        DemandFigures,
        moments, fees_ppm, numbers, numbers, numbers, numbers, fees_ppm, fees_ppm, fees_ppm, fees_ppm, numbers, numbers,
        numbers,
    )  # fmt: skip


@st.composite
def fee_states(draw: st.DrawFn, fee_ppm: int) -> FeeState:
    """What may be remembered of a channel, with `fee_ppm` broadcast last or something else."""
    rate_msat = draw(st.one_of(st.none(), st.just(0.0), st.floats(0, 1e7)))
    open_seconds = draw(spans_seconds)
    return FeeState(
        fee_ppm=draw(st.one_of(st.just(fee_ppm), fees_ppm)),
        window_start_at=draw(moments),
        counted_at=draw(moments),
        open_seconds=open_seconds if open_seconds >= 1 else 0.0,
        idle_open_seconds=draw(spans_seconds),
        direction=draw(st.sampled_from((-1, 1))),
        step_ratio=draw(st.floats(0, 10)),
        last_rate_msat=rate_msat,
        last_rate_error_msat=None if rate_msat is None else draw(st.one_of(st.none(), st.floats(0, 1e7))),
        congested_since_at=draw(st.one_of(st.none(), st.none(), moments)),
        windows=tuple(draw(st.lists(price_windows(), max_size=3))),
        calm_since_at=draw(st.one_of(st.none(), moments)),
        asleep_until_at=draw(st.one_of(st.none(), st.none(), moments)),
        asleep_open_seconds=draw(spans_seconds),
        asleep_interest_count=draw(st.floats(0, 1_000)),
        provisional=draw(st.booleans()),
        demand=draw(st.one_of(st.none(), demand_figures())),
    )


@st.composite
def fee_inputs(draw: st.DrawFn, number: int = 1) -> FeeInput:
    """Channel `number` with any history that the records could hold; every other one is ripe for a step."""
    channel = draw(channels(number))
    ripe = draw(st.booleans())
    if ripe:
        fee_ppm = draw(st.integers(0, 3_000))
        channel = replace(channel, state="CHANNELD_NORMAL", local_terms=make_terms(fee_ppm=fee_ppm))
    fee_ppm = channel.local_terms.fee_ppm
    state = draw(fee_states(fee_ppm)) if ripe else draw(st.one_of(st.none(), fee_states(fee_ppm)))
    if ripe and state is not None:
        state = replace(state, fee_ppm=fee_ppm, open_seconds=draw(st.floats(8 * HOUR, 40 * HOUR)))
    if number > 1 and draw(st.integers(0, 3)) == 3:
        channel = replace(channel, peer_id=node_id(number - 1))
    earned_count = draw(st.one_of(st.just(0), st.integers(1, 1_000)))
    score_msat = draw(st.one_of(st.none(), st.floats(-1e10, 1e10) if earned_count else st.just(0.0)))
    return FeeInput(
        channel=channel,
        state=state,
        earned_msat=draw(st.integers(0, 10**10)) if earned_count else 0,
        earned_count=earned_count,
        last_earned_at=draw(st.one_of(st.none(), moments)),
        last_changed_at=draw(st.one_of(st.none(), moments, st.floats(NOW - 10 * HOUR, NOW))),
        score_msat=score_msat,
        score_error_msat=None if score_msat is None else draw(st.floats(0, 1e10)),
        signals=draw(signals()) if draw(st.booleans()) else UNKNOWN,
        pin=draw(fee_pins) if draw(st.integers(0, 5)) == 5 else None,
        last_own_changed_at=draw(st.one_of(st.none(), moments, st.floats(NOW - 10 * HOUR, NOW))),
        external_since_at=draw(st.one_of(st.none(), moments)),
        own_updates_last_day_count=draw(st.one_of(st.just(0), st.integers(0, 4))),
    )


fee_pins = st.builds(
    FeePin,
    ppm=st.one_of(st.integers(0, 3_000), st.integers(0, 2**63)),
    set_at=moments,
    until_at=st.one_of(st.none(), moments),
    forced=st.booleans(),
)
rates = st.builds(Rate, st.floats(0, 1e12), st.floats(0, 1e24))
prices_ppm = st.one_of(st.none(), st.integers(0, 3_000), st.integers(0, 2**32 - 1))


@st.composite
def signals(draw: st.DrawFn) -> Signals:
    """What may be known of a channel."""
    return Signals(
        demand=draw(rates),
        inflow=draw(rates),
        value_ppm=draw(st.floats(0, 5_000)),
        entry_value_ppm=draw(st.floats(0, 5_000)),
        anchor_ppm=draw(prices_ppm),
        anchor_age_seconds=draw(st.sampled_from((0.0, 3_600.0, 1e6))),
        market_read=draw(st.booleans()),
        refill_ppm=draw(prices_ppm),
        hold_seconds=draw(st.one_of(st.none(), st.floats(0, 1e6))),
        settle_ratio=draw(st.floats(0.25, 1)),
    )


@st.composite
def fee_snapshots(draw: st.DrawFn, max_channels: int = 5) -> FeeSnapshot:
    """A node with up to `max_channels` channels, and how many updates it has made."""
    count = draw(st.integers(0, max_channels))
    inputs = tuple(draw(fee_inputs(number)) for number in range(1, count + 1))
    view = make_view(channels=tuple(one.channel for one in inputs))
    return FeeSnapshot(view, inputs, draw(st.one_of(st.integers(0, 3), st.integers(0, 200))))


@st.composite
def rebalance_policies(draw: st.DrawFn) -> RebalanceConfig:
    """Any `[rebalance]` section that the configuration accepts, wild ones among them."""
    small, large = sorted((draw(st.integers(1, 1_000_000)), draw(st.integers(1, 100_000_000))))
    wild: dict[str, object] = {
        "max_jobs_per_plan": draw(st.one_of(st.integers(1, 3), st.integers(1, 100))),
        "max_fee_ppm": draw(st.one_of(st.integers(0, 2_000), st.integers(0, 1_000_000))),
        "kelly_fraction": draw(st.one_of(st.just(1.0), st.floats(0.01, 1))),
        "stop_loss_ratio": draw(st.floats(0, 1)),
        "min_gain_sat": draw(st.integers(0, 10)),
        "max_sources": draw(st.integers(1, 20)),
        "horizon_days": draw(st.integers(1, 90)),
        "plan_lifetime_seconds": draw(st.integers(60, 86_400)),
        "cooldown_seconds": draw(st.integers(0, 366 * 86_400)),
    }
    section = {key: value for key, value in wild.items() if draw(st.booleans())}
    if draw(st.booleans()):
        section |= {"min_amount_sat": small, "max_amount_sat": large}
    if draw(st.booleans()):
        low_ratio, high_ratio = sorted((draw(st.floats(0, 1)), draw(st.floats(0, 1))))
        if low_ratio < high_ratio:
            section |= {"low_ratio": low_ratio, "high_ratio": high_ratio}
    return msgspec.convert(section, RebalanceConfig)


@st.composite
def flows(draw: st.DrawFn) -> Flow:
    """What went out of a channel: nothing, much, or much for nothing."""
    out_msat = draw(st.one_of(st.just(0), st.integers(0, 10**10), amounts_msat))
    earned_msat = draw(st.one_of(st.just(0), st.integers(0, out_msat // 500), st.integers(0, out_msat)))
    return Flow(out_msat=out_msat, out_count=1, earned_msat=earned_msat, last_settled_at=NOW - HOUR)


lots: st.SearchStrategy[Lot] = st.builds(
    Lot, st.integers(10**6, 10**9), st.integers(0, 10**6), st.floats(0, 40), st.integers(0, 10**9)
)


@st.composite
def rebalance_snapshots(draw: st.DrawFn, max_channels: int = 6) -> RebalanceSnapshot:
    """A node whose channels are mostly full, or drained and sold; some share a peer, a payment or a history."""
    count = draw(st.integers(0, max_channels))
    ids = [channel_id(number) for number in range(1, count + 1)]
    chosen: list[Channel] = []
    sold: dict[str, Flow] = {}
    for number, own_id in enumerate(ids, start=1):
        kind = draw(st.sampled_from(("drained", "full", "drained", "full", "any")))
        if kind == "any":
            channel = draw(channels(number))
        else:
            ratio = draw(st.floats(0, 0.2) if kind == "drained" else st.floats(0.7, 1))
            capacity_msat = draw(st.integers(10**9, 2 * 10**10))
            channel = make_channel(number, capacity_msat=capacity_msat, local_msat=int(capacity_msat * ratio))
        if number > 1 and draw(st.integers(0, 9)) == 9:
            channel = replace(channel, peer_id=node_id(number - 1))
        chosen.append(channel)
        if kind == "drained":
            out_msat = draw(st.integers(10**8, 10**10))
            sold[own_id] = Flow(out_msat=out_msat, out_count=9, earned_msat=out_msat // draw(st.integers(300, 5_000)))
        elif draw(st.booleans()):
            sold[own_id] = draw(flows())
    pairs = [(a, b) for a in ids for b in ids if a != b]
    kinds = st.sampled_from([None, *FailureKind])
    ended = st.builds(
        lambda pair, at, kind: Attempt(pair[0], pair[1], at, kind),
        st.sampled_from(pairs),
        st.floats(NOW - DAY, NOW),
        kinds,
    )
    history = draw(st.lists(ended, max_size=6)) if pairs else []
    return RebalanceSnapshot(
        view=make_view(channels=tuple(chosen)),
        flows=sold,
        signals=make_wanted(sold),
        in_flight=frozenset(one for one in ids if draw(st.integers(0, 9)) == 9),
        attempts=tuple(sorted(history, key=lambda one: one.ended_at)),
        lots=draw(st.dictionaries(st.sampled_from(ids or ["none"]), st.lists(lots, max_size=4).map(tuple), max_size=2)),
        budget_left_msat=draw(st.one_of(st.integers(10**5, 10**10), st.integers(0, 10**6))),
    )
