"""What is believed of payments that didn't settle: as much as their sender has paid for, in whatever pieces."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revops.decide.belief import UNSETTLED_PER_SETTLED, belief_in
from revops.decide.reputation import STRANGER, counted, weight_of
from revops.decide.scoring import score_forwards
from revops.domain.traffic import REPUTATION_HALF_LIFE_SECONDS, FinalForward, Lesson, Reputation, Role
from tests.builders import DAY, NOW, channel_id, node_id
from tests.decide.test_decide_reputation import FAILED, REFUSED, SETTLED, final
from tests.decide.test_decide_scoring import KNOWN, TWO, traffic

#: Has paid for 10,000 sat, and is believed up to 30,000 of other payments.
PAYER = Reputation(success=1.0, updated_at=NOW, settled_msat=1e7)


def wish(**overrides: Any) -> FinalForward:
    """A payment of 10,000 sat that was refused for want of liquidity."""
    return final(**{"status": REFUSED, "failcode": 0x1007, **overrides})


@pytest.mark.parametrize(
    ("overrides", "sender", "belief"),
    [
        ({"status": SETTLED}, STRANGER, 1.0),
        ({"status": SETTLED, "amount_msat": 1}, STRANGER, 1.0),
        ({}, STRANGER, 0.0),
        ({"status": FAILED}, STRANGER, 0.0),
        ({}, PAYER, 1.0),
        ({"status": FAILED}, PAYER, 1.0),
        ({"amount_msat": 30_000_000}, PAYER, 1.0),
        ({"amount_msat": 300_000_000}, PAYER, 0.1),
        ({}, PAYER._replace(unsettled_msat=2.5e7), 0.5),
        ({}, PAYER._replace(unsettled_msat=3e7), 0.0),
        ({}, PAYER._replace(unsettled_msat=1e30), 0.0),
        # What fades is bound and use alike; an old forward takes as little of both as is left of itself.
        ({"counted_at": NOW + REPUTATION_HALF_LIFE_SECONDS}, PAYER._replace(unsettled_msat=2e7), 0.5),
        ({"counted_at": NOW - REPUTATION_HALF_LIFE_SECONDS, "amount_msat": 60_000_000}, PAYER, 1.0),
        ({"counted_at": NOW - 1e12}, PAYER, 1.0),
        ({"counted_at": NOW - 1e12}, STRANGER._replace(updated_at=NOW), 0.0),
        # Tiny ones prove nothing, nor do other refusals, nor those without an exit.
        ({"amount_msat": 999_999}, PAYER, 0.0),
        ({"status": FAILED, "amount_msat": 999_999}, PAYER, 0.0),
        ({"failcode": 0x100C}, PAYER, 0.0),
        ({"failcode": None}, PAYER, 0.0),
        ({"out_channel_id": None}, PAYER, 0.0),
    ],
)
def test_unsettled_payments_are_believed_as_far_as_their_sender_has_paid(
    overrides: dict[str, Any], sender: Reputation, belief: float
) -> None:
    assert belief_in(wish(**overrides), sender) == pytest.approx(belief)


def test_belief_is_never_more_than_trust() -> None:
    prober = Reputation(failure=98.0, updated_at=NOW, settled_msat=1e12)
    for status in (SETTLED, FAILED, REFUSED):
        assert belief_in(wish(status=status), prober) == weight_of(prober, NOW)


def test_only_paid_payments_of_some_size_widen_the_bound() -> None:
    for role, status, amount_msat, settled_msat in (
        (Role.SENDER, SETTLED, 10**7, 1e7),
        (Role.SENDER, SETTLED, 999_999, 0.0),
        (Role.SENDER, FAILED, 10**7, 0.0),
        (Role.RECEIVER, SETTLED, 10**7, 0.0),
    ):
        found = counted(STRANGER, final(status=status, amount_msat=amount_msat), role)
        assert found.settled_msat == settled_msat


def test_what_was_believed_is_used_up_on_whatever_channel() -> None:
    """A bound of 30,000 sat, and four payments of 10,000 by four channels."""
    page = [wish(created_index=index, out_channel_id=channel_id(10 + index), counted_at=NOW) for index in range(4)]
    found = score_forwards(page, traffic(senders={node_id(1): PAYER}), NOW)
    demand = [found.channels[channel_id(10 + index)].demand_msat for index in range(4)]
    assert demand == pytest.approx([1e7, 1e7, 1e7, 0.0])
    assert found.senders[node_id(1)].unsettled_msat == pytest.approx(3e7)
    assert found.senders[node_id(1)][:2] == PAYER[:2]  # a refusal is no failure of its sender's


def test_demand_squares_are_those_of_what_is_believed() -> None:
    one = wish(amount_msat=300_000_000)
    found = score_forwards([one], traffic(senders={node_id(1): PAYER}), NOW).channels[TWO]
    assert found.demand_msat == pytest.approx(3e7)
    assert found.demand_squares == pytest.approx(9e14)


def test_strangers_and_the_nameless_prove_nothing_by_what_does_not_settle() -> None:
    for overrides in ({}, {"sender_id": None}, {"status": FAILED, "sender_id": None}):
        found = score_forwards([wish(**overrides)], traffic(senders={}), NOW)
        assert found.channels[TWO].demand_msat == 0.0
        assert found.lessons == {1: Lesson(None, 0)}


@pytest.mark.parametrize(
    ("overrides", "interest_permille"),
    [
        ({"status": SETTLED, "amount_msat": 25_000_000}, 1_000),
        ({"status": SETTLED, "amount_msat": 10**12}, 1_000),
        ({"status": SETTLED, "amount_msat": 1_000_000}, 40),
        ({"status": SETTLED, "amount_msat": 24_999}, 0),
        ({"status": FAILED, "amount_msat": 25_000_000}, 1_000),
        ({"status": FAILED, "amount_msat": 10**12}, 75),  # 75,000,000 sat are believed of it, of 1,000,000,000
        ({"status": FAILED, "amount_msat": 999_999}, 0),
        ({}, 0),  # found no liquidity: the price isn't to blame
    ],
)
def test_interest_is_what_found_liquidity_as_far_as_it_is_believed(
    overrides: dict[str, Any], interest_permille: int
) -> None:
    found = score_forwards([wish(**overrides)], traffic(senders=KNOWN), NOW)
    assert found.lessons[1].interest_permille == interest_permille


payments = st.builds(
    lambda at, status, amount_msat: wish(counted_at=at, status=status, amount_msat=amount_msat, out_msat=amount_msat),
    st.floats(NOW - 60 * DAY, NOW),
    st.sampled_from([SETTLED, FAILED, REFUSED]),
    st.sampled_from([10**3, 10**6, 10**8, 10**13]),
)


@given(page=st.lists(payments, max_size=40), ordered=st.booleans())
def test_all_that_is_believed_together_is_within_the_bound(page: list[FinalForward], ordered: bool) -> None:
    """In whatever order and pieces it comes: never more than three times what was paid for, as both fade."""
    if ordered:
        page.sort(key=lambda forward: forward.counted_at)
    found = score_forwards(page, traffic(), NOW)
    sender = found.senders.get(node_id(1), STRANGER)
    assert sender.unsettled_msat <= UNSETTLED_PER_SETTLED * sender.settled_msat * (1 + 1e-9)
    settled_msat = sum(one.amount_msat for one in page if one.status is SETTLED and one.amount_msat >= 10**6)
    if TWO in found.channels:
        demand = found.channels[TWO].demand_msat
        assert demand <= (1 + UNSETTLED_PER_SETTLED) * settled_msat * (1 + 1e-9)


@given(page=st.lists(payments, max_size=12), seed=st.randoms(use_true_random=False))
def test_what_was_paid_adds_up_in_any_order(page: list[FinalForward], seed: Any) -> None:
    one = score_forwards(page, traffic(), NOW).senders.get(node_id(1), STRANGER).at(NOW)
    seed.shuffle(page)
    other = score_forwards(page, traffic(), NOW).senders.get(node_id(1), STRANGER).at(NOW)
    assert one.settled_msat == pytest.approx(other.settled_msat, rel=1e-9)
    assert one[:2] == pytest.approx(other[:2], rel=1e-9)
