"""How plots of a study are drawn: colours, sizes and names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from matplotlib.figure import Figure

from revops.domain.text import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: M. Okabe & K. Ito's palette without black and yellow, which one of two backgrounds swallows, and four more.
COLORS: Final = (
    "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#999933", "#888888", "#AA4466", "#44AA99",
)  # fmt: skip
WIDTH_INCHES: Final = 4.6
ROW_INCHES: Final = 0.27
NAME_LENGTH: Final = 20


def short_name(name: str) -> str:
    """Given a name that stands beside an axis, return as much of it as a plot has room for."""
    shown = printable(name)
    return shown if len(shown) <= NAME_LENGTH else f"{shown[: NAME_LENGTH - 1]}…"


def new_figure(height_inches: float) -> tuple[Figure, Axes]:
    """Given a height, return a figure of the page's width, and its axes."""
    figure = Figure(figsize=(WIDTH_INCHES, max(height_inches, 1.4)), layout="constrained")
    return figure, figure.subplots()
