"""`reliability`: what attempts teach of a pair and its channels, and how long a failure keeps one away."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revops.decide.rebalance.reliability import (
    FUTILE_COUNT,
    HALF_LIFE_SECONDS,
    MOST_DOUBLINGS,
    NEIGHBOUR_WEIGHT,
    PRIOR_RATIO,
    PRIOR_WEIGHT,
    WAIT_TIMES,
    reliability,
)
from revops.domain.policy import RebalanceConfig
from revops.domain.rebalance import Attempt, FailureKind
from tests.builders import HOUR, NOW

POLICY = RebalanceConfig()
FEE = FailureKind.FEE_TOO_LOW


def tried(kind: FailureKind | None, hours_ago: float, source: str = "a", target: str = "b") -> Attempt:
    return Attempt(source, target, NOW - hours_ago * HOUR, kind)


def test_of_a_stranger_the_prior_is_believed() -> None:
    known = reliability((), NOW)
    assert known.success_ratio("a", "b") == PRIOR_RATIO
    assert known.hang_ratio("a", "b") == 0
    assert known.pair_wait("a", "b", POLICY) is None
    assert known.target_wait("b", POLICY) is None


def test_a_failure_counts_once_and_fades_by_half_in_a_half_life() -> None:
    fresh, faded = (reliability([tried(FEE, hours)], NOW) for hours in (0, HALF_LIFE_SECONDS / HOUR))
    assert fresh.success_ratio("a", "b") == pytest.approx(PRIOR_RATIO * PRIOR_WEIGHT / (PRIOR_WEIGHT + 1))
    assert faded.success_ratio("a", "b") == pytest.approx(PRIOR_RATIO * PRIOR_WEIGHT / (PRIOR_WEIGHT + 0.5))


def test_what_the_channels_did_with_others_counts_less() -> None:
    known = reliability([tried(FEE, 0, "a", "other"), tried(None, 0, "other", "b")], NOW)
    wanted = (PRIOR_RATIO * PRIOR_WEIGHT + NEIGHBOUR_WEIGHT) / (PRIOR_WEIGHT + 2 * NEIGHBOUR_WEIGHT)
    assert known.success_ratio("a", "b") == pytest.approx(wanted)
    assert known.success_ratio("c", "d") == PRIOR_RATIO


def test_only_what_hung_counts_as_hanging() -> None:
    known = reliability([tried(FailureKind.TIME_OUT, 0), tried(FEE, 0)], NOW)
    assert known.hang_ratio("a", "b") == pytest.approx(1 / (PRIOR_WEIGHT + 2))
    assert known.hang_ratio("a", "other") == 0


@pytest.mark.parametrize("kind", FailureKind)
def test_each_kind_of_failure_has_its_own_wait(kind: FailureKind) -> None:
    hours = POLICY.cooldown_seconds / HOUR * WAIT_TIMES[kind]
    assert reliability([tried(kind, hours + 0.01)], NOW).pair_wait("a", "b", POLICY) is None
    wait = reliability([tried(kind, hours - 0.01)], NOW).pair_wait("a", "b", POLICY)
    assert wait is not None
    assert wait.until_at == pytest.approx(NOW + 0.01 * HOUR)
    assert wait.failure_count == 1


@pytest.mark.parametrize(("count", "hours"), [(1, 2), (2, 4), (3, 8), (7, 128), (8, 128)])
def test_the_wait_doubles_with_each_failure_in_a_row_up_to_a_bound(count: int, hours: float) -> None:
    wait = reliability([tried(FEE, 0)] * count, NOW).pair_wait("a", "b", POLICY)
    assert wait is not None
    assert wait.until_at == NOW + hours * HOUR
    assert count - 1 <= MOST_DOUBLINGS or hours == 2 * 2**MOST_DOUBLINGS


def test_a_success_ends_the_row() -> None:
    assert reliability([tried(FEE, 1), tried(FEE, 0.5), tried(None, 0.2)], NOW).pair_wait("a", "b", POLICY) is None
    wait = reliability([tried(FEE, 1), tried(None, 0.5), tried(FEE, 0.2)], NOW).pair_wait("a", "b", POLICY)
    assert wait is not None
    assert wait.failure_count == 1


def test_a_target_that_fails_with_everybody_is_left_alone() -> None:
    enough = [tried(FEE, 0, f"source {number}") for number in range(FUTILE_COUNT)]
    assert reliability(enough[1:], NOW).target_wait("b", POLICY) is None
    wait = reliability(enough, NOW).target_wait("b", POLICY)
    assert wait is not None
    assert (wait.failure_count, wait.until_at) == (FUTILE_COUNT, NOW + POLICY.cooldown_seconds)
    assert reliability(enough, NOW).pair_wait("another", "b", POLICY) is None


def test_a_target_whose_peer_delivers_elsewhere_is_left_alone_for_a_week_whoever_pays() -> None:
    """By its first such delivery: it was paid for like one that arrived."""
    astray = tried(FailureKind.MISDELIVERED, 24)
    wait = reliability([tried(None, 30), astray], NOW).target_wait("b", POLICY)
    assert wait is not None
    assert wait.until_at == NOW + 6 * 24 * HOUR
    assert reliability([astray, tried(None, 1)], NOW).target_wait("b", POLICY) is None


@given(
    st.lists(
        st.builds(
            Attempt, st.sampled_from("abc"), st.sampled_from("xyz"), st.floats(NOW - 40 * HOUR, NOW + HOUR),
            st.sampled_from([None, *FailureKind]),
        ),
        max_size=30,
    )
)  # fmt: skip
def test_ratios_are_ratios_and_the_future_counts_as_now(attempts: list[Attempt]) -> None:
    known = reliability(sorted(attempts, key=lambda one: one.ended_at), NOW)
    for source in "abc":
        for target in "xyz":
            assert 0 < known.success_ratio(source, target) < 1
            assert 0 <= known.hang_ratio(source, target) < 1
