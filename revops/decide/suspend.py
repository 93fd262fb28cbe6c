"""What suspends writing: reserves, a node that syncs, a clock that the chain does not confirm.

Every check fails closed and says why; nothing here raises a ceiling.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from types import MappingProxyType
from typing import Final, NamedTuple

from revops.domain.policy import ReserveConfig
from revops.domain.reason import Reason, ReasonCode, why
from revops.domain.record import ReserveStanding
from revops.domain.snapshot import ClockMark, NodeView
from revops.domain.units import MSAT_PER_SAT, sat_ceil, sat_floor

#: Bitcoin aims at a block in ten minutes.
BLOCK_SECONDS: Final = 600
#: A shorter step can't be told from a slow hour: 5 % of hours have two blocks or fewer.
LEAST_STEP_SECONDS: Final = 4 * 3_600
#: Fewer than this share of the expected blocks in four hours or more has a chance below one in a thousand (Poisson).
LEAST_BLOCK_SHARE: Final = 0.35
#: Marks of the last day, counted in blocks. There is no need to look further back: the spend ledger itself waits for
#: the chain before anything leaves a window.
MARKS_BLOCKS: Final = 144
#: On a regtest chain blocks come when somebody asks for them.
CLOCKLESS_NETWORKS: Final = frozenset({"regtest"})
#: The places whose funds have a floor. The values are stored: never change them.
ONCHAIN: Final = "onchain"
OFFCHAIN: Final = "offchain"
#: What people call them.
WHERE: Final = {ONCHAIN: "the wallet", OFFCHAIN: "the channels"}
NOWHERE: Final[Mapping[str, float]] = MappingProxyType({})


class Funds(NamedTuple):
    """Confirmed, unreserved on-chain funds, and what the usable channels could send together; msat."""

    wallet_msat: int
    channels_msat: int


def reserve_standings(funds: Funds, reserve: ReserveConfig, since: Mapping[str, float]) -> tuple[ReserveStanding, ...]:
    """Given the funds, the reserve and since when each place is suspended (`reserve_since`), return how each stands."""
    places = (
        (ONCHAIN, funds.wallet_msat, reserve.onchain_sat),
        (OFFCHAIN, funds.channels_msat, reserve.offchain_sat),
    )
    return tuple(
        _standing(place, WHERE[place], have_msat, floor_sat, reserve.resume_ratio, since.get(place))
        for place, have_msat, floor_sat in places
    )


def _standing(
    place: str, where: str, have_msat: int, floor_sat: int, resume_ratio: float, since_at: float | None
) -> ReserveStanding:
    floor_msat, resume_msat = floor_sat * MSAT_PER_SAT, resume_level_msat(floor_sat, resume_ratio)
    have_sat, resume_sat, reason = sat_floor(have_msat), sat_ceil(resume_msat), None
    if have_msat < floor_msat:
        reason = why(ReasonCode.RESERVE_LOW, where=where, have_sat=have_sat, floor_sat=floor_sat, resume_sat=resume_sat)
    elif since_at is not None:
        reason = why(
            ReasonCode.RESERVE_RECOVERING, where=where, have_sat=have_sat, floor_sat=floor_sat, resume_sat=resume_sat
        )
    return ReserveStanding(place, have_msat, floor_msat, resume_msat, since_at, reason)


def resume_level_msat(floor_sat: int, resume_ratio: float) -> int:
    """Given a floor, and what must be there beyond it once it was passed, return what lets writing go on, in msat,
    rounded up: floats lose msat beyond 2^53.
    """
    return math.ceil(floor_sat * MSAT_PER_SAT * (1 + Fraction(repr(resume_ratio))))


def reserve_since(funds: Funds, reserve: ReserveConfig, before: Mapping[str, float], now: float) -> dict[str, float]:
    """Given the funds, the reserve, and since when each place was suspended before, return since when each is now.

    A place is suspended once its funds are below its floor, and until they reach the floor times (1 + resume_ratio):
    without the gap a payment that comes and goes would have fees set in one run and left alone in the next.
    """
    return {
        one.place: before.get(one.place, now)
        for one in reserve_standings(funds, reserve, {})
        if one.have_msat < (one.resume_msat if one.place in before else one.floor_msat)
    }


def reserve_reasons(
    view: NodeView, reserve: ReserveConfig, before: Mapping[str, float] = NOWHERE
) -> tuple[Reason, ...]:
    """Given the node's funds, the reserve, and since when each place was suspended before, return why writing is
    suspended; empty when both floors hold.

    All that changes the node is, in every command, but for the cures: settling and stopping jobs, unreserving,
    withdrawing lease offers, and splicing out to the wallet. Fees go on where `reserve.exempt` lists them.
    """
    return funds_reasons(view.wallet.spendable_msat, view.spendable_msat, reserve, before)


def funds_reasons(
    wallet_msat: int, channels_msat: int, reserve: ReserveConfig, before: Mapping[str, float] = NOWHERE
) -> tuple[Reason, ...]:
    """Given confirmed, unreserved on-chain funds and what the channels could send, return as `reserve_reasons` does."""
    funds = Funds(wallet_msat, channels_msat)
    standings = reserve_standings(funds, reserve, reserve_since(funds, reserve, before, 0.0))
    return tuple(one.reason for one in standings if one.reason is not None)


def lacks_wallet(reason: Reason) -> bool:
    """Given what suspends writing, return whether that is the wallet's reserve: what fills the wallet is a cure."""
    low = reason.code in {ReasonCode.RESERVE_LOW, ReasonCode.RESERVE_RECOVERING}
    return low and reason.numbers.get("where") == WHERE[ONCHAIN]


