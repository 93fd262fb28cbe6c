"""Liquidity ads on record: what was decided, and every change of what the node offers, which is what was promised.

A change is an action; none is ever deleted, since a lease that was taken long ago binds us by what was offered then.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any, Final

from sqlalchemy import insert, select, update

from revops.domain.ads import AdsDecision, AdTerms, LeaseRates, PastOffer
from revops.domain.instants import AHEAD_SECONDS
from revops.domain.reason import ReasonCode
from revops.domain.record import ActionRecord
from revops.errors import DataError
from revops.store import tally
from revops.store.actions import begin_action, calls_of
from revops.store.codec import dump, dump_reasons, load_reasons
from revops.store.engine import Tx
from revops.store.keys import next_keys
from revops.store.tables import decision

COMMAND: Final = "ads adjust"
#: The call that sets what is offered.
METHOD: Final = "funderupdate"
#: What a decision is of: the node, not a channel.
_NAME: Final = "liquidity ad"
_REFUSED: Final = "failed"


def record_decision(tx: Tx, run_key: int, taken: AdsDecision) -> None:
    """Given a decision, record it; one that repeats the last extends it."""
    row: dict[str, Any] = {
        "name": _NAME,
        "outcome": str(taken.outcome),
        "amount_msat": taken.lendable_msat,
        "expected_gain_msat": 0 if taken.price_msat is None else taken.price_msat - (taken.cost_msat or 0),
        "reasons_json": dump_reasons(taken.reasons),
        "details_json": dump(_details(taken)),
        "last_at": taken.taken_at,
    }
    last = _last(tx, taken.taken_at)
    codes = [reason.code for reason in taken.reasons]
    if (
        last is not None
        and last.outcome == row["outcome"]
        and codes == [r.code for r in load_reasons(last.reasons_json)]
    ):
        mine = (decision.c.node_key == tx.node_key, decision.c.decision_key == last.decision_key)
        tx.connection.execute(update(decision).where(*mine).values(repeat_count=last.repeat_count + 1, **row))
    else:
        new = {
            "node_key": tx.node_key,
            "decision_key": next_keys(tx, "decision"),
            "run_key": run_key,
            "command": COMMAND,
            "channel_key": None,
            "source_channel_key": 0,
            "first_at": taken.taken_at,
            "repeat_count": 0,
        }
        tx.connection.execute(insert(decision).values(**new, **row))
    tally.add(tx, COMMAND, [(row["outcome"], codes)])


def _last(tx: Tx, taken_at: float) -> Any:
    """The last decision; one that a clock ahead has dated is none."""
    statement = (
        select(decision)
        .where(
            decision.c.node_key == tx.node_key,
            decision.c.command == COMMAND,
            decision.c.last_at <= taken_at + AHEAD_SECONDS,
        )
        .order_by(decision.c.last_at.desc(), decision.c.decision_key.desc())
        .limit(1)
    )
    return tx.connection.execute(statement).first()


def _codes(row: Any) -> list[ReasonCode]:
    return [reason.code for reason in load_reasons(row.reasons_json)]


def _details(taken: AdsDecision) -> dict[str, object]:
    return {
        "terms": asdict(taken.new),
        "price_msat": taken.price_msat,
        "cost_msat": taken.cost_msat,
        "market_msat": taken.market_msat,
        "lent_msat": taken.lent_msat,
    }


def begin_offer(tx: Tx, run_key: int, found: AdTerms, terms: AdTerms, at: float) -> int:
    """Given what is in force, and what is about to take its place, write both down; return the action's key."""
    return begin_action(tx, run_key, METHOD, None, {"found": asdict(found), "terms": asdict(terms)}, at)


def terms_of(action: ActionRecord) -> AdTerms:
    """Given a change, return what was to be offered. Raise DataError where that can't be read."""
    return _read(action, "terms")


def last_terms(tx: Tx) -> AdTerms | None:
    """Return what was offered last, as far as that is known; None where nothing ever was."""
    calls = [action for action in calls_of(tx, METHOD) if action.status != _REFUSED]
    return terms_of(calls[-1]) if calls else None


def past_offers(tx: Tx) -> tuple[PastOffer, ...]:
    """Return what may ever have been offered, the oldest first: a call whose end isn't known counts."""
    return tuple(
        PastOffer(action.created_at, tuple(rates for rates in _both(action) if not rates.empty))
        for action in calls_of(tx, METHOD)
    )


def _both(action: ActionRecord) -> tuple[LeaseRates, ...]:
    """What stood there before a change, and what took its place unless the node refused it."""
    names = ("found",) if action.status == _REFUSED else ("found", "terms")
    return tuple(_read(action, name).rates for name in names)


def _read(action: ActionRecord, name: str) -> AdTerms:
    stored = action.request.get(name)
    try:
        if not isinstance(stored, Mapping):
            raise TypeError("no object")
        values = dict(stored)
        rates = values.pop("rates")
        if values.keys() | {"rates"} != {field.name for field in fields(AdTerms)}:
            raise TypeError("other fields")
        return AdTerms(rates=LeaseRates(**rates), **values)
    except (KeyError, TypeError) as error:
        raise DataError(f"database: action {action.action_key}: what was offered can't be read ({error})") from error
