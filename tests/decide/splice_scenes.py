"""Channels and wallets for splice plans."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from revops.decide.marginal_sat import marginal
from revops.domain.capital import CapitalRow, CapitalStanding, SatWorth
from revops.domain.dead_capital import ChainRates, Standing
from revops.domain.node import Wallet, WalletOutput
from revops.domain.policy import SpliceConfig
from revops.domain.splice import SpliceScene, SpliceSite
from tests.builders import NOW, SAT, make_channel

POLICY = SpliceConfig(mode="act")
RATES = ChainRates(NOW, 300, 800, 400)
#: 2,000 ppm a sale, sold in half of all windows, and never back: 1,000 ppm in the horizon.
WORTH = SatWorth(1_000.0, 400.0, 1_500.0, 30.0, 2_000.0, 0.0, 0.0, 0.0)
MIN_DAYS = 7


def winner(number: int, worth: SatWorth | None = WORTH, **overrides: Any) -> SpliceSite:
    """A channel of 5,000,000 sat that was exhausted on half of 30 days, and turned away 2,000,000 sat a month."""
    channel = make_channel(number, local_msat=200_000 * SAT, **overrides.pop("channel", {}))
    row = CapitalRow(
        channel.channel_id, channel.name, channel.peer_id, None,
        CapitalStanding.COUNTED if worth is not None else CapitalStanding.YOUNG, 200_000 * SAT, channel.capacity_msat,
        channel.local_msat, 2_000, None, None, 0, 1_000_000 * SAT, 0, 0, 0, worth,
        None if worth is None else marginal(worth),
    )  # fmt: skip
    base = SpliceSite(channel, row, Standing.ALIVE, True, 0.0, 30.0, 15.0, 40, 2_000_000 * SAT, 150_000.0 * SAT)
    return replace(base, **overrides)


def dead(number: int, **overrides: Any) -> SpliceSite:
    """A channel that holds 2,500,000 sat for nothing."""
    nothing = SatWorth(0.0, 0.0, 0.0, 30.0, 10.0, 0.0, 0.0, 0.0)
    one = winner(number, nothing)
    channel = make_channel(number, **overrides.pop("channel", {}))
    base = replace(
        one, channel=channel, standing=Standing.DEAD, silent_days=90.0, exhausted_days=0.0, refused_count=0,
        refused_msat=0, demand_msat_per_day=0.0,
    )  # fmt: skip
    return replace(base, **overrides)


def wallet(*amounts_sat: int) -> Wallet:
    return Wallet(
        tuple(
            WalletOutput(f"{place:02x}" * 32 + ":0", amount_sat * SAT, "confirmed", reserved=False)
            for place, amount_sat in enumerate(amounts_sat, 1)
        )
    )


def scene(*sites: SpliceSite, **overrides: Any) -> SpliceScene:
    """A wallet of two outputs, 20,000,000 sat, a reserve of 100,000, and 30 days on record."""
    base = SpliceScene(NOW, sites, wallet(18_000_000, 2_000_000), 100_000 * SAT, 10**12, RATES, 30.0)
    return replace(base, **overrides)
