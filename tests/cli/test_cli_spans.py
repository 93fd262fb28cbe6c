"""Moments as people type them."""

from __future__ import annotations

import pytest

from revops.cli.spans import Moment


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("1970-01-02", 86_400.0),
        # As tables print it: the whole minute is meant.
        ("1970-01-01T00:10", 659.999),
        ("1970-01-01 00:10Z", 659.999),
        ("1970-01-01T01:10+01:00", 659.999),
        ("1970-01-01T00:10:05", 605.0),
    ],
)
def test_a_moment_is_utc_and_a_minute_goes_to_its_end(text: str, at: float) -> None:
    assert Moment().convert(text, None, None) == pytest.approx(at)
