"""The strategies by the names that the configuration uses. `off` proposes nothing and so isn't here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from revops.decide.strategies import demand, hill_climb, match_peer, proportional, static
from revops.decide.strategies.base import Strategy

STRATEGIES: Final[Mapping[str, Strategy]] = {
    "hill_climb": hill_climb.propose,
    "demand": demand.propose,
    "proportional": proportional.propose,
    "static": static.propose,
    "match_peer": match_peer.propose,
}

#: Those that try prices instead of naming one: they start from a considered first fee, and the market bounds how far
#: they go.
LEARNING: Final = frozenset(STRATEGIES) - {"proportional", "static", "match_peer"}
