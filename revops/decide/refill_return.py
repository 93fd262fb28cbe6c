"""What refills returned: what of them was sold, at the price that the channel's sales brought meanwhile."""

from __future__ import annotations

from collections.abc import Iterable

from revops.domain.forward import Flow
from revops.domain.measures import RefillReturn
from revops.domain.rebalance import Lot


def refill_return(lots: Iterable[Lot], sales: Flow | None) -> RefillReturn:
    """Given a channel's lots and what left by it since the oldest of them (None: nothing did), return what came of
    them.

    What a lot sold earned is its share of what all sales earned: no sat of a channel is dearer than another. It is
    rounded down.
    """
    bought = list(lots)
    sold_msat = sum(lot.sold_msat for lot in bought)
    income_msat = 0
    if sales is not None and sales.out_msat > 0:
        income_msat = sold_msat * sales.earned_msat // sales.out_msat
    return RefillReturn(
        bought_msat=sum(lot.amount_msat for lot in bought),
        fee_msat=sum(lot.fee_msat for lot in bought),
        sold_msat=sold_msat,
        income_msat=income_msat,
    )
