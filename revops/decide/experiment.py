"""A switch-back experiment, as it is carried out: whose turn it is, on which channels, and what of a block counts.

Time is cut into blocks of equal length, and each peer changes strategy between them: that is what tells a strategy's
effect from the differences between peers, and from a market that moves. Blocks come in pairs, one of A and one of B,
and which comes first is drawn for each peer and pair: neither a trend nor the days of the week favour one of them. The
draw is a hash of the registered seed, so that nothing has to be remembered, and whoever knows the seed can check it.

What a price did goes on for a while after it was changed: senders know the old one, and a strategy moves step by step.
So the first part of each block, the washout, isn't measured (I. Bojinov, D. Simchi-Levi and J. Zhao, Design and
Analysis of Switchback Experiments, Management Science 69, 2023: blocks and washout as long as the carry-over).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Final

from revops.decide.openness import LONGEST_GAP_SECONDS, could_route
from revops.domain.channel import Channel
from revops.domain.experiment import Arm, BlockTime, Experiment, Turn
from revops.domain.policy import FeesConfig
from revops.domain.reason import Reason, ReasonCode, why
from revops.domain.snapshot import FeeInput

#: The share of a block that isn't measured.
WASHOUT_RATIO: Final = 1 / 3
#: A block is at least so many times as long as the least interval between two updates: one for the washout, in which
#: the other strategy sets its first price, and two in which prices can be moved and seen.
LEAST_INTERVALS: Final = 3
#: A block of which less was looked at doesn't count: what went through meanwhile would stand over too short a time.
SEEN_RATIO: Final = 0.9
#: The chance of a false alarm that all looks for harm together may take.
HARM_ALPHA: Final = 0.01
#: What was received in a block settles within so long but for rare exceptions, which are left out.
SETTLE_SECONDS: Final = 3_600.0


def block_at(experiment: Experiment, at: float) -> int | None:
    """Given a moment, return the number of the block under way; None before the first, after the last, and once the
    experiment was ended.
    """
    if experiment.ended_at is not None or not experiment.started_at <= at < experiment.ends_at:
        return None
    return min(int((at - experiment.started_at) // experiment.block_seconds), experiment.block_count - 1)


def arm_of(seed: int, peer_id: str, block: int) -> Arm:
    """Given the seed, a peer and a block's number, return whose turn it is on all channels of the peer: they are priced
    together.
    """
    pair, second = divmod(block, 2)
    first_is_b = hashlib.sha256(f"{seed}/{peer_id}/{pair}".encode()).digest()[0] & 1
    return Arm.B if first_is_b ^ second else Arm.A


def turn_of(experiment: Experiment, peer_id: str, at: float) -> Turn | None:
    """Given a peer and a moment, return whose turn it is; None while the experiment isn't under way."""
    block = block_at(experiment, at)
    if block is None:
        return None
    arm = arm_of(experiment.seed, peer_id, block)
    return Turn(experiment.experiment_key, arm, experiment.strategy_of(arm), block, experiment.block_count)


def reason_of(turn: Turn) -> Reason:
    """Given whose turn it is, return it as a reason; a code for each arm, so that a switch is a new decision."""
    block = turn.block + 1
    if turn.arm is Arm.A:
        return why(
            ReasonCode.EXPERIMENT_A,
            experiment=turn.experiment_key,
            block=block,
            block_count=turn.block_count,
            strategy=turn.strategy,
        )
    return why(
        ReasonCode.EXPERIMENT_B,
        experiment=turn.experiment_key,
        block=block,
        block_count=turn.block_count,
        strategy=turn.strategy,
    )


def takes_part(one: FeeInput, policy: FeesConfig, *, by_rule: bool, experiment: Experiment) -> bool:
    """Given a channel, its policy, and whether a rule has set its strategy, return whether the experiment prices it.

    The operator's word comes first: a pin, "off", somebody else's fee that is respected, and a rule that asks for a
    third strategy keep a channel out. Where the strategy is that of `[fees]`, the experiment takes its place.
    """
    if not one.channel.live or one.pin is not None or policy.strategy == "off":
        return False
    if policy.external == "respect" and one.external_since_at is not None:
        return False
    return not by_rule or policy.strategy in (experiment.a, experiment.b)


def counted(
    experiment: Experiment,
    known: Mapping[tuple[str, int], BlockTime],
    channels: Iterable[Channel],
    turns: Mapping[str, Turn],
    now: float,
) -> tuple[BlockTime, ...]:
    """Given what was counted of open blocks by (channel_id, block), the channels as they are now, and whose turn it is
    on those that are priced by the experiment, return what has changed by now.

    A channel enters a block with the first run in it, and is measured a washout later: what no run has priced was no
    turn of anybody's. A block that is over is counted to its end.
    """
    by_id = {channel.channel_id: channel for channel in channels}
    changed = []
    for (channel_id, block), time in known.items():
        turn = turns.get(channel_id)
        under_way = now < experiment.block_end_at(block)
        if channel_id in by_id and (not under_way or (turn is not None and turn.block == block)):
            changed.append(_counted(experiment, time, is_open=could_route(by_id[channel_id]), now=now))
    for channel_id, turn in turns.items():
        if channel_id in by_id and (channel_id, turn.block) not in known:
            changed.append(BlockTime(channel_id, turn.block, turn.arm, now + experiment.washout_seconds, now))
    return tuple(one for one in changed if one != known.get((one.channel_id, one.block)))


def _counted(experiment: Experiment, time: BlockTime, *, is_open: bool, now: float) -> BlockTime:
    """A gap of more than six hours counts as six, as in all windows (`openness.py`); a clock that went back counts
    nothing.
    """
    until_at = min(now, experiment.block_end_at(time.block))
    since_at = max(time.counted_at, time.measured_at, now - LONGEST_GAP_SECONDS)
    seconds = max(until_at - since_at, 0.0)
    return time._replace(
        counted_at=max(time.counted_at, until_at),
        open_seconds=time.open_seconds + (seconds if is_open else 0.0),
        seen_seconds=time.seen_seconds + seconds,
    )


def due_blocks(experiment: Experiment, now: float) -> int:
    """Given the time, return how many blocks are over whose payments have settled by now."""
    until_at = now - SETTLE_SECONDS
    if experiment.ended_at is not None:
        until_at = min(until_at, experiment.ended_at)
    return experiment.whole_blocks(until_at)
