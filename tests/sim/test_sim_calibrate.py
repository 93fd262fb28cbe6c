"""A market that is calibrated on a simulated node's own records has the parameters of the market it lived in."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random
from statistics import fmean, median

import pytest

from revops.decide.demand_curve import learn, rate_per_hour, shares
from revops.domain.decision import PriceWindow
from revops.domain.node_traffic import AmountBin, ChannelPast, NodeTraffic, TrafficHour
from revops.domain.policy import FeesConfig
from revops.sim.arena.alike import GRID, draw_world, log_logistic
from revops.sim.arena.baselines.static import nothing
from revops.sim.arena.calibrate import (
    LEAST_ATTEMPTS,
    Calibration,
    calibrate,
    lift_of,
    too_little,
)
from revops.sim.arena.families import DAY_SECONDS, Stream
from revops.sim.arena.found import channels_found, parameters_found
from revops.sim.arena.gaps import list_gaps
from revops.sim.arena.rhythm import find_rhythm
from revops.sim.arena.setting import JUDGED, TUNING, Setting
from revops.sim.arena.side_by_side import MarketJob, between, compare
from revops.sim.arena.sizes import fit_amounts, interest_per_customer
from revops.sim.arena.world import World, run_constant, run_policy
from tests.sim.watched import true_streams, watch

DAYS = 28.0
WATCHED = (
    ("logistic", 1, TUNING), ("elasticity 2", 2, TUNING), ("flapping", 3, TUNING), ("logistic", 4, JUDGED),
    ("flapping", 5, JUDGED),
)  # fmt: skip


@dataclass(frozen=True)
class Known:
    """A calibration and what it should have found."""

    family: str
    setting: Setting
    world: World
    fit: Calibration
    streams: Sequence[Stream]


@pytest.fixture(scope="module")
def known() -> list[Known]:
    found = []
    for family, seed, setting in WATCHED:
        small = replace(setting, channel_count=8)
        world, traffic = watch(family, seed, DAYS, small)
        found.append(Known(family, small, world, calibrate(traffic, 200), true_streams(family, seed, DAYS, small)))
    return found


def test_amounts_and_failures_are_found(known: list[Known]) -> None:
    for one in known:
        found, true = one.fit.setting, one.setting
        assert found.median_payment_msat == pytest.approx(true.median_payment_msat, rel=0.12)
        assert found.payment_spread == pytest.approx(true.payment_spread, abs=0.08)
        assert found.failure_ratio == pytest.approx(true.failure_ratio, abs=0.07)


def test_rhythm_and_bursts_are_found(known: list[Known]) -> None:
    for one in known:
        assert one.fit.rhythm.daily_swing == pytest.approx(one.setting.daily_swing, abs=0.12)
        assert one.fit.rhythm.burst_factor == pytest.approx(one.setting.burst_factor, rel=0.4)
    # Four weeks hardly show a week's rhythm: only about right over several nodes.
    off = [(one.fit.rhythm.weekly_swing or 0.0) - one.setting.weekly_swing for one in known]
    assert abs(fmean(off)) < 0.2


def came_ratio(one: Known, number: int) -> float:
    """How many customers are believed to come at the prices tried, as a share of those who do."""
    stream, fit, rng = one.streams[number], one.fit.channels[number], Random(1)
    believed = true = 0.0
    for window in fit.past.windows:
        at = window.ended_at - DAY_SECONDS / 2
        paying = fmean(stream.willingness(at, rng) >= window.fee_ppm for _draw in range(400))
        true += window.open_hours * stream.per_day / 24 * paying
        believed += window.open_hours * rate_per_hour(fit.belief, window.fee_ppm) / one.fit.interest_per_customer
    return believed / true


def test_demand_at_the_prices_tried_is_found(known: list[Known]) -> None:
    """A little too low: who found no way in left no trace."""
    for one in known:
        ratios = [came_ratio(one, number) for number in range(len(one.streams))]
        assert 0.7 < median(ratios) < 1.15, (one.family, ratios)
        assert sum(0.5 < ratio < 1.5 for ratio in ratios) >= 7, (one.family, ratios)


def test_price_levels_are_found_or_said_to_be_vague(known: list[Known]) -> None:
    """Where half of a logistic channel's customers stay away is within 80 % of the belief, or a step of its grid."""
    inside = []
    for one in known:
        if one.family != "logistic":
            continue
        for stream, shown in zip(one.streams, channels_found(one.fit), strict=True):
            rng = Random(1)
            true_ppm = median(stream.willingness(0.0, rng) for _draw in range(999))
            inside.append(shown.half_low_ppm / 1.3 <= true_ppm <= shown.half_high_ppm * 1.3)
    assert fmean(inside) >= 0.75