def syncing_reasons(view: NodeView) -> tuple[Reason, ...]:
    """Given the node, return why its view of the chain can't be trusted yet; empty when it is in sync."""
    warning = view.node.sync_warning
    return () if warning is None else (why(ReasonCode.NODE_SYNCING, warning=warning),)


def clock_reasons(marks: Sequence[ClockMark], now: float, blockheight: int, network: str) -> tuple[Reason, ...]:
    """Given earlier (clock, height) pairs, return why the clock is doubted; empty when the chain confirms it.

    A clock is doubted that has moved on by hours since a mark of the last day while the chain has not. A mark above the
    present height tells nothing (the node erred then, or errs now), nor does one of a clock that had just gone back.
    """
    if network in CLOCKLESS_NETWORKS:
        return ()
    for mark in _telling(marks, blockheight):
        elapsed = now - mark.marked_at
        block_count = blockheight - mark.blockheight
        if elapsed >= LEAST_STEP_SECONDS and block_count < LEAST_BLOCK_SHARE * elapsed / BLOCK_SECONDS:
            return (why(ReasonCode.CLOCK_DOUBTFUL, elapsed_hours=round(elapsed / 3600, 1), block_count=block_count),)
    return ()


def lagging_reasons(marks: Sequence[ClockMark], now: float, blockheight: int, network: str) -> tuple[Reason, ...]:
    """Given earlier (clock, height) pairs, return why the clock seems to have gone back; empty where it hasn't.

    Most marks of the last day of blocks lie hours ahead of it. A few of them were made by a clock that was ahead.
    """
    if network in CLOCKLESS_NETWORKS:
        return ()
    known = [mark for mark in marks if 0 <= blockheight - mark.blockheight <= MARKS_BLOCKS]
    ahead = [mark for mark in known if mark.marked_at - now >= LEAST_STEP_SECONDS]
    if not ahead or 2 * len(ahead) <= len(known):
        return ()
    latest = max(ahead, key=lambda mark: mark.marked_at)
    elapsed_hours = round((now - latest.marked_at) / 3600, 1)
    block_count = blockheight - latest.blockheight
    return (why(ReasonCode.CLOCK_DOUBTFUL, elapsed_hours=elapsed_hours, block_count=block_count),)


def _telling(marks: Sequence[ClockMark], blockheight: int) -> list[ClockMark]:
    """The marks of the last day of blocks, without those that lie hours before one that the chain puts before them."""
    telling: list[ClockMark] = []
    latest_at = -math.inf
    for mark in sorted(marks, key=lambda mark: (mark.blockheight, mark.marked_at)):
        if mark.marked_at > latest_at - LEAST_STEP_SECONDS and 0 <= blockheight - mark.blockheight <= MARKS_BLOCKS:
            telling.append(mark)
        latest_at = max(latest_at, mark.marked_at)
    return telling
