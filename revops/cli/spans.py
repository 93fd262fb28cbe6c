"""Spans and moments as people type them: "7d", "12h", "2026-11-01", "2026-11-01T12:30". Moments are UTC."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from typing import Any, Final

import click

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


def seconds_of(text: str) -> int | None:
    """Given a span as people type it, return its seconds; None for what isn't one."""
    match = _SPAN.fullmatch(text.strip().lower())
    return None if match is None else int(match.group(1)) * _UNITS[match.group(2)]
