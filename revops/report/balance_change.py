"""What changed all that the node holds, as a table that adds up."""

from __future__ import annotations

from collections.abc import Iterator

from revops.domain.balance_change import BalanceChange
from revops.report.amounts import income
from revops.report.blocks import Block, Table


def balance_table(value: BalanceChange | None) -> Iterator[Block]:
    """Given the change of a balance, render its lines, those that are 0 left out: none of them but net is profit or
    loss.
    """
    if value is None:
        return
    rows = (
        ("pushed to us by peers, opening channels", value.pushed_in_msat),
        ("pushed to peers, opening channels", -value.pushed_out_msat),
        ("received by own invoices", value.received_msat),
        ("paid by own payments, fees included", -value.paid_msat),
        ("deposited into the wallet", value.deposited_msat),
        ("sent from the wallet", -value.sent_msat),
        ("left the wallet, fee and amount not told apart", -value.untold_msat),
        ("other entries of the node's ledger", value.other_msat),
        ("not booked yet", value.unbooked_msat),
    )
    shown = tuple((words, income(msat)) for words, msat in rows if msat)
    all_rows = (("net", income(value.net_msat)), *shown, ("change of channels and wallet", income(value.change_msat)))
    yield Table("Balance (sat)", ("what changed it", ">sat"), all_rows)
