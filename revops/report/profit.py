"""`revops report pnl` as blocks: what was earned and spent, by channel or peer, and what that is a year."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from revops.domain.period import DAY_SECONDS
from revops.domain.profit import ChannelProfit, PeerProfit, ProfitLine, ProfitReport, SpanProfit
from revops.domain.text import counted
from revops.domain.values import replace
from revops.report.amounts import age, cost, day, income, instant, percent
from revops.report.balance_change import balance_table
from revops.report.blocks import Block, Legend, Line, Listing, Table
from revops.report.columns import telling
from revops.report.rates import ROUNDING, note_on_rates, yearly

_HEADINGS = (
    ">earned", ">sourced", ">leases", ">rebalance costs", ">rebalance return", ">chain costs", ">net", ">capital",
    ">a year",
)  # fmt: skip
_SPAN_HEADINGS = (
    ">earned", ">leases", ">rebalance costs", ">opens", ">splices", ">closes", ">forfeited", ">wallet fees", ">net",
    ">forwards", ">forwarded",
)  # fmt: skip
#: Columns that stand also where all is 0 in them.
_ALWAYS = ("earned", "net")


def by_channel(value: ProfitReport) -> Iterator[Block]:
    """Given a report, render the node's line and a row a channel."""
    rows = tuple(_channel_row(one, value.capital_days) for one in value.channels)
    yield from _page(value, Table("Channels (sat)", ("channel", "peer", *_HEADINGS, "life"), rows))


def by_peer(value: ProfitReport) -> Iterator[Block]:
    """Given a report, render the node's line and a row a peer."""
    rows = tuple(_peer_row(one, value.capital_days) for one in value.peers)
    yield from _page(value, Table("Peers (sat)", ("peer", ">channels", *_HEADINGS), rows))


def by_span(value: ProfitReport) -> Iterator[Block]:
    """Given a report with its days or months, render the node's line and a row for each of them, oldest first."""
    monthly = any(one.until_at - one.since_at > DAY_SECONDS for one in value.spans)
    title, heading = ("Months (UTC, sat)", "month") if monthly else ("Days (UTC, sat)", "day")
    yield from _page(value, Table(title, (heading, *_SPAN_HEADINGS), tuple(map(_span_row, value.spans))))


def _page(value: ProfitReport, table: Table) -> Iterator[Block]:
    yield Line(f"{period_words(value.since_at, value.until_at)}; synced {age(value.synced_at, value.taken_at)}")
    nothing = _nothing_words(value)
    if nothing is not None:
        yield Line(nothing)
        yield from note_on_ledger(read=value.ledger_read)
        return
    yield Line("")
    yield _node(value)
    yield from balance_table(value.balance)
    if table.rows:
        shown = telling(table, *_ALWAYS)
        yield shown
        yield from _legend(shown.headings)
    yield from notes(value)


def _nothing_words(value: ProfitReport) -> str | None:
    """Why there is nothing to show; None where there is something."""
    balance = value.balance
    if replace(value.total, capital_msat=0) != ProfitLine() or value.untold_msat:
        return None
    if balance is not None and (balance.change_msat or balance.own_msat):
        return None
    first_at = value.recorded_since_at
    if value.synced_at is None:
        return "Nothing on record: there was no sync yet"
    if value.since_at > value.synced_at:
        return f"Nothing on record since {_day(value.synced_at)}, the last sync"
    if first_at is not None and value.until_at <= first_at:
        return f"Nothing on record: forwards are since {_day(first_at)}"
    since_at = max(value.since_at, first_at or 0.0, 0.0 if value.rated is None else value.rated.since_at)
    return f"Nothing on record since {_day(since_at)}" if since_at > 0 else "Nothing on record"


