"""`revops history` as blocks: a life's totals, by how channels ended, and by channel."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from revops.domain.history import NOT_TOLD, OPEN, UNSWEPT, Ending, History
from revops.domain.profit import ChannelProfit, ProfitLine
from revops.report.amounts import age, cost, income, instant
from revops.report.balance_change import balance_table
from revops.report.blocks import Block, Legend, Line, Table
from revops.report.columns import telling
from revops.report.profit import life, note_on_ledger, notes_on_costs, spent
from revops.report.rates import ROUNDING

#: lightningd's words for why a channel was closed (listclosedchannels, close_cause).
CAUSES: Final = {
    OPEN: "open",
    UNSWEPT: "closed, not swept yet",
    NOT_TOLD: "closed, the node doesn't say why",
    "unknown": "closed, nobody knows why",
    "local": "closed by our node",
    "user": "closed by hand",
    "remote": "closed by the peer",
    "protocol": "closed for a protocol error",
    "onchain": "closed by a commitment on the chain",
}
_HEADINGS: Final = (
    ">earned", ">sourced", ">leases", ">rebalance costs", ">opens", ">splices", ">closes", ">forfeited",
    ">wallet fees", ">net", ">forwards", ">forwarded",
)  # fmt: skip
_ALWAYS: Final = ("earned", "net")


def history(value: History) -> Iterator[Block]:
    """Given a history, render it."""
    moved = value.balance is not None and value.balance.change_msat != 0
    if not (value.channels or value.opening_msat or value.untold_msat or value.total != ProfitLine() or moved):
        yield Line(f"Nothing on record yet; synced {age(value.synced_at, value.taken_at)}")
        yield from note_on_ledger(read=value.ledger_read)
        return
    first = None if value.since_at is None else instant(value.since_at)[:10]
    since = "no forward on record has settled yet" if first is None else f"forwards on record since {first}"
    yield Line(f"{since}; synced {age(value.synced_at, value.taken_at)}")
    yield Line("")
    if value.opening_msat:
        yield Line(
            f"earned before the node kept rows, by channels that nobody remembers: {income(value.opening_msat)} sat"
        )
    leases_msat = value.total.lease_earned_msat
    came = f"earned {income(value.earned_msat)} sat" + (f", by leases {income(leases_msat)}" if leases_msat else "")
    yield Line(f"{came}, cost {cost(value.total.cost_msat)}, net {income(value.net_msat)}")
    yield Line("")
    yield from balance_table(value.balance)
    rows = tuple((_ending(one), f"{one.channel_count:,}", *_cells(one.line)) for one in value.endings)
    if value.total.wallet_msat:
        rows += (("the wallet", "", *_cells(ProfitLine(wallet_msat=value.total.wallet_msat))),)
    if rows:
        yield telling(Table("By how channels ended (sat)", ("channels", ">count", *_HEADINGS), rows), *_ALWAYS)
    if value.channels:
        listed = tuple(_channel(one) for one in value.channels)
        yield telling(Table("Channels (sat)", ("channel", "peer", *_HEADINGS, "life"), listed), *_ALWAYS)
    if rows:
        yield Legend(ROUNDING)
    yield from note_on_ledger(read=value.ledger_read)
    yield from notes_on_costs(value.channels, value.channels, value.untold_msat)


def _ending(one: Ending) -> str:
    word = CAUSES.get(one.cause, one.cause)
    if one.closer is None or one.cause in ("local", "remote"):
        return word
    return f"{word}, {'by us' if one.closer == 'local' else 'by the peer'}"


def _cells(line: ProfitLine, *, open_is_known: bool = True) -> tuple[str, ...]:
    return (
        income(line.earned_msat),
        income(line.sourced_msat),
        income(line.lease_earned_msat - line.lease_paid_msat),
        spent(line.rebalance_msat),
        spent(line.open_msat) if open_is_known else "?",
        spent(line.splice_msat),
        spent(line.close_msat),
        spent(line.forfeit_msat),
        spent(line.wallet_msat),
        income(line.net_msat),
        f"{line.out_count:,}",
        income(line.out_msat),
    )


def _channel(one: ChannelProfit) -> tuple[str, ...]:
    told = not one.open and one.unswept_msat is None
    ended = f", {CAUSES.get(one.close_cause or NOT_TOLD, one.close_cause or '')}" if told else ""
    cells = _cells(one.line, open_is_known=one.cost_is_known)
    return (one.name, one.alias or (one.peer_id or "")[:12], *cells, life(one) + ended)
