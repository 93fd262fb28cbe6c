"""How plots are drawn: colours, sizes, and SVG that stands inside a page, where ink takes the page's colours."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Any, Final

import matplotlib as mpl
from matplotlib.figure import Figure

from revops.domain.text import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Stands for the page's own colours, which differ by light and dark.
INK, FAINT = "#010203", "#040506"
#: M. Okabe & K. Ito's palette without black and yellow, which one of two backgrounds swallows, and four more.
COLORS: Final = (
    "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#999933", "#888888", "#AA4466", "#44AA99",
)  # fmt: skip
WIDTH_INCHES: Final = 4.6
ROW_INCHES: Final = 0.27
NAME_LENGTH: Final = 20
#: Some versions of matplotlib type the keys, others don't.
STYLE: Final[Any] = {
    "svg.fonttype": "none",
    "text.parse_math": False,  # a "$" in a name is a "$"
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.titlesize": 9,
    "grid.color": FAINT,
    "grid.alpha": 0.35,
    "grid.linewidth": 0.6,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
}


def short_name(name: str) -> str:
    """Given a name that stands beside an axis, return as much of it as a plot has room for."""
    shown = printable(name)
    return shown if len(shown) <= NAME_LENGTH else f"{shown[: NAME_LENGTH - 1]}…"


def new_figure(height_inches: float) -> tuple[Figure, Axes]:
    """Given a height, return a figure of the page's width, and its axes."""
    figure = Figure(figsize=(WIDTH_INCHES, max(height_inches, 1.4)), layout="constrained")
    return figure, figure.subplots()


def svg_of(figure: Figure, name: str) -> str:
    """Given a figure and its name, return the drawing alone, the same for the same study, with ids of its own."""
    drawn = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": name}):
        figure.savefig(drawn, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    text = drawn.getvalue()
    text = text[text.index("<svg") :].replace(INK, "var(--ink)").replace(FAINT, "var(--faint)")
    own = re.sub(r"\W+", "-", name)
    text = re.sub(r' id="([^"]+)"', rf' id="{own}-\1"', text)
    text = re.sub(r'(href="#|url\(#)', rf"\g<1>{own}-", text)
    return re.sub(r"<metadata>.*?</metadata>\s*", "", text, flags=re.DOTALL)
