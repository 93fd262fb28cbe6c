"""The exports of rows: forwards, circular payments and costs, and what each column is. Profit and loss: pnl_csv.py.

Column names are an interface: spreadsheets and importers read them. A test holds the lists, and the table of columns
in share/docs/books.md; only add at the end. They stand in one order: when, what, which, how much, the fee, the
channels. Quantities have the names of `--json` and of the tables; what isn't known is an empty cell.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from revops.domain.exported import ChannelName, CircularEntry, CostEntry, ForwardEntry
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
    "booked_at", "type", "description", "created_index", "forward_count", "in_msat", "in_btc", "out_msat", "out_btc",
    "fee_msat", "fee_btc", "currency", "in_channel", "in_channel_id", "in_peer_id", "in_peer_alias",
    "out_channel", "out_channel_id", "out_peer_id", "out_peer_alias",
)  # fmt: skip
REBALANCES: Final = (
    "booked_at", "type", "description", "job_key", "payment_hash", "payment_count", "amount_msat", "amount_btc",
    "fee_msat", "fee_btc", "currency",
    "source_channel", "source_channel_id", "source_peer_id", "source_peer_alias",
    "target_channel", "target_channel_id", "target_peer_id", "target_peer_alias",
)  # fmt: skip
COSTS: Final = (
    "booked_at", "type", "description", "txid", "blockheight", "share_count", "untold_msat", "untold_btc",
    "cost_msat", "cost_btc", "currency", "channel", "channel_id", "peer_id", "peer_alias",
)  # fmt: skip


def currency_of(network: str) -> str:
    """Given the node's network, return what its amounts are in: nobody shall book a test network's coins as bitcoin."""
    return "BTC" if network == _MAINNET else network


def amount(amount_msat: int | None) -> tuple[Cell, Cell]:
    """Given an amount, return its cells, in msat and in bitcoin; empty ones where it isn't known."""
    return amount_msat, None if amount_msat is None else Btc(amount_msat)


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
        *amount(row.in_msat),
        *amount(row.out_msat),
        *amount(row.fee_msat),
        currency,
        *_who(row.into),
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
        *amount(row.amount_msat),
        *amount(row.fee_msat),
        currency,
        *_who(row.source),
        *_who(row.target),
    )


def costs(rows: Iterable[CostEntry], currency: str) -> Iterator[str]:
    """Given costs, yield the text of their file."""
    return csv_texts(COSTS, (_cost(row, currency) for row in rows))


def _cost(row: CostEntry, currency: str) -> tuple[Cell, ...]:
    told = not row.untold_msat  # else how much of it was a fee isn't known, which is not 0
    return (
        moment(row.booked_at),
        row.kind,
        _DESCRIPTIONS.get(row.kind, ""),
        row.txid,
        row.blockheight,
        row.share_count,
        *amount(row.untold_msat),
        *amount(row.cost_msat if told else None),
        currency,
        *((None, None, None, None) if row.channel is None else _who(row.channel)),
    )
