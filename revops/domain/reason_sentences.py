"""What each reason says to a person, with its numbers by name: those of fees, of rebalances, of classes, of splices and
of liquidity ads, and of splices in flight, joined; and which numbers earlier versions didn't give.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from revops.domain.ads_sentences import ADS
from revops.domain.class_sentences import CLASSES
from revops.domain.fee_sentences import FEES
from revops.domain.in_flight_sentences import IN_FLIGHT
from revops.domain.reason_code import ReasonCode
from revops.domain.rebalance_sentences import REBALANCES
from revops.domain.splice_sentences import SPLICES

#: The sentence of each reason; a test holds that every code has one and that its numbers fit.
SENTENCES: Final[Mapping[ReasonCode, str]] = {**FEES, **REBALANCES, **CLASSES, **SPLICES, **ADS, **IN_FLIGHT}

#: Numbers that reasons of earlier versions lack, as they may be stored.
LATER: Final[Mapping[ReasonCode, frozenset[str]]] = {
    ReasonCode.FIRST_FEE_ANCHOR: frozenset({"least_ppm"}),
    ReasonCode.RESERVE_LOW: frozenset({"resume_sat"}),
    ReasonCode.KELLY: frozenset({"cost_ppm", "room", "p_percent", "staked"}),
    ReasonCode.NOTHING_CHEAPER: frozenset({"source", "source_ppm", "last_hop_ppm"}),
    ReasonCode.LAST_HOP_ABOVE_WORTH: frozenset({"bound"}),
    ReasonCode.ROUTE_ABOVE_WORTH: frozenset({"bound"}),
    ReasonCode.NO_QUOTE: frozenset({"target_ppm", "source_ppm", "bound"}),
    ReasonCode.NOT_QUOTED: frozenset({"cause"}),
}
