"""Why a channel asks for what it asks: what was decided last at a moment, what was sent, what each price brought."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from revops.domain.decision import Outcome
from revops.domain.explanation import Explanation, PriceSpell
from revops.domain.forward import Flow
from revops.domain.record import ActionRecord, ChannelRecord, DecisionRecord
from revops.store.actions import PENDING, actions_until
from revops.store.decisions import FEES, REBALANCE, decision_at
from revops.store.engine import Tx
from revops.store.fees import REVOPS, fee_changes_until, next_fee_change_at
from revops.store.flows import flows
from revops.store.nodes import node_row
from revops.store.pins import pins_at

#: Prices and calls that are shown.
SPELL_COUNT: Final = 8
_NO_FLOW: Final = Flow()


def explanation(tx: Tx, channel: ChannelRecord, at: float, now: float, window_days: int) -> Explanation:
    """Given a channel as it is known now, with its income of so many days, and a moment, return what is on record about
    its fee then.
    """
    last = decision_at(tx, FEES, channel.channel_id, at)
    spells = _spells(tx, channel.channel_id, at)
    return Explanation(
        taken_at=now,
        at=at,
        channel_now=channel,
        pin=pins_at(tx, at).get(channel.channel_id),
        decision=last,
        rebalance=decision_at(tx, REBALANCE, channel.channel_id, at),
        actions=tuple(_as_known(action, at) for action in actions_until(tx, channel.channel_id, at, SPELL_COUNT)),
        spells=spells,
        window_days=window_days,
        set_by=_set_by(tx, channel.channel_id, spells, last),
        synced_at=node_row(tx).synced_at,
    )


def _set_by(
    tx: Tx, channel_id: str, spells: Sequence[PriceSpell], last: DecisionRecord | None
) -> DecisionRecord | None:
    """The decision that set the price in force: it was recorded just before it was sent."""
    if not spells or spells[0].source != REVOPS:
        return None
    found = decision_at(tx, FEES, channel_id, spells[0].from_at)
    if found is None or found == last or (found.outcome, found.new_ppm) != (Outcome.CHANGE, spells[0].ppm):
        return None
    return found


def _as_known(action: ActionRecord, at: float) -> ActionRecord:
    """An action as it stood at a moment: one that ended later was still open."""
    if action.settled_at is None or action.settled_at <= at:
        return action
    return replace(action, status=PENDING, reply=None, settled_at=None)


def _spells(tx: Tx, channel_id: str, at: float) -> tuple[PriceSpell, ...]:
    """The latest prices by then. The last one's income runs on to where it ended, or to now."""
    newer_at = next_fee_change_at(tx, channel_id, at)
    spells: list[PriceSpell] = []
    for change in fee_changes_until(tx, channel_id, at, SPELL_COUNT):
        flow = flows(tx, change.changed_at, newer_at).get(channel_id, _NO_FLOW)
        spells.append(PriceSpell(change.changed_at, newer_at, change.old_ppm, change.new_ppm, change.source, flow))
        newer_at = change.changed_at
    return tuple(spells)
