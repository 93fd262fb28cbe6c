"""Idle sats: where they lie, what they would earn elsewhere, and what moving them takes."""

from __future__ import annotations

import pytest

from revops.decide.idle_capital import idle_dead, idle_silent, idle_wallet
from revops.domain.capital import IdleCapital, IdleKind, RatioRange
from revops.domain.dead_capital import ChainRates, CloseCost, DeadChannel, SilentChannel, Standing
from revops.domain.policy import ReserveConfig
from tests.builders import NOW, SAT, channel_id

RESERVE = ReserveConfig(onchain_sat=100_000)
RATES = ChainRates(NOW, 1_000, 2_000, 3_000)
COST = RatioRange(0.001, 0.002, 0.01)
CLOSE = CloseCost("we", 700_000, 9_000_000, 1_300_000)


def dead(number: int, close: CloseCost | None) -> DeadChannel:
    name = f"{number}x1x1"
    held = 1_000_000 * SAT
    return DeadChannel(
        channel_id(number), name, None, None, "local", 2 * held, held, None, 90.0, 0.0, None, close, None, None
    )


def silent(number: int, standing: Standing) -> SilentChannel:
    return SilentChannel(channel_id(number), f"{number}x1x1", None, None, standing, 500_000 * SAT, None, 90.0, None)


def test_the_wallet_above_its_reserve() -> None:
    found = idle_wallet(600_000 * SAT, RESERVE, RATES, COST)
    assert (found.kind, found.capital_msat) == (IdleKind.WALLET, 500_000 * SAT)
    assert (found.yearly_low_msat, found.yearly_msat, found.yearly_high_msat) == (
        500 * SAT, 1_000 * SAT, 5_000 * SAT,
    )  # fmt: skip
    assert found.move_msat == 658 * 3_000
    assert found.payback_days == pytest.approx(1_974 / 1_000 * 365)


@pytest.mark.parametrize("wallet_msat", [0, 100_000 * SAT])
def test_nothing_above_the_reserve_is_nothing_to_move(wallet_msat: int) -> None:
    found = idle_wallet(wallet_msat, RESERVE, RATES, COST)
    assert (found.capital_msat, found.yearly_msat, found.move_msat, found.payback_days) == (0, 0, 0, None)


def test_what_isnt_known_is_none() -> None:
    assert idle_wallet(None, RESERVE, RATES, COST) == IdleCapital(IdleKind.WALLET, 0, None)
    assert idle_wallet(10**9, RESERVE, None, COST).move_msat is None
    unpriced = idle_wallet(10**9, RESERVE, RATES, None)
    assert (unpriced.yearly_msat, unpriced.payback_days) == (None, None)
    assert unpriced.move_msat == 658 * 3_000
    assert idle_dead([dead(1, CLOSE), dead(2, None)], COST).move_msat is None
    assert idle_silent([silent(1, Standing.UNSEEN)], None, COST).move_msat is None
    assert idle_dead([dead(1, CLOSE)], RatioRange(0.0, 0.0, 0.1)).payback_days is None, "never"


def test_channels_that_nobody_uses() -> None:
    found = idle_dead([dead(1, CLOSE), dead(2, CLOSE)], COST)
    assert (found.channel_count, found.capital_msat, found.move_msat) == (2, 2_000_000 * SAT, 4_000_000)
    quiet = idle_silent([silent(number, one) for number, one in enumerate(Standing, 1)], RATES, COST)
    assert quiet.channel_count == 2, "what is young or wanted isn't idle, and what is dead stands in the other row"
    assert (quiet.capital_msat, quiet.move_msat) == (1_000_000 * SAT, 2 * (772 * 1_000 + 658 * 3_000))
    nothing = idle_silent([], RATES, COST)
    assert (nothing.channel_count, nothing.capital_msat, nothing.move_msat) == (0, 0, 0)
