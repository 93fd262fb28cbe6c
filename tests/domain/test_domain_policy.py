"""The configuration's own rules: defaults hold together, limits that cross are refused with the key in front."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given

from revops.domain.policy import (
    BudgetConfig,
    ClassesConfig,
    Config,
    FeesConfig,
    NodeConfig,
    RebalanceConfig,
    ReserveConfig,
    SpliceConfig,
)
from tests.strategies import fees_policies, rebalance_policies


def test_the_socket_is_all_that_must_be_configured() -> None:
    config = msgspec.convert({"node": {"rpc_path": "lightning-rpc"}}, Config)
    assert config == Config(node=NodeConfig(rpc_path="lightning-rpc"))
    assert msgspec.convert(msgspec.to_builtins(config), Config) == config
    with pytest.raises(msgspec.ValidationError, match="node"):
        msgspec.convert({}, Config)


def test_nothing_is_written_and_nothing_is_spent_by_default() -> None:
    config = Config(node=NodeConfig(rpc_path="x"))
    assert (config.fees.mode, config.rebalance.mode) == ("observe", "observe")
    assert (config.budget.daily_sat, config.budget.weekly_sat) == (0, 0)
    assert config.splice.mode == "observe"
    assert (config.splice.daily_sat, config.splice.weekly_sat) == (0, 0)
    assert config.reserve.exempt == ()


@pytest.mark.parametrize(
    ("section", "values", "key"),
    [
        (FeesConfig, {"min_ppm": 2, "max_ppm": 1}, "min_ppm"),
        (FeesConfig, {"zero_flow_hold_seconds": 2, "zero_flow_drop_seconds": 1}, "zero_flow_hold_seconds"),
        (RebalanceConfig, {"min_amount_sat": 2, "max_amount_sat": 1}, "min_amount_sat"),
        (RebalanceConfig, {"low_ratio": 0.5, "high_ratio": 0.5}, "low_ratio"),
        (BudgetConfig, {"daily_sat": 2, "weekly_sat": 1}, "daily_sat"),
        (SpliceConfig, {"daily_sat": 2, "weekly_sat": 1}, "daily_sat"),
        (SpliceConfig, {"min_amount_sat": 20_000, "max_amount_sat": 10_000}, "min_amount_sat"),
        (ClassesConfig, {"min_open_days": 31}, "min_open_days"),
        (ClassesConfig, {"stagnant_days": 30, "dead_days": 30}, "stagnant_days"),
    ],
)
def test_limits_that_cross_are_refused_by_name(
    section: type[msgspec.Struct], values: dict[str, object], key: str
) -> None:
    with pytest.raises(ValueError, match=f"^{key}"):
        section(**values)
    with pytest.raises(msgspec.ValidationError, match=key):
        msgspec.convert(values, section)


@pytest.mark.parametrize(
    ("section", "values"),
    [
        (FeesConfig, {"min_ppm": 1, "max_ppm": 1}),
        (FeesConfig, {"zero_flow_hold_seconds": 1, "zero_flow_drop_seconds": 1}),
        (RebalanceConfig, {"min_amount_sat": 7, "max_amount_sat": 7}),
        (BudgetConfig, {"daily_sat": 7, "weekly_sat": 7}),
        (ClassesConfig, {"min_open_days": 30, "stagnant_days": 29, "dead_days": 30}),
    ],
)
def test_limits_that_meet_are_accepted(section: type[msgspec.Struct], values: dict[str, object]) -> None:
    msgspec.convert(values, section)


@pytest.mark.parametrize(
    ("section", "values"),
    [
        (FeesConfig, {"max_step_ratio": 0}),
        (FeesConfig, {"min_interval_seconds": 599}),
        (FeesConfig, {"zero_flow_drop_ratio": 1.0}),
        (FeesConfig, {"max_ppm": 1_000_001}),
        (FeesConfig, {"min_ppm": -1}),
        (FeesConfig, {"min_ppm": 1.5}),
        (FeesConfig, {"max_pmm": 100}),
        (FeesConfig, {"mode": "on"}),
        (ReserveConfig, {"exempt": ["rebalance"]}),
        (ReserveConfig, {"onchain_sat": -1}),
        (BudgetConfig, {"revenue_share_ratio": float("nan")}),
        (RebalanceConfig, {"stop_loss_ratio": 1.01}),
    ],
)
def test_what_is_out_of_range_or_unknown_is_refused(section: type[msgspec.Struct], values: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(values, section)


@given(fees=fees_policies(), rebalance=rebalance_policies())
def test_every_accepted_policy_survives_a_round_trip(fees: FeesConfig, rebalance: RebalanceConfig) -> None:
    assert msgspec.convert(msgspec.to_builtins(fees), FeesConfig) == fees
    assert msgspec.convert(msgspec.to_builtins(rebalance), RebalanceConfig) == rebalance
