"""`revops policy show` as blocks and as plain values."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from revops.domain.rules import ChannelPolicy, PoliciesReport
from revops.domain.snapshot import FeePin
from revops.domain.text import counted
from revops.report.amounts import age
from revops.report.blocks import Block, Line, Table
from revops.report.plain import plain
from revops.report.words import by_turns, pin_end, pinned


def shown(found: PoliciesReport, *, whole: bool) -> Iterator[Block]:
    """Given policies, render a row of each; with `whole`, each rule and setting too."""
    yield Line(f"{counted(len(found.policies), 'channel')}; synced {age(found.synced_at, found.taken_at)}")
    turns = by_turns(found.experiment, found.taken_at)
    if turns is not None:
        yield Line(turns)
    headings = ("channel", "peer", "strategy", ">min ppm", ">max ppm", "rebalance", "rules")
    yield Table("", headings, tuple(_row(one, _pin_of(found, one)) for one in found.policies))
    crossed = [f"{one.facts.name} ({', '.join(one.crossed)})" for one in found.policies if one.crossed]
    if crossed:
        yield Line(f"Rules together put a lower bound above its upper one, which holds: {', '.join(crossed)}")
    if whole:
        for one in found.policies:
            yield from _whole(one, _pin_of(found, one))


def _pin_of(found: PoliciesReport, one: ChannelPolicy) -> FeePin | None:
    return found.pins.get(one.facts.channel_id)


def _row(one: ChannelPolicy, pin: FeePin | None) -> tuple[str, ...]:
    return (
        one.facts.name,
        _peer(one),
        one.fees.strategy if pin is None else f"pin: {pin.ppm:,} ppm {pin_end(pin)}",
        f"{one.fees.min_ppm:,}",
        f"{one.fees.max_ppm:,}",
        one.rebalance,
        ", ".join(one.rules) or "none: [fees] as it is",
    )


def _peer(one: ChannelPolicy) -> str:
    return one.facts.alias or (one.facts.peer_id or "")[:12]


def _whole(one: ChannelPolicy, pin: FeePin | None) -> Iterator[Block]:
    facts = one.facts
    yield Line("")
    yield Line(
        f"{facts.name}: {facts.capacity_msat // 1_000:,} sat, {facts.local_ratio:.0%} ours, flow {facts.flow}, "
        f"opener {facts.opener or 'not known'}, {'private' if facts.private else 'public'}, "
        f"age {_known(facts.age_days, '{:.0f} days')}, uptime {_known(facts.uptime_ratio, '{:.0%}')}"
    )
    if pin is not None:
        yield Line(f"{pinned(pin)}: that sets its fee, not strategy {one.fees.strategy}; the bounds hold")
    if one.steps:
        rows = tuple((step.rule, "applies" if step.applied else "no", step.why_not) for step in one.steps)
        yield Table("Rules", ("rule", "", "why not"), rows)
    settings = tuple((key, _word(value), _origin(one, key)) for key, value in _settings(one).items())
    yield Table("Settings", ("key", "value", "from"), settings)


def _word(value: object) -> str:
    """A setting as the file spells it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _origin(one: ChannelPolicy, key: str) -> str:
    origin = one.origins.get(key, "[fees]")
    return f"{origin}, lowered: the upper bound holds" if key in one.crossed else origin


def _known(value: float | None, text: str) -> str:
    return "not known" if value is None else text.format(value)


def _settings(one: ChannelPolicy) -> dict[str, Any]:
    from msgspec.structs import asdict

    from revops.domain.policy import NODE_WIDE

    values = {key: value for key, value in asdict(one.fees).items() if key not in NODE_WIDE}
    return values | {"rebalance": one.rebalance}


def document(found: PoliciesReport) -> dict[str, Any]:
    """Given policies, return them in the types of JSON."""
    return {
        "synced_at": found.synced_at,
        "experiment": plain(found.experiment),
        "channels": [_document(one, _pin_of(found, one)) for one in found.policies],
    }


def _document(one: ChannelPolicy, pin: FeePin | None) -> dict[str, Any]:
    facts = one.facts
    return {
        "channel_id": facts.channel_id,
        "name": facts.name,
        "peer_id": facts.peer_id,
        "alias": facts.alias,
        "capacity_msat": facts.capacity_msat,
        "local_ratio": facts.local_ratio,
        "age_days": facts.age_days,
        "private": facts.private,
        "opener": facts.opener,
        "uptime_ratio": facts.uptime_ratio,
        "flow": facts.flow,
        "pin": plain(pin),
        "settings": {
            key: {"value": value, "origin": one.origins.get(key, "fees")} for key, value in _settings(one).items()
        },
        "rules": [{"name": step.rule, "applied": step.applied, "why_not": step.why_not} for step in one.steps],
        "crossed": list(one.crossed),
    }