def test_absences_are_found(known: list[Known]) -> None:
    for one in known:
        for number, fit in enumerate(one.fit.channels):
            if one.family == "flapping" and number % 3 == 0:
                assert fit.up_seconds == pytest.approx(one.setting.up_seconds, rel=0.35)
                assert fit.down_seconds == pytest.approx(one.setting.down_seconds, rel=0.35)
            else:
                assert fit.up_seconds is None


def test_ways_in_are_found(known: list[Known]) -> None:
    """Full channels let nothing in: what counts is what entered while there was room."""
    for one in known:
        found = [fit.entry_weight for fit in one.fit.channels]
        true = [stream.entry_weight for stream in one.streams]
        ratios = [a / sum(found) * sum(true) / b for a, b in zip(found, true, strict=True)]
        assert sum(0.6 < ratio < 1.6 for ratio in ratios) >= 7, (one.family, ratios)


def test_a_market_like_it_earns_what_it_does_at_the_same_fees(known: list[Known]) -> None:
    for one in known[:2]:
        fees = [fit.past.fee_ppm for fit in one.fit.channels]
        true_msat = run_constant(one.world, 0, fees, one.world.local_msat).earned_msat
        drawn = [draw_world(one.fit, seed, DAYS) for seed in range(4)]
        earned_msat = fmean(run_policy(world, nothing).spans[0].earned_msat for world in drawn)
        assert earned_msat == pytest.approx(true_msat, rel=0.35)


def test_markets_are_drawn_by_seed_and_differ(known: list[Known]) -> None:
    fit = known[0].fit
    one, same, other = draw_world(fit, 1, 2.0), draw_world(fit, 1, 2.0), draw_world(fit, 2, 2.0)
    assert one == same
    assert one.customers != other.customers
    assert one.start_ppm == tuple(channel.past.fee_ppm for channel in fit.channels)
    assert one.local_msat == tuple(channel.past.local_msat for channel in fit.channels)


def test_a_run_starts_at_the_nodes_fees(known: list[Known]) -> None:
    world = draw_world(known[0].fit, 1, 1.0)
    assert run_policy(world, nothing).final_ppm == world.start_ppm


@pytest.mark.parametrize("place", [0, 57, 120, len(GRID) - 1])
def test_customers_are_drawn_as_the_belief_means(place: int) -> None:
    scale_ppm, steepness = GRID[place]
    draw, rng = log_logistic(scale_ppm, steepness, 1e9), Random(3)
    price_ppm = scale_ppm * 1.2
    paying = fmean(draw(0.0, rng) >= price_ppm for _draw in range(4_000))
    assert paying == pytest.approx(shares(price_ppm)[place], abs=0.03)
    assert max(log_logistic(scale_ppm, steepness, 50.0)(0.0, rng) for _draw in range(99)) <= 50.0


def test_all_alike_have_no_spread_to_speak_of_and_nothing_seen_falls_back() -> None:
    median_msat, spread = fit_amounts([AmountBin(10_000_000, 10_000_001, 9)])
    assert (median_msat, spread) == (10_000_000, 0.05)
    assert fit_amounts([]) == (TUNING.median_payment_msat, TUNING.payment_spread)


def test_interest_of_a_customer_is_the_mean_of_its_part_of_a_typical_payment() -> None:
    rng = Random(5)
    sizes = [25_000_000 * math.exp(rng.gauss(0.0, 1.2)) for _draw in range(40_000)]
    assert interest_per_customer(25_000_000, 1.2) == pytest.approx(
        fmean(min(1.0, size / 25_000_000) for size in sizes), abs=0.01
    )


def flat_hours(rng: Random, days: int, per_hour: float) -> tuple[TrafficHour, ...]:
    counts = [sum(rng.random() < per_hour / 20 for _try in range(20)) for _hour in range(24 * days)]
    return tuple(TrafficHour(hour, count, 0, 0, float(count), 0.0) for hour, count in enumerate(counts) if count)


