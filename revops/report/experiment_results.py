"""`revops report experiment` as blocks: what it has shown, and all that keeps it from being read as more than it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from revops.domain.experiment import (
    ArmSum,
    Difference,
    Ending,
    Experiment,
    ExperimentReport,
    Need,
    OtherExperiment,
)
from revops.domain.text import counted
from revops.report.amounts import income, instant
from revops.report.blocks import Block, Line, Table
from revops.report.experiments import progress, registered

_ARM_HEADINGS: Final = (
    "", "strategy", ">blocks", ">hours", ">open", ">forwards", ">net sat", ">fees sat", ">net msat/h",
    ">fees msat/h",
)  # fmt: skip
_HEADINGS: Final = ("by", ">A", ">B less A", ">95 % from", ">to", ">of A", ">chance")
_OTHER_HEADINGS: Final = (
    ">no.", "from", "to", "A", "B", "end", ">pairs", ">B less A", ">95 % from", ">to", ">chance",
    "what it shows",
)  # fmt: skip
_ENDS: Final = {None: "runs", Ending.COMPLETE: "complete", Ending.STOPPED: "by hand", Ending.HARM: "harm"}
#: The chance at which a difference is taken for shown: outside a 95 % interval.
_SHOWN: Final = 0.05


def result(value: ExperimentReport) -> Iterator[Block]:
    """Given what an experiment has shown, render it with all that keeps it from being read as more than it is."""
    one = value.experiment
    yield from registered(one)
    under_way = int((value.taken_at - one.started_at) // one.block_seconds) if value.taken_at < one.ends_at else None
    yield Line(progress(one, under_way))
    yield Line("")
    yield Line(
        f"{counted(value.pair_count, 'pair')} of blocks of {counted(value.peer_count, 'peer')} count; "
        f"{value.left_out_count:,} more don't: too little was seen of them, or they were priced by hand meanwhile"
    )
    verdict = _verdict(one, value.differences, _chances(value)).whole
    if not value.differences:
        yield Line(verdict)
        yield from _others(value)
        return
    yield Table("What the blocks that count have brought", _ARM_HEADINGS, tuple(_arm_row(arm) for arm in value.arms))
    rows = tuple(_difference_row(difference) for difference in value.differences)
    yield Table("B less A, msat per hour and channel, the mean over pairs of blocks by their channels", _HEADINGS, rows)
    yield Line(verdict)
    yield from _others(value)
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


class _Verdict(NamedTuple):
    """What an experiment shows, in a few words and in full."""

    short: str
    whole: str


def _verdict(one: Experiment, differences: Sequence[Difference], chances: int) -> _Verdict:
    """Given an experiment, what it has found, and how many on this node could have found something, itself counted."""
    if not differences:
        return _Verdict("nothing to compare", "no pair of blocks is complete yet: there is nothing to compare")
    net, fees = differences
    if net.low_msat is None or net.high_msat is None:
        return _Verdict("too few pairs", f"{counted(net.pair_count, 'pair')} are too few for an interval: six at least")
    if one.ending is not Ending.COMPLETE:
        return _unfinished(one)
    if net.low_msat <= 0 <= net.high_msat:
        whole = "no difference is shown: either could be the better one, by as much as the interval says"
        return _Verdict("no difference", whole)
    if net.mean_msat * fees.mean_msat < 0:
        whole = "net and plain fees point in opposite directions: neither is shown to bring more"
        return _Verdict("net against fees", whole)
    better, worse = (one.b, one.a) if net.mean_msat > 0 else (one.a, one.b)
    if chances > 1 and net.p_value > _SHOWN / chances:
        whole = (
            f"{better} brought more than {worse} in this experiment, which is one of {chances}: to show anything among "
            f"so many, its chance would have to be {100 * _SHOWN / chances:.2g} % at most"
        )
        return _Verdict("no difference among so many", whole)
    return _Verdict(f"{better} brings more", f"{better} brings more than {worse} on this node")


def _unfinished(one: Experiment) -> _Verdict:
    if one.ending is None:
        whole = "it isn't over: the interval holds for the registered end alone, not for a moment that is chosen by it"
        return _Verdict("not over", whole)
    if one.ending is Ending.HARM:
        whole = f"B, {one.b}, was ended early for bringing less than {one.a}: by how much, such an end overstates"
        return _Verdict("B is worse", whole)
    whole = "stopped by hand: where that was done because of what was seen, the interval promises too much"
    return _Verdict("no verdict", whole)


def _chances(value: ExperimentReport) -> int:
    """How many experiments on this node could have found a difference: those with an interval."""
    found = [value.differences, *(other.differences for other in value.others)]
    return sum(bool(differences) and differences[0].low_msat is not None for differences in found)


def _others(value: ExperimentReport) -> Iterator[Block]:
    if not value.others:
        return
    chances = _chances(value)
    rows = tuple(_other_row(other, chances) for other in value.others)
    yield Table("All other experiments on this node; B less A: net msat per hour and channel", _OTHER_HEADINGS, rows)
    stopped_count = sum(one.experiment.ending is Ending.STOPPED for one in value.others)
    yield Line(
        f"{counted(len(rows), 'other')}, {stopped_count:,} stopped by hand. Whoever stops and begins anew until one "
        "wins finds a winner where there is none"
    )
    if chances > 1:
        yield Line(
            f"{chances} have an interval: if no strategy brought more than another, one at least would show a "
            f"difference in {100 * (1 - (1 - _SHOWN) ** chances):.0f} cases of 100"
        )


def _other_row(other: OtherExperiment, chances: int) -> tuple[str, ...]:
    one = other.experiment
    ended_at = one.ends_at if one.ended_at is None else one.ended_at
    net = other.differences[0] if other.differences else None
    figures = ("-",) * 4 if net is None else _difference_row(net)[2:5] + _difference_row(net)[6:]
    return (
        str(one.experiment_key), instant(one.started_at), instant(ended_at), one.a, one.b, _ENDS[one.ending],
        f"{other.pair_count:,}", *figures, _verdict(one, other.differences, chances).short,
    )  # fmt: skip


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
