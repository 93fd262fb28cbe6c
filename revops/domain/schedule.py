"""How often each command runs by `crontab.example`: what is expected of one that has run too seldom to tell. A test
holds the two together.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

_HOUR: Final = 3_600.0
_DAY: Final = 86_400.0

#: Commands that leave a run on record, by the longest time between two of their lines.
EVERY_SECONDS: Final[Mapping[str, float]] = MappingProxyType(
    {
        "sync": _HOUR / 2,
        "fees adjust": _HOUR / 2,
        "rebalance plan": _HOUR,
        "rebalance run": _HOUR / 2,
        "rollup": _DAY,
        "reconcile": _DAY,
    }
)
