"""What a node's channels ask over what others charge: who speaks, how much that is believed, and its bounds."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revops.decide.fees import decide_fees
from revops.decide.node_ratio import HALF_BELIEVED_COUNT, LEAST_INTEREST_COUNT, MOST_RATIO, node_ratio
from revops.domain.decision import PriceWindow
from revops.domain.policy import FeesConfig
from revops.domain.signals import Signals
from revops.domain.snapshot import FeeInput
from tests.builders import HOUR, NOW, make_channel, make_fee_input, make_fee_snapshot, make_state
from tests.strategies import fee_inputs


def asks(
    fee_ppm: int, anchor_ppm: int | None, count: float = LEAST_INTEREST_COUNT, number: int = 1, hours: float = 24.0
) -> FeeInput:
    """A channel at a fee whose peer others ask `anchor_ppm`, with so many payments in its memory."""
    windows = tuple(PriceWindow(NOW - HOUR, fee_ppm, hours / 2, count / 2) for _half in range(2))
    return make_fee_input(
        make_channel(number, fee_ppm=fee_ppm),
        state=make_state(fee_ppm=fee_ppm, windows=windows),
        signals=Signals(anchor_ppm=anchor_ppm),
    )


@pytest.mark.parametrize(
    ("inputs", "ratio"),
    [
        ([], 1.0),
        # Who has little to show, or nothing to compare with, doesn't speak.
        ([asks(900, 100, LEAST_INTEREST_COUNT - 0.1), asks(900, None), make_fee_input(state=None)], 1.0),
        ([asks(100, 100)], 1.0),
        ([asks(200, 100)], 2 ** (1 / (1 + HALF_BELIEVED_COUNT))),
        ([asks(200, 100), asks(200, 100)], 2 ** (2 / (2 + HALF_BELIEVED_COUNT))),
        ([asks(200, 100), asks(50, 100)], 1.0),
        ([asks(200, 100), asks(5, None)], 2 ** (1 / (1 + HALF_BELIEVED_COUNT))),
        ([asks(0, 0)], 1.0),
        ([asks(0, 100)] * 100, 1 / MOST_RATIO),
        ([asks(3_000, 0)] * 100, MOST_RATIO),
    ],
)
def test_the_ratio(inputs: list[FeeInput], ratio: float) -> None:
    assert node_ratio(inputs) == pytest.approx(ratio)


@given(inputs=st.lists(fee_inputs(), max_size=6), factor=st.integers(2, 50))
def test_it_is_within_bounds_and_whoever_asks_more_raises_it(inputs: list[FeeInput], factor: int) -> None:
    ratio = node_ratio(inputs)
    assert 1 / MOST_RATIO <= ratio <= MOST_RATIO
    assert node_ratio(reversed(inputs)) == pytest.approx(ratio)
    assert node_ratio([*inputs, asks(200, 200)]) == pytest.approx(1.0, abs=abs(ratio - 1) + 1e-9)
    assert node_ratio([*inputs, asks(200 * factor, 200)]) >= node_ratio([*inputs, asks(200, 200)])


def test_a_channel_with_little_to_show_follows_its_siblings() -> None:
    """Others charge 200 into all peers; the newcomer has asked that for a while, and sold a little."""
    policy = FeesConfig(strategy="demand")
    started = make_state(fee_ppm=200, window_start_at=NOW - 10 * HOUR, counted_at=NOW - 3 * HOUR)
    newcomer = replace(asks(200, 200), state=started, earned_count=2)

    def value_ppm(sibling_ppm: int) -> float:
        siblings = [asks(sibling_ppm, 200, number=number) for number in range(2, 8)]
        by_id = {one.channel_id: one for one in decide_fees(make_fee_snapshot(newcomer, *siblings), policy).decisions}
        return by_id[newcomer.channel.channel_id].value_ppm

    assert 1.2 * value_ppm(50) < value_ppm(200) < value_ppm(800) / 1.2
