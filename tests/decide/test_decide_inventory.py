"""What a local sat is worth by its demand: what a solution by other means says, and what is true of any."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from revops.decide.inventory import DISCOUNT_PER_DAY, LEAST_STEPS, MOST_STEPS, marginal_values_ppm, value_at

SAT = 1_000
CAPACITY_MSAT = 6_000_000 * SAT
PAYMENT_MSAT = 1_000_000.0 * SAT
STEP_COUNT = 6


def by_iteration(
    prices_ppm: Sequence[int], demand_msat: Sequence[float], inflow_msat: float, entry_ppm: float, rounds: int = 60_000
) -> list[float]:
    """The same equation by value iteration: time in slots so short that one thing happens in each at most."""
    step_msat = CAPACITY_MSAT / STEP_COUNT
    sales, refill = [one / step_msat for one in demand_msat], inflow_msat / step_msat
    per_day = max(sales) + refill
    kept = per_day / (per_day + DISCOUNT_PER_DAY)
    worth = [0.0] * (STEP_COUNT + 1)
    for _round in range(rounds):
        after = []
        for level, now in enumerate(worth):
            sell = max(
                sold * (price + entry_ppm + worth[level - 1] - now)
                for sold, price in zip(sales, prices_ppm, strict=True)
            )
            fill = refill * (worth[level + 1] - now) if level < STEP_COUNT else 0.0
            after.append(kept * (now + ((sell if level > 0 else 0.0) + fill) / per_day))
        if max(abs(one - other) for one, other in zip(worth, after, strict=True)) < 1e-10:
            break
        worth = after
    return [high - low for low, high in pairwise(worth)]


def solved(matrix: list[list[Fraction]]) -> list[Fraction]:
    """Gauss and Jordan, exactly; the last column is the right-hand side."""
    for place in range(len(matrix)):
        pivot = next(row for row in range(place, len(matrix)) if matrix[row][place])
        matrix[place], matrix[pivot] = matrix[pivot], matrix[place]
        matrix[place] = [one / matrix[place][place] for one in matrix[place]]
        for row in range(len(matrix)):
            if row != place:
                matrix[row] = [
                    one - matrix[row][place] * other for one, other in zip(matrix[row], matrix[place], strict=True)
                ]
    return [row[-1] for row in matrix]


@pytest.mark.parametrize("demand_sat", [0, 1, 40_000, 2_000_000, 10**10])
@pytest.mark.parametrize("inflow_sat", [0, 1, 40_000, 2_000_000, 10**10])
@pytest.mark.parametrize("entry_ppm", [0, 250])
def test_at_one_price_it_is_what_an_exact_solution_says(demand_sat: int, inflow_sat: int, entry_ppm: int) -> None:
    sold, refill = Fraction(demand_sat, 1_000_000), Fraction(inflow_sat, 1_000_000)
    rows = []
    for level in range(STEP_COUNT + 1):
        row = [Fraction(0)] * (STEP_COUNT + 2)
        row[level] = Fraction(DISCOUNT_PER_DAY)
        if level > 0:
            row[level], row[level - 1], row[-1] = row[level] + sold, -sold, sold * (400 + entry_ppm)
        if level < STEP_COUNT:
            row[level], row[level + 1] = row[level] + refill, -refill
        rows.append(row)
    exact = [float(high - low) for low, high in pairwise(solved(rows))]
    found = marginal_values_ppm(
        [400], [float(demand_sat * SAT)], inflow_sat * SAT, entry_ppm, CAPACITY_MSAT, PAYMENT_MSAT
    )
    assert found == pytest.approx(exact, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize(
    ("prices_ppm", "demand_sat", "inflow_sat", "entry_ppm"),
    [
        ([100, 200, 400, 800], [900_000, 700_000, 300_000, 20_000], 0, 0),
        ([100, 200, 400, 800], [900_000, 700_000, 300_000, 20_000], 250_000, 0),
        ([100, 200, 400, 800], [900_000, 700_000, 300_000, 20_000], 1_500_000, 150),
        ([10, 1_000], [3_000_000, 2_000], 30_000, 0),
        ([10, 20, 30], [50_000, 60_000, 40_000], 10_000, 5),  # a belief never says so, but no order is assumed
        ([50, 60], [70_000, 70_000], 10_000, 0),
    ],
)
def test_with_prices_to_choose_from_it_is_what_value_iteration_says(
    prices_ppm: list[int], demand_sat: list[int], inflow_sat: int, entry_ppm: float
) -> None:
    demand_msat = [float(one * SAT) for one in demand_sat]
    found = marginal_values_ppm(prices_ppm, demand_msat, inflow_sat * SAT, entry_ppm, CAPACITY_MSAT, PAYMENT_MSAT)
    assert found == pytest.approx(by_iteration(prices_ppm, demand_msat, inflow_sat * SAT, entry_ppm), abs=1e-3)


@pytest.mark.parametrize(
    ("capacity_sat", "payment_sat", "count"),
    [(1_000, 50_000, LEAST_STEPS), (600_000, 60_000, 10), (10**9, 1, MOST_STEPS), (0, 1, LEAST_STEPS)],
)
def test_a_step_is_a_payment_within_bounds(capacity_sat: int, payment_sat: int, count: int) -> None:
    assert len(marginal_values_ppm([100], [1e9], 0.0, 0.0, capacity_sat * SAT, payment_sat * SAT)) == count


def test_a_stock_that_sells_sooner_than_it_is_missed_is_worth_the_dearest_price() -> None:
    """A hundred times the channel would leave each day at the dearest price."""
    found = marginal_values_ppm([100, 900], [1e12, 6e11], 0.0, 0.0, CAPACITY_MSAT, PAYMENT_MSAT)
    assert found[0] > 899
    flooded = marginal_values_ppm([100, 900], [1e12, 6e11], 1e14, 0.0, CAPACITY_MSAT, PAYMENT_MSAT)
    assert pytest.approx(flooded[0], rel=0.01) == 900 * 0.006  # the next payment in comes sooner than the next out
    assert flooded[-1] < 1e-6


def test_more_demand_at_one_price_can_make_a_full_channel_cheaper() -> None:
    """Without a good price in the middle all is sold cheaply, and always missed; with it little is sold, and the
    channel is full.
    """
    prices_ppm, inflow_msat = [300, 550, 2_500], 5e8
    few = marginal_values_ppm(prices_ppm, [9e8, 7e8, 1e5], inflow_msat, 430.0, 1_800_000 * SAT, 45e6)
    many = marginal_values_ppm(prices_ppm, [9e8, 7e8, 3.6e8], inflow_msat, 430.0, 1_800_000 * SAT, 45e6)
    assert many[0] > few[0]
    assert many[-1] < few[-1]


amounts = st.one_of(st.just(0.0), st.floats(1e3, 1e11))
worlds = st.tuples(
    st.lists(st.tuples(st.integers(0, 5_000), amounts), min_size=1, max_size=8, unique_by=lambda one: one[0]),
    amounts,
    st.one_of(st.just(0.0), st.floats(0, 3_000)),
    st.integers(10**6, 10**11),
    st.floats(1e6, 1e10),
)
World = tuple[list[tuple[int, float]], float, float, int, float]


def values_of(world: World, factor: float = 1.0, more_inflow: float = 0.0, more_entry: float = 0.0) -> list[float]:
    market, inflow_msat, entry_ppm, capacity_msat, payment_msat = world
    prices, demand = [price for price, _msat in market], [factor * msat for _price, msat in market]
    return marginal_values_ppm(
        prices, demand, inflow_msat + more_inflow, entry_ppm + more_entry, capacity_msat, payment_msat
    )


@given(world=worlds)
def test_the_emptier_the_dearer_and_never_beyond_the_dearest_sale(world: World) -> None:
    values = values_of(world)
    most = max(price for price, _msat in world[0]) + world[2]
    assert all(0 <= later <= earlier + 1e-6 for earlier, later in pairwise(values))
    assert 0 <= values[0] <= most


@given(world=worlds, factor=st.floats(1, 1e3), more=amounts)
def test_demand_that_grows_at_all_prices_never_makes_it_cheaper_and_inflow_never_dearer(
    world: World, factor: float, more: float
) -> None:
    values = values_of(world)
    assert all(more >= less - 1e-5 for more, less in zip(values_of(world, factor), values, strict=True))
    assert all(less <= more + 1e-5 for less, more in zip(values_of(world, 1.0, more), values, strict=True))


@given(world=worlds, more_ppm=st.floats(0, 1_000))
def test_what_a_sale_brings_elsewhere_is_shared_by_the_stock(world: World, more_ppm: float) -> None:
    """A sat sold brings that much more, sooner or later: none is worth less for it, and none by more."""
    for before, after in zip(values_of(world), values_of(world, more_entry=more_ppm), strict=True):
        assert before - 1e-5 <= after <= before + more_ppm + 1e-5


@given(world=worlds)
def test_without_demand_it_is_nothing(world: World) -> None:
    assert set(values_of(world, 0.0)) == {0.0}


wild = st.one_of(st.just(0.0), st.floats(0, 1e-300), st.floats(0, 1e30))


@given(
    market=st.lists(st.tuples(st.integers(0, 2**33), wild), min_size=1, max_size=8),
    inflow_msat=wild,
    entry_ppm=st.floats(0, 1e9),
    capacity_msat=st.integers(0, 2_100_000_000_000_000_000),
    payment_msat=wild,
)
@example(market=[(400, 1e30)], inflow_msat=1e16, entry_ppm=0.0, capacity_msat=1, payment_msat=1.0)
@example(market=[(400, 5e20), (500, 5e20)], inflow_msat=1e18, entry_ppm=0.0, capacity_msat=0, payment_msat=0.0)
def test_no_numbers_break_it(
    market: list[tuple[int, float]], inflow_msat: float, entry_ppm: float, capacity_msat: int, payment_msat: float
) -> None:
    values = values_of((market, inflow_msat, entry_ppm, capacity_msat, payment_msat))
    most = max(price for price, _msat in market) + entry_ppm
    assert all(math.isfinite(value) and 0 <= value <= most for value in values)


@pytest.mark.parametrize(
    ("local_ratio", "value_ppm"),
    [(-1.0, 500), (0.0, 500), (0.1, 500), (0.3, 400), (0.2, 450), (0.5, 300), (0.9, 0), (1.0, 0), (2.0, 0)],
)
def test_between_two_steps_lies_what_is_between_their_values(local_ratio: float, value_ppm: float) -> None:
    assert value_at([500, 400, 300, 200, 0], local_ratio) == pytest.approx(value_ppm)
    assert value_at([7.0], local_ratio) == 7.0


@given(
    values=st.lists(st.floats(0, 1e6), min_size=1, max_size=30).map(lambda one: sorted(one, reverse=True)),
    ratios=st.tuples(st.floats(-1, 2), st.floats(-1, 2)).map(sorted),
)
def test_the_fuller_the_cheaper(values: list[float], ratios: list[float]) -> None:
    emptier, fuller = (value_at(values, ratio) for ratio in ratios)
    assert values[-1] - 1e-6 <= fuller <= emptier + 1e-6 <= values[0] + 2e-6
