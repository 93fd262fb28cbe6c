"""`revops report --fleet` as blocks: the nodes of each network, and what they brought."""

from __future__ import annotations

from collections.abc import Iterator

from revops.domain.fleet import FleetNode, FleetReport, FleetTotal
from revops.domain.profit import ProfitLine
from revops.domain.text import counted
from revops.report.amounts import age, income, instant
from revops.report.blocks import Block, Legend, Line, Table
from revops.report.profit import period_words, spent
from revops.report.rates import ROUNDING, span_days, yearly

_TOGETHER = "together"
_PLACES = {"onchain": "the wallet", "offchain": "the channels"}
_NODES = ("node", "id", ">channels", ">capacity", ">local", ">wallet", "lightningd", "synced", "suspended")


def fleet(value: FleetReport) -> Iterator[Block]:
    """Given a report, render three tables for each network, bitcoin's first."""
    yield Line(f"{counted(len(value.nodes), 'node')}; the window: {period_words(value.since_at, value.until_at)}")
    yield Line("")
    for total in value.totals:
        nodes = [node for node in value.nodes if node.network == total.network]
        yield from _network(value, total, nodes)
    if len(value.totals) > 1:
        yield Line("amounts of different networks are never added up")
    yield Legend(
        "local: our balance in channels now; wallet: confirmed and unreserved on the chain. Chain costs: fees of "
        "transactions. A year: net on our balance in channels, both over as many of the window's days (of days) as "
        "balances are on record for"
    )
    yield Legend(ROUNDING)


def _network(value: FleetReport, total: FleetTotal, nodes: list[FleetNode]) -> Iterator[Block]:
    held = [_node_row(node, value.taken_at) for node in nodes]
    leases = any(_lease_msat(node.ever) or _lease_msat(node.window) for node in nodes)
    window = [
        (
            *_name(node),
            *_known_cells(node, node.window, leases),
            yearly(node.yearly_return_ratio),
            span_days(node.rated),
        )
        for node in nodes
    ]
    ever = [(*_name(node), *_known_cells(node, node.ever, leases)) for node in nodes]
    if total.node_count > 1:
        sums = (income(total.capacity_msat), income(total.local_msat), income(total.wallet_msat))
        held.append((_TOGETHER, "", f"{total.open_count:,}", *sums, "", "", ""))
        window.append((_TOGETHER, "", *_cells(total.window, leases), yearly(total.yearly_return_ratio), ""))
        ever.append((_TOGETHER, "", *_cells(total.ever, leases)))
    headings = (
        "node", "id", ">forwards", ">earned", *((">leases",) if leases else ()), ">rebalance costs", ">chain costs",
        ">net",
    )  # fmt: skip
    yield Table(f"Nodes on {total.network} (sat)", _NODES, tuple(held))
    yield Table(f"{value.window_days} d on {total.network} (sat)", (*headings, ">a year", ">of days"), tuple(window))
    yield Table(f"Ever on {total.network} (sat)", headings, tuple(ever))


def _name(node: FleetNode) -> tuple[str, str]:
    return node.alias or "(no alias)", node.node_id[:12]


def _node_row(node: FleetNode, now: float) -> tuple[str, ...]:
    seen = node.synced_at is not None
    held = (f"{node.open_count:,}", income(node.capacity_msat), income(node.local_msat)) if seen else ("?", "?", "?")
    wallet = "?" if node.wallet_msat is None else income(node.wallet_msat)
    return (*_name(node), *held, wallet, node.version or "?", age(node.synced_at, now), _why(node))


def _why(node: FleetNode) -> str:
    below = [
        f"below the reserve of {_PLACES.get(place, place)} since {instant(at)}"
        for place, at in sorted(node.reserve_since.items())
    ]
    return "; ".join([*(reason.sentence for reason in node.suspended), *below])


def _lease_msat(line: ProfitLine) -> int:
    return line.lease_earned_msat + line.lease_paid_msat


def _known_cells(node: FleetNode, line: ProfitLine, leases: bool) -> tuple[str, ...]:
    """Of a node that was never synced nothing is known."""
    cells = _cells(line, leases)
    return cells if node.synced_at is not None else ("?",) * len(cells)


def _cells(line: ProfitLine, leases: bool) -> tuple[str, ...]:
    return (
        f"{line.out_count:,}",
        income(line.earned_msat),
        *((income(line.lease_earned_msat - line.lease_paid_msat),) if leases else ()),
        spent(line.rebalance_msat),
        spent(line.chain_msat),
        income(line.net_msat),
    )
