"""Profit and loss as CSV, with all its figures, by day, month, channel or peer.

What isn't known is an empty cell, never 0: forwards of a day before records begin or after the last sync, balances of
days that none is on record for, an opening that the node's ledger doesn't have. What follows from several figures
(income, chain, cost, net) counts what is known of them, and is empty where nothing is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Final, NamedTuple

from revops.domain.period import DAY_SECONDS
from revops.domain.profit import ProfitLine, ProfitReport, SpanProfit, total_of
from revops.report.amounts import day
from revops.report.csv_text import Cell, csv_texts, moment
from revops.report.exports import amount

_SUMS: Final = tuple(field.name for field in fields(ProfitLine))
_CHAIN: Final = frozenset({"open_msat", "splice_msat", "close_msat", "forfeit_msat", "wallet_msat"})
_FLOWS: Final = frozenset(
    {
        "earned_msat", "sourced_msat", "in_msat", "out_msat", "in_count", "out_count", "failed_count", "refused_count"
    }
)  # fmt: skip
_CAPITAL: Final = frozenset({"capital_msat"})
#: What the node's ledger tells: unknown until a sync has read it.
_LEDGER: Final = frozenset(_SUMS) - _FLOWS - _CAPITAL
#: What follows from which sums.
_PARTS: Final[Mapping[str, frozenset[str]]] = {
    "income_msat": frozenset({"earned_msat", "lease_earned_msat"}),
    "chain_msat": _CHAIN,
    "cost_msat": _CHAIN | {"rebalance_msat", "lease_paid_msat"},
    "net_msat": _CHAIN | {"earned_msat", "lease_earned_msat", "rebalance_msat", "lease_paid_msat"},
}
#: Of amounts the name in bitcoin comes after.
FIGURES: Final = tuple(
    column
    for name in (*_SUMS, *_PARTS)
    for column in ((name, f"{name.removesuffix('_msat')}_btc") if name.endswith("_msat") else (name,))
)
PNL_BY: Final = {
    "channel": ("channel", "channel_id", "peer_id", "peer_alias", "opened_at", "closed_at"),
    "peer": ("peer_id", "peer_alias", "channel_count"),
    "day": ("first_day", "last_day"),
    "month": ("first_day", "last_day"),
}
_NODE: Final = "(the node)"


class _Row(NamedTuple):
    """Who or when, the line, and which sums of it aren't known where they are 0."""

    who: tuple[Cell, ...]
    line: ProfitLine
    unknown: frozenset[str]


def pnl(value: ProfitReport, by: str, currency: str) -> Iterator[str]:
    """Given a report and what to have a row for, yield the text of its file. By channel or peer, a last row has what
    belongs to none: the wallet's own transactions; so that rows add up to the node.
    """
    rows = _spans(value) if by in ("day", "month") else _owners(value, by)
    headings = (*PNL_BY[by], "currency", *FIGURES)
    return csv_texts(headings, ((*row.who, currency, *_figures(row)) for row in rows))


def _spans(value: ProfitReport) -> Iterator[_Row]:
    for span in value.spans:
        first, last = day(int(span.since_at // DAY_SECONDS)), day(int(span.until_at // DAY_SECONDS) - 1)
        yield _Row((first, last), span.line, _unknown_of_span(value, span))


def _unknown_of_span(value: ProfitReport, span: SpanProfit) -> frozenset[str]:
    if span.since_at >= (value.synced_at or 0.0):
        return frozenset(_SUMS)
    before_records = value.recorded_since_at is not None and span.until_at <= value.recorded_since_at
    return (
        (_FLOWS if before_records else frozenset())
        | (frozenset() if span.capital_days else _CAPITAL)
        | (frozenset() if value.ledger_read else _LEDGER)
    )


def _owners(value: ProfitReport, by: str) -> Iterator[_Row]:
    unknown = frozenset() if value.ledger_read else _LEDGER
    if not value.capital_days:
        unknown |= _CAPITAL
    untold = {one.peer_id if by == "peer" else one.channel_id for one in value.channels if not one.cost_is_known}

    def unknown_of(owner: str | None) -> frozenset[str]:
        return unknown | {"open_msat"} if owner in untold else unknown

    if by == "peer":
        for peer in value.peers:
            yield _Row((peer.peer_id, peer.alias, peer.channel_count), peer.line, unknown_of(peer.peer_id))
    else:
        for one in value.channels:
            opened, closed = (None if at is None else moment(at) for at in (one.opened_at, one.closed_at))
            who = (one.name, one.channel_id, one.peer_id, one.alias, opened, closed)
            yield _Row(who, one.line, unknown_of(one.channel_id))
    rest = value.total - total_of(one.line for one in value.channels)
    if rest != ProfitLine():
        yield _Row((_NODE, *(None,) * (len(PNL_BY[by]) - 1)), rest, unknown)


def _figures(row: _Row) -> Iterator[Cell]:
    unknown = {name for name in row.unknown if getattr(row.line, name) == 0}
    for name in (*_SUMS, *_PARTS):
        is_unknown = _PARTS[name] <= unknown if name in _PARTS else name in unknown
        figure: int | None = None if is_unknown else getattr(row.line, name)
        yield from amount(figure) if name.endswith("_msat") else (figure,)
