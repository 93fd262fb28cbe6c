"""`revops report pnl` as blocks: what was earned and spent, by channel or peer, and what that is a year."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from revops.domain.period import DAY_SECONDS
from revops.domain.profit import ChannelProfit, PeerProfit, ProfitLine, ProfitReport, SpanProfit
from revops.domain.text import counted
from revops.report.amounts import age, cost, day, income, instant, percent
from revops.report.blocks import Block, Line, Listing, Table

_HEADINGS = (
    ">earned", ">sourced", ">leases", ">refills", ">its return", ">on chain", ">net", ">capital", ">a year"
)  # fmt: skip

_SPAN_HEADINGS = (
    "", ">earned", ">leases", ">refills", ">opens", ">splices", ">closes", ">wallet", ">net", ">forwards", ">forwarded"
)  # fmt: skip


def by_channel(value: ProfitReport) -> Iterator[Block]:
    """Given a report, render the node's line and a row a channel."""
    yield from _node(value)
    rows = tuple(_channel_row(one, value.seconds) for one in value.channels)
    if rows:
        yield Table("Channels (sat)", ("channel", "peer", *_HEADINGS, "life"), rows)
    yield from _legend()
    yield from _notes(value)


def by_peer(value: ProfitReport) -> Iterator[Block]:
    """Given a report, render the node's line and a row a peer."""
    yield from _node(value)
    rows = tuple(_peer_row(one, value.seconds) for one in value.peers)
    if rows:
        yield Table("Peers (sat)", ("peer", ">channels", *_HEADINGS), rows)
    yield from _legend()
    yield from _notes(value)


def by_span(value: ProfitReport) -> Iterator[Block]:
    """Given a report with its days or months, render the node's line and a row for each of them, oldest first."""
    yield from _node(value)
    rows = tuple(_span_row(one) for one in value.spans)
    if rows:
        monthly = any(one.until_at - one.since_at > DAY_SECONDS for one in value.spans)
        yield Table(f"{'Months' if monthly else 'Days'} (UTC, sat)", _SPAN_HEADINGS, rows)
    yield from _notes(value)


def _node(value: ProfitReport) -> Iterator[Block]:
    line = value.total
    yield Line(f"{period_words(value.since_at, value.until_at)}; synced {age(value.synced_at, value.taken_at)}")
    yield Line("")
    rows = [
        ("fees earned", income(line.earned_msat)),
        ("earned by leases", income(line.lease_earned_msat)),
        ("refills", spent(line.rebalance_msat)),
        ("opening channels", spent(line.open_msat)),
        ("splices", spent(line.splice_msat)),
        ("closing channels", spent(line.close_msat)),
        ("forfeited to peers", spent(line.forfeit_msat)),
        ("other transactions of the wallet", spent(line.wallet_msat)),
        ("paid for leases", spent(line.lease_paid_msat)),
        ("net", income(line.net_msat)),
        ("a year on what the channels held", _yearly(line, value.seconds)),
    ]
    always = ("fees earned", "refills", "net")
    shown = tuple(row for row in rows if row[1] not in ("0", "-") or row[0] in always)
    yield Table("The node (sat)", ("", ">"), shown)


def _legend() -> Iterator[Block]:
    yield Line("sourced: fees of what entered by the channel; they were earned, and are counted, where it left")
    yield Line("its return: what refills brought beyond their cost, at most: as if sales had come out of them first")


def _notes(value: ProfitReport) -> Iterator[Block]:
    yield from note_on_ledger(read=value.ledger_read)
    first_at = value.recorded_since_at
    if first_at is not None and value.since_at < first_at < value.until_at:
        yield Line(f"records begin {day(int(first_at // DAY_SECONDS))}: what is a year is reckoned from there")
    days = round((value.until_at - value.since_at) / DAY_SECONDS)
    if value.capital_days < days:
        yield Line(f"capital: our balance, by the {counted(value.capital_days, 'day')} of which balances are on record")
    yield from notes_on_costs(value.channels, value.untold_msat)


def note_on_ledger(*, read: bool) -> Iterator[Block]:
    """Given whether the node's ledger was read, say what is missing where it wasn't."""
    if not read:
        yield Line(
            "the node's ledger hasn't been read since the database was upgraded: what transactions and refills cost is "
            "missing here until the next `revops sync`"
        )


def notes_on_costs(channels: Iterable[ChannelProfit], untold_msat: int) -> Iterator[Block]:
    """Given channels, say of which the costs aren't known, and what left the wallet without a word."""
    unknown = [one for one in channels if not one.cost_is_known]
    if unknown:
        yield Listing(
            f"{counted(len(unknown), 'channel')} opened by us before the node kept a ledger, of which the cost isn't "
            "known and counts as nothing",
            tuple(one.name for one in unknown),
        )
    if untold_msat:
        yield Line(
            f"{cost(untold_msat)} sat left the wallet by transactions of which the node doesn't say what was "
            "sent and what was a fee: in no figure"
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


def _cells(line: ProfitLine, seconds: float) -> tuple[str, ...]:
    ratio = line.refill_return_ratio
    return (
        income(line.earned_msat),
        income(line.sourced_msat),
        income(line.lease_earned_msat - line.lease_paid_msat),
        spent(line.rebalance_msat),
        "-" if ratio is None else percent(ratio),
        spent(line.chain_msat),
        income(line.net_msat),
        income(line.capital_msat),
        _yearly(line, seconds),
    )


def _yearly(line: ProfitLine, seconds: float) -> str:
    ratio = line.yearly_return_ratio(seconds)
    return "-" if ratio is None else percent(ratio)


def life(one: ChannelProfit) -> str:
    """Given a channel, return from when to when it lived, as far as that is known."""
    begun = "" if one.opened_at is None else instant(one.opened_at)[:10]
    if one.closed_at is None:
        return begun and f"since {begun}"
    return f"{begun} to {instant(one.closed_at)[:10]}".strip()


def _channel_row(one: ChannelProfit, seconds: float) -> tuple[str, ...]:
    return (one.name, one.alias or (one.peer_id or "")[:12], *_cells(one.line, seconds), life(one))


def _peer_row(one: PeerProfit, seconds: float) -> tuple[str, ...]:
    name = one.alias or (one.peer_id or "unknown")[:12]
    return (name, f"{one.channel_count:,}", *_cells(one.line, seconds))


def _span_row(one: SpanProfit) -> tuple[str, ...]:
    line = one.line
    return (
        span_words(one),
        income(line.earned_msat),
        income(line.lease_earned_msat - line.lease_paid_msat),
        *(
            spent(part)
            for part in (line.rebalance_msat, line.open_msat, line.splice_msat, line.close_msat, line.wallet_msat)
        ),
        income(line.net_msat),
        f"{line.out_count:,}",
        income(line.out_msat),
    )


def span_words(one: SpanProfit) -> str:
    """Given a day or a month, return it as dates: "2026-11-01", "2026-11-01 to 2026-11-30"."""
    first, last = day(int(one.since_at // DAY_SECONDS)), day(int(one.until_at // DAY_SECONDS) - 1)
    return first if first == last else f"{first} to {last}"
