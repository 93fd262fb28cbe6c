"""Profit and loss of a made node by the oracle and by the records, in one shape, so that they can be compared."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import cast

from revops.cycle.ingest import sync_node
from revops.domain.profit import ProfitLine
from revops.node.reader import Reader
from revops.store import profits
from revops.store.engine import Database, Tx
from revops.store.keys import channel_keys
from tests.books import plain
from tests.books.made import MadeNode
from tests.builders import DAY

_KIND = {"open": "open_msat", "splice": "splice_msat", "close": "close_msat", "wallet": "wallet_msat"}


def sync(database: Database, node: MadeNode) -> int:
    info = node.info()
    node_key = database.node_key(info.node_id, info.alias, info.network)
    sync_node(database, node_key, cast(Reader, node), info, lambda: node.now_at)
    return node_key


def wanted_lines(node: MadeNode, first_day: int | None, end_day: int | None) -> dict[str, ProfitLine]:
    """By the oracle; "" is what belongs to no channel."""
    bounds = [None if day is None else day * DAY for day in (first_day, end_day)]
    found = plain.books(node, *bounds)
    parts: dict[str, Counter[str]] = defaultdict(Counter)
    for channel_id, sums in found.flows.items():
        for name in ("in_msat", "in_count", "sourced_msat", "out_msat", "out_count", "earned_msat", "failed_count",
                     "refused_count"):  # fmt: skip
            parts[channel_id][name] += getattr(sums, name)
    for one in found.circulars:
        parts[one.target].update(rebalance_msat=one.fee_msat, rebalanced_msat=one.amount_msat, rebalance_count=1)
    for account, kind in found.chain_cost_msat():
        key = "" if account == plain.WALLET else account
        parts[key][_KIND[kind]] += found.chain_cost_msat()[account, kind]
    for channel_id, msat in found.lease_fees_msat.items():
        parts[channel_id]["lease_earned_msat" if msat > 0 else "lease_paid_msat"] += abs(msat)
    return {key: line for key, amounts in parts.items() if (line := ProfitLine(**amounts)) != ProfitLine()}


def kept_lines(tx: Tx, node: MadeNode, first_day: int | None, end_day: int | None) -> dict[str, ProfitLine]:
    """By the records, but for the balances, which the oracle doesn't have."""
    names = {key: channel_id for channel_id, key in channel_keys(tx).items()}
    aliases = {f"unknown:{name}": life.channel_id for life in node.lives for _, name in life.names}
    found = profits.lines(tx, first_day, end_day)
    by_id: dict[str, ProfitLine] = defaultdict(ProfitLine)
    for key, line in found.by_channel.items():
        by_id[aliases.get(names[key], names[key])] += _without_capital(line)
    by_id[""] += _without_capital(found.rest)
    assert found.untold_msat == 0
    return {key: line for key, line in by_id.items() if line != ProfitLine()}


def _without_capital(line: ProfitLine) -> ProfitLine:
    return ProfitLine(**{name: getattr(line, name) for name in NAMES})


NAMES = tuple(name for name in ProfitLine.__slots__ if name != "capital_msat")
