"""`revops explain` as blocks: one channel's fee, from what is known of it to what it brought."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from revops.domain.decision import Outcome
from revops.domain.explanation import Explained, Explanation, PriceSpell
from revops.domain.record import ActionRecord, ChannelRecord, DecisionRecord
from revops.report.amounts import age, income, instant, share, span
from revops.report.blocks import Block, Line, Table
from revops.report.classes import standing
from revops.report.demand import told
from revops.report.job_stories import refills
from revops.report.words import OUTCOMES, fee_step, pinned, state_word

#: Who set a price.
_SOURCES: Final = {
    "revops": "set by revops",
    "external": "as it was found or set outside revops",
    "released": "given back to revops",
}


def explained(value: Explained) -> Iterator[Block]:
    """Given explanations, render one after the other."""
    for number, one in enumerate(value.channels):
        if number:
            yield Line("")
        yield from _channel(one, value.names)


def _channel(one: Explanation, names: Mapping[str, str]) -> Iterator[Block]:
    yield from _known(one)
    yield Line("")
    if one.pin is not None:
        yield Line(pinned(one.pin))
    if one.decision is None:
        yield Line(f"no fee decision is on record by {instant(one.at)}")
    else:
        yield from _decision(one.decision, one.at)
    if one.set_by is not None:
        yield Line("the fee in force comes from:")
        yield from _decision(one.set_by, one.at)
    if one.rebalance is not None:
        yield from _decision(one.rebalance, one.at)
    yield Line("")
    if one.actions:
        title = f"Sent to the node by {instant(one.at)}" if one.of_the_past else "Sent to the node"
        rows = tuple(_action_row(action) for action in one.actions)
        yield Table(title, ("when", "call", "asked for", "outcome"), rows)
    yield from refills(one, names)
    if one.spells:
        title = "What each price brought"
        if one.of_the_past:
            title += ", counted on up to now"
        headings = (
            "since", ">for", ">ppm", "set by", ">out sat", ">earned sat", ">a day", ">sold", ">refused",
        )  # fmt: skip
        yield Table(title, headings, tuple(_spell_row(spell, one.synced_at) for spell in one.spells))


def _known(one: Explanation) -> Iterator[Block]:
    """The channel as it is known now; where another moment is asked for, that is said, and what was in force then."""
    channel = one.channel_now
    peer = channel.alias or (channel.peer_id or "")[:12]
    yield Line(f"{channel.name}  {peer}  {channel.channel_id}")
    if one.of_the_past:
        yield Line(f"on {instant(one.at)}: {_fee_then(one)}")
    state = state_word(channel.state) if channel.open else f"closed ({channel.state.lower()})"
    link = "connected" if channel.connected else "not connected"
    yield Line(
        f"{f'now, {instant(one.taken_at)}: ' if one.of_the_past else ''}"
        f"{income(channel.capacity_msat)} sat, {share(channel.local_msat, channel.capacity_msat)} ours; "
        f"{state}, {link}; {_fee(channel)}; earned {income(channel.lifetime.earned_msat)} sat in all, "
        f"{income(channel.window.earned_msat)} in {one.window_days} d; synced {age(one.synced_at, one.taken_at)}"
    )
    if channel.demand is not None:
        yield Line(told(channel.demand))
    if one.profit_class is not None:
        yield Line(f"{'now ' if one.of_the_past else ''}{standing(one.profit_class)}")


def _fee_then(one: Explanation) -> str:
    if not one.spells:
        return "the fee isn't on record"
    spell = one.spells[0]
    return f"{spell.ppm:,} ppm in force, {_SOURCES.get(spell.source, spell.source)} on {instant(spell.from_at)}"


def _fee(channel: ChannelRecord) -> str:
    if channel.fee_ppm is None:
        return "no fee known"
    return f"{channel.fee_ppm:,} ppm + {channel.fee_base_msat or 0:,} msat in force"


def _decision(decision: DecisionRecord, at: float) -> Iterator[Block]:
    yield Line(f"{decision.command}, {_when(decision, at)}")
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


def _when(decision: DecisionRecord, at: float) -> str:
    """When it was taken, what it was, and how often. Of a repeated decision only the last figures are kept: where that
    was after the moment, it is said.
    """
    planned = decision.command == "rebalance plan" and decision.outcome == Outcome.CHANGE
    what = f"{'planned' if planned else OUTCOMES[decision.outcome]}{_what(decision)}"
    if decision.last_at > at:
        return f"{instant(decision.first_at)}: {what}; the same until {instant(decision.last_at)}, whose figures follow"
    if decision.repeat_count:
        what += f"; {decision.repeat_count + 1:,} times since {instant(decision.first_at)}"
    return f"{instant(decision.last_at)}: {what}"


def _what(decision: DecisionRecord) -> str:
    if decision.old_ppm is not None and decision.new_ppm is not None:
        return f", {fee_step(decision.outcome, decision.old_ppm, decision.new_ppm)}"
    return f" {income(decision.amount_msat)} sat" if decision.amount_msat else ""


def _action_row(action: ActionRecord) -> tuple[str, ...]:
    return (instant(action.created_at), action.method, _listed(action.request), _ended(action))


def _ended(action: ActionRecord) -> str:
    """How a call ended, and what the node said, where that isn't simply what was asked for."""
    if not action.reply or action.reply == action.request:
        return action.status
    return f"{action.status}: {_listed(action.reply)}"


def _listed(values: Mapping[str, object]) -> str:
    return ", ".join(f"{key} {value}" for key, value in values.items())


def _spell_row(spell: PriceSpell, synced_at: float | None) -> tuple[str, ...]:
    """What a price still brings is known up to the last sync: an hour of which nothing is known isn't one without
    income.
    """
    known_to = spell.until_at if spell.until_at is not None else synced_at
    seconds = 0.0 if known_to is None else max(known_to - spell.from_at, 0.0)
    a_day_msat = int(spell.flow.earned_msat * 86_400 / seconds) if seconds else 0
    return (
        instant(spell.from_at),
        span(seconds) if spell.until_at is not None else f"{span(seconds)}+",
        f"{spell.ppm:,}",
        spell.source,
        income(spell.flow.out_msat),
        income(spell.flow.earned_msat),
        income(a_day_msat),
        f"{spell.flow.out_count:,}",
        f"{spell.flow.refused_count:,}",
    )
