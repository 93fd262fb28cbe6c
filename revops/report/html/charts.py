"""The page's drawings, each in the size at which it is shown, so that its text has the size of the text around it.

No text of strangers is in them: names stand in the page, which escapes them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from html import escape
from typing import TYPE_CHECKING, Any, Final

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from revops.domain.period import DAY_SECONDS
from revops.domain.price_history import PriceChange, PriceHistory
from revops.domain.units import MSAT_PER_SAT, sat_floor
from revops.report.html.timeline import Timeline
from revops.report.svg import FAINT, INK, STYLE, svg_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Stand for colours of the page's style sheet.
EARNED, SPENT, FEE = "#a10001", "#a10002", "#a10003"
_COLORS: Final = {
    INK: "var(--ink)",
    FAINT: "var(--faint)",
    EARNED: "var(--earned)",
    SPENT: "var(--spent)",
    FEE: "var(--fee)",
}
#: Width and height in CSS pixels; one inch is 72 of SVG's points here.
BESIDE: Final = (720, 250)
WIDE: Final = (1_100, 230)
NARROW: Final = (340, 230)
CARD: Final = (340, 190)
_UNITS_PER_INCH: Final = 72
_FONT_SIZE: Final = 11.5
#: A wide chart has room for so many dates, a narrow one for so many.
_WIDE_TICKS, _NARROW_TICKS = 10, 5
_STEP_DAYS: Final = (1, 2, 3, 7, 14, 28, 56)
_STEP_MONTHS: Final = (1, 2, 3, 6, 12, 24, 60, 120)
_MOST_STEPPED_DAYS: Final = 120
_WEEK_DAYS: Final = 7
#: Dearest over cheapest from where on prices are drawn on a logarithmic axis.
_WIDE_RATIO: Final = 20
_STYLE: Final[Any] = STYLE | {
    "font.size": _FONT_SIZE,
    "xtick.labelsize": _FONT_SIZE,
    "ytick.labelsize": _FONT_SIZE,
    "axes.labelsize": _FONT_SIZE,
    "axes.spines.left": False,
    "ytick.major.size": 0,
    "axes.grid.axis": "y",
    "figure.constrained_layout.w_pad": 0.02,
    "figure.constrained_layout.h_pad": 0.03,
}


def by_span(found: Timeline, *, wide: bool) -> str:
    """Given a timeline, draw what each of its buckets earned and cost, and its net."""
    with mpl.rc_context(_STYLE):
        figure = _figure(BESIDE if wide else NARROW)
        axes = figure.subplots()
        width = 0.72
        for place, one in enumerate(found.buckets):
            middle, days = (one.first_day + one.end_day) / 2, one.end_day - one.first_day
            earned = axes.bar(middle, sat_floor(one.line.income_msat), width * days, color=EARNED)
            axes.bar(middle, -one.line.cost_msat / MSAT_PER_SAT, width * days, color=SPENT)
            earned.patches[0].set_gid(f"tip-{place}")
        middles = [(one.first_day + one.end_day) / 2 for one in found.buckets]
        nets = [one.line.net_msat / MSAT_PER_SAT for one in found.buckets]
        axes.plot(middles, nets, color=INK, linewidth=1.4, marker="o", markersize=3.2 if len(nets) <= 60 else 0)
        axes.axhline(0, color=INK, linewidth=0.8)
        _amounts(axes, f"sat a {found.unit}", 5)
        _dates(axes, found.buckets[0].first_day, found.buckets[-1].end_day, wide=wide)
        return _with_tips(_svg(figure, f"span-{wide:d}"), [one.told for one in found.buckets])


def added_up(found: Timeline, *, wide: bool) -> str:
    """Given a timeline, draw its net as it added up, and that of the days before it at the same distance."""
    with mpl.rc_context(_STYLE):
        figure = _figure(WIDE if wide else NARROW)
        axes = figure.subplots()
        days, nets = _from_nothing(found.first_day, found.net_msat)
        axes.fill_between(days, nets, 0, color=EARNED, alpha=0.16, linewidth=0)
        if found.before_msat:
            shifted, earlier = _from_nothing(found.first_day, found.before_msat)
            axes.plot(shifted, earlier, color=INK, linewidth=1.3, linestyle=(0, (4, 3)), alpha=0.7)
        axes.plot(days, nets, color=EARNED, linewidth=2)
        axes.plot(days[-1:], nets[-1:], color=EARNED, marker="o", markersize=5, clip_on=False)
        axes.axhline(0, color=INK, linewidth=0.8)
        _amounts(axes, "sat, added up", 5)
        _dates(axes, found.first_day, days[-1], wide=wide)
        return _svg(figure, f"sum-{wide:d}")


def _from_nothing(first_day: int, sums_msat: Sequence[int]) -> tuple[list[int], list[float]]:
    """Sums at the ends of days, and the 0 that they begin with."""
    days = [first_day + place for place in range(len(sums_msat) + 1)]
    return days, [0.0, *(sum_msat / MSAT_PER_SAT for sum_msat in sums_msat)]


def prices(history: PriceHistory, first_day: int, end_day: int) -> str:
    """Given a channel's prices in a period of UTC days, draw its fee, and below it what each day earned."""
    with mpl.rc_context(_STYLE):
        figure = _figure(CARD)
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
        changes = _a_pixel_each(history.changes, (end_day - first_day) * DAY_SECONDS / CARD[0])
        at = [change.from_at / DAY_SECONDS for change in changes]
        ppm = [float("nan") if change.ppm is None else float(change.ppm) for change in changes]
        above.step([*at, float(end_day)], [*ppm, ppm[-1]], where="post", color=FEE, linewidth=1.8)
        known = [change.ppm for change in history.changes if change.ppm is not None]
        if known and max(known) > _WIDE_RATIO * max(min(known), 1):
            above.set_yscale("symlog", linthresh=10)
        else:
            above.margins(y=0.15)
        _amounts(above, "ppm", 3)
        size = 1 if end_day - first_day <= _MOST_STEPPED_DAYS else _WEEK_DAYS
        days = list(range(first_day, end_day, size))
        earned = [_a_day_sat(history, day, min(day + size, end_day)) for day in days]
        below.fill_between([*days, end_day], [*earned, earned[-1]], step="post", color=EARNED, linewidth=0)
        below.set_ylim(bottom=0)
        if not any(earned):
            below.set_ylim(0, 1)
        _amounts(below, "sat a day", 2)
        _dates(below, first_day, end_day, wide=False)
        figure.align_ylabels()
        return _svg(figure, f"price-{history.channel_id}")


