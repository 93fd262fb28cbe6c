"""Drawings as SVG that stands inside a page: text stays text, and ink takes the page's colours.

matplotlib draws without a screen or network, lays out axes so that no label is cut, and leaves text as text. Only the
extra `html` brings it; nothing that is always loaded imports this module.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from typing import Any, Final

import matplotlib as mpl
from matplotlib.figure import Figure

#: Stands for the page's own colours, which differ by light and dark.
INK, FAINT = "#010203", "#040506"
_PAGE_COLORS: Final = {INK: "var(--ink)", FAINT: "var(--faint)"}
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


def svg_of(figure: Figure, name: str, colors: Mapping[str, str] = _PAGE_COLORS) -> str:
    """Given a figure and its name, and what stands for which CSS colour, return the drawing alone, the same for the
    same data, with ids of its own.
    """
    drawn = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": name}):
        figure.savefig(drawn, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    text = drawn.getvalue()
    text = text[text.index("<svg") :]
    for stand_in, color in colors.items():
        text = text.replace(stand_in, color)
    own = re.sub(r"\W+", "-", name)
    text = re.sub(r' id="([^"]+)"', rf' id="{own}-\1"', text)
    text = re.sub(r'(href="#|url\(#)', rf"\g<1>{own}-", text)
    return re.sub(r"<metadata>.*?</metadata>\s*", "", text, flags=re.DOTALL)
