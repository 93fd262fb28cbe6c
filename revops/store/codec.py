"""Values that are stored as JSON: reasons, strategy states, requests. Read back strictly: a state half read would
misprice.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import MISSING, fields
from typing import Any, Final

from revops.domain.decision import FeeState, PriceWindow
from revops.domain.demand import DemandFigures
from revops.domain.reason import Reason, ReasonCode
from revops.domain.rebalance import RebalanceTerms
from revops.errors import DataError

_STATE_FIELDS: Final = {field.name: field for field in fields(FeeState)}
_WINDOW_FIELDS: Final = tuple(field.name for field in fields(PriceWindow))
_FIGURES_FIELDS: Final = tuple(field.name for field in fields(DemandFigures))
_TERMS_FIELDS: Final = tuple(field.name for field in fields(RebalanceTerms))
#: `json.dumps` makes an encoder for each value.
_ENCODER: Final = json.JSONEncoder(separators=(",", ":"), allow_nan=False)


def dump(value: Any) -> str:
    """Given a plain value, return its JSON. Raise ValueError for infinities and NaN: they are no JSON."""
    return _ENCODER.encode(value)


def load_object(document: str) -> dict[str, object]:
    """Given a JSON object, return it. Raise DataError for anything else."""
    value = json.loads(document)
    if not isinstance(value, dict):
        raise DataError(f"database: {document[:60]!r} is not a JSON object")
    return value


def dump_reasons(reasons: Iterable[Reason]) -> str:
    """Given reasons, return them as a JSON list of [code, numbers]."""
    return dump([[str(reason.code), dict(reason.numbers)] for reason in reasons])


def load_reasons(document: str) -> tuple[Reason, ...]:
    """Given what `dump_reasons` made, return the reasons. Raise DataError for a code of another version."""
    try:
        return tuple(Reason(ReasonCode(code), numbers) for code, numbers in json.loads(document))
    except (ValueError, TypeError) as error:
        raise DataError(f"database: reasons can't be read ({error}); were they written by a newer revops?") from error


def dump_state(state: FeeState) -> str:
    """Given a strategy's state, return its JSON."""
    values = _plain(state, _STATE_FIELDS)
    values["windows"] = [_plain(window, _WINDOW_FIELDS) for window in state.windows]
    values["demand"] = None if state.demand is None else _plain(state.demand, _FIGURES_FIELDS)
    return dump(values)


def _plain(value: object, names: Iterable[str]) -> dict[str, Any]:
    return {name: getattr(value, name) for name in names}


def load_state(document: str) -> FeeState:
    """Given what `dump_state` made, now or in an earlier version, return the state.

    Fields that have come since take their defaults. Raise DataError where one without default is missing, or one is
    not known.
    """
    stored = load_object(document)
    missing = [name for name, field in _STATE_FIELDS.items() if field.default is MISSING and name not in stored]
    unknown = stored.keys() - _STATE_FIELDS.keys()
    if missing or unknown:
        names = ", ".join([*missing, *sorted(unknown)])
        raise DataError(f"database: a fee state can't be read ({names}); was it written by a newer revops?")
    values: dict[str, Any] = stored
    try:
        windows = tuple(PriceWindow(**window) for window in values.pop("windows", ()))
    except TypeError as error:
        raise DataError(f"database: a fee state can't be read ({error}); was it written by a newer revops?") from error
    return FeeState(**values | {"windows": windows, "demand": _figures(values.get("demand"))})


def load_figures(document: str) -> DemandFigures | None:
    """Given what `dump_state` made, return the figures of demand in it, whatever the rest is; None: it has none."""
    return _figures(load_object(document).get("demand"))


def _figures(stored: Any) -> DemandFigures | None:
    if stored is None:
        return None
    try:
        values_ppm = tuple(float(value) for value in dict(stored).get("values_ppm", ()))
        return DemandFigures(**stored | {"values_ppm": values_ppm})
    except (TypeError, ValueError) as error:
        raise DataError(f"database: figures can't be read ({error}); were they written by a newer revops?") from error


def dump_terms(terms: RebalanceTerms) -> str:
    """Given what a plan weighed for a job, return its JSON."""
    return dump(_plain(terms, _TERMS_FIELDS))


def load_terms(document: str) -> RebalanceTerms:
    """Given what `dump_terms` made, return it. Raise DataError where it can't be read."""
    values: dict[str, Any] = load_object(document)
    try:
        return RebalanceTerms(**values)
    except TypeError as error:
        raise DataError(f"database: a job's terms can't be read ({error}); is this a newer revops's?") from error
