"""What suspends writing: reserves, a node that syncs, a clock that the chain does not confirm.

Every check fails closed and says why; nothing here raises a ceiling.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from revops.domain.policy import ReserveConfig
from revops.domain.reason import Reason, ReasonCode, why
from revops.domain.snapshot import ClockMark, NodeView
from revops.domain.units import MSAT_PER_SAT, sat_floor

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


def reserve_reasons(view: NodeView, reserve: ReserveConfig) -> tuple[Reason, ...]:
    """Given the node's funds and the reserve, return why writing is suspended; empty when both floors hold."""
    return funds_reasons(view.wallet.spendable_msat, view.spendable_msat, reserve)


def funds_reasons(wallet_msat: int, channels_msat: int, reserve: ReserveConfig) -> tuple[Reason, ...]:
    """Given confirmed, unreserved on-chain funds and what the channels could send, return as `reserve_reasons` does."""
    funds = (
        ("the wallet", wallet_msat, reserve.onchain_sat),
        ("the channels", channels_msat, reserve.offchain_sat),
    )
    return tuple(
        why(ReasonCode.RESERVE_LOW, where=where, have_sat=sat_floor(have_msat), floor_sat=floor_sat)
        for where, have_msat, floor_sat in funds
        if have_msat < floor_sat * MSAT_PER_SAT
    )


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
