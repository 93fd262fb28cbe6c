"""`revops report capital` as blocks: the cost of capital, what it rests on, and the channels that it comes from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

from revops.domain.capital import (
    CapitalReport,
    CapitalRow,
    CapitalSource,
    CapitalStanding,
    IdleCapital,
    IdleKind,
    RatioRange,
    RealisedReturn,
)
from revops.domain.text import counted
from revops.report.amounts import age, cost, income
from revops.report.blocks import Block, Legend, Line, Table
from revops.report.rates import note_on_rates, span_days

_UNKNOWN: Final = "?"
_WHY: Final = {
    CapitalStanding.YOUNG: "too young",
    CapitalStanding.UNVALUED: "not judged yet what its next sat is worth",
    CapitalStanding.STALE: "not judged lately what its next sat is worth",
    CapitalStanding.UNRATED: "balances on record for too few days",
    CapitalStanding.BARE: "held nothing",
}
_PLACES: Final = {
    IdleKind.WALLET: "wallet, above the reserve",
    IdleKind.DEAD: "channels with dead capital",
    IdleKind.SILENT: "silent channels, not known to be dead",
}
_CHANNELS: Final = (
    "channel", "peer", ">capital", ">a sat is worth, ppm", ">sale ppm", ">comes back a year", ">one more sat earns",
    ">at least", ">at most", ">realised", "counts",
)  # fmt: skip
_IDLE: Final = (
    "idle",
    ">channels",
    ">sat",
    ">would earn a year",
    ">at least",
    ">at most",
    ">moving",
    ">paid back in d",
)
#: Longer than this nobody waits for.
_MOST_DAYS: Final = 36_500


def capital(value: CapitalReport) -> Iterator[Block]:
    """Given the report, render the node's cost of capital, then all that it comes from."""
    yield from _head(value)
    if value.quantiles:
        yield Line("")
        rows = tuple((f"{one.percent} %", one.name, *_range(one.marginal)) for one in value.quantiles)
        headings = ("of capital", "channel", ">one more sat earns a year", ">at least", ">at most")
        yield Table("One more sat, by channels, weighted by their capital", headings, rows)
        yield Legend("a row: so much of the capital that counts lies in channels on which one more sat earns no more")
    yield Line("")
    yield from _realised(value.realised)
    yield from note_on_rates(value.rated, value.capital_days)
    yield Line("")
    yield Table("Idle sats", _IDLE, tuple(_idle_row(one) for one in value.idle))
    yield Legend(
        "would earn: at the cost of capital above, if they lay where capital is wanted; more of the same usually earns "
        "less than the first of it. Moving: on the chain, at today's feerates (?: the node had no estimate in the last "
        "3 days). Silent: `revops report dead` says why each isn't dead"
    )
    if value.channels:
        yield Line("")
        yield Table("Channels (sat)", _CHANNELS, tuple(_row(one) for one in value.channels))
        yield from _notes(value)


def _head(value: CapitalReport) -> Iterator[Block]:
    synced = f"synced {age(value.synced_at, value.taken_at)}"
    found = value.cost
    if found is None:
        yield Line(f"The cost of capital isn't known (?); {synced}")
        yield Legend(
            "no channel's next sat is judged yet (`revops fees adjust` does so, in observe mode, too), and realised "
            "income has too few whole days on record"
        )
        return
    yield Line(
        f"Cost of capital: {ratio(found.middle_ratio)} a year ({ratio(found.low_ratio)} to {ratio(found.high_ratio)}); "
        f"{synced}"
    )
    if value.source is CapitalSource.INCOME:
        yield Legend(
            "By realised income alone, less refills and leases: of no channel that counts it is known what its next "
            "sat is worth. The average sat earns no less than one more would; in brackets: 80 % by how much days differ"
        )
        return
    left_out = f"; {income(value.uncounted_msat)} sat don't count, since" if value.uncounted_msat else ""
    yield Legend(
        f"What one more sat of outbound liquidity would earn, averaged over {income(value.counted_msat)} sat in "
        f"{counted(sum(one.marginal is not None for one in value.channels), 'channel')}{left_out}"
        f"{' ' + _reasons(value) if left_out else ''}; in brackets: bounds, not equally likely"
    )


