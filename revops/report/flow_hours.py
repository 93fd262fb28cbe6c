"""`revops report flows` as blocks: a row an hour."""

from __future__ import annotations

from collections.abc import Iterator

from revops.domain.flow_hours import HOUR_SECONDS, DayOnly, FlowHours, HourSums
from revops.domain.period import DAY_SECONDS
from revops.domain.text import counted
from revops.report.amounts import age, day, income, instant, to_the_msat
from revops.report.blocks import Block, Legend, Line, Table


def flows(value: FlowHours) -> Iterator[Block]:
    """Given the hours, render a row for each and their sum; of those after the last sync nothing is known."""
    count = round((value.until_at - value.since_at) / HOUR_SECONDS)
    of_what = f" through {', '.join(value.channels)}" if value.channels else ""
    yield Line(
        f"{instant(value.since_at)} to {instant(value.until_at - 1)}, {counted(count, 'hour')} (UTC){of_what}, "
        f"the last one still running; synced {age(value.synced_at, value.taken_at)}"
    )
    yield Line("")
    row = _channel_row if value.channels else _node_row
    headings = _CHANNEL if value.channels else _NODE
    unknown = ("-",) * len(headings)
    synced_at = value.synced_at or 0.0
    rows = [
        (instant(hour.begins_at), *(row(hour.sums) if hour.begins_at < synced_at else unknown)) for hour in value.hours
    ]
    rows.append(("together", *row(value.total)))
    yield Table("Forwards by hour (sat)", ("from", *headings), tuple(rows))
    yield Legend(_CHANNEL_LEGEND if value.channels else _NODE_LEGEND)
    yield from (Line(_missing(one)) for one in value.by_day_only)


_NODE = (">earned", ">in", ">out", ">settled", ">failed", ">local_failed")
_CHANNEL = (">earned", ">sourced", ">in", ">settled in", ">out", ">settled out", ">failed", ">local_failed")
_FAILED = (
    "failed: forwards that a node beyond this one refused; local_failed: those that this node refused, both at the "
    "channel by which they were to leave (`revops report failures` says why). -: after the last sync, not known"
)
_NODE_LEGEND = (
    "earned: fees of settled forwards; in, out: what they brought, and what was sent on; settled: how many. " + _FAILED
)
_CHANNEL_LEGEND = (
    "earned: fees of settled forwards that left by it; sourced: of those that entered by it, earned where they left; "
    "in, settled in: amount and count of those that entered; out, settled out: of those that left. " + _FAILED
)


def _node_row(sums: HourSums) -> tuple[str, ...]:
    return (
        to_the_msat(sums.earned_msat),
        income(sums.in_msat),
        income(sums.out_msat),
        *(f"{count:,}" for count in (sums.out_count, sums.failed_count, sums.refused_count)),
    )


def _channel_row(sums: HourSums) -> tuple[str, ...]:
    return (
        to_the_msat(sums.earned_msat),
        to_the_msat(sums.sourced_msat),
        income(sums.in_msat),
        f"{sums.in_count:,}",
        income(sums.out_msat),
        f"{sums.out_count:,}",
        f"{sums.failed_count:,}",
        f"{sums.refused_count:,}",
    )


def _missing(one: DayOnly) -> str:
    failures = one.failed_count + one.refused_count
    return (
        f"not in these hours: {counted(one.settled_count, 'forward')} with {to_the_msat(one.earned_msat)} sat of fees "
        f"and {counted(failures, 'failure')} of {day(int(one.day_at // DAY_SECONDS))}, of which only the day is known"
    )