def _day(at: float) -> str:
    return day(int(at // DAY_SECONDS))


def _node(value: ProfitReport) -> Table:
    line = value.total
    rows = [
        ("earned", income(line.earned_msat)),
        ("earned by leases", income(line.lease_earned_msat)),
        ("rebalance costs", spent(line.rebalance_msat)),
        ("opens", spent(line.open_msat)),
        ("splices", spent(line.splice_msat)),
        ("closes", spent(line.close_msat)),
        ("forfeited", spent(line.forfeit_msat)),
        ("wallet fees", spent(line.wallet_msat)),
        ("paid for leases", spent(line.lease_paid_msat)),
        ("net", income(line.net_msat)),
        ("capital", _capital(line, value.capital_days)),
        ("a year", yearly(value.yearly_return_ratio)),
        ("rebalance return", "0" if value.rebalance_return_ratio is None else percent(value.rebalance_return_ratio)),
    ]
    always = ("earned", "rebalance costs", "net", "capital", "a year")
    shown = tuple(row for row in rows if row[1] != "0" or row[0] in always)
    return Table("The node (sat)", ("figure", ">in all"), shown)


def _legend(headings: Iterable[str]) -> Iterator[Block]:
    if ">sourced" in headings:
        yield Legend("sourced: fees of what entered by the channel; they were earned, and are counted, where it left")
    if ">rebalance return" in headings:
        yield Legend(
            "rebalance return: what sales of rebalanced liquidity brought beyond its cost, at most: as if all that "
            "left the channel had come out of it first; what other channels sold is no part of it"
        )
    if ">chain costs" in headings:
        yield Legend("chain costs: fees of transactions: opens, splices, closes, sweeps, and what was forfeited")
    yield Legend(ROUNDING)


def notes(value: ProfitReport) -> Iterator[Block]:
    yield from note_on_ledger(read=value.ledger_read)
    first_at = value.recorded_since_at
    if first_at is not None and value.since_at < first_at < value.until_at:
        yield Line(f"forwards on record since {_day(first_at)}")
    yield from note_on_rates(value.rated, value.capital_days)
    opened = [one for one in value.channels if one.opened_at is None or one.opened_at >= value.since_at]
    yield from notes_on_costs(opened, value.channels, value.untold_msat)


def note_on_ledger(*, read: bool) -> Iterator[Block]:
    """Given whether the node's ledger was read, say what is missing where it wasn't."""
    if not read:
        yield Line(
            "the node's ledger hasn't been read since the database was upgraded: chain costs and rebalance costs are "
            "missing here until the next `revops sync`"
        )


def notes_on_costs(
    opened: Iterable[ChannelProfit], channels: Iterable[ChannelProfit], untold_msat: int
) -> Iterator[Block]:
    """Given the channels that were opened in the period, and all of it, say of which the costs aren't known, and what
    left the wallet without a word.
    """
    unknown = [one for one in opened if not one.cost_is_known]
    if unknown:
        yield Listing(
            f"{counted(len(unknown), 'channel')} opened by us before the node kept a ledger: what that cost isn't "
            "known (?) and is in no sum",
            tuple(one.name for one in unknown),
        )
    unswept = [one for one in channels if one.unswept_msat is not None]
    if unswept:
        most_msat = sum(one.unswept_msat or 0 for one in unswept)
        yield Listing(
            f"{counted(len(unswept), 'channel')} closed and not swept yet: {income(most_msat)} sat at most are still "
            "on the chain, and what the close costs is booked when they are home",
            tuple(one.name for one in unswept),
        )
    if untold_msat:
        yield Legend(
            f"{cost(untold_msat)} sat left the wallet by transactions of which the node doesn't say what was "
            "sent and what was a fee: in no figure of profit and loss"
        )


def period_words(since_at: float, until_at: float) -> str:
    """Given a period's ends, return it in words: its first and its last day, and how many UTC days it has."""
    last = day(int(until_at // DAY_SECONDS) - 1)
    days = f"{counted(round((until_at - since_at) / DAY_SECONDS), 'day')} (UTC)"
    first = day(int(since_at // DAY_SECONDS))
    return f"From the first day on record to {last} (UTC)" if since_at <= 0 else f"{first} to {last}, {days}"


def spent(amount_msat: int) -> str:
    """Given a cost, return it as what it takes away, rounded up."""
    return f"-{cost(amount_msat)}" if amount_msat else "0"


def _capital(line: ProfitLine, capital_days: int) -> str:
    return income(line.capital_msat) if capital_days else "?"


def _cells(one: ChannelProfit | PeerProfit, capital_days: int) -> tuple[str, ...]:
    line, ratio = one.line, one.rebalance_return_ratio
    return (
        income(line.earned_msat),
        income(line.sourced_msat),
        income(line.lease_earned_msat - line.lease_paid_msat),
        spent(line.rebalance_msat),
        "-" if ratio is None else percent(ratio),
        spent(line.chain_msat),
        income(line.net_msat),
        _capital(line, capital_days),
        yearly(one.yearly_return_ratio),
    )


def life(one: ChannelProfit) -> str:
    """Given a channel, return from when to when it lived, as far as that is known."""
    begun = "" if one.opened_at is None else instant(one.opened_at)[:10]
    if one.open:
        return begun and f"since {begun}"
    last = "?" if one.closed_at is None else instant(one.closed_at)[:10]
    ended = f"{begun} to {last}".strip()
    return ended if one.unswept_msat is None else f"{ended}, not swept yet"


def _channel_row(one: ChannelProfit, capital_days: int) -> tuple[str, ...]:
    return (one.name, one.alias or (one.peer_id or "")[:12], *_cells(one, capital_days), life(one))


def _peer_row(one: PeerProfit, capital_days: int) -> tuple[str, ...]:
    return (one.alias or (one.peer_id or "unknown")[:12], f"{one.channel_count:,}", *_cells(one, capital_days))


def _span_row(one: SpanProfit) -> tuple[str, ...]:
    line = one.line
    costs = (
        line.rebalance_msat, line.open_msat, line.splice_msat, line.close_msat, line.forfeit_msat, line.wallet_msat
    )  # fmt: skip
    return (
        span_words(one),
        income(line.earned_msat),
        income(line.lease_earned_msat - line.lease_paid_msat),
        *map(spent, costs),
        income(line.net_msat),
        f"{line.out_count:,}",
        income(line.out_msat),
    )


def span_words(one: SpanProfit) -> str:
    """Given a day or a month, return it as dates: "2026-11-01", "2026-11-01 to 2026-11-30"."""
    first, last = day(int(one.since_at // DAY_SECONDS)), day(int(one.until_at // DAY_SECONDS) - 1)
    return first if first == last else f"{first} to {last}"