def _reasons(value: CapitalReport) -> str:
    counts = Counter(one.standing for one in value.channels if one.marginal is None and one.capital_msat > 0)
    return ", ".join(f"{_WHY[one]} ({counted(count, 'channel')})" for one, count in sorted(counts.items()))


def _realised(found: RealisedReturn) -> Iterator[Block]:
    bounds = found.income
    days = "" if bounds is None else f" ({ratio(bounds.low_ratio)} to {ratio(bounds.high_ratio)})"
    rows = (
        ("income", income(found.income_msat), f"{ratio(found.income_ratio)}{days}"),
        ("refills, leases taken", cost(found.rebalance_msat + found.lease_paid_msat), ratio(found.running_ratio)),
        ("on the chain", cost(found.chain_msat), ratio(found.chain_ratio)),
        ("net", income(found.income_msat - found.rebalance_msat - found.lease_paid_msat - found.chain_msat),
         ratio(found.net_ratio)),
    )  # fmt: skip
    yield Table(f"Realised on {income(found.capital_msat)} sat in channels", ("", ">sat", ">of capital a year"), rows)
    if bounds is not None:
        yield Legend(
            f"in brackets: 80 %, by how much {counted(found.day_count, 'whole day')} differ, taken for independent"
        )


def _idle_row(one: IdleCapital) -> tuple[str, ...]:
    amounts = (one.yearly_msat, one.yearly_low_msat, one.yearly_high_msat)
    return (
        _PLACES[one.kind],
        "-" if one.kind is IdleKind.WALLET else f"{one.channel_count:,}",
        _UNKNOWN if one.capital_msat is None else income(one.capital_msat),
        *(_UNKNOWN if amount is None else income(amount) for amount in amounts),
        _UNKNOWN if one.move_msat is None else cost(one.move_msat),
        _payback(one),
    )


def _payback(one: IdleCapital) -> str:
    """Not known ("?"), or nothing to pay or never ("-")."""
    if one.move_msat is None or one.yearly_msat is None:
        return _UNKNOWN
    return "-" if one.payback_days is None or one.payback_days > _MOST_DAYS else f"{one.payback_days:,.0f}"


def _row(one: CapitalRow) -> tuple[str, ...]:
    worth = one.worth
    value = _UNKNOWN if one.value_ppm is None else f"{one.value_ppm:,.0f}"
    if worth is not None:
        value = f"{value} ({worth.value_low_ppm:,.0f} to {worth.value_high_ppm:,.0f})"
    return (
        one.name,
        one.alias or (one.peer_id or "")[:12],
        income(one.capital_msat),
        value,
        _UNKNOWN if worth is None else f"{worth.sale_ppm:,.0f}",
        _UNKNOWN if worth is None else f"{worth.returns_ratio:,.1f} x",
        *((_UNKNOWN,) * 3 if one.marginal is None else _range(one.marginal)),
        ratio(one.realised_ratio),
        _WHY.get(one.standing, "yes"),
    )


def _range(found: RatioRange) -> tuple[str, str, str]:
    return ratio(found.middle_ratio), ratio(found.low_ratio), ratio(found.high_ratio)


def ratio(found: float | None) -> str:
    """Given a yearly ratio, return it in per cent; a lease's rate may be a hundredth of one. "?": not known."""
    return _UNKNOWN if found is None else f"{100 * found + 0.0:,.3f} %"


def _notes(value: CapitalReport) -> Iterator[Block]:
    yield Legend(
        f"capital: our balance, averaged over the {span_days(value.rated)} days; a sat is worth: what its one sale is "
        "expected to bring (`revops report`, `revops explain SCID`), in brackets where that may lie; sale: what a sale "
        "brings at most; comes back a year: how often payments are expected to fill the channel, and refills buy its "
        "balance, so that it can be sold again (`revops report pnl` has what entered and was bought). At least: it is "
        "sold once a year, and nothing comes back; at most: sold once, and again as often as what entered and was "
        "bought can have brought it back. --csv has all that each figure is made of"
    )
    if any(one.standing is CapitalStanding.YOUNG for one in value.channels):
        yield Legend(f"too young: less than {counted(value.min_age_days, 'day')} old")
    if any(one.standing is CapitalStanding.UNRATED for one in value.channels):
        yield Legend(f"too few days: less than {counted(value.min_open_days, 'day')}")
