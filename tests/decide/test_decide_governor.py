"""The governor: dead band, least interval, daily cap."""

from __future__ import annotations

import pytest

from revops.decide.governor import cap, dead_band_ppm, gate
from revops.domain.decision import FeeDecision, Outcome
from revops.domain.policy import FeesConfig
from revops.domain.reason import Reason, ReasonCode, why
from tests.builders import HOUR, NOW, channel_id, make_fee_input, node_id

POLICY = FeesConfig()
DROPPED = why(ReasonCode.ZERO_FLOW_DROP, idle_hours=80.0, fee_ppm=10)
OUTSIDE = why(ReasonCode.OUT_OF_BOUNDS, fee_ppm=5, min_ppm=10, max_ppm=2_500)


def wish(
    number: int = 1,
    old_ppm: int = 100,
    new_ppm: int = 110,
    old_base_msat: int = 0,
    gain_msat: int = 0,
    outcome: Outcome = Outcome.CHANGE,
    reasons: tuple[Reason, ...] = (),
) -> FeeDecision:
    """A change that a strategy wants and the rails let through."""
    return FeeDecision(
        channel_id=channel_id(number),
        peer_id=node_id(number),
        name=str(number),
        strategy="hill_climb",
        outcome=outcome,
        old_ppm=old_ppm,
        proposed_ppm=new_ppm,
        new_ppm=new_ppm,
        old_base_msat=old_base_msat,
        new_base_msat=0,
        expected_gain_msat=gain_msat,
        reasons=reasons,
        state=None,
        state_if_sent=None,
    )


@pytest.mark.parametrize(
    ("current", "policy", "band"),
    [
        (0, POLICY, 2),
        (66, POLICY, 2),
        (67, POLICY, 3),
        (1_000, POLICY, 30),
        (1_001, POLICY, 31),
        (500, FeesConfig(dead_band_ppm=0, dead_band_ratio=0), 1),
    ],
)
def test_the_dead_band_is_the_larger_of_the_two_and_at_least_one(current: int, policy: FeesConfig, band: int) -> None:
    assert dead_band_ppm(current, policy) == band


@pytest.mark.parametrize(
    ("decision", "changed_hours_ago", "outcome", "codes"),
    [
        (wish(), None, Outcome.CHANGE, []),
        (wish(), 8, Outcome.CHANGE, []),
        (wish(), 7.99, Outcome.SKIP, [ReasonCode.MIN_INTERVAL]),
        (wish(), -5, Outcome.SKIP, [ReasonCode.MIN_INTERVAL]),
        (wish(new_ppm=100), None, Outcome.SKIP, []),
        (wish(new_ppm=102), None, Outcome.SKIP, [ReasonCode.DEAD_BAND]),
        (wish(new_ppm=98), 1, Outcome.SKIP, [ReasonCode.DEAD_BAND]),
        (wish(new_ppm=103), None, Outcome.CHANGE, []),
        (wish(new_ppm=97), None, Outcome.CHANGE, []),
        # Another base fee is worth it whatever the rate does, but not sooner.
        (wish(new_ppm=100, old_base_msat=1_000), None, Outcome.CHANGE, []),
        (wish(new_ppm=101, old_base_msat=1_000), 9, Outcome.CHANGE, []),
        (wish(new_ppm=101, old_base_msat=1_000), 1, Outcome.SKIP, [ReasonCode.MIN_INTERVAL]),
        # A fee outside the bounds is corrected at once.
        (wish(old_ppm=5, new_ppm=10, reasons=(OUTSIDE,)), 1, Outcome.CHANGE, [ReasonCode.OUT_OF_BOUNDS]),
        (wish(old_ppm=9, new_ppm=10, reasons=(OUTSIDE,)), -5, Outcome.CHANGE, [ReasonCode.OUT_OF_BOUNDS]),
    ],
)
def test_the_gate(
    decision: FeeDecision, changed_hours_ago: float | None, outcome: Outcome, codes: list[ReasonCode]
) -> None:
    last_changed_at = None if changed_hours_ago is None else NOW - changed_hours_ago * HOUR
    gated = gate(decision, make_fee_input(last_changed_at=last_changed_at), POLICY, NOW)
    assert gated.outcome is outcome
    assert [reason.code for reason in gated.reasons] == codes
    assert all(reason.sentence for reason in gated.reasons)
    assert (gated.old_ppm, gated.new_ppm) == (decision.old_ppm, decision.new_ppm)