def past(number: int, hours: tuple[TrafficHour, ...] = (), days: float = 30.0, **changes: object) -> ChannelPast:
    base = ChannelPast(
        channel_id=f"{number:064x}", name=f"{number}x1x0", alias=None, capacity_msat=10**9, local_msat=5 * 10**8,
        fee_ppm=200, fee_base_msat=0, since_at=0.0, hours=hours, prices=((0.0, 200),),
    )  # fmt: skip
    return replace(base, **changes)  # type: ignore[arg-type]  # a test's own words


def traffic(*channels: ChannelPast, days: float = 30.0) -> NodeTraffic:
    return NodeTraffic(days * DAY_SECONDS, 0.0, channels, (AmountBin(10_000_000, 14_000_000, 10),), 0)


def test_a_steady_flow_has_no_rhythm() -> None:
    channels = [past(number, flat_hours(Random(number), 28, 1.5)) for number in range(6)]
    rhythm = find_rhythm(channels, 28 * DAY_SECONDS)
    assert rhythm.daily_swing is not None
    assert rhythm.daily_swing < 0.12
    assert rhythm.weekly_swing is not None
    assert rhythm.weekly_swing < 0.12
    assert rhythm.burst_factor is not None
    assert rhythm.burst_factor < 2.0


def test_a_short_record_has_no_week_and_none_has_no_day() -> None:
    assert find_rhythm([past(0, flat_hours(Random(1), 10, 1.5))], 10 * DAY_SECONDS).weekly_swing is None
    assert find_rhythm([past(0)], 30 * DAY_SECONDS).daily_swing is None


@pytest.mark.parametrize(
    "few", [traffic(), traffic(past(0), past(1)), traffic(past(0, (TrafficHour(3, 3, 0, 0, 3.0, 0.0),)), past(1))]
)
def test_too_little_is_said_with_numbers(few: NodeTraffic) -> None:
    said = too_little(few)
    assert said is not None
    assert f"it takes {LEAST_ATTEMPTS}, 2 and 2 at least" in said


def test_a_channel_that_was_never_open_is_judged_by_what_it_refused() -> None:
    empty = past(0, (TrafficHour(30, 0, 0, 200, 0.0, 0.0),), alias="drained")
    busy = past(1, flat_hours(Random(1), 30, 1.0))
    fit = calibrate(traffic(empty, busy), 200)
    shown = channels_found(fit)
    assert fit.channels[0].by_refusals
    assert shown[0].customers_per_day > 3.0
    assert any("drained" in gap and "200 payments that it refused" in gap for gap in list_gaps(fit))


def test_a_channel_that_saw_nobody_is_believed_to_be_dead() -> None:
    fit = calibrate(traffic(past(0), past(1, flat_hours(Random(1), 30, 1.0))), 200)
    assert rate_per_hour(fit.channels[0].belief, 200) < 0.01 < 0.5 < rate_per_hour(fit.channels[1].belief, 200)


def test_what_was_refused_beyond_chance_raises_demand_and_less_lowers_nothing() -> None:
    belief = learn([PriceWindow(0.0, 200, 100.0, 100.0)], 200.0, 0.0)
    expected = 100.0 * rate_per_hour(belief, 200)
    assert lift_of(belief, [PriceWindow(0.0, 200, 100.0, 3 * expected)]) == pytest.approx(3.0)
    assert lift_of(belief, [PriceWindow(0.0, 200, 100.0, 1.1 * expected)]) == 1.0
    assert lift_of(belief, [PriceWindow(0.0, 200, 100.0, 0.0)]) == 1.0
    assert lift_of(belief, []) == 1.0


def test_gaps_name_prices_that_were_never_tried() -> None:
    narrow = past(0, flat_hours(Random(1), 30, 1.0), windows=(
        PriceWindow(10 * DAY_SECONDS, 180, 200.0, 90.0), PriceWindow(20 * DAY_SECONDS, 220, 200.0, 80.0)
    ))  # fmt: skip
    wide = past(1, flat_hours(Random(2), 30, 1.0), windows=(
        PriceWindow(10 * DAY_SECONDS, 100, 200.0, 90.0), PriceWindow(20 * DAY_SECONDS, 900, 200.0, 80.0)
    ))  # fmt: skip
    gaps = list_gaps(calibrate(traffic(narrow, wide), 200))
    said = "0x1x0 has no other price on record than 180 to 220 ppm: what happens at 440 is a guess from the prior"
    assert said in gaps
    assert not any(gap.startswith("1x1x0 has no other price") for gap in gaps)
    assert any("no price above 900 ppm is on record" in gap for gap in gaps)


