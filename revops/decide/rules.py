"""Which rules apply to a channel, and what they make of `[fees]`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Any, Final

from msgspec.structs import asdict

from revops.domain.policy import FeesConfig, Match, Permission, Rule
from revops.domain.rules import ChannelFacts, ChannelPolicy, RuleStep
from revops.domain.units import MSAT_PER_SAT

#: Pairs of keys of which the first must not be above the second.
_LIMITS: Final = (("min_ppm", "max_ppm"), ("zero_flow_hold_seconds", "zero_flow_drop_seconds"))


def resolve(facts: ChannelFacts, fees: FeesConfig, rules: Sequence[Rule], now: float) -> ChannelPolicy:
    """Given a channel, `[fees]`, the rules and the time, return the channel's policy, and what became of each rule.

    Each rule was checked by itself; where two together cross their bounds, the upper one holds.
    """
    settings: dict[str, Any] = {}
    origins: dict[str, str] = {}
    rebalance: Permission = "both"
    steps: list[RuleStep] = []
    ended_by: str | None = None
    for rule in rules:
        why_not = f"{ended_by} is final" if ended_by is not None else _why_not(rule, facts, now)
        steps.append(RuleStep(rule.name, why_not is None, why_not or ""))
        if why_not is not None:
            continue
        settings.update(rule.settings)
        origins.update(dict.fromkeys(rule.settings, rule.name))
        if rule.rebalance is not None:
            rebalance = rule.rebalance
            origins["rebalance"] = rule.name
        if rule.final:
            ended_by = rule.name
    own, crossed = _laid_over(fees, settings)
    return ChannelPolicy(
        facts=facts, fees=own, rebalance=rebalance, steps=tuple(steps), origins=origins, crossed=crossed
    )


def _laid_over(fees: FeesConfig, settings: dict[str, Any]) -> tuple[FeesConfig, tuple[str, ...]]:
    """`[fees]` with settings over it, and the keys that had to give way."""
    if not settings:
        return fees, ()
    values = asdict(fees) | settings
    crossed = []
    for low, high in _LIMITS:
        if values[low] > values[high]:
            values[low] = values[high]
            crossed.append(low)
    if values["dead_band_ratio"] >= values["max_step_ratio"]:
        # No step would ever be worth an announcement; half a step is.
        values["dead_band_ratio"] = values["max_step_ratio"] / 2
        crossed.append("dead_band_ratio")
    return FeesConfig(**values), tuple(crossed)


def _why_not(rule: Rule, facts: ChannelFacts, now: float) -> str | None:
    """The first condition that fails, for a person; None where all hold."""
    if rule.until_at is not None and now >= rule.until_at:
        return "it has ended"
    return next(_failures(rule.match, facts), None)


def _failures(match: Match, facts: ChannelFacts) -> Iterator[str]:
    if match.scid and not facts.names & set(match.scid):
        yield "scid is another"
    if match.channel_id and facts.channel_id not in match.channel_id:
        yield "channel_id is another"
    if match.peer and facts.peer_id not in match.peer:
        yield "peer is another"
    if match.alias and not _alias_fits(facts.alias, match.alias):
        yield "alias doesn't fit" if facts.alias else "alias isn't known"
    yield from _outside(
        "capacity", "sat", facts.capacity_msat / MSAT_PER_SAT, match.min_capacity_sat, match.max_capacity_sat
    )
    yield from _outside("local share", "", facts.local_ratio, match.min_local_ratio, match.max_local_ratio)
    yield from _outside("age", "days", facts.age_days, match.min_age_days, match.max_age_days)
    yield from _outside("uptime", "", facts.uptime_ratio, match.min_uptime_ratio, match.max_uptime_ratio)
    if match.private is not None and facts.private is not match.private:
        yield "it is private" if facts.private else "it is public"
    if match.opener is not None and facts.opener != match.opener:
        yield f"opener is {facts.opener}" if facts.opener else "opener isn't known"
    if match.flow and facts.flow not in match.flow:
        yield f"flow is {facts.flow}"


def _alias_fits(alias: str | None, patterns: Sequence[str]) -> bool:
    return alias is not None and any(fnmatchcase(alias.casefold(), pattern.casefold()) for pattern in patterns)


def _outside(name: str, unit: str, value: float | None, low: float | None, high: float | None) -> Iterator[str]:
    if low is None and high is None:
        return
    if value is None:
        yield f"{name} isn't known"
        return
    shown = " ".join(part for part in (f"{value:,.0f}" if unit == "sat" else f"{value:.2f}", unit) if part)
    if low is not None and value < low:
        yield f"{name} is {shown}, below {low:,}"
    if high is not None and value > high:
        yield f"{name} is {shown}, above {high:,}"