def _a_pixel_each(changes: Sequence[PriceChange], seconds: float) -> list[PriceChange]:
    """Given prices and how long a pixel lasts, return the last of each pixel: no more can be seen."""
    return list({int(change.from_at // seconds): change for change in changes}.values())


def _a_day_sat(history: PriceHistory, first_day: int, end_day: int) -> int:
    earned_msat = sum(history.earned_msat.get(day, 0) for day in range(first_day, end_day))
    return sat_floor(earned_msat // (end_day - first_day))


def _figure(size: tuple[int, int]) -> Figure:
    return Figure(figsize=(size[0] / _UNITS_PER_INCH, size[1] / _UNITS_PER_INCH), layout="constrained")


def _amounts(axes: Axes, unit: str, most: int) -> None:
    """Label the y axis in whole numbers with thousands separators."""
    axes.set_ylabel(unit)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _place: f"{value:,.0f}"))
    axes.yaxis.set_minor_locator(mpl.ticker.NullLocator())
    if axes.get_yscale() == "linear":
        axes.yaxis.set_major_locator(MaxNLocator(most, integer=True, min_n_ticks=2))


def _dates(axes: Axes, first_day: int, end_day: int, *, wide: bool) -> None:
    axes.set_xlim(first_day, end_day)
    ticks = date_ticks(first_day, end_day, _WIDE_TICKS if wide else _NARROW_TICKS)
    axes.set_xticks([place for place, _ in ticks], [label for _, label in ticks])


def date_ticks(first_day: int, end_day: int, most: int) -> list[tuple[float, str]]:
    """Given UTC days, the last one left out, and how many labels there is room for, return where which date stands: a
    day's label under its middle, a month's under its first day.
    """
    span = end_day - first_day
    if span <= _MOST_STEPPED_DAYS:
        step = next((step for step in _STEP_DAYS if span <= most * step), _STEP_DAYS[-1])
        days = range(end_day - 1, first_day - 1, -step)
        return [(day + 0.5, _dated(day, lambda at: f"{at.day} {at:%b}")) for day in reversed(days)]
    starts = [day for day in range(first_day, end_day) if _date(day).day == 1]
    step = next((step for step in _STEP_MONTHS if len(starts) <= most * step), _STEP_MONTHS[-1])
    chosen = [day for day in starts if (12 * _date(day).year + _date(day).month - 1) % step == 0]
    return [(float(day), _dated(day, lambda at: f"{at:%b %Y}" if at.month == 1 else f"{at:%b}")) for day in chosen]


def _date(day: int) -> datetime:
    return datetime.fromtimestamp(day * DAY_SECONDS, UTC)


def _dated(day: int, form: Callable[[datetime], str]) -> str:
    return form(_date(day))


def _svg(figure: Figure, name: str) -> str:
    """The drawing with coordinates to a tenth of a pixel, and text in the page's font."""
    text = svg_of(figure, name, _COLORS)
    text = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>\s*", "", text, flags=re.DOTALL)
    text = re.sub(r"font-family: [^;\"]+", "font-family: inherit", text)
    text = re.sub(r' (?:width|height)="[\d.]+pt"', "", text)
    text = re.sub(r"<[^>]*>", lambda tag: re.sub(r"-?\d+\.\d{3,}", _shorter, tag.group()), text)
    return re.sub(r"\s*\n\s*", " ", text)


def _shorter(number: re.Match[str]) -> str:
    return f"{float(number.group()):.1f}".removesuffix(".0")


def _with_tips(svg: str, tips: Sequence[str]) -> str:
    """Say over each marked shape what it is."""

    def told(opening: re.Match[str]) -> str:
        return f"{opening.group()}<title>{escape(tips[int(opening.group(1))])}</title>"

    return re.sub(r'<g id="[\w-]*tip-(\d+)">', told, svg)
