"""Which forwards of the node's ledger are among those that we have.

A forward that came by an scid of which nobody knows any more which channel it was has a placeholder for it (a channel
was spliced, then closed, before we came), while the ledger names the channel. So a placeholder fits any channel: what
is listed is never counted a second time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from sqlalchemy import Executable, bindparam, select

from revops.domain.forward import ForwardStatus
from revops.store.engine import NODE, Tx
from revops.store.flows import status_literal
from revops.store.scids import placeholders
from revops.store.tables import forward

#: How far apart the ledger and the list of forwards may date the same payment.
APART_SECONDS: Final = 3_600
#: By amounts and channels; no channel where nobody knows which.
_Kind = tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class Pair:
    """A forward by its two moves."""

    in_channel_key: int
    out_channel_key: int
    in_msat: int
    out_msat: int
    settled_at: int

    @property
    def kinds(self) -> Iterator[_Kind]:
        """What a listed forward may be that is this one, the surest first."""
        entry, leave = self.in_channel_key, self.out_channel_key
        for sides in ((entry, leave), (entry, None), (None, leave), (None, None)):
            yield (*sides, self.in_msat, self.out_msat)


def unlisted(tx: Tx, pairs: Sequence[Pair]) -> list[Pair]:
    """Given forwards by their moves, return those that are none that we have: of equal ones as many as there are more
    of them, the older, since those are what was deleted. What is surely listed is told apart first.
    """
    if not pairs:
        return []
    unknown = placeholders(tx)
    listed: Counter[_Kind] = Counter()
    for row in _near(tx, [pair.settled_at for pair in pairs]):
        sides = (None if key in unknown else key for key in (row.in_channel_key, row.out_channel_key))
        listed[*sides, row.in_msat, row.out_msat] += 1
    lost = sorted(pairs, key=lambda pair: -pair.settled_at)
    lost = [pair for pair in lost if not _take(listed, [next(pair.kinds)])]
    return [pair for pair in lost if not _take(listed, pair.kinds)] if unknown else lost


def listed_halves(tx: Tx, rows: Sequence[Any]) -> list[int]:
    """Given moves without the other half of their forward, return the created_index of each whose forward we have: the
    other half lay beyond what needed a look.
    """
    if not rows:
        return []
    unknown = placeholders(tx)
    entries: Counter[_Kind] = Counter()
    exits: Counter[_Kind] = Counter()
    for row in _near(tx, [row.moved_at for row in rows]):
        for side, key, msat in (
            (entries, row.in_channel_key, row.in_msat),
            (exits, row.out_channel_key, row.out_msat),
        ):
            side[None if key in unknown else key, msat, row.fee_msat] += 1
    found = []
    for row in rows:
        side, msat = (entries, row.credit_msat) if row.credit_msat else (exits, row.debit_msat)
        if _take(side, [(row.account_key, msat, row.fees_msat), (None, msat, row.fees_msat)]):
            found.append(row.created_index)
    return found


def _take(listed: Counter[_Kind], kinds: Iterable[_Kind]) -> bool:
    """Take the first of some kinds that there is; return whether there was any."""
    for kind in kinds:
        if listed[kind] > 0:
            listed[kind] -= 1
            return True
    return False


def _near(tx: Tx, moments: Sequence[int]) -> Iterable[Any]:
    bounds = {"b_since": min(moments) - float(APART_SECONDS), "b_until": max(moments) + float(APART_SECONDS)}
    return tx.execute(_settled_between(), **bounds).all()


@cache
def _settled_between() -> Executable:
    raw = forward.c
    return select(raw.in_channel_key, raw.out_channel_key, raw.in_msat, raw.out_msat, raw.fee_msat).where(
        raw.node_key == NODE,
        raw.status == status_literal(ForwardStatus.SETTLED),
        raw.counted_at >= bindparam("b_since"),
        raw.counted_at < bindparam("b_until"),
    )
