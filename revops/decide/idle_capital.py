"""Idle sats, and what they would earn where capital is wanted: in the wallet, and in channels that nobody uses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from revops.decide.dead_capital import DAYS_PER_YEAR, OPEN_WEIGHT, close_cost
from revops.domain.capital import IdleCapital, IdleKind, RatioRange
from revops.domain.dead_capital import ChainRates, DeadChannel, SilentChannel, Standing
from revops.domain.policy import ReserveConfig
from revops.domain.units import MSAT_PER_SAT

#: What is silent, but young or wanted, isn't idle.
_IDLE: Final = frozenset({Standing.UNVALUED, Standing.UNSEEN})


def idle_wallet(
    wallet_msat: int | None, reserve: ReserveConfig, rates: ChainRates | None, cost: RatioRange | None
) -> IdleCapital:
    """Given what the wallet can spend (None: not known), the reserve, today's feerates, and the cost of capital, return
    what lies there above the reserve. One transaction moves it.
    """
    if wallet_msat is None:
        return IdleCapital(IdleKind.WALLET, 0, None)
    free_msat = max(wallet_msat - reserve.onchain_sat * MSAT_PER_SAT, 0)
    move_msat = None if rates is None else OPEN_WEIGHT * rates.opening_perkw
    return _idle(IdleKind.WALLET, 0, free_msat, cost, move_msat)


def idle_dead(channels: Sequence[DeadChannel], cost: RatioRange | None) -> IdleCapital:
    """Given the channels with dead capital, and the cost of capital, return what lies there. A mutual close and a new
    opening move each.
    """
    costs = [None if one.close is None else one.close.mutual_msat + one.close.reopen_msat for one in channels]
    return _idle(IdleKind.DEAD, len(channels), sum(one.local_msat for one in channels), cost, _sum(costs))


def idle_silent(channels: Sequence[SilentChannel], rates: ChainRates | None, cost: RatioRange | None) -> IdleCapital:
    """As `idle_dead`, of channels that are silent, and of which nobody knows whether they are dead; we are taken to pay
    for each close.
    """
    found = [one for one in channels if one.standing in _IDLE]
    move_msat = None
    if rates is not None:
        close = close_cost(None, rates)
        move_msat = len(found) * (close.mutual_msat + close.reopen_msat)
    return _idle(IdleKind.SILENT, len(found), sum(one.local_msat for one in found), cost, move_msat)


def _sum(costs: Sequence[int | None]) -> int | None:
    known = [one for one in costs if one is not None]
    return sum(known) if len(known) == len(costs) else None


def _idle(
    kind: IdleKind, channel_count: int, capital_msat: int, cost: RatioRange | None, move_msat: int | None
) -> IdleCapital:
    """Where nothing lies there is nothing to move; what is earned is rounded down."""
    move_msat = move_msat if capital_msat > 0 else 0
    if cost is None:
        return IdleCapital(kind, channel_count, capital_msat, move_msat=move_msat)
    low, middle, high = (int(capital_msat * one) for one in (cost.low_ratio, cost.middle_ratio, cost.high_ratio))
    days = move_msat / middle * DAYS_PER_YEAR if move_msat and middle > 0 else None
    return IdleCapital(kind, channel_count, capital_msat, low, middle, high, move_msat, days)
