"""What the reasons that a splice in flight gives say to a person, with their numbers by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from revops.domain.reason_code import ReasonCode

#: By code; `reason_sentences.py` joins them with the others.
IN_FLIGHT: Final[Mapping[ReasonCode, str]] = {
    ReasonCode.SPLICE_COMING: (
        "a splice in flight brings {amount_sat} sat: they can't be sold before it is locked in, and need no refill"
    ),
    ReasonCode.SPLICE_LEAVING: (
        "a splice in flight takes {amount_sat} sat: they count as gone, {fits_sat} can be sent before and after it"
    ),
    ReasonCode.SPLICE_OF_PEER: (
        "a splice of the peer's is in flight, from {before_sat} to {after_sat} sat: payments fit both"
    ),
    ReasonCode.SPLICE_SHORT: (
        "{side} has a splice in flight: {have_sat} sat fit before and after it, {wanted_sat} are wanted"
    ),
    ReasonCode.SPLICE_SUPPLIES: (
        "a splice in flight brings {amount_sat} sat to the target: one more than that is worth {worth_ppm} ppm there"
    ),
    ReasonCode.SPLICE_SLING: (
        "{side} has a splice in flight, and sling forgets a job when that is locked in: it waits till then"
    ),
}
