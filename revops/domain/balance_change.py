"""What changed all that a node holds, in channels and in its wallet: what it earned and cost is only a part of it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BalanceChange:
    """Over a period, by the node's ledger, in msat. Each line but `net_msat` is in no figure of profit and loss.

    `net_msat` is income less cost. `pushed_in_msat` was given to us by peers with the opening of a channel,
    `pushed_out_msat` to them; `received_msat` came by own invoices, `paid_msat` left by own payments, their fees
    included (rebalances are neither); `deposited_msat` came to the wallet from outside, `sent_msat` left it for others;
    `untold_msat` left it, and nothing says how much of it was a fee; `other_msat` are other entries of the ledger, as
    corrections. `change_msat` is what all balances changed by.
    """

    net_msat: int
    pushed_in_msat: int
    pushed_out_msat: int
    received_msat: int
    paid_msat: int
    deposited_msat: int
    sent_msat: int
    untold_msat: int
    other_msat: int
    change_msat: int

    @property
    def own_msat(self) -> int:
        """What the lines that are no profit or loss come to."""
        came_msat = self.pushed_in_msat + self.received_msat + self.deposited_msat + self.other_msat
        return came_msat - self.pushed_out_msat - self.paid_msat - self.sent_msat - self.untold_msat

    @property
    def unbooked_msat(self) -> int:
        """What has changed balances already and is in no line yet, or the other way round: a close that isn't swept, an
        opening or a splice that isn't locked in, a payment under way at midnight.
        """
        return self.change_msat - self.net_msat - self.own_msat
