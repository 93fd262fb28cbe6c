"""Which figures of the node and of our records differ, and why."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import reduce
from operator import add
from typing import Final

from revops.domain.reconciliation import NOTHING, Cause, ChannelBooks, Difference, Figure, NodeBooks, Sides
from revops.domain.units import MSAT_PER_SAT

#: Of so many combinations of forwards under way one may explain a difference: ten are all, and more are hardly needed.
_MOST_SUMS: Final = 1_024
_SIDES: Final = (
    (Figure.IN, "in_msat"),
    (Figure.OUT, "out_msat"),
    (Figure.SOURCED, "sourced_msat"),
    (Figure.EARNED, "earned_msat"),
)


def differences(books: NodeBooks) -> tuple[Difference, ...]:
    """Given both, return what differs, the node's own sums first."""
    return (*_of_node(books), *_of_channels(books), *_of_rebalances(books))


def compared_count(books: NodeBooks) -> int:
    """Given both, return how many figures were compared."""
    balances = sum(one.balance_msat is not None for one in books.channels)
    finals = sum(one.final_msat is not None and one.closed_msat is not None for one in books.channels)
    return 3 + len(_SIDES) * len(books.channels) + balances + finals + len(books.job_costs)


def _of_node(books: NodeBooks) -> Iterator[Difference]:
    ours_msat = books.opening_msat + books.recorded_fees_msat
    if books.fees_collected_msat != ours_msat:
        # What the ledger has more or less than our forwards, all channels together, is what the node counted, too.
        moved_msat = sum(one.moves.earned_msat - one.forwards.earned_msat for one in books.channels)
        missing_msat = books.fees_collected_msat - ours_msat
        deleted = missing_msat > 0 and moved_msat == missing_msat and any(map(_lacks_rows, books.channels))
        cause = Cause.DELETED if deleted else Cause.UNKNOWN
        yield Difference(Figure.FEES, None, books.fees_collected_msat, ours_msat, cause)
    if books.wallet_node_msat != books.wallet_ledger_msat:
        yield Difference(Figure.WALLET, None, books.wallet_node_msat, books.wallet_ledger_msat, Cause.UNKNOWN)


def _of_channels(books: NodeBooks) -> Iterator[Difference]:
    missing = reduce(add, (one.forwards - one.moves - one.before_ledger for one in books.channels), NOTHING)
    parts = [part for one in books.channels for part in one.under_way]
    # Figures of two channels that are both known may cancel, too: that explains nothing.
    nameless = any(not one.known and one.forwards != NOTHING for one in books.channels)
    nothing_missing = nameless and missing in _sums(parts)
    for one in books.channels:
        yield from _of_forwards(one, nothing_missing=nothing_missing)
        yield from _of_balance(one)


def _of_forwards(one: ChannelBooks, *, nothing_missing: bool) -> Iterator[Difference]:
    """By the ledger, and by forwards. What is on the chain instead is added to the ledger, whole satoshi of it."""
    if one.moves == one.forwards:
        return
    cause = _cause_of(one, nothing_missing=nothing_missing)
    for figure, name in _SIDES:
        moved_msat, forwarded_msat = getattr(one.moves, name), getattr(one.forwards, name)
        if moved_msat != forwarded_msat:
            yield Difference(figure, one.channel_id, moved_msat, forwarded_msat, cause)


def _cause_of(one: ChannelBooks, *, nothing_missing: bool) -> Cause:
    missing = one.forwards - one.moves - one.before_ledger
    if missing == NOTHING:
        return Cause.BEFORE_LEDGER
    # An HTLC that was claimed by a transaction is still listed until the channel is forgotten.
    if one.fulfilled_count and _is_on_chain(one, missing):
        return Cause.ON_CHAIN
    under_way = _sums(one.under_way)
    if missing in under_way:
        return Cause.UNDER_WAY
    if one.fulfilled_count and any(_is_on_chain(one, missing - part) for part in under_way):
        return Cause.ON_CHAIN
    if nothing_missing:
        return Cause.UNKNOWN_SCID
    deleted = one.known and _lacks_rows(one) and any(_is_deleted(part - missing) for part in under_way)
    return Cause.DELETED if deleted else Cause.UNKNOWN


def _lacks_rows(one: ChannelBooks) -> bool:
    """Whether the ledger tells of more forwards than we hold: one that is only told otherwise wasn't deleted."""
    return one.move_count + len(one.under_way) > one.forward_count - one.before_count


def _is_deleted(more: Sides) -> bool:
    """Whether what the ledger has more may be forwards: fees go with amounts."""
    return (
        min(more.in_msat, more.out_msat, more.sourced_msat, more.earned_msat) >= 0
        and (more.in_msat > 0 or more.sourced_msat == 0)
        and (more.out_msat > 0 or more.earned_msat == 0)
    )


def _sums(parts: Iterable[Sides]) -> set[Sides]:
    """What any of some forwards come to together, none of them among it."""
    sums = {NOTHING}
    for part in parts:
        if len(sums) < _MOST_SUMS:
            sums |= {one + part for one in sums}
    return sums


def _is_on_chain(one: ChannelBooks, missing: Sides) -> bool:
    """An output has whole satoshi: of each HTLC less than one may be cut off. Fees go with the amounts."""
    cut_msat = one.fulfilled_count * MSAT_PER_SAT
    return (
        0 <= missing.in_msat - one.fulfilled_in_msat < max(cut_msat, 1)
        and 0 <= missing.out_msat - one.fulfilled_out_msat < max(cut_msat, 1)
        and (missing.sourced_msat == 0 or one.fulfilled_in_msat > 0)
        and (missing.earned_msat == 0 or one.fulfilled_out_msat > 0)
    )


def _of_balance(one: ChannelBooks) -> Iterator[Difference]:
    if one.balance_msat is not None and one.balance_msat != one.ledger_msat:
        cause = Cause.UNKNOWN if one.opening_known else Cause.BEFORE_LEDGER
        yield Difference(Figure.BALANCE, one.channel_id, one.balance_msat, one.ledger_msat, cause)
    if one.final_msat is not None and one.closed_msat is not None and one.final_msat != one.closed_msat:
        yield Difference(Figure.FINAL_BALANCE, one.channel_id, one.final_msat, one.closed_msat, Cause.UNKNOWN)


def _of_rebalances(books: NodeBooks) -> Iterator[Difference]:
    for job_key, moved_msat, booked_msat in books.job_costs:
        if moved_msat != booked_msat:
            cause = Cause.BOOKED_DEARER if booked_msat > moved_msat else Cause.UNKNOWN
            yield Difference(Figure.REBALANCES, f"job {job_key}", moved_msat, booked_msat, cause)
    if books.booked_by_jobs_msat != books.booked_in_ledger_msat:
        yield Difference(Figure.LEDGER, None, books.booked_by_jobs_msat, books.booked_in_ledger_msat, Cause.UNKNOWN)
