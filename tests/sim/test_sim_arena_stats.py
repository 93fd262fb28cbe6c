"""The score: shares, intervals that hold what they promise, losses, and whether the instrument sees what is there."""

from __future__ import annotations

import json
from dataclasses import astuple, replace
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revops.report.blocks import Line
from revops.sim.arena import sample
from revops.sim.arena.figures import figures_of
from revops.sim.arena.headings import same_line
from revops.sim.arena.null_test import copies_of, null_test
from revops.sim.arena.outcome import from_document, to_document
from revops.sim.arena.sample import Sample
from revops.sim.arena.stats import compare, span_figures, world_shares, worst_mean
from revops.sim.arena.tables import blocks
from tests.sim.studies import make_outcomes, make_study, noisy

RISING = {1: 0.2, 2: 0.4, 3: 0.9}


def test_shares_are_of_sums_and_families_count_alike_in_their_mean() -> None:
    outcomes = make_outcomes({"one": lambda family, seed: RISING[seed] if family == "calm" else 0.1})
    (one,) = span_figures(outcomes, 0).policies
    # Worlds weigh 1, 2 and 3.
    calm = (0.2 * 1 + 0.4 * 2 + 0.9 * 3) / 6
    assert one.share.value == pytest.approx((calm + 0.1) / 2)
    uneven = [outcome for outcome in outcomes if outcome.family == "calm" or outcome.seed != 3]
    (one,) = span_figures(uneven, 0).policies
    assert one.share.value == pytest.approx((calm * 6 + 0.1 * 3) / 9)
    assert one.family_mean.value == pytest.approx((calm + 0.1) / 2)
    assert (one.updates_per_day, one.depleted_ratio) == (1.5, 0.25)
    assert one.net_msat == round(one.share.value * 9e6)


def test_what_differs_between_families_is_no_chance() -> None:
    """Every resample has as many worlds of each family: nothing varies here but between them."""
    shares = {"one": lambda family, _seed: 0.9 if family == "calm" else 0.1}
    outcomes = make_outcomes(shares, seeds=range(1, 5))
    (one,) = span_figures(outcomes, 0).policies
    assert astuple(one.family_mean) == pytest.approx((0.5, 0.5, 0.5))


def test_pairs_are_told_apart_where_each_alone_varies_far_more() -> None:
    luck = noisy(0.5, 0.2)
    shares = {"better": lambda family, seed: luck(family, seed) + 0.02, "other": luck}
    figures = span_figures(make_outcomes(shares, seeds=range(1, 9)), 0)
    better, other = figures.policies
    assert None not in {better.share.low, other.share.high}
    assert (better.share.low or 0) < (other.share.high or 0)
    (versus,) = [one for one in figures.versus if one.policy == "better"]
    assert versus.difference.excludes(0.0)
    assert versus.difference.value == pytest.approx(0.02)
    assert versus.ratio is not None
    assert versus.ratio.value == pytest.approx(better.share.value / other.share.value)
    assert versus.ratio.excludes(1.0)


@pytest.mark.parametrize("seed_count", [3, 12])
def test_intervals_hold_the_truth_about_as_often_as_they_say(monkeypatch: pytest.MonkeyPatch, seed_count: int) -> None:
    """Of 95 %, with three worlds of each of eight families too."""
    monkeypatch.setattr(sample, "RESAMPLE_COUNT", 200)
    held = 0
    for trial in range(60):
        shares = {"a": noisy(0.5, 0.2, f"a {trial}"), "b": noisy(0.5, 0.2, f"b {trial}")}
        outcomes = make_outcomes(shares, [f"family {number}" for number in range(8)], range(50, 50 + seed_count))
        held += not compare(Sample(outcomes, 0, trial), "a", "b").difference.excludes(0.0)
    assert 52 <= held <= 60


def test_one_world_of_a_family_has_no_interval() -> None:
    (one, _other) = span_figures(make_outcomes({"a": noisy(0.5, 0.1), "b": noisy(0.4, 0.1)}, seeds=(1,)), 0).policies
    assert (one.share.low, one.share.high) == (None, None)
    assert not one.share.excludes(0.0)