def test_gaps_of_many_channels_are_counted() -> None:
    fit = calibrate(traffic(*(past(number, flat_hours(Random(number), 30, 1.0)) for number in range(12))), 200)
    assert "the same holds for 4 more channels" in list_gaps(fit, ruled=True)
    assert sum("no other price on record" in gap for gap in list_gaps(fit)) == 8


def test_prices_from_before_the_first_look_are_said_to_be_unknown() -> None:
    """As after the first sync of a node with history: not "only ever priced at 200", and not "open for 0 hours"."""
    new = past(0, (TrafficHour(30, 40, 0, 200, 40.0, 0.0),), prices=())
    other = past(1, flat_hours(Random(1), 30, 1.0), prices=())
    fit = calibrate(traffic(new, other), 200)
    first, *gaps = list_gaps(fit)
    assert f"what {new.attempt_count + other.attempt_count:,} payments by 2 channels were asked before isn't" in first
    assert not any("no other price" in gap or "on record as open" in gap for gap in gaps)
    assert [(one.least_tried_ppm, one.most_tried_ppm) for one in channels_found(fit)] == [(None, None)] * 2


def test_at_the_first_price_on_record_demand_does_not_rest_on_what_was_refused_before() -> None:
    """Moments after the first run of `fees adjust`."""
    now = 30 * DAY_SECONDS
    looked_at = [past(number, (TrafficHour(30, 40, 0, 200, 40.0, 0.0),), prices=((now, 200),)) for number in range(2)]
    gaps = list_gaps(calibrate(traffic(*looked_at), 200))
    assert not any("on record as open" in gap or "above 0 ppm" in gap for gap in gaps)
    assert any("no price that was open is on record" in gap for gap in gaps)
    assert sum("has no price on record that was open" in gap for gap in gaps) == 2


def test_payments_from_before_the_first_price_on_record_are_counted_apart() -> None:
    """Those of the hours before it, not those after."""
    hours = (TrafficHour(30, 40, 0, 0, 40.0, 0.0), TrafficHour(300, 7, 0, 0, 7.0, 0.0))
    one = past(0, hours, prices=((100 * 3_600.0, 200),))
    assert (one.priced, one.unpriced_count, one.priced_hours) == (True, 40, hours[1:])
    gaps = list_gaps(calibrate(traffic(one, past(1, flat_hours(Random(1), 30, 1.0))), 200))
    assert any(gap.startswith("40 payments came before the first price on record") for gap in gaps)
    assert not any("the first `revops fees adjust`" in gap for gap in gaps)


def test_unknown_figures_are_none_and_not_nothing() -> None:
    few = traffic(
        past(0, (TrafficHour(30, 60, 0, 0, 60.0, 0.0),)), past(1, (TrafficHour(31, 60, 0, 0, 60.0, 0.0),)), days=5.0
    )
    found = {one.name: one.value for one in parameters_found(calibrate(few, 200))}
    assert (found["daily swing"], found["weekly swing"], found["bursts"]) == (None, None, None)


def test_strategies_meet_the_same_markets() -> None:
    """A strategy that does what the configured one does is exactly as good."""
    fit = calibrate(traffic(*(past(number, flat_hours(Random(number), 30, 1.0)) for number in range(3))), 200)
    told: list[tuple[int, int | None]] = []
    jobs = [MarketJob(fit, number, 4.0, {"off": FeesConfig(strategy="off"), "nothing": None}) for number in range(3)]
    found = compare(jobs, "off", 1, lambda _label, done, total: told.append((done, total)))
    by_name = {one.strategy: one for one in found}
    assert by_name["off"].configured
    nothing = by_name["nothing"]
    assert (nothing.difference_msat, nothing.difference_low_msat, nothing.difference_high_msat) == (0, 0, 0)
    assert nothing.better_count == 0
    assert nothing.net_msat_per_month == by_name["off"].net_msat_per_month
    assert told[-1] == (3, 3)


@pytest.mark.parametrize(("share", "value"), [(0.0, 1.0), (0.1, 1.4), (0.5, 3.0), (1.0, 5.0)])
def test_between(share: float, value: float) -> None:
    assert between([1.0, 2.0, 3.0, 4.0, 5.0], share) == pytest.approx(value)
    assert between([7.0], share) == 7.0
