"""Plots of a study as SVG that stands inside a page: text stays text, and ink takes the page's colours.

Only the extra `html` brings matplotlib: this module and `drawing.py` are imported where plots are wanted. Figures are
narrow, so that their text is readable on a phone.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import matplotlib as mpl
from matplotlib.figure import Figure

from revops.report.svg import INK, STYLE, svg_of
from revops.sim.arena.drawing import COLORS, ROW_INCHES, WIDTH_INCHES, new_figure, short_name
from revops.sim.arena.figures import Figures, own_outcomes
from revops.sim.arena.outcome import Outcome, Study
from revops.sim.arena.stats import SpanFigures, world_shares

#: More updates a day than this, and gossip no longer carries them.
MOST_UPDATES: Final = 2.0
SAMPLE_WORLDS: Final = 6


@dataclass(frozen=True, slots=True)
class Plot:
    """A plot: its title, what to see in it, and the drawing as SVG."""

    title: str
    caption: str
    svg: str


def plots(study: Study, figures: Figures) -> Iterator[Plot]:
    """Given a study and its figures, draw them."""
    colors = {one.policy: COLORS[place % len(COLORS)] for place, one in enumerate(figures.spans[-1].policies)}
    with mpl.rc_context(STYLE):
        yield Plot(
            "Share of the oracle",
            "Of what the best constant fees in hindsight make, over all worlds; bars are 95 % intervals.",
            _shares(figures, colors),
        )
        for span in figures.spans:
            yield Plot(
                f"Share by family, {_days(span)}",
                "Per cent of the oracle. Framed: the best in its row.",
                _heat_map(span),
            )
        yield Plot(
            f"Every world, {_days(figures.spans[-1])}",
            "One dot a world, by share of the oracle; the line is the median.",
            _worlds(study, len(figures.spans) - 1, colors),
        )
        yield Plot(
            "Updates per channel and day",
            "The line is at two a day: more than that, gossip no longer carries.",
            _updates(figures, colors),
        )
        curves = _curves(study, colors)
        if curves:
            yield Plot(
                "What forwards have earned by each day",
                "Some worlds, thousand sat; what balances are worth is not in it.",
                curves,
            )


def _days(span: SpanFigures) -> str:
    return f"days {span.first_day:g} to {span.last_day:g}"


def _shares(figures: Figures, colors: dict[str, str]) -> str:
    last = figures.spans[-1]
    ranked = sorted(last.policies, key=lambda one: one.share.value)
    names = [one.policy for one in ranked]
    figure, axes = new_figure(0.9 + len(names) * (ROW_INCHES + 0.1 * (len(figures.spans) - 1)))
    for number, span in enumerate(figures.spans):
        offset = (number - (len(figures.spans) - 1) / 2) * 0.3
        latest = number == len(figures.spans) - 1
        for one in span.policies:
            y = names.index(one.policy) - offset
            low, high = one.share.low, one.share.high
            if low is not None and high is not None:
                axes.plot([100 * low, 100 * high], [y, y], color=colors[one.policy], linewidth=2, alpha=0.8)
            axes.plot(
                [100 * one.share.value], [y], "o" if latest else "D", markersize=6 if latest else 5,
                color=colors[one.policy], markerfacecolor=colors[one.policy] if latest else "none",
            )  # fmt: skip
    axes.set_yticks(range(len(names)), [short_name(name) for name in names])
    spans = [_days(span) for span in figures.spans]
    axes.set_xlabel("per cent" + (f"   (open: {spans[0]}; full: {spans[-1]})" if len(spans) > 1 else ""))
    axes.axvline(100, color=INK, linewidth=0.8, linestyle=":")
    return svg_of(figure, "shares")


def _heat_map(span: SpanFigures) -> str:
    policies = [one.policy for one in span.policies]
    families = list(dict.fromkeys(one.family for one in span.families))
    shares = {(one.family, one.policy): one.share.value for one in span.families}
    longest = max(len(short_name(policy)) for policy in policies)
    figure, axes = new_figure(0.3 + ROW_INCHES * len(families) + 0.06 * longest)
    cells = [[shares[family, policy] for policy in policies] for family in families]
    colormap = mpl.colormaps["viridis"]
    axes.pcolormesh(cells, cmap=colormap, vmin=0.0, vmax=1.0, edgecolors="none")
    for y, row in enumerate(cells):
        for x, share in enumerate(row):
            red, green, blue, _alpha = colormap(min(max(share, 0.0), 1.0))
            bright = 0.3 * red + 0.6 * green + 0.1 * blue > 0.5
            axes.text(
                x + 0.5, y + 0.53, f"{round(100 * share)}", ha="center", va="center", fontsize=8,
                color="#000000" if bright else "#ffffff",
            )  # fmt: skip
        best = row.index(max(row))
        axes.plot(
            [best + 0.04, best + 0.96, best + 0.96, best + 0.04, best + 0.04],
            [y + 0.06, y + 0.06, y + 0.94, y + 0.94, y + 0.06], color="#ff5533", linewidth=1.6,
        )  # fmt: skip
    axes.set_xticks(
        [x + 0.5 for x in range(len(policies))], [short_name(policy) for policy in policies],
        rotation=45, rotation_mode="anchor", horizontalalignment="left",
    )  # fmt: skip
    axes.tick_params(axis="x", top=True, labeltop=True, bottom=False, labelbottom=False)
    axes.set_yticks([y + 0.5 for y in range(len(families))], [short_name(family) for family in families])
    axes.tick_params(length=0)
    axes.set_ylim(len(families), 0)
    axes.grid(visible=False)
    for spine in axes.spines.values():
        spine.set_visible(False)
    return svg_of(figure, f"families {span.first_day:g}")


def _worlds(study: Study, span: int, colors: dict[str, str]) -> str:
    outcomes = own_outcomes(study)
    shares = {policy: world_shares(outcomes, span, policy) for policy in colors}
    names = sorted(colors, key=lambda policy: _median(shares[policy]))
    figure, axes = new_figure(0.9 + ROW_INCHES * 1.25 * len(names))
    for y, policy in enumerate(names):
        found = [100 * share for share in shares[policy]]
        # Neighbours in order of their share lie on different heights, so that dots don't hide each other.
        heights = [y + 0.3 * math.sin(2.4 * place) for place in range(len(found))]
        axes.plot(found, heights, "o", markersize=3, alpha=0.5, color=colors[policy], markeredgewidth=0)
        if found:
            middle = 100 * _median(shares[policy])
            axes.plot([middle, middle], [y - 0.4, y + 0.4], color=INK, linewidth=1.5)
    axes.set_yticks(range(len(names)), [short_name(name) for name in names])
    axes.set_xlabel("per cent of the oracle")
    axes.axvline(100, color=INK, linewidth=0.8, linestyle=":")
    return svg_of(figure, "worlds")


def _updates(figures: Figures, colors: dict[str, str]) -> str:
    span = figures.spans[-1]
    ranked = sorted(span.policies, key=lambda one: -one.updates_per_day)
    figure, axes = new_figure(0.9 + ROW_INCHES * len(ranked))
    for y, one in enumerate(ranked):
        axes.barh(y, one.updates_per_day, height=0.6, color=colors[one.policy])
        axes.text(one.updates_per_day, y, f" {one.updates_per_day:.2f}", va="center", fontsize=8)
    axes.set_yticks(range(len(ranked)), [short_name(one.policy) for one in ranked])
    axes.axvline(MOST_UPDATES, color=INK, linewidth=0.8, linestyle=":")
    axes.set_xlim(0, max(MOST_UPDATES, *(one.updates_per_day for one in ranked)) * 1.15)
    axes.set_xlabel(_days(span))
    return svg_of(figure, "updates")


def _curves(study: Study, colors: dict[str, str]) -> str:
    """Small multiples, or nothing where no curve was kept."""
    worlds: dict[tuple[str, int], list[Outcome]] = {}
    for outcome in own_outcomes(study):
        if len(outcome.curve_msat) > 1:
            worlds.setdefault((outcome.family, outcome.seed), []).append(outcome)
    if not worlds:
        return ""
    step = max(1, len(worlds) // SAMPLE_WORLDS)
    chosen = list(worlds.items())[::step][:SAMPLE_WORLDS]
    rows = math.ceil(len(chosen) / 2)
    legend_rows = math.ceil(len(colors) / 3)
    figure = Figure(figsize=(WIDTH_INCHES, 1.55 * rows + 0.2 * legend_rows), layout="constrained")
    grid = figure.subplots(rows, 2, squeeze=False)
    places = [axes for row in grid for axes in row]
    for axes, ((family, seed), outcomes) in zip(places, chosen, strict=False):
        for outcome in outcomes:
            thousands = [earned_msat / 1e6 for earned_msat in outcome.curve_msat]
            axes.plot(thousands, color=colors[outcome.policy], linewidth=1.3, label=short_name(outcome.policy))
        axes.set_title(f"{short_name(family)}, seed {seed}")
        axes.tick_params(labelsize=8)
    for axes in places[len(chosen) :]:
        axes.set_visible(False)
    handles, labels = places[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False, fontsize=8)
    return svg_of(figure, "curves")


def _median(shares: Sequence[float]) -> float:
    return statistics.median(shares) if shares else -math.inf
