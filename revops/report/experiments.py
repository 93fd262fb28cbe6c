"""`revops experiment` as blocks: what was registered, who takes part, how far it is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from revops.domain.experiment import Ending, Experiment, ExperimentStatus, Member
from revops.domain.text import counted
from revops.report.amounts import instant
from revops.report.blocks import Block, Line, Table

_ENDINGS: Final = {
    Ending.COMPLETE: "complete",
    Ending.STOPPED: "stopped by hand",
    Ending.HARM: "ended early: B was worse beyond doubt",
}
_MEMBER_HEADINGS: Final = ("channel", "peer", "turn", "strategy", "until", ">blocks over", ">of them count")


def started(value: ExperimentStatus, *, dry_run: bool) -> Iterator[Block]:
    """Given an experiment that was begun, or would be, say what was registered and who takes part."""
    if value.experiment is not None:
        if dry_run:
            yield Line("this would be registered:")
        yield from registered(value.experiment)
    yield Line(f"taking part now: {counted(len(value.turns), 'channel')}; `revops fees adjust` does the rest")


def stopped(value: ExperimentStatus, *, dry_run: bool) -> Iterator[Block]:
    """Given an experiment that was ended, or would be, say so."""
    if value.experiment is not None:
        would = "would be " if dry_run else ""
        yield Line(f"experiment {value.experiment.experiment_key} {would}stopped; the configured strategies go on")
        yield Line("what it has shown: `revops report experiment`")


def status(value: ExperimentStatus) -> Iterator[Block]:
    """Given what runs or ran last, render what was registered and how far it is."""
    if value.experiment is None:
        yield Line("no experiment was ever begun: `revops experiment start` begins one")
        return
    yield from registered(value.experiment)
    yield Line(progress(value.experiment, value.block))
    yield Line(f"{counted(value.recorded_count, 'block')} of single channels recorded so far")
    yield from _members(value, value.experiment)


def _members(value: ExperimentStatus, one: Experiment) -> Iterator[Block]:
    if value.members:
        whose = "Blocks" if value.block is None else "Whose turn it is, and blocks"
        title = f"{whose} that are over, of {one.block_count}"
        yield Table(title, _MEMBER_HEADINGS, tuple(_member_row(value, one, member) for member in value.members))
        if value.block is not None:
            yield Line(
                "-: pinned, kept out by a rule, or not reached by a run in this block so far; where that was always "
                "so, a channel isn't listed"
            )
    elif value.block is not None:
        yield Line("no channel was priced by turns yet: the next `revops fees adjust` begins")


def _member_row(value: ExperimentStatus, one: Experiment, member: Member) -> tuple[str, ...]:
    turn = value.turns.get(member.channel_id)
    whose = ("-", "", "")
    if turn is not None:
        whose = (str(turn.arm), turn.strategy, instant(one.block_end_at(turn.block)))
    peer = member.alias or member.peer_id[:12]
    return (member.name, peer, *whose, f"{member.recorded_count:,}", f"{member.counting_count:,}")


def registered(one: Experiment) -> Iterator[Block]:
    """Given an experiment, say what was registered when it began."""
    number = f"experiment {one.experiment_key}" if one.experiment_key else "experiment"
    yield Line(f"{number}: A is {one.a}, B is {one.b}; {instant(one.started_at)} to {instant(one.ends_at)}")
    yield Line(
        f"each peer by turns in {one.block_count} blocks of {_hours(one.block_seconds)}, the first "
        f"{_hours(one.washout_seconds)} of each not measured; drawn with seed {one.seed}"
    )
    yield Line(f"what decides: {one.metric}; beside it: {one.second_metric}")
    yield Line(
        f"stop rule: all {counted(one.pair_count, 'pair')} of blocks, never earlier for success; earlier for harm, if "
        f"B is worse beyond doubt (one-sided, {100 * one.harm_alpha:g} % for all looks together)"
    )


def _hours(seconds: float) -> str:
    return f"{seconds / 3600:g} h"


def progress(one: Experiment, block: int | None) -> str:
    """Given an experiment and the block under way, say how far it is."""
    if one.ended_at is not None and one.ending is not None:
        return f"over since {instant(one.ended_at)}: {_ENDINGS[one.ending]}"
    if block is None:
        return "over; its last payments settle, then the last blocks are recorded"
    return f"block {block + 1} of {one.block_count} is under way, until {instant(one.block_end_at(block))}"
