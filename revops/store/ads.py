"""Liquidity ads on record: every change of what the node offers, which is what was promised.

A change is an action; none is ever deleted, since a lease that was taken long ago binds us by what was offered then.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Final

from revops.domain.ads import AdTerms, LeaseRates, PastOffer
from revops.domain.record import ActionRecord
from revops.errors import DataError
from revops.store.actions import begin_action, calls_of
from revops.store.engine import Tx

#: The call that sets what is offered.
METHOD: Final = "funderupdate"
_REFUSED: Final = "failed"


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
        PastOffer(
            action.created_at,
            () if action.status == _REFUSED else _offered(action, "terms"),
            _offered(action, "found"),
        )
        for action in calls_of(tx, METHOD)
    )


def _offered(action: ActionRecord, name: str) -> tuple[LeaseRates, ...]:
    """The rates that stood before a change ("found"), or were to take their place ("terms"); none where it was
    withdrawn.
    """
    rates = _read(action, name).rates
    return () if rates.empty else (rates,)


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
