"""All baselines by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from revops.sim.arena.baselines.charge_lnd import ChargeLnd
from revops.sim.arena.baselines.clboss import Clboss
from revops.sim.arena.baselines.feeadjuster import FeeAdjuster
from revops.sim.arena.baselines.lndg import Lndg
from revops.sim.arena.baselines.predecessor import Predecessor
from revops.sim.arena.baselines.static import constant, nothing
from revops.sim.arena.baselines.view import Baseline

#: What makes each for a node that it never saw.
BASELINES: Final[Mapping[str, Callable[[], Baseline]]] = {
    "nothing": lambda: nothing,
    "constant": lambda: constant,
    "proportional": ChargeLnd,
    "feeadjuster": FeeAdjuster,
    "clboss": Clboss,
    "lndg": Lndg,
    "predecessor": Predecessor,
}
