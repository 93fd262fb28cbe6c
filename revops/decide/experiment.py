"""A switch-back experiment, as it is carried out: whose turn it is, on which channels, and what of a block counts.

Time is cut into blocks of equal length, and each peer changes strategy between them: that is what tells a strategy's
effect from the differences between peers, and from a market that moves. Blocks come in pairs, one of A and one of B,
and which comes first is drawn for each peer and pair: neither a trend nor the days of the week favour one of them. The
draw is a hash of the registered seed, so that nothing has to be remembered, and whoever knows the seed can check it.

What a price did goes on for a while after it was changed: senders know the old one, and a strategy moves step by step.
So the first part of each block, the washout, isn't measured (I. Bojinov, D. Simchi-Levi and J. Zhao, Design and
Analysis of Switchback Experiments, Management Science 69, 2023: blocks and washout as long as the carry-over). The same
holds for a price that the operator, or somebody else, has set within a block: what it brings is nobody's, and the
strategy begins with it afterwards. So the channel leaves the block, and enters it anew once it is given back.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from revops.decide.openness import LONGEST_GAP_SECONDS, could_route
from revops.domain.experiment import Arm, BlockTime, Experiment, Look, Turn
from revops.domain.instants import not_ahead
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


def away_since(one: FeeInput, now: float) -> float:
    """Given a channel that takes no part, and the time, return since when its price isn't the experiment's: a pin is
    sent when it is set, whatever else keeps it out (a rule, "off") is found by this run, which is the first to obey it.
    """
    return now if one.pin is None else not_ahead(one.pin.set_at, now)


class Count(NamedTuple):
    """What a run changes of the blocks' times: `gone`, by (channel_id, block), are dropped before `times` are kept."""

    times: tuple[BlockTime, ...]
    gone: tuple[tuple[str, int], ...]


def counted(
    experiment: Experiment, known: Mapping[tuple[str, int], BlockTime], looks: Iterable[Look], now: float
) -> Count:
    """Given what was counted of open blocks by (channel_id, block), and what a run finds of channels, return what has
    changed by now.

    A channel enters a block with the first run in it, and is measured a washout later: what no run has priced was no
    turn of anybody's. A block that is over is counted to its end, where the channel was left to its strategy so long:
    whose turn it is now tells nothing of that, after the last block it is nobody's.
    """
    times, gone = [], []
    for look in looks:
        channel_id, turn = look.channel.channel_id, look.turn
        mine = {block: time for (whose, block), time in known.items() if whose == channel_id}
        lost = {block for block, time in mine.items() if _was_away(experiment, time, look)}
        gone += [(channel_id, block) for block in sorted(lost)]
        for block, time in mine.items():
            under_way = now < experiment.block_end_at(block)
            if block not in lost and (not under_way or (turn is not None and turn.block == block)):
                times.append(_counted(experiment, time, is_open=could_route(look.channel), now=now))
        if turn is not None and (turn.block not in mine or turn.block in lost):
            times.append(BlockTime(channel_id, turn.block, turn.arm, now + experiment.washout_seconds, now))
    return Count(tuple(one for one in times if one != known.get((one.channel_id, one.block))), tuple(gone))


def _was_away(experiment: Experiment, time: BlockTime, look: Look) -> bool:
    """Whether a price that wasn't its strategy's stood on a channel before the block's end. A foreign one was set at
    some time since the last look at it.
    """
    end_at = experiment.block_end_at(time.block)
    if look.away_since_at is not None and look.away_since_at < end_at:
        return True
    return look.foreign_since_at is not None and time.counted_at < min(look.foreign_since_at, end_at)


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
