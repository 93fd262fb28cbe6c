"""`revops explain` as blocks: one channel's fee, from what is known of it to what it brought."""

from __future__ import annotations

from collections.abc import Iterator

from revops.domain.explanation import Explained, Explanation, PriceSpell
from revops.domain.record import ActionRecord, ChannelRecord, DecisionRecord
from revops.domain.snapshot import FeePin
from revops.report.amounts import income, instant, share, span
from revops.report.blocks import Block, Line, Table


def explained(value: Explained) -> Iterator[Block]:
    """Given explanations, render one after the other."""
    for number, one in enumerate(value.channels):
        if number:
            yield Line("")
        yield from _channel(one)


def _channel(one: Explanation) -> Iterator[Block]:
    yield from _known(one.channel)
    yield Line("")
    if one.pin is not None:
        yield Line(_pin(one.pin))
    if one.decision is None:
        yield Line(f"no fee decision is on record by {instant(one.at)}")
    else:
        yield from _decision(one.decision)
    if one.rebalance is not None:
        yield from _decision(one.rebalance)
    if one.actions:
        yield Line("")
        rows = tuple(_action_row(action) for action in one.actions)
        yield Table("Sent to the node", ("when", "call", "asked for", "outcome", "answer"), rows)
    if one.spells:
        yield Line("")
        headings = (
            "since", ">for", ">ppm", "set by", ">out sat", ">earned sat", ">a day", ">forwards", ">refused",
        )  # fmt: skip
        yield Table("What each price brought", headings, tuple(_spell_row(spell, one.taken_at) for spell in one.spells))


def _known(channel: ChannelRecord) -> Iterator[Block]:
    peer = channel.alias or (channel.peer_id or "")[:12]
    state = channel.state if channel.open else f"closed ({channel.state})"
    link = "connected" if channel.connected else "not connected"
    yield Line(f"{channel.name}  {peer}  {channel.channel_id}")
    yield Line(
        f"{income(channel.capacity_msat)} sat, {share(channel.local_msat, channel.capacity_msat)} ours; "
        f"{state.lower()}, {link}; {_fee(channel)}; earned {income(channel.lifetime.earned_msat)} sat in all, "
        f"{income(channel.window.earned_msat)} lately"
    )


def _fee(channel: ChannelRecord) -> str:
    if channel.fee_ppm is None:
        return "no fee known"
    return f"{channel.fee_ppm:,} ppm + {channel.fee_base_msat or 0:,} msat in force"


def _pin(pin: FeePin) -> str:
    until = "until it is released" if pin.until_at is None else f"until {instant(pin.until_at)}"
    return f"pinned by hand at {pin.ppm:,} ppm on {instant(pin.set_at)}, {until}{', by force' if pin.forced else ''}"


def _decision(decision: DecisionRecord) -> Iterator[Block]:
    repeats = (
        f", {decision.repeat_count + 1:,} times since {instant(decision.first_at)}" if decision.repeat_count else ""
    )
    yield Line(f"{decision.command}, {instant(decision.last_at)}: {decision.outcome}{_what(decision)}{repeats}")
    details = decision.details
    if details:
        rules = details.get("rules")
        named = ", ".join(str(rule) for rule in rules) if isinstance(rules, list) and rules else "none: [fees] as it is"
        yield Line(f"  rules: {named}")
        yield Line(
            f"  strategy {details.get('strategy')} proposed {details.get('proposed_ppm'):,} ppm; bounds "
            f"{details.get('min_ppm'):,} to {details.get('max_ppm'):,} ppm; a sat here is worth "
            f"{details.get('value_ppm')} ppm"
        )
    for reason in decision.reasons:
        yield Line(f"  - {reason.sentence}")


def _what(decision: DecisionRecord) -> str:
    if decision.old_ppm is not None and decision.new_ppm is not None:
        stays = decision.old_ppm == decision.new_ppm
        return f" at {decision.old_ppm:,} ppm" if stays else f" {decision.old_ppm:,} -> {decision.new_ppm:,} ppm"
    return f" {income(decision.amount_msat)} sat" if decision.amount_msat else ""


def _action_row(action: ActionRecord) -> tuple[str, ...]:
    return (
        instant(action.created_at),
        action.method,
        ", ".join(f"{key} {value}" for key, value in action.request.items()),
        action.status,
        ", ".join(f"{key} {value}" for key, value in (action.reply or {}).items()),
    )


def _spell_row(spell: PriceSpell, now: float) -> tuple[str, ...]:
    seconds = max((now if spell.until_at is None else spell.until_at) - spell.from_at, 0.0)
    a_day_msat = int(spell.flow.earned_msat * 86_400 / seconds) if seconds else 0
    return (
        instant(spell.from_at),
        span(seconds) if spell.until_at is not None else f"{span(seconds)}, on",
        f"{spell.ppm:,}" if spell.old_ppm in (None, spell.ppm) else f"{spell.old_ppm:,} -> {spell.ppm:,}",
        spell.source,
        income(spell.flow.out_msat),
        income(spell.flow.earned_msat),
        income(a_day_msat),
        f"{spell.flow.out_count:,}",
        f"{spell.flow.refused_count:,}",
    )
