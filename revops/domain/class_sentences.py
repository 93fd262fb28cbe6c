"""What the evidence for a profitability class says to a person, with its figures by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from revops.domain.reason_code import ReasonCode

#: By code; `reason_sentences.py` joins them with the others.
CLASSES: Final[Mapping[ReasonCode, str]] = {
    ReasonCode.CLASS_YOUNG: "{age_days} days old: judged from {min_age_days} on",
    ReasonCode.CLASS_UNSEEN: (
        "usable for {open_days} of the last {window_days} days, as far as is known: judged from {min_open_days} on"
    ),
    ReasonCode.CLASS_UNRATED: (
        "balances, by which returns are reckoned, are on record for {rated_days} days: judged from {min_open_days} on"
    ),
    ReasonCode.CLASS_UNVALUED: (
        "what its next sat is worth was not judged yet (`revops fees adjust` does), so that it is never called dead"
    ),
    ReasonCode.CLASS_RETURN: (
        "in {counted_days} of {window_days} days it brought {brought_msat:sat} sat and cost {cost_msat:sat} sat: "
        "{return_percent} % a year on {capital_msat:sat} sat"
    ),
    ReasonCode.CLASS_BARE: (
        "in {counted_days} of {window_days} days it brought {brought_msat:sat} sat and cost {cost_msat:sat} sat, "
        "and held nothing of ours to reckon a return on"
    ),
    ReasonCode.CLASS_SOURCED: (
        "judged by the fees of what entered by it, {sourced_msat:sat} sat, since its exits earned "
        "{earned_msat:sat} sat only; totals count fees where payments left"
    ),
    ReasonCode.CLASS_SILENT: (
        "nothing has gone through it in either direction for {silent_days} usable days (stagnant from {stagnant_days} "
        "on, dead from {dead_days})"
    ),
    ReasonCode.CLASS_WANTED: (
        "nothing has gone through it for {silent_days} usable days, but payments want it: its next sat has a value of "
        "{value_ppm} ppm"
    ),
    ReasonCode.CLASS_KEPT: "between the bound to become {kept} and the wider one to cease to be it",
    ReasonCode.CLASS_PENDING: "{candidate} for {held_days} days: its class from {hold_days} on",
    ReasonCode.CLASS_LASTS: "its class lasts until it can be judged again",
}