def test_the_same_outcomes_give_the_same_figures() -> None:
    outcomes = make_outcomes({"a": noisy(0.5, 0.1), "b": noisy(0.4, 0.1)})
    assert span_figures(outcomes, 0) == span_figures(list(outcomes), 0)


def test_who_makes_nothing_has_no_ratio() -> None:
    figures = span_figures(make_outcomes({"a": noisy(0.5, 0.01), "b": lambda _family, _seed: -0.1}), 0)
    assert [one.ratio is None for one in figures.versus] == [True, False]
    (in_calm,) = [one for one in figures.families if (one.family, one.policy) == ("calm", "a")]
    assert in_calm.lost_ratio is None
    assert not in_calm.is_loss


def test_losses_are_published_with_how_much_and_to_whom() -> None:
    shares = {"a": lambda family, _seed: 0.8 if family == "calm" else 0.6, "b": lambda _family, _seed: 0.75}
    figures = span_figures(make_outcomes(shares), 0)
    assert [(one.family, one.policy, one.best_other) for one in figures.losses] == [
        ("wild", "a", "b"),
        ("calm", "b", "a"),
    ]
    assert figures.losses[0].lost_ratio == pytest.approx(1 - 0.6 / 0.75)
    assert figures.losses[0].difference is not None
    # Three worlds of a family are too few for an interval.
    assert astuple(figures.losses[0].difference) == (pytest.approx(-0.15), None, None)
    six = span_figures(make_outcomes(shares, seeds=range(1, 7)), 0)
    assert six.losses[0].difference is not None
    assert astuple(six.losses[0].difference) == pytest.approx((-0.15, -0.15, -0.15))
    assert figures.leader == "b"


@pytest.mark.parametrize(
    ("family_count", "seed_count", "has_interval"),
    [(1, 2, False), (1, 5, False), (1, 6, True), (3, 2, False), (2, 3, False), (5, 1, False), (5, 2, True)],
)
def test_few_spare_worlds_give_no_interval(family_count: int, seed_count: int, has_interval: bool) -> None:
    families = [f"family {number}" for number in range(family_count)]
    (found,) = span_figures(make_outcomes({"a": noisy(0.5, 0.1)}, families, range(1, seed_count + 1)), 0).policies
    assert (found.share.low is not None) is has_interval


def test_a_policy_alone_is_beaten_by_nobody() -> None:
    figures = span_figures(make_outcomes({"a": noisy(0.5, 0.1)}), 0)
    assert (figures.losses, figures.versus) == ((), ())


@given(st.lists(st.floats(-2, 2), min_size=1, max_size=100).map(sorted))
def test_the_worst_twentieth_is_at_least_one_world(shares: list[float]) -> None:
    worst = worst_mean(shares)
    assert worst is not None
    assert shares[0] - 1e-9 <= worst <= sum(shares) / len(shares) + 1e-9
    if len(shares) < 40:
        assert worst == shares[0]


def test_the_worst_of_forty_are_two() -> None:
    assert worst_mean([float(number) for number in range(40)]) == 0.5
    assert worst_mean([]) is None


def test_a_world_in_which_the_oracle_makes_nothing_has_no_share() -> None:
    outcomes = make_outcomes({"a": lambda _family, seed: 0.5}, seeds=(0, 1, 2))
    assert world_shares(outcomes, 0, "a") == [0.5] * 4
    (one,) = span_figures(outcomes, 0).policies
    assert one.share.value == pytest.approx(0.5)


def with_copies(first: Any, second: Any, seed_count: int = 6) -> Any:
    names = copies_of("a")
    return make_outcomes({"a": first, names[0]: first, names[1]: second}, seeds=range(1, 1 + seed_count))


def test_copies_are_not_told_apart_and_one_made_worse_is() -> None:
    luck = noisy(0.5, 0.2)

    def first(family: str, seed: int) -> float:
        return luck(family, seed) + Random(f"1 {family} {seed}").gauss(0, 0.005)

    def second(family: str, seed: int) -> float:
        return luck(family, seed) + Random(f"2 {family} {seed}").gauss(0, 0.005)

    test = null_test(with_copies(first, second), "a", 0)
    assert test.sees_nothing
    assert test.sees_worse
    assert test.difference_to_worse.value - test.difference.value == pytest.approx(0.025, abs=0.01)


