"""Spans and moments as people type them: "7d", "12h", "2026-11-01", "2026-11-01T12:30". Moments are UTC."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any, Final

import click

from revops.domain.period import DAY_SECONDS, Period, last_days
from revops.report.amounts import day

_UNITS: Final = {"m": 60, "h": 3_600, "d": 86_400, "w": 7 * 86_400}
#: A time of day without seconds, whatever zone follows.
_MINUTE: Final = re.compile(r"[T ][0-9]{2}:[0-9]{2}(Z|[+-][0-9:]+)?$")
_MINUTE_END_SECONDS: Final = 59.999
_SPAN: Final = re.compile(r"([0-9]{1,5})([mhdw])")


class Span(click.ParamType):  # type: ignore[type-arg]  # older clicks have no argument here
    """A number of minutes, hours, days or weeks; becomes seconds."""

    name = "span"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Given the text, return the seconds; fail for anything but a span above 0."""
        seconds = seconds_of(str(value))
        if not seconds:
            self.fail(f"{value!r} is not a span like 90m, 12h, 7d or 2w.", param, ctx)
        return seconds


class Moment(click.ParamType):  # type: ignore[type-arg]  # older clicks have no argument here
    """A day or a time of day in UTC, or how long ago it was; becomes a UTC epoch. A minute is meant to its end: tables
    print the minute in which something happened.
    """

    name = "moment"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Given the text, return the epoch; fail for what is neither."""
        ago_seconds = seconds_of(str(value).removesuffix(" ago"))
        if ago_seconds is not None:
            return time.time() - ago_seconds
        try:
            moment = datetime.fromisoformat(str(value))
        except ValueError:
            self.fail(f"{value!r} is neither a time like 2026-11-01T12:30 nor a span like 12h ago.", param, ctx)
        at = (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()
        return at + _MINUTE_END_SECONDS if _MINUTE.search(str(value)) else at


class Day(click.ParamType):  # type: ignore[type-arg]  # older clicks have no argument here
    """A UTC day; becomes its number since 1970-01-01."""

    name = "day"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Given the text, return the day's number; fail for what is no day."""
        try:
            return (date.fromisoformat(str(value)) - date(1970, 1, 1)).days
        except ValueError:
            self.fail(f"{value!r} is not a day like 2026-11-01.", param, ctx)


window_days_option = click.option(
    "--window-days", type=click.IntRange(1, 36_500), metavar="N", help="Days of the window (report.window_days)."
)


def seconds_of(text: str) -> int | None:
    """Given a span as people type it, return its seconds; None for what isn't one."""
    match = _SPAN.fullmatch(text.strip().lower())
    return None if match is None else int(match.group(1)) * _UNITS[match.group(2)]


def period_options(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of a period."""
    last = click.option(
        "--last", "last_count", type=click.IntRange(1, 36_500), metavar="N", help="The last N days, today among them."
    )
    until = click.option("--until", "last_day", type=Day(), metavar="DAY", help="Last day (today), UTC.")
    since = click.option(
        "--from", "--since", "first_day", type=Day(), metavar="DAY", help="First day, UTC; or `--last N`."
    )
    return since(until(last(function)))


def period_of(first_day: int | None, last_day: int | None, last_count: int | None) -> Period | None:
    """Given what was on the line, return the period; None where nothing was. Raise click.UsageError for what doesn't
    go together, and for days that haven't come yet.
    """
    if first_day is None and last_day is None and last_count is None:
        return None
    today = int(time.time() // DAY_SECONDS)
    if last_count is not None:
        if first_day is not None or last_day is not None:
            raise click.UsageError("--last and a period from a day to a day don't go together")
        return last_days(time.time(), last_count)
    for option, number in (("--from", first_day), ("--until", last_day)):
        if number is not None and number > today:
            raise click.UsageError(f"{option} {day(number)} lies in the future: today is {day(today)} (UTC)")
    if first_day is not None and last_day is not None and first_day > last_day:
        raise click.UsageError(
            f"--from {day(first_day)} comes after --until {day(last_day)}: both name days that belong to the period"
        )
    return Period(first_day, today + 1 if last_day is None else last_day + 1)
