"""A series as bars."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revops.report.sparkline import BARS, LOSS, PLAIN, sparkline


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ((), ""),
        ((0, 0), "▁▁"),
        ((1,), "█"),
        ((0, 1, 1_000), "▁▂█"),
        ((-5, 0, 5), "▿▁█"),
        ((-5, -1), "▿▿"),
        ((4, 8), "▅█"),
    ],
)
def test_sparkline(values: tuple[int, ...], shown: str) -> None:
    assert sparkline(values) == shown


@given(st.lists(st.integers(-10, 10**12), min_size=1))
def test_higher_is_never_lower_and_only_nothing_is_the_lowest(values: list[int]) -> None:
    shown = sparkline(values)
    assert len(shown) == len(values)
    order = LOSS + BARS
    for one, bar in zip(values, shown, strict=True):
        assert (bar == BARS[0]) is (one == 0)
        assert (bar == LOSS) is (one < 0)
        assert all(
            order.index(bar) <= order.index(other) for value, other in zip(values, shown, strict=True) if value > one
        )


def test_each_bar_has_a_plain_sign_of_its_own() -> None:
    assert set(PLAIN) == set(BARS + LOSS)
    assert len(set(PLAIN.values())) == len(PLAIN)
    assert all(sign.isascii() and sign.isprintable() for sign in PLAIN.values())
