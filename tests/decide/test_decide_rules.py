"""Which rules apply, and what they make of `[fees]`: in order, until one is final."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from msgspec.structs import asdict

from revops.decide.flow_kind import flow_kind
from revops.decide.rules import resolve
from revops.domain.forward import Flow
from revops.domain.policy import FeesConfig, Match, Rule
from revops.domain.rules import ChannelFacts
from tests.builders import DAY, NOW, SAT, channel_id, node_id

FEES = FeesConfig()


def make_facts(**overrides: Any) -> ChannelFacts:
    base = ChannelFacts(
        channel_id=channel_id(1),
        name="700001x1x0",
        names=frozenset({"700001x1x0", "10001x2x0", channel_id(1)}),
        peer_id=node_id(1),
        alias="ACINQ\x1b[2J",
        capacity_msat=5_000_000 * SAT,
        local_ratio=0.5,
        age_days=100.0,
        private=False,
        opener="local",
        uptime_ratio=0.99,
        flow="sink",
    )
    return replace(base, **overrides)


def make_rule(name: str = "one", **given: Any) -> Rule:
    match = Match(**given.pop("match", {}))
    own = {key: given.pop(key) for key in ("rebalance", "final", "until_at") if key in given}
    return Rule(name=name, match=match, settings=given, **own)


@pytest.mark.parametrize(
    ("match", "overrides", "why_not"),
    [
        ({}, {}, ""),
        ({"scid": ("700001x1x0",)}, {}, ""),
        ({"scid": ("1x1x1", "10001x2x0")}, {}, ""),
        ({"scid": ("1x1x1",)}, {}, "scid is another"),
        ({"channel_id": (channel_id(1),)}, {}, ""),
        ({"channel_id": (channel_id(2),)}, {}, "channel_id is another"),
        ({"peer": (node_id(1),)}, {}, ""),
        ({"peer": (node_id(2),)}, {}, "peer is another"),
        ({"peer": (node_id(2),)}, {"peer_id": None}, "peer is another"),
        ({"alias": ("acinq*",)}, {}, ""),
        ({"alias": ("acinq",)}, {}, "alias doesn't fit"),
        ({"alias": ("*",)}, {"alias": None}, "alias isn't known"),
        ({"min_capacity_sat": 5_000_000, "max_capacity_sat": 5_000_000}, {}, ""),
        ({"min_capacity_sat": 5_000_001}, {}, "capacity is 5,000,000 sat, below 5,000,001"),
        ({"max_capacity_sat": 4_999_999}, {}, "capacity is 5,000,000 sat, above 4,999,999"),
        ({"min_local_ratio": 0.5, "max_local_ratio": 0.5}, {}, ""),
        ({"max_local_ratio": 0.2}, {}, "local share is 0.50, above 0.2"),
        ({"min_age_days": 100}, {}, ""),
        ({"max_age_days": 30}, {}, "age is 100.00 days, above 30.0"),
        ({"max_age_days": 30}, {"age_days": None}, "age isn't known"),
        ({"min_uptime_ratio": 0.999}, {}, "uptime is 0.99, below 0.999"),
        ({"max_uptime_ratio": 1.0}, {"uptime_ratio": None}, "uptime isn't known"),
        ({"private": False}, {}, ""),
        ({"private": True}, {}, "it is public"),
        ({"opener": "remote"}, {}, "opener is local"),
        ({"opener": "remote"}, {"opener": None}, "opener isn't known"),
        ({"flow": ("sink", "idle")}, {}, ""),
        ({"flow": ("source",)}, {}, "flow is sink"),
        ({"scid": ("700001x1x0",), "private": True}, {}, "it is public"),
    ],
)
def test_all_conditions_must_hold_and_the_first_that_fails_is_named(
    match: dict[str, Any], overrides: dict[str, Any], why_not: str
) -> None:
    rule = make_rule(match=msgspec.structs.asdict(msgspec.convert(match, Match)), min_ppm=77)
    policy = resolve(make_facts(**overrides), FEES, [rule], NOW)
    (step,) = policy.steps
    assert (step.applied, step.why_not) == (not why_not, why_not)
    assert policy.fees.min_ppm == (10 if why_not else 77)
    assert policy.rules == (() if why_not else ("one",))


def test_later_rules_refine_until_one_is_final() -> None:
    rules = [
        make_rule("a", min_ppm=50, max_ppm=900),
        make_rule("b", max_ppm=800, rebalance="source"),
        make_rule("c", strategy="static", fixed_ppm=123, final=True),
        make_rule("d", fixed_ppm=456, rebalance="none"),
    ]
    policy = resolve(make_facts(), FEES, rules, NOW)
    fees = policy.fees
    assert (fees.min_ppm, fees.max_ppm, fees.strategy, fees.fixed_ppm) == (50, 800, "static", 123)
    assert policy.rebalance == "source"
    assert policy.rules == ("a", "b", "c")
    assert policy.steps[3].why_not == "c is final"
    assert policy.origins["max_ppm"] == "b"
    assert "base_msat" not in policy.origins


def test_a_rule_ends() -> None:
    rule = make_rule(min_ppm=50, until_at=NOW + DAY)
    assert resolve(make_facts(), FEES, [rule], NOW + DAY - 1).fees.min_ppm == 50
    ended = resolve(make_facts(), FEES, [rule], NOW + DAY)
    assert ended.fees == FEES
    assert ended.steps[0].why_not == "it has ended"


def test_without_rules_everybody_has_the_same() -> None:
    policy = resolve(make_facts(), FEES, (), NOW)
    assert (policy.fees, policy.rebalance, policy.rules, policy.crossed) == (FEES, "both", (), ())


settings_of_rules = st.fixed_dictionaries(
    {},
    optional={
        "min_ppm": st.integers(0, 1_000_000),
        "max_ppm": st.integers(0, 1_000_000),
        "max_step_ratio": st.floats(0.001, 10),
        "dead_band_ratio": st.floats(0, 1),
        "zero_flow_hold_seconds": st.integers(0, 10**6),
        "zero_flow_drop_seconds": st.integers(0, 10**6),
        "strategy": st.sampled_from(("static", "off")),
    },
)


@given(all_settings=st.lists(settings_of_rules, max_size=5))
def test_whatever_rules_lay_over_each_other_bounds_never_cross(all_settings: list[dict[str, Any]]) -> None:
    rules = [make_rule(str(number), **settings) for number, settings in enumerate(all_settings)]
    policy = resolve(make_facts(), FEES, rules, NOW)
    again = msgspec.convert(msgspec.structs.asdict(policy.fees), FeesConfig)
    assert again == policy.fees
    assert policy.fees.min_ppm <= policy.fees.max_ppm
    last = {key: value for settings in all_settings for key, value in settings.items()}
    assert policy.fees.max_ppm == last.get("max_ppm", FEES.max_ppm), "the upper bound is what the operator said"
    assert all(getattr(policy.fees, key) == value for key, value in last.items() if key not in policy.crossed)
    assert all(getattr(policy.fees, key) < (asdict(FEES) | last)[key] for key in policy.crossed)


@pytest.mark.parametrize(
    ("first", "second", "key", "value"),
    [
        ({"min_ppm": 900}, {"max_ppm": 500}, "min_ppm", 500),
        ({"max_ppm": 500}, {"min_ppm": 900}, "min_ppm", 500),
        ({"zero_flow_hold_seconds": 9}, {"zero_flow_drop_seconds": 8}, "zero_flow_hold_seconds", 8),
        ({"dead_band_ratio": 0.2}, {"max_step_ratio": 0.1}, "dead_band_ratio", 0.05),
    ],
)
def test_where_two_rules_cross_the_upper_bound_holds_and_the_other_is_named(
    first: dict[str, Any], second: dict[str, Any], key: str, value: float
) -> None:
    policy = resolve(make_facts(), FEES, [make_rule("a", **first), make_rule("b", **second)], NOW)
    assert policy.crossed == (key,)
    assert getattr(policy.fees, key) == value


@given(settings=settings_of_rules)
def test_a_rule_twice_is_a_rule_once(settings: dict[str, Any]) -> None:
    once = resolve(make_facts(), FEES, [make_rule("a", **settings)], NOW)
    twice = resolve(make_facts(), FEES, [make_rule("a", **settings), make_rule("b", **settings)], NOW)
    assert once.fees == twice.fees


@given(all_settings=st.lists(settings_of_rules, min_size=1, max_size=5), end=st.integers(0, 4))
def test_nothing_below_the_first_final_rule_matters(all_settings: list[dict[str, Any]], end: int) -> None:
    assume(end < len(all_settings))
    rules = [make_rule(str(number), final=number == end, **given) for number, given in enumerate(all_settings)]
    whole, cut = resolve(make_facts(), FEES, rules, NOW), resolve(make_facts(), FEES, rules[: end + 1], NOW)
    assert (whole.fees, whole.rebalance, whole.rules) == (cut.fees, cut.rebalance, cut.rules)
    assert [step.why_not for step in whole.steps[end + 1 :]] == [f"{end} is final"] * (len(rules) - end - 1)


@pytest.mark.parametrize("missing", ["peer_id", "alias", "age_days", "opener", "uptime_ratio"])
def test_a_condition_on_what_is_not_known_never_holds(missing: str) -> None:
    conditions: dict[str, list[dict[str, Any]]] = {
        "peer_id": [{"peer": (node_id(1),)}],
        "alias": [{"alias": ("*",)}, {"alias": ("none", "None")}],
        "age_days": [{"min_age_days": 0}, {"max_age_days": 36_500}],
        "opener": [{"opener": "local"}, {"opener": "remote"}],
        "uptime_ratio": [{"min_uptime_ratio": 0}, {"max_uptime_ratio": 1}],
    }
    facts = make_facts(**{missing: None})
    for match in conditions[missing]:
        assert resolve(facts, FEES, [make_rule(match=match, min_ppm=77)], NOW).rules == ()


@pytest.mark.parametrize(
    ("in_sat", "out_sat", "kind"),
    [
        (0, 0, "idle"),
        (50_000, 49_999, "idle"),
        (50_000, 50_000, "balanced"),
        (300_001, 100_000, "source"),
        (299_999, 100_000, "balanced"),
        (100_000, 300_001, "sink"),
        (0, 100_000, "sink"),
    ],
)
def test_flow_kinds(in_sat: int, out_sat: int, kind: str) -> None:
    assert flow_kind(Flow(in_msat=in_sat * SAT, out_msat=out_sat * SAT), 5_000_000 * SAT) == kind
