"""Moments and periods as people type them."""

from __future__ import annotations

import click
import pytest

from revops.cli.spans import Moment, period_of
from revops.domain.period import Period
from revops.report.profit import period_words


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


@pytest.fixture(autouse=True)
def third_day(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is noon on 1970-01-03."""
    monkeypatch.setattr("time.time", lambda: 2.5 * 86_400)


@pytest.mark.parametrize(
    ("given", "period"),
    [
        ((None, None, None), None),
        ((0, 1, None), Period(0, 2)),
        ((2, 2, None), Period(2, 3)),
        ((2, None, None), Period(2, 3)),
        ((None, 2, None), Period(None, 3)),
        ((None, None, 2), Period(1, 3)),
    ],
)
def test_a_period_has_its_first_and_its_last_day(
    given: tuple[int | None, int | None, int | None], period: Period | None
) -> None:
    assert period_of(*given) == period


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ((None, 3, None), "--until 1970-01-04 lies in the future: today is 1970-01-03 (UTC)"),
        ((0, 3, None), "--until 1970-01-04 lies in the future"),
        ((3, None, None), "--from 1970-01-04 lies in the future"),
        ((1, 0, None), "--from 1970-01-02 comes after --until 1970-01-01: both name days that belong to the period"),
        ((1, None, 2), "--last"),
        ((None, 1, 2), "--last"),
    ],
)
def test_a_period_that_cannot_be_is_told_apart(given: tuple[int | None, int | None, int | None], said: str) -> None:
    with pytest.raises(click.UsageError) as raised:
        period_of(*given)
    assert str(raised.value).startswith(said)


def test_the_header_of_a_page_says_which_days_it_is_of() -> None:
    assert period_words(86_400.0, 3 * 86_400.0) == "1970-01-02 to 1970-01-03, 2 days (UTC)"
    assert period_words(86_400.0, 2 * 86_400.0) == "1970-01-02 to 1970-01-02, 1 day (UTC)"
    assert period_words(0.0, 2 * 86_400.0) == "From the first day on record to 1970-01-02 (UTC)"
