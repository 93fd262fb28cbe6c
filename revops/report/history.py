"""`revops history` as blocks: a life's totals, by how channels ended, and by channel."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from revops.domain.history import NOT_TOLD, OPEN, Ending, History
from revops.domain.profit import ChannelProfit, ProfitLine
from revops.report.amounts import age, cost, income, instant
from revops.report.blocks import Block, Line, Table
from revops.report.profit import life, note_on_ledger, notes_on_costs, spent

#: lightningd's words for why a channel was closed (listclosedchannels, close_cause).
CAUSES: Final = {
    OPEN: "open",
    NOT_TOLD: "gone, the node doesn't say why",
    "unknown": "closed, nobody knows why",
    "local": "closed by our node",
    "user": "closed by hand",
    "remote": "closed by the peer",
    "protocol": "closed for a protocol error",
    "onchain": "closed by a commitment on the chain",
}
_HEADINGS: Final = (
    ">earned", ">sourced", ">refills", ">opening", ">splices", ">closing", ">leases", ">net", ">forwards", ">forwarded"
)  # fmt: skip


def history(value: History) -> Iterator[Block]:
    """Given a history, render it."""
    first = None if value.since_at is None else instant(value.since_at)[:10]
    since = "no forward on record has settled yet" if first is None else f"forwards on record since {first}"
    yield Line(f"{since}; synced {age(value.synced_at, value.taken_at)}")
    yield Line("")
    if value.opening_msat:
        yield Line(
            f"earned before the node kept rows, by channels that nobody remembers: {income(value.opening_msat)} sat"
        )
    sums = income(value.earned_msat), cost(value.total.cost_msat), income(value.net_msat)
    yield Line("earned {} sat, cost {}, net {}".format(*sums))
    yield Line("")
    rows = tuple((_ending(one), f"{one.channel_count:,}", *_cells(one.line)) for one in value.endings)
    if value.total.wallet_msat:
        rows += (("wallet", "", *_cells(ProfitLine(wallet_msat=value.total.wallet_msat))),)
    yield Table("By how channels ended (sat)", ("", ">channels", *_HEADINGS), rows)
    if value.channels:
        listed = tuple(_channel(one) for one in value.channels)
        yield Table("Channels (sat)", ("channel", "peer", *_HEADINGS, "life"), listed)
    yield from note_on_ledger(read=value.ledger_read)
    yield from notes_on_costs(value.channels, value.untold_msat)


def _ending(one: Ending) -> str:
    word = CAUSES.get(one.cause, one.cause)
    if one.closer is None or one.cause in ("local", "remote"):
        return word
    return f"{word}, {'by us' if one.closer == 'local' else 'by the peer'}"


def _cells(line: ProfitLine) -> tuple[str, ...]:
    return (
        income(line.earned_msat),
        income(line.sourced_msat),
        spent(line.rebalance_msat),
        spent(line.open_msat),
        spent(line.splice_msat),
        spent(line.close_msat + line.forfeit_msat + line.wallet_msat),
        income(line.lease_earned_msat - line.lease_paid_msat),
        income(line.net_msat),
        f"{line.out_count:,}",
        income(line.out_msat),
    )


def _channel(one: ChannelProfit) -> tuple[str, ...]:
    ended = "" if one.closed_at is None else f", {CAUSES.get(one.close_cause or NOT_TOLD, one.close_cause or '')}"
    return (one.name, one.alias or (one.peer_id or "")[:12], *_cells(one.line), life(one) + ended)
