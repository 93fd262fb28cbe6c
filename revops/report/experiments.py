"""`revops experiment` and `revops report experiment` as blocks: what was registered, how far it is, what it shows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from revops.domain.experiment import ArmSum, Difference, Ending, Experiment, ExperimentReport, ExperimentStatus, Need
from revops.domain.text import counted
from revops.report.amounts import income, instant
from revops.report.blocks import Block, Line, Table

_ENDINGS: Final = {
    Ending.COMPLETE: "complete",
    Ending.STOPPED: "stopped by hand",
    Ending.HARM: "ended early: B was worse beyond doubt",
}
_ARM_HEADINGS: Final = (
    "", "strategy", ">blocks", ">hours", ">open", ">forwards", ">net sat", ">fees sat", ">net msat/h",
    ">fees msat/h",
)  # fmt: skip
_HEADINGS: Final = ("by", ">A", ">B less A", ">95 % from", ">to", ">of A", ">chance")


def started(value: ExperimentStatus, *, dry_run: bool) -> Iterator[Block]:
    """Given an experiment that was begun, or would be, say what was registered and who takes part."""
    if value.experiment is not None:
        if dry_run:
            yield Line("this would be registered:")
        yield from _registered(value.experiment)
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
    yield from _registered(value.experiment)
    yield Line(_progress(value.experiment, value.block))
    yield Line(f"{counted(value.recorded_count, 'block')} of single channels recorded so far")


def _registered(one: Experiment) -> Iterator[Block]:
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


def _progress(one: Experiment, block: int | None) -> str:
    if one.ended_at is not None and one.ending is not None:
        return f"over since {instant(one.ended_at)}: {_ENDINGS[one.ending]}"
    if block is None:
        return "over; its last payments settle, then the last blocks are recorded"
    return f"block {block + 1} of {one.block_count} is under way, until {instant(one.block_end_at(block))}"


def result(value: ExperimentReport) -> Iterator[Block]:
    """Given what an experiment has shown, render it with all that keeps it from being read as more than it is."""
    one = value.experiment
    yield from _registered(one)
    under_way = int((value.taken_at - one.started_at) // one.block_seconds) if value.taken_at < one.ends_at else None
    yield Line(_progress(one, under_way))
    yield Line("")
    yield Line(
        f"{counted(value.pair_count, 'pair')} of blocks of {counted(value.peer_count, 'peer')} count; "
        f"{value.left_out_count:,} more don't: too little was seen of them, or they were priced by hand meanwhile"
    )
    if not value.differences:
        yield Line("no pair of blocks is complete yet: there is nothing to compare")
        return
    yield Table("What the blocks that count have brought", _ARM_HEADINGS, tuple(_arm_row(arm) for arm in value.arms))
    rows = tuple(_difference_row(difference) for difference in value.differences)
    yield Table("B less A, msat per hour and channel, the mean over pairs of blocks by their channels", _HEADINGS, rows)
    yield Line(_verdict(value))
    yield from _needs(value)
    yield from _cautions(value)


def _arm_row(arm: ArmSum) -> tuple[str, ...]:
    return (
        str(arm.arm),
        arm.strategy,
        f"{arm.block_count:,}",
        f"{arm.seen_hours:,.0f}",
        "-" if arm.open_ratio is None else f"{100 * arm.open_ratio:.0f} %",
        f"{arm.forward_count:,}",
        income(arm.score_msat),
        income(arm.fee_msat),
        _rate(arm.score_msat, arm.seen_hours),
        _rate(arm.fee_msat, arm.seen_hours),
    )


def _rate(amount_msat: int, hours: float) -> str:
    return f"{amount_msat / hours:,.0f}" if hours > 0 else "-"


def _difference_row(one: Difference) -> tuple[str, ...]:
    return (
        one.metric.split()[0],
        f"{one.base_msat:,.0f}",
        f"{one.mean_msat:+,.0f}",
        _bound(one.low_msat),
        _bound(one.high_msat),
        f"{100 * one.mean_msat / one.base_msat:+,.0f} %" if one.base_msat > 0 else "-",
        f"{100 * one.p_value:.2g} %",
    )


def _bound(value_msat: float | None) -> str:
    return "-" if value_msat is None else f"{value_msat:+,.0f}"


def _verdict(value: ExperimentReport) -> str:
    one, (net, fees) = value.experiment, value.differences
    if net.low_msat is None or net.high_msat is None:
        return f"{counted(net.pair_count, 'pair')} are too few for an interval: six at least"
    if one.ending is None:
        return "it isn't over: the interval holds for the registered end alone, not for a moment that is chosen by it"
    if one.ending is Ending.HARM:
        return f"B, {one.b}, was ended early for bringing less than {one.a}: by how much, such an end overstates"
    if one.ending is Ending.STOPPED:
        return "stopped by hand: where that was done because of what was seen, the interval promises too much"
    if net.low_msat <= 0 <= net.high_msat:
        return "no difference is shown: either could be the better one, by as much as the interval says"
    if net.mean_msat * fees.mean_msat < 0:
        return "net and plain fees point in opposite directions: neither is shown to bring more"
    better, worse = (one.b, one.a) if net.mean_msat > 0 else (one.a, one.b)
    return f"{better} brings more than {worse} on this node"


def _needs(value: ExperimentReport) -> Iterator[Block]:
    if not value.needs:
        yield Line("how many blocks a smaller difference takes can't be told yet: A must bring something in two pairs")
        return
    headings = (">effect", ">blocks in all", ">still needed", ">that is")
    title = "Blocks of peers that it takes to see an effect of so much of A, four times in five, at the noise so far"
    yield Table(title, headings, tuple(_need_row(need) for need in value.needs))


def _need_row(need: Need) -> tuple[str, ...]:
    return (
        f"{100 * need.effect_ratio:.0f} %",
        f"{need.block_count:,}",
        f"{need.missing_count:,}",
        f"{need.missing_days:,} d",
    )


def _cautions(value: ExperimentReport) -> Iterator[Block]:
    yield Line(
        "chance: how often so large a difference would come by the draw alone. Each pair is a peer's two blocks, whose "
        "order was drawn: only that is relied on"
    )
    yield Line(
        "Peers aren't islands. What both strategies share (balances, what was learnt of prices, the day's updates) "
        "falls on both and pulls the difference towards 0; a payment that only moves from one of your channels to "
        "another counts for one and against the other, and makes it larger than what the node gains"
    )
    yield Line(
        "net rests on an estimate, the value of liquidity, which follows prices: where net and fees disagree, don't "
        "trust either"
    )
    if value.experiment.metric != value.differences[0].metric:
        yield Line(
            f"registered as {value.experiment.metric}, counted as {value.differences[0].metric}: per open hour, a "
            "strategy that leaves a channel empty would look better the less it leaves"
        )
    opens = [arm.open_ratio for arm in value.arms if arm.open_ratio is not None]
    if len(opens) == 2 and abs(opens[0] - opens[1]) > 0.1:
        yield Line(
            "one strategy left its channels open for much less of the time: what it had sold out, the other's next "
            "blocks did without"
        )