@pytest.mark.parametrize(
    ("new_ppm", "reasons", "outcome"),
    [
        (10, (DROPPED,), Outcome.CHANGE),
        (10, (), Outcome.SKIP),
        # A soft floor isn't followed within the band.
        (11, (DROPPED,), Outcome.SKIP),
    ],
)
def test_the_ratchets_last_step_is_as_short_as_it_is(
    new_ppm: int, reasons: tuple[Reason, ...], outcome: Outcome
) -> None:
    policy = FeesConfig(dead_band_ppm=50)
    assert gate(wish(old_ppm=18, new_ppm=new_ppm, reasons=reasons), make_fee_input(), policy, NOW).outcome is outcome
    hasty = make_fee_input(last_changed_at=NOW - HOUR)
    assert gate(wish(old_ppm=18, new_ppm=new_ppm, reasons=reasons), hasty, policy, NOW).outcome is Outcome.SKIP


def test_a_change_in_the_future_is_told_as_just_now() -> None:
    gated = gate(wish(), make_fee_input(last_changed_at=NOW + 5 * HOUR), POLICY, NOW)
    assert gated.reasons[0].sentence == "last changed 0.0 h ago, least interval 8.0 h"


@pytest.mark.parametrize(
    ("own_hours_ago", "outcome"), [(None, Outcome.CHANGE), (8, Outcome.CHANGE), (7.99, Outcome.SKIP)]
)
def test_two_rules_by_turns_announce_no_more_than_one_in_peace(own_hours_ago: float | None, outcome: Outcome) -> None:
    """Rules that go by the balance may put a fee outside the bounds again and again."""
    own = make_fee_input(last_own_changed_at=None if own_hours_ago is None else NOW - own_hours_ago * HOUR)
    assert gate(wish(old_ppm=9, new_ppm=10, reasons=(OUTSIDE,)), own, POLICY, NOW).outcome is outcome


@pytest.mark.parametrize(
    ("own_hours_ago", "outcome"), [(None, Outcome.CHANGE), (8, Outcome.CHANGE), (7.99, Outcome.SKIP)]
)
def test_two_tools_at_war_announce_no_more_than_one_in_peace(own_hours_ago: float | None, outcome: Outcome) -> None:
    """A fee that somebody else put outside the bounds goes back at once, but not again and again."""
    theirs = make_fee_input(
        last_changed_at=NOW,
        external_since_at=NOW,
        last_own_changed_at=None if own_hours_ago is None else NOW - own_hours_ago * HOUR,
    )
    assert gate(wish(old_ppm=9, new_ppm=10, reasons=(OUTSIDE,)), theirs, POLICY, NOW).outcome is outcome


@pytest.mark.parametrize(("used_count", "outcome"), [(0, Outcome.CHANGE), (1, Outcome.CHANGE), (2, Outcome.SKIP)])
def test_a_channel_has_its_own_cap(used_count: int, outcome: Outcome) -> None:
    used = make_fee_input(last_changed_at=NOW - 9 * HOUR, own_updates_last_day_count=used_count)
    gated = gate(wish(), used, POLICY, NOW)
    assert gated.outcome is outcome
    if outcome is Outcome.SKIP:
        assert gated.reasons[0].sentence == "2 of 2 updates a day of this channel are used"


@pytest.mark.parametrize("decision", [wish(), wish(new_ppm=101), wish(old_ppm=5, new_ppm=10, reasons=(OUTSIDE,))])
def test_the_operators_hand_waits_for_nothing(decision: FeeDecision) -> None:
    just_changed = make_fee_input(last_changed_at=NOW, last_own_changed_at=NOW, external_since_at=NOW)
    assert gate(decision, just_changed, POLICY, NOW, forced=True) == decision
    unchanged = gate(wish(new_ppm=100), just_changed, POLICY, NOW, forced=True)
    assert unchanged.outcome is Outcome.SKIP


def test_the_cap_lets_the_urgent_and_then_the_most_promising_through() -> None:
    decisions = [
        wish(1, gain_msat=5),
        wish(2, gain_msat=50, outcome=Outcome.SKIP),
        wish(3, gain_msat=50),
        wish(4, gain_msat=-9, reasons=(OUTSIDE,)),
        wish(5, gain_msat=5),
    ]
    capped = cap(decisions, 97, POLICY)
    assert [decision.outcome for decision in capped] == [
        Outcome.CHANGE,
        Outcome.SKIP,
        Outcome.CHANGE,
        Outcome.CHANGE,
        Outcome.DEFER,
    ]
    assert capped[4].reasons[-1].sentence == "97 of 100 updates a day are used; this one ranks 4"


@pytest.mark.parametrize(("used", "allowed", "changes"), [(0, 2, 2), (1, 2, 1), (2, 2, 0), (9, 2, 0), (0, 0, 0)])
def test_the_cap_counts_what_was_used(used: int, allowed: int, changes: int) -> None:
    policy = FeesConfig(max_updates_per_day=allowed)
    capped = cap([wish(number) for number in (1, 2, 3)], used, policy)
    outcomes = [decision.outcome for decision in capped]
    assert outcomes == [Outcome.CHANGE] * changes + [Outcome.DEFER] * (3 - changes)
