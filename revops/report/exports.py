"""The exports: what each column is, and the rows of forwards, circular payments, costs, and profit and loss.

Column names are an interface: spreadsheets and importers read them. A test holds the lists; only add at the end.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import fields
from typing import Final

from revops.domain.exported import ChannelName, CircularEntry, CostEntry, ForwardEntry
from revops.domain.period import DAY_SECONDS
from revops.domain.profit import ProfitLine, ProfitReport, total_of
from revops.report.amounts import day
from revops.report.csv_text import Btc, Cell, csv_texts, moment

_MAINNET: Final = "bitcoin"
_DESCRIPTIONS: Final = {
    "open": "opening of a channel: its part of the transaction's fee",
    "splice": "splice: the channel's part of the transaction's fee",
    "closing": "closing of a channel: what of ours was in it and didn't come back",
    "sweep": "what a close left on the chain, brought home: fee",
    "forfeit": "close by an old state: what the peer could take",
    "wallet": "transaction of the wallet: fee",
    "untold": "left the wallet; how much of it was a fee isn't known",
    "lease_paid": "fees paid for leased liquidity on the day",
    "lease_earned": "fees earned by leased liquidity on the day",
}
FORWARDS: Final = (
    "timestamp", "kind", "description", "forward", "forward_count", "fee_msat", "fee_btc", "currency",
    "in_msat", "in_btc", "in_channel", "in_channel_id", "in_peer_id", "in_peer_alias",
    "out_msat", "out_btc", "out_channel", "out_channel_id", "out_peer_id", "out_peer_alias",
)  # fmt: skip
REBALANCES: Final = (
    "timestamp", "kind", "description", "job", "payment_hash", "payment_count", "amount_msat", "amount_btc",
    "fee_msat", "fee_btc", "currency",
    "source_channel", "source_channel_id", "source_peer_id", "source_peer_alias",
    "target_channel", "target_channel_id", "target_peer_id", "target_peer_alias",
)  # fmt: skip
COSTS: Final = (
    "timestamp", "kind", "description", "txid", "blockheight", "share_count", "cost_msat", "cost_btc",
    "untold_msat", "untold_btc", "currency", "channel", "channel_id", "peer_id", "peer_alias",
)  # fmt: skip


def currency_of(network: str) -> str:
    """Given the node's network, return what its amounts are in: nobody shall book a test network's coins as bitcoin."""
    return "BTC" if network == _MAINNET else network


def _who(channel: ChannelName) -> tuple[Cell, ...]:
    return (channel.scid, channel.channel_id, channel.peer_id, channel.alias)


def forwards(rows: Iterable[ForwardEntry], currency: str) -> Iterator[str]:
    """Given forwards, yield the text of their file."""
    return csv_texts(FORWARDS, (_forward(row, currency) for row in rows))


def _forward(row: ForwardEntry, currency: str) -> tuple[Cell, ...]:
    summary = row.created_index is None
    return (
        moment(row.counted_at),
        "summary" if summary else "forward",
        "routing fees of the day" if summary else "routing fee",
        row.created_index,
        row.forward_count,
        row.fee_msat,
        Btc(row.fee_msat),
        currency,
        row.in_msat,
        Btc(row.in_msat),
        *_who(row.into),
        row.out_msat,
        Btc(row.out_msat),
        *_who(row.out),
    )


def rebalances(rows: Iterable[CircularEntry], currency: str) -> Iterator[str]:
    """Given circular payments, yield the text of their file."""
    return csv_texts(REBALANCES, (_circular(row, currency) for row in rows))


def _circular(row: CircularEntry, currency: str) -> tuple[Cell, ...]:
    booked = row.payment_hash is None
    whose = "of no job on record" if row.job_key is None else f"of job {row.job_key}"
    return (
        moment(row.booked_at),
        "booked" if booked else "payment",
        f"booked beyond the node's ledger, {whose}" if booked else f"circular payment {whose}",
        row.job_key,
        row.payment_hash,
        row.payment_count,
        row.amount_msat,
        Btc(row.amount_msat),
        row.fee_msat,
        Btc(row.fee_msat),
        currency,
        *_who(row.source),
        *_who(row.target),
    )


def costs(rows: Iterable[CostEntry], currency: str) -> Iterator[str]:
    """Given costs, yield the text of their file."""
    return csv_texts(COSTS, (_cost(row, currency) for row in rows))


def _cost(row: CostEntry, currency: str) -> tuple[Cell, ...]:
    return (
        moment(row.booked_at),
        row.kind,
        _DESCRIPTIONS.get(row.kind, ""),
        row.txid,
        row.blockheight,
        row.share_count,
        row.cost_msat,
        Btc(row.cost_msat),
        row.untold_msat,
        Btc(row.untold_msat),
        currency,
        *((None, None, None, None) if row.channel is None else _who(row.channel)),
    )


#: Figures of a line, by name: its sums, and what follows from them. Of amounts the name in bitcoin comes after.
_FIGURES: Final = (*(field.name for field in fields(ProfitLine)), "income_msat", "chain_msat", "cost_msat", "net_msat")
_FIGURE_COLUMNS: Final = tuple(
    column
    for name in _FIGURES
    for column in ((name, f"{name.removesuffix('_msat')}_btc") if name.endswith("_msat") else (name,))
)
PNL_BY: Final = {
    "day": ("first_day", "last_day"),
    "month": ("first_day", "last_day"),
    "channel": ("channel", "channel_id", "peer_id", "peer_alias", "opened_at", "closed_at"),
    "peer": ("peer_id", "peer_alias", "channel_count"),
}
_NODE: Final = "(the node)"


def pnl(value: ProfitReport, by: str, currency: str) -> Iterator[str]:
    """Given a report and what to have a row for, yield the text of its file. By channel or peer, a last row has what
    belongs to none: the wallet's own transactions; so that rows add up to the node.
    """
    headings = (*PNL_BY[by], "currency", *_FIGURE_COLUMNS)
    return csv_texts(headings, ((*who, currency, *_figures(line)) for who, line in _lines(value, by)))


def _lines(value: ProfitReport, by: str) -> Iterator[tuple[tuple[Cell, ...], ProfitLine]]:
    if by in ("day", "month"):
        for span in value.spans:
            yield (day(int(span.since_at // DAY_SECONDS)), day(int(span.until_at // DAY_SECONDS) - 1)), span.line
        return
    if by == "peer":
        for peer in value.peers:
            yield (peer.peer_id, peer.alias, peer.channel_count), peer.line
    else:
        for one in value.channels:
            opened, closed = (None if at is None else moment(at) for at in (one.opened_at, one.closed_at))
            yield (one.name, one.channel_id, one.peer_id, one.alias, opened, closed), one.line
    rest = value.total - total_of(one.line for one in value.channels)
    if rest != ProfitLine():
        yield (_NODE, *(None,) * (len(PNL_BY[by]) - 1)), rest


def _figures(line: ProfitLine) -> Iterator[Cell]:
    for name in _FIGURES:
        amount: int = getattr(line, name)
        yield amount
        if name.endswith("_msat"):
            yield Btc(amount)
