"""What suspends writing: reserves, a node that syncs, a clock that the chain does not confirm.

Every check fails closed and says why; nothing here raises a ceiling.
"""

from __future__ import annotations

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
#: Marks of the longest spending window and a day; of older ones only the newest counts.
MARKS_SECONDS: Final = 8 * 86_400
#: More blocks than this multiple of what the clock allows, and these, come by chance once in ages (Poisson).
MOST_BLOCK_SHARE: Final = 2
MOST_BLOCK_SLACK: Final = 36
#: A mark that lies ahead was wrong if for three days since then clock and chain have agreed, to a quarter.
VOUCHING_BLOCKS: Final = 3 * 144
VOUCHING_SHARE: Final = 1.25
#: Where a block takes ten minutes on average; others are slower or faster, or come in storms.
PACED_NETWORKS: Final = frozenset({"bitcoin", "signet"})
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
    """Given all earlier (clock, height) pairs, return why the clock is doubted; empty when the chain confirms it.

    A clock that jumps forward would empty the spending windows at once: for every mark the chain must have grown by a
    fair share of the blocks that the clock says have passed. One that jumped by more than a window has no mark in it,
    so the newest mark before it counts too. What is dated by a clock that went back has left the window as soon as
    the clock is put right: so the chain mustn't have grown much faster than the clock, and no mark may lie ahead.
    """
    if network in CLOCKLESS_NETWORKS:
        return ()
    telling = _telling(marks, now)
    for mark in telling:
        elapsed = now - mark.marked_at
        block_count = blockheight - mark.blockheight
        if elapsed <= -LEAST_STEP_SECONDS:
            doubtful = not _vouched(telling, mark, now, blockheight)
        else:
            doubtful = _out_of_pace(elapsed, block_count, network)
        if doubtful:
            return (why(ReasonCode.CLOCK_DOUBTFUL, elapsed_hours=round(elapsed / 3600, 1), block_count=block_count),)
    return ()


def _out_of_pace(elapsed: float, block_count: int, network: str) -> bool:
    too_few = elapsed >= LEAST_STEP_SECONDS and block_count < LEAST_BLOCK_SHARE * elapsed / BLOCK_SECONDS
    most_count = MOST_BLOCK_SHARE * max(elapsed, 0.0) / BLOCK_SECONDS + MOST_BLOCK_SLACK
    return too_few or (network in PACED_NETWORKS and block_count > most_count)


def _vouched(marks: Sequence[ClockMark], ahead: ClockMark, now: float, blockheight: int) -> bool:
    for mark in marks:
        count = blockheight - mark.blockheight
        since = mark.blockheight >= ahead.blockheight and mark.marked_at < now
        if since and VOUCHING_BLOCKS <= count <= VOUCHING_SHARE * (now - mark.marked_at) / BLOCK_SECONDS:
            return True
    return False


def _telling(marks: Sequence[ClockMark], now: float) -> list[ClockMark]:
    recent = [mark for mark in marks if mark.marked_at >= now - MARKS_SECONDS]
    older = [mark for mark in marks if mark.marked_at < now - MARKS_SECONDS]
    return [*recent, *sorted(older, key=lambda mark: mark.marked_at)[-1:]]
