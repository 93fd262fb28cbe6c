"""A series as one short word: "▁▂▅▇". Where the terminal can't show it, `cli/output.py` puts plainer signs in its
place.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

BARS: Final = "▁▂▃▄▅▆▇█"
#: Below zero.
LOSS: Final = "▿"
#: What a terminal without these signs is shown instead.
PLAIN: Final = dict(zip(BARS + LOSS, "_.,:-=*#v", strict=True))


def sparkline(values: Sequence[float]) -> str:
    """Given figures, oldest first, return a bar for each, the largest the highest; a figure below 0 is a mark below.

    Zero is the lowest bar, and nothing else is: a little is seen to be more than nothing.
    """
    top = max(values, default=0)
    return "".join(_bar(value, top) for value in values)


def _bar(value: float, top: float) -> str:
    if value < 0:
        return LOSS
    if value == 0 or top <= 0:
        return BARS[0]
    return BARS[max(1, round(value / top * (len(BARS) - 1)))]
