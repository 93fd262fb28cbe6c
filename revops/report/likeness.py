"""`revops simulate --like-my-node` as blocks: what was found, what can't be known, and how strategies do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from revops.domain.likeness import ChannelDemand, Contender, Likeness, Parameter
from revops.domain.text import counted
from revops.domain.units import sat_floor
from revops.report.amounts import income
from revops.report.blocks import Block, Line, Table

UNKNOWN = "unknown"
#: Of fewer markets, the middle 80 % are hardly more than two of them.
LEAST_MARKETS = 5


def likeness(value: Likeness) -> Iterator[Block]:
    """Given what was found, render all of it."""
    if value.too_little is not None:
        yield Line(f"too little is known for a market like this node: {value.too_little}")
        yield from (Line(f"- {text}") for text in value.warnings)
        return
    for number, text in enumerate(value.warnings):
        yield Line(f"- {text}" if number else text)
    if value.warnings:
        yield Line("")
    yield Line(f"from {value.days:.1f} days of this node's records, {counted(value.attempt_count, 'payment')}")
    yield Line("")
    yield Table("Found", ("", ">value", "unit", "rests on"), tuple(_parameter_row(one) for one in value.parameters))
    yield Table(
        "Customers of each channel",
        (
            "channel", "peer", ">payments", ">open d", ">ppm tried", ">a day at 0 ppm", ">80 % of belief",
            ">half stay away at", ">80 % of belief", ">entry",
        ),
        tuple(_channel_row(one) for one in value.channels),
    )  # fmt: skip
    yield Line("What the records can't tell")
    for sentence in value.unknown:
        yield Line(f"- {sentence}")
    yield Line("")
    yield from _contest(value)


def _parameter_row(one: Parameter) -> tuple[str, ...]:
    return one.name, UNKNOWN if one.value is None else _figure(one.value), one.unit, one.basis


def _figure(value: float) -> str:
    """Three digits are more than any of these is known to."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _channel_row(one: ChannelDemand) -> tuple[str, ...]:
    tried, open_days = "-", "-"
    if one.least_tried_ppm is not None and one.most_tried_ppm is not None:
        same = one.least_tried_ppm == one.most_tried_ppm
        tried = f"{one.most_tried_ppm:,}" if same else f"{one.least_tried_ppm:,}-{one.most_tried_ppm:,}"
        open_days = f"{one.open_days:.1f}"
    return (
        one.name,
        one.alias or "",
        f"{one.attempt_count:,}",
        open_days,
        tried,
        _figure(one.customers_per_day),
        f"{_figure(one.customers_low)} to {_figure(one.customers_high)}",
        f"{one.half_ppm:,.0f}",
        f"{one.half_low_ppm:,.0f} to {one.half_high_ppm:,.0f}",
        f"{100 * one.entry_ratio:.0f} %",
    )


def _contest(value: Likeness) -> Iterator[Block]:
    markets = counted(value.market_count, "market")
    title = f"Strategies over {markets} of {value.market_days:g} days, drawn from what is believed"
    headings = (
        "strategy", ">net sat a month", ">more than configured", ">in 80 % of markets", ">better in", ">updates a day",
    )  # fmt: skip
    yield Table(title, headings, tuple(_contender_row(one, value.market_count) for one in value.contenders))
    yield from _alike(value.contenders)
    yield Line(
        "Each strategy starts with this node's balances and fees and without memory, under the configured rails; net "
        "is income less on-chain costs, and what the change of balances is worth; updates are per channel."
    )
    yield Line(
        f"By its records the node earned {income(value.earned_msat_per_month)} sat a month: the further the configured "
        f"strategy is from that here, the less this market is like it."
    )
    yield Line(
        f"How much to believe: as a warning, not as a forecast. These are {markets} from a model that fits "
        f"{counted(value.attempt_count, 'payment')}; demand's own idea of customers shaped it, which flatters demand. "
        f"{_verdict(value)} What a strategy earns on this node only a switch-back test on it can show: `revops "
        f"experiment`."
    )


def _alike(contenders: Sequence[Contender]) -> Iterator[Line]:
    """Which rows are the same, or they would look like a mistake."""
    groups: dict[tuple[int, float], list[str]] = {}
    for one in contenders:
        groups.setdefault((one.net_msat_per_month, one.updates_per_day), []).append(one.strategy)
    for names in groups.values():
        if len(names) > 1:
            yield Line(
                f"The rows of {', '.join(names[:-1])} and {names[-1]} are alike: they came to the same in these "
                "markets."
            )


def _verdict(value: Likeness) -> str:
    """Whether anything stands apart from the configured strategy."""
    if value.market_count < LEAST_MARKETS:
        return f"Fewer than {LEAST_MARKETS} markets tell nothing apart."
    apart = [
        one.strategy
        for one in value.contenders
        if one.difference_low_msat is not None and one.difference_high_msat is not None
        if one.difference_low_msat > 0 or one.difference_high_msat < 0
    ]
    if not apart:
        return "No strategy stands apart from the configured one."
    return f"Standing apart from the configured one, in 80 % of these markets: {', '.join(apart)}."


def _contender_row(one: Contender, market_count: int) -> tuple[str, ...]:
    name = f"{one.strategy} (configured)" if one.configured else one.strategy
    row = (name, income(one.net_msat_per_month))
    updates = f"{one.updates_per_day:.2f}"
    if one.difference_msat is None or one.difference_low_msat is None or one.difference_high_msat is None:
        return (*row, "", "", "", updates)
    low, high = (f"{sat_floor(bound):+,}" for bound in (one.difference_low_msat, one.difference_high_msat))
    better = f"{one.better_count} of {market_count}"
    return (*row, f"{sat_floor(one.difference_msat):+,}", f"{low} to {high}", better, updates)
