"""Intervals of few worlds: that they are what the books say, and hold the truth about as often as they promise."""

from __future__ import annotations

import math
from functools import partial
from random import Random
from statistics import fmean, stdev

import pytest

from revops.sim.arena.sample import MANY_SPARE_COUNT, STUDENT_T, Sample
from revops.sim.arena.stats import compare, span_figures
from tests.sim.studies import make_outcomes, noisy


def test_one_familys_difference_has_the_paired_t_interval() -> None:
    """Worlds 5,000 to 5,007 weigh nearly the same: 2.365 standard errors to either side, of 8 paired differences."""
    a, b = noisy(0.5, 0.2, "a"), noisy(0.4, 0.2, "b")
    outcomes = make_outcomes({"a": a, "b": b}, ("calm",), range(5_000, 5_008))
    (found,) = [one.difference for one in span_figures(outcomes, 0).families if one.policy == "a"]
    differences = [a("calm", seed) - b("calm", seed) for seed in range(5_000, 5_008)]
    reach = 2.365 * stdev(differences) / math.sqrt(8)
    assert found is not None
    assert found.low == pytest.approx(fmean(differences) - reach, abs=1e-3)
    assert found.high == pytest.approx(fmean(differences) + reach, abs=1e-3)
    # Over all worlds, which are the same, it is the same.
    assert compare(Sample(outcomes, 0), "a", "b").difference == found


@pytest.mark.parametrize(("family_count", "seed_count"), [(1, 6), (1, 15), (2, 4)])
def test_intervals_of_few_worlds_hold_the_truth_as_often_as_they_say(family_count: int, seed_count: int) -> None:
    """Worlds weigh as 1, 2, 3 and so on: by bootstrap one family of six came to 88 of 100."""
    families = [f"family {number}" for number in range(family_count)]
    seeds, held, trial_count = range(1, 1 + seed_count), 0, 2_000
    for trial in range(trial_count):
        rng = Random(f"{family_count} {seed_count} {trial}")
        policy = partial(lambda rng, _family, _seed: rng.gauss(0.5, 0.2), rng)
        outcomes = make_outcomes({"a": policy, "b": policy}, families, seeds)
        held += not compare(Sample(outcomes, 0), "a", "b").difference.excludes(0.0)
    assert 0.92 <= held / trial_count <= 0.97


def test_many_worlds_of_several_families_keep_the_bootstrap() -> None:
    """What is quoted was found by it: its intervals lie unevenly about the figure, those by t evenly."""

    def unevenness(family_count: int, seed_count: int) -> float:
        families = [f"family {number}" for number in range(family_count)]
        outcomes = make_outcomes({"a": noisy(0.5, 0.2)}, families, range(1, 1 + seed_count))
        share = span_figures(outcomes, 0).policies[0].share
        assert share.low is not None
        assert share.high is not None
        return abs(share.high - share.value - (share.value - share.low))

    assert unevenness(2, 1 + MANY_SPARE_COUNT // 2) > 1e-4
    assert unevenness(1, 1 + MANY_SPARE_COUNT) < 1e-9
    assert unevenness(2, MANY_SPARE_COUNT // 2) < 1e-9


def test_the_smaller_of_two_families_counts_for_the_freedom() -> None:
    """All that varies is in a family of two worlds, which has one degree of freedom, whatever the other one has."""
    many = make_outcomes({"a": lambda _family, _seed: 0.5}, ("calm",), range(1, 9))
    two = make_outcomes({"a": lambda _family, seed: 0.4 if seed == 8 else 0.6}, ("wild",), (8, 9))
    (found,) = span_figures([*many, *two], 0).policies
    # Without one of the two the other counts twice; of the calm worlds each weighs as its number, 36 together.
    without_8, without_9 = (18 + 0.6 * 9 * 2) / (36 + 9 * 2), (18 + 0.4 * 8 * 2) / (36 + 8 * 2)
    assert found.share.high is not None
    assert found.share.high - found.share.value == pytest.approx(STUDENT_T[0] * (without_8 - without_9) / 2, rel=1e-3)


def test_t_falls_towards_what_many_worlds_have() -> None:
    assert list(STUDENT_T) == sorted(STUDENT_T, reverse=True)
    assert len(STUDENT_T) == 30
    assert 1.96 < STUDENT_T[-1] < 2.05
