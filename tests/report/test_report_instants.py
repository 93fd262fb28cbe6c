"""Instants as pages and files show them, also those that nobody can mean."""

from __future__ import annotations

import math

import pytest

from revops.report.amounts import instant
from revops.report.csv_text import moment


@pytest.mark.parametrize(
    ("at", "shown", "in_csv"),
    [
        (0.0, "1970-01-01 00:00Z", "1970-01-01T00:00:00Z"),
        (1_790_000_059.9, "2026-09-21 14:14Z", "2026-09-21T14:14:19Z"),
        (253_402_300_799.0, "9999-12-31 23:59Z", "9999-12-31T23:59:59Z"),
    ],
)
def test_an_instant_is_cut_and_stays_within_its_minute(at: float, shown: str, in_csv: str) -> None:
    assert (instant(at), moment(at)) == (shown, in_csv)


@pytest.mark.parametrize("at", [253_402_300_800.0, -1e14, 1e300, math.inf, -math.inf, math.nan])
def test_one_that_no_calendar_has_ends_no_page(at: float) -> None:
    assert (instant(at), moment(at)) == ("?", "")
