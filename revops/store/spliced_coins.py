"""What splices cost that brought the coins in the wallet."""

from __future__ import annotations

from sqlalchemy import func, select

from revops.domain.node import Wallet
from revops.domain.splice import SpliceDirection
from revops.store.engine import Tx
from revops.store.tables import chain_cost, splice_job


def spliced_msat(tx: Tx, wallet: Wallet) -> int:
    """Given the wallet, return what the splices out of channels cost of which a coin still lies in it: as booked, or
    where nothing is booked yet the most that each may cost.
    """
    txids = {one.outpoint.partition(":")[0] for one in wallet.outputs if one.status != "spent"}
    job, cost = splice_job.c, chain_cost.c
    if not txids:
        return 0
    booked = (
        select(func.sum(cost.cost_msat))
        .where(cost.node_key == job.node_key, cost.txid == job.txid)
        .correlate(splice_job)
        .scalar_subquery()
    )
    ours = (job.node_key == tx.node_key, job.direction == str(SpliceDirection.OUT), job.txid.is_not(None))
    rows = tx.connection.execute(select(job.txid, job.max_cost_msat, booked.label("booked_msat")).where(*ours))
    return sum(
        int(row.max_cost_msat if row.booked_msat is None else row.booked_msat) for row in rows if row.txid in txids
    )