def test_an_instrument_that_is_wrong_or_too_coarse_says_so() -> None:
    better = with_copies(lambda _family, seed: 0.5 + 0.001 * seed, lambda _family, _seed: 0.4)
    assert not null_test(better, "a", 0).sees_nothing
    coarse = null_test(with_copies(noisy(0.5, 0.3, "1"), noisy(0.5, 0.3, "2"), 3), "a", 0)
    assert not coarse.sees_worse
    single = null_test(with_copies(noisy(0.5, 0.1), noisy(0.5, 0.1), 1), "a", 0)
    assert (single.sees_nothing, single.sees_worse) == (False, False)


def test_copies_appear_in_the_null_test_alone() -> None:
    figures = figures_of(make_study(with_copies(noisy(0.5, 0.1), noisy(0.5, 0.1))))
    assert [one.policy for one in figures.spans[0].policies] == ["a"]
    assert [test.policy for test in figures.null_tests] == ["a"]


def test_policies_that_came_to_the_same_in_each_world_are_named() -> None:
    """Else their rows look like a mistake. Those that differ in one world are not."""
    shares = {"nothing": noisy(0.3, 0.1), "demand": noisy(0.5, 0.1, "other"), "constant": noisy(0.3, 0.1)}
    figures = figures_of(make_study(make_outcomes(shares)))
    assert figures.same == (("nothing", "constant"),)
    assert "begin with the 200 ppm that constant asks for" in same_line(figures.same[0])
    assert "200 ppm" not in same_line(("lndg", "nothing"))
    told = [block.text for block in blocks(make_study(make_outcomes(shares)), figures) if isinstance(block, Line)]
    assert sum("The rows of nothing and constant are alike" in text for text in told) == 1
    one_world = {**shares, "constant": lambda family, seed: noisy(0.3, 0.1)(family, seed) + 0.1 * (seed == 2)}
    assert figures_of(make_study(make_outcomes(one_world))).same == ()


def test_a_study_survives_its_file() -> None:
    study = make_study(make_outcomes({"a": noisy(0.5, 0.1), "b": noisy(0.4, 0.1)}, span_count=2), "ab" * 32)
    document = json.loads(json.dumps(to_document(study)))
    assert document["judged"] is True
    assert list(document) == [
        "schema_version", "judged", "set_name", "setting", "made_at", "version", "commit", "days", "seeds", "families",
        "policies", "frozen_hash", "frozen_count", "strange", "outcomes", "full_cycles", "rebalance",
    ]  # fmt: skip
    assert from_document(document) == study
    both = replace(study, full_cycles=True, rebalance=True)
    assert from_document(json.loads(json.dumps(to_document(both)))) == both


def test_a_study_from_before_full_cycles_is_read() -> None:
    study = make_study(make_outcomes({"a": noisy(0.5, 0.1)}))
    document = to_document(study)
    assert (document.pop("full_cycles"), document.pop("rebalance")) == (False, False)
    assert from_document(document) == study


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"schema_version": 2}, "schema_version is 2, not 1"),
        ({"seeds": [1, 2]}, "some policy has not met each"),
        ({"outcomes": []}, "some policy has not met each"),
        ({"days": "x"}, "Expected `float`"),
    ],
)
def test_what_is_no_study_is_refused(changes: dict[str, Any], complaint: str) -> None:
    document = to_document(make_study(make_outcomes({"a": noisy(0.5, 0.1)})))
    with pytest.raises(ValueError, match=complaint):
        from_document(document | changes)


def test_outcomes_of_other_spans_are_refused() -> None:
    both = make_outcomes({"a": noisy(0.5, 0.1)}, ("calm",)) + make_outcomes(
        {"a": noisy(0.5, 0.1)}, ("wild",), span_count=2
    )
    with pytest.raises(ValueError, match="same spans"):
        from_document(to_document(make_study(both)))
