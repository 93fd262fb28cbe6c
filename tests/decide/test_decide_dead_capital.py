"""Dead capital: the one predictor, what a close costs and who pays, and when a move is paid."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revops.decide.chain_floor import OLDEST_SECONDS, close_cost_msat
from revops.decide.dead_capital import (
    MUTUAL_WEIGHT,
    OPEN_WEIGHT,
    chain_rates,
    close_cost,
    elsewhere,
    is_dead,
    payback_days,
    standing,
    yearly_msat,
)
from revops.domain.dead_capital import ChainRates, Elsewhere, Standing
from revops.domain.node import Feerates
from revops.domain.policy import ClassesConfig
from revops.domain.profit import ProfitLine
from revops.domain.profit_class import ClassInput
from tests.builders import DAY, HOUR, NOW, SAT, channel_id, make_channel

POLICY = ClassesConfig()
RATES = ChainRates(NOW, 1_000, 2_000, 3_000)


def seen(silent_days: float, **overrides: Any) -> ClassInput:
    given_values = {
        "age_seconds": 400 * DAY, "open_seconds": 30 * DAY,
        "silent_seconds": silent_days * DAY, "quiet_seconds": silent_days * DAY, "value_ppm": 0.0, **overrides,
    }  # fmt: skip
    return ClassInput(channel_id(1), ProfitLine(capital_msat=10**9), 30 * DAY, **given_values)


@pytest.mark.parametrize(
    ("one", "found"),
    [
        (seen(30), Standing.DEAD),
        (seen(30, age_seconds=None), Standing.DEAD),
        (seen(29.9), Standing.ALIVE),
        (seen(90, age_seconds=29.9 * DAY), Standing.YOUNG),
        (seen(90, value_ppm=1.0), Standing.WANTED),
        (seen(90, value_ppm=0.99), Standing.DEAD),
        # Its capital is being moved already; what it would not have been anyway it isn't called.
        (seen(90, splicing=True), Standing.SPLICING),
        (seen(29, splicing=True), Standing.ALIVE),
        (seen(90, splicing=True, value_ppm=1.0), Standing.WANTED),
        (seen(90, value_ppm=None), Standing.UNVALUED),  # nobody has judged it yet: not worthless
        (seen(29, value_ppm=None), Standing.ALIVE),
        (seen(90, value_ppm=None, age_seconds=1.0), Standing.YOUNG),
        (seen(12, quiet_seconds=30 * DAY), Standing.UNSEEN),  # away for the rest, or not on record
        (seen(0, quiet_seconds=math.inf), Standing.UNSEEN),  # nothing is known of it: never dead
        (seen(12, quiet_seconds=29 * DAY), Standing.ALIVE),
    ],
)
def test_the_predictor(one: ClassInput, found: Standing) -> None:
    assert standing(one, POLICY) is found
    assert is_dead(one, POLICY) is (found is Standing.DEAD)


def test_the_weights_are_those_of_the_specification() -> None:
    # A mutual close with two P2TR outputs is 193 vB, one of two P2WPKH outputs 12 bytes less each.
    assert MUTUAL_WEIGHT == 772
    assert MUTUAL_WEIGHT - 4 * 24 == 676
    assert OPEN_WEIGHT == 658


def test_the_opener_pays_for_the_close() -> None:
    ours, theirs, unknown = (close_cost(opener, RATES) for opener in ("local", "remote", None))
    assert (ours.payer, ours.mutual_msat, ours.reopen_msat) == ("we", 772_000, 1_974_000)
    assert (theirs.payer, theirs.mutual_msat, theirs.reopen_msat) == ("the peer", 0, 1_974_000)
    assert unknown == ours, "who pays isn't known: the dearer"
    for opener, cost in (("local", ours), ("remote", theirs)):
        assert cost.unilateral_msat == close_cost_msat(make_channel(opener=opener), 2_000)


def sample(hours_ago: float, **rates: int | None) -> Feerates:
    names = ("floor", "opening", "mutual_close", "unilateral_close", "penalty", "blocks_2", "blocks_12")
    return Feerates(NOW - hours_ago * HOUR, *(rates.get(name) for name in names))


def test_the_last_estimate_of_each_kind_counts() -> None:
    samples = [
        sample(80, opening=9, mutual_close=9, unilateral_close=9),
        sample(3, opening=300, mutual_close=100, unilateral_close=200),
        sample(2, unilateral_close=250, mutual_close=0),
        sample(1, floor=253),
        sample(-1, opening=7, mutual_close=7, unilateral_close=7),
    ]
    assert chain_rates(samples, NOW) == ChainRates(NOW - 2 * HOUR, 100, 250, 300)
    assert chain_rates([sample(2, unilateral_close=250)], NOW) == ChainRates(NOW - 2 * HOUR, 250, 250, 250)
    assert chain_rates([sample(1, floor=253)], NOW) is None
    assert chain_rates([sample(OLDEST_SECONDS / HOUR + 1, unilateral_close=9)], NOW) is None


@pytest.mark.parametrize(
    ("returns", "found"),
    [
        ([], None),
        ([0.02], Elsewhere(1, 0.02, 0.02, 0.02)),
        ([0.03, 0.01], Elsewhere(2, 0.02, 0.01, 0.03)),
        ([0.05, 0.01, 0.02, 0.03, 0.04], Elsewhere(5, 0.03, 0.02, 0.04)),
    ],
)
def test_what_capital_earns_elsewhere(returns: list[float], found: Elsewhere | None) -> None:
    assert elsewhere(returns) == found


def test_a_move_is_paid_by_what_the_capital_earns_elsewhere() -> None:
    cost = close_cost("local", RATES)
    earned_msat = yearly_msat(1_000_000 * SAT, Elsewhere(3, 0.02, 0.01, 0.03))
    assert earned_msat == 20_000 * SAT
    assert payback_days(cost, earned_msat) == pytest.approx(2_746 / 20_000 * 365)
    assert payback_days(None, earned_msat) is None
    assert payback_days(cost, 0) is None
    assert payback_days(cost, None) is None
    assert yearly_msat(10**9, None) is None
    assert yearly_msat(10**9, Elsewhere(1, -0.1, -0.1, -0.1)) == 0


@given(st.lists(st.floats(-1, 10), min_size=1, max_size=30))
def test_the_median_lies_within_the_spread(returns: list[float]) -> None:
    found = elsewhere(returns)
    assert found is not None
    assert found.low_ratio <= found.median_ratio <= found.high_ratio
    assert min(returns) <= found.low_ratio
    assert found.high_ratio <= max(returns)
