"""What `revops simulate` can be asked for by name, for its help. A test holds it to what the arena has, which is too
heavy to load for that.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import click

from revops.cli.options import Command

FAMILIES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "elasticity 0.5": "Customers who hardly mind the price.",
        "elasticity 1": "Customers of whom half stay away at twice the price.",
        "elasticity 2": "Customers of whom three quarters do.",
        "elasticity 4": "Customers of whom nearly all do.",
        "logistic": "Each customer has a limit; most limits are close together.",
        "competitor": "All leave where another way is cheaper; its price drifts.",
        "shift": "Customers and their limits change all of a sudden.",
        "dead": "Every third channel has no trade at all.",
        "faucet": "Every third channel only lets payments in.",
        "sink": "Every third channel only lets payments out.",
        "spammer": "Every third channel is flooded with tiny and failing payments.",
        "jammer": "Every third channel has its slots filled for hours.",
        "flapping": "Every third channel has a peer that comes and goes.",
        "mixture": "Each channel is of a kind of its own.",
    }
)
POLICIES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "demand": "revops: a belief about what customers pay, and the best price by it.",
        "hill_climb": "revops: a step up or down, kept where it brought more.",
        "nothing": "All fees stay as they were.",
        "constant": "200 ppm for every channel.",
        "proportional": "charge-lnd: the emptier a channel, the dearer.",
        "feeadjuster": "lightningd's plugin: what others charge, by balance.",
        "clboss": "CLBOSS: what others charge, by size, balance and cards.",
        "lndg": "LNDg: a few ppm a day, up where payments fail for want of liquidity.",
        "predecessor": "An earlier tool's hill climbing, faults and all.",
    }
)


class NamingCommand(Command):
    """A command whose help also lists what can be named."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, then the names."""
        super().format_options(ctx, formatter)
        for title, names in (("Families of demand", FAMILIES), ("Fee policies", POLICIES)):
            with formatter.section(title):
                formatter.write_dl(list(names.items()))
