"""The wallet reserve between runs: where funds were below it stays suspended until they are well above.

A command that isn't a dry run writes down what it finds; all others reckon with what is written and what the last sync
saw.
"""

from __future__ import annotations

import logging

from revops.decide.suspend import WHERE, Funds, reserve_since, reserve_standings
from revops.domain.policy import ReserveConfig
from revops.domain.record import ReserveStanding
from revops.domain.snapshot import NodeView
from revops.domain.units import sat_exact
from revops.store import nodes, reserve
from revops.store.engine import Database, Tx

_log = logging.getLogger(__name__)


def look_at_reserve(
    database: Database, node_key: int, view: NodeView, policy: ReserveConfig, *, records: bool
) -> dict[str, float]:
    """Given the node as it is, return since when each place is suspended. Write changes down if the run `records`."""
    funds = Funds(view.wallet.spendable_msat, view.spendable_msat)
    with database.read(node_key) as tx:
        before = reserve.suspended_since(tx)
    since = reserve_since(funds, policy, before, view.taken_at)
    if since == before or not records:
        return since
    with database.transaction(node_key) as tx:
        before = reserve.suspended_since(tx)  # another run may have been faster
        since = reserve_since(funds, policy, before, view.taken_at)
        reserve.record_suspended(tx, since)
    for one in reserve_standings(funds, policy, since):
        if one.place in since and one.place not in before:
            _log.warning("%s", one.reason.sentence if one.reason is not None else one.place)
        elif one.place in before and one.place not in since:
            have, floor, place = sat_exact(one.have_msat), sat_exact(one.floor_msat), WHERE[one.place]
            _log.info("%s sat in %s, well above the reserve of %s again: no longer suspended by it", have, place, floor)
    return since


def read_reserve(tx: Tx, policy: ReserveConfig) -> tuple[ReserveStanding, ...]:
    """Return how each place stands, as the last sync saw it; nothing where none has been yet."""
    row = nodes.node_row(tx)
    if row.wallet_spendable_msat is None or row.channels_spendable_msat is None:
        return ()
    funds = Funds(row.wallet_spendable_msat, row.channels_spendable_msat)
    since = reserve_since(funds, policy, reserve.suspended_since(tx), row.synced_at or 0.0)
    return reserve_standings(funds, policy, since)
