"""`revops reconcile` as blocks: what was compared, what differs and why, and what of it nothing explains."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from revops.domain.reconciliation import Cause, Difference, Figure, Reconciliation
from revops.domain.text import counted
from revops.domain.units import sat_exact
from revops.report.blocks import Block, Line, Table

#: Damage is either a little or everywhere.
_MOST_SHOWN: Final = 20
FIGURES: Final = {
    Figure.FEES: "fees collected (getinfo)",
    Figure.IN: "forwarded in (listchannelmoves)",
    Figure.OUT: "forwarded out (listchannelmoves)",
    Figure.SOURCED: "fees of what entered (listchannelmoves)",
    Figure.EARNED: "fees of what left (listchannelmoves)",
    Figure.BALANCE: "balance (listpeerchannels)",
    Figure.WALLET: "wallet (listfunds)",
    Figure.FINAL_BALANCE: "last balance (listclosedchannels)",
    Figure.REBALANCES: "cost of a rebalance (listchannelmoves)",
    Figure.LEDGER: "rebalances in the spend ledger",
}
CAUSES: Final = {
    Cause.BEFORE_LEDGER: "the node's ledger begins later",
    Cause.UNDER_WAY: "settled, but a peer has not let go of it yet: the ledger follows",
    Cause.ON_CHAIN: "settled by a transaction: the ledger of the chain has it",
    Cause.DELETED: "forwards were deleted on the node before they were copied; only its ledger has them",
    Cause.UNKNOWN_SCID: "forwards name a channel by an scid that nobody knows any more: the ledger knows which it was",
    Cause.BOOKED_DEARER: "more was booked than the node's ledger has moved: the dearer counts",
    Cause.UNKNOWN: "not explained",
}


def reconciliation(value: Reconciliation) -> Iterator[Block]:
    """Given a comparison, render it."""
    books = value.books
    if books.opening_msat:
        yield Line(
            f"opening: {sat_exact(books.opening_msat)} sat in fees that the node earned before it kept rows or a ledger"
        )
    yield Line(
        f"{counted(value.compared_count, 'figure')} compared, of the node and "
        f"{counted(len(books.channels), 'channel')}: {_verdict(value)}"
    )
    if value.differences:
        names = {one.channel_id: one.name for one in books.channels}
        rows = tuple(_row(one, names) for one in value.differences)
        yield Table("What differs (sat)", ("of", "figure", ">by the node", ">by us", ">difference", "why"), rows)
    yield from _damage(value)
    if value.to_sweep:
        names = {one.channel_id: one.name for one in books.channels}
        listed = ", ".join(names.get(channel_id, channel_id) for channel_id in value.to_sweep)
        yield Line(f"still on the chain, and in no balance until it is swept: what closes left of {listed}")
    if not value.still:
        yield Line("the node went on while it was looked at: figures of different moments were compared; run it again")


def _damage(value: Reconciliation) -> Iterator[Block]:
    if not value.damaged:
        return
    yield Line("the records disagree with themselves: they were changed by something else, or the disk has failed")
    for one in value.damaged[:_MOST_SHOWN]:
        yield Line(f"  {one}")
    if len(value.damaged) > _MOST_SHOWN:
        yield Line(f"  and {len(value.damaged) - _MOST_SHOWN} more (--json lists all)")
    yield Line("restore a backup, or start a new database: what the node and its ledger remember comes back")


def _verdict(value: Reconciliation) -> str:
    if not value.differences:
        return "all agree, to the msat; 0 msat unexplained"
    return f"{counted(len(value.differences), 'figure')} differ, {value.unexplained_msat:,} msat unexplained"


def _row(one: Difference, names: dict[str, str]) -> tuple[str, ...]:
    subject = "node" if one.subject is None else names.get(one.subject, one.subject)
    return (
        subject,
        FIGURES[one.figure],
        sat_exact(one.node_msat),
        sat_exact(one.ours_msat),
        sat_exact(one.difference_msat),
        CAUSES[one.cause],
    )


def unexplained(value: Reconciliation) -> str:
    """Given a comparison with something that nothing explains, return that in a sentence."""
    if value.damaged:
        return f"{counted(len(value.damaged), 'sum')} of the records disagree with the rows that they are made of"
    return f"{value.unexplained_msat:,} msat of what differs between the node and the records are not explained"
