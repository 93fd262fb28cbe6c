"""What each transaction cost us, and whom it is booked to, from the node's own ledger of chain moves.

The rules are those of lightningd's bookkeeper (plugins/bkpr/onchain_fee.c), so that its books and ours agree to the
msat. What a transaction took from our accounts less what it gave to them is the fee that we paid, as long as all of it
is known; a row alone tells nothing. The fee is shared alike by the channels that the transaction touched, whatever
their size; the msat that are left over go to the first of them by name. The wallet pays only where no channel is in it.

Two things differ, since all rows of a transaction are looked at together and not as they come: a splice isn't taken for
a close, and nothing is booked before the opening is seen that the transaction is for.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

from revops.domain.chain_cost import OUTSIDE, WALLET, ChainCost, CostKind
from revops.domain.forward import ChainMove

_OPEN_TAG: Final = "channel_open"
_CLOSE_TAG: Final = "channel_close"
_SPLICE_TAGS: Final = frozenset({"splice", "spliced"})
_ANCHOR_TAG: Final = "anchor"
_FULFILLED_TAG: Final = "htlc_fulfill"
#: What left the wallet without a word where to is a fee up to here, or up to that part of what was spent.
LARGEST_FEE_MSAT: Final = 100_000_000
LARGEST_FEE_RATIO: Final = 0.1


def chain_costs(moves: Iterable[ChainMove], opening: Mapping[str, Collection[str]]) -> tuple[ChainCost, ...]:
    """Given all moves of some transactions, return what each cost; msat.

    `opening` names, by txid, the channels that a transaction funds, as far as channels are listed: of one whose opening
    isn't among the moves yet, nothing is returned. Nor is anything of one that took less from us than it gave.
    """
    by_txid: dict[str, list[ChainMove]] = {}
    for move in moves:
        by_txid.setdefault(move.txid, []).append(move)
    found: list[ChainCost] = []
    for txid, rows in sorted(by_txid.items()):
        opened = {row.account for row in rows if row.tag == _OPEN_TAG}
        if opened.issuperset(opening.get(txid, ())):
            found += _costs(txid, rows)
    return tuple(found)


def _costs(txid: str, rows: Sequence[ChainMove]) -> list[ChainCost]:
    closes = [row for row in rows if _is_close(row)]
    if closes:
        return [cost for close in closes if (cost := _close_cost(txid, close, rows)) is not None]
    taken_msat = sum(row.debit_msat for row in rows if row.spending_txid is not None)
    given_msat = sum(row.credit_msat for row in rows if row.spending_txid is None)
    accounts = sorted({row.account for row in rows} - {OUTSIDE})
    if not accounts or taken_msat == 0 or given_msat > taken_msat:
        return []
    channels = [account for account in accounts if account != WALLET]
    if not channels:
        return [_wallet_cost(txid, rows, taken_msat, given_msat)]
    part_msat, left_over_msat = divmod(taken_msat - given_msat, len(channels))
    return [
        ChainCost(
            txid, account, _kind_of(account, rows), part_msat + (place < left_over_msat), *_when(rows), len(channels)
        )
        for place, account in enumerate(channels)
    ]


def _is_close(row: ChainMove) -> bool:
    return row.tag == _CLOSE_TAG and row.spending_txid is not None and _SPLICE_TAGS.isdisjoint(row.extra_tags)


def _close_cost(txid: str, close: ChainMove, rows: Sequence[ChainMove]) -> ChainCost | None:
    """What was ours in the channel, less what of it the closing transaction gave back. Anchors were taken out of the
    outputs before, what HTLCs of the peer are fulfilled with never was ours.
    """
    back_msat = 0
    for row in rows:
        own_fulfilled = row.account not in (WALLET, OUTSIDE) and row.tag == _FULFILLED_TAG
        others = row.account == OUTSIDE and row.tag != _FULFILLED_TAG
        if not own_fulfilled and not others and row.tag != _ANCHOR_TAG:
            back_msat += row.credit_msat
    if back_msat > close.debit_msat:
        return None
    return ChainCost(txid, close.account, CostKind.CLOSE, close.debit_msat - back_msat, *_when(rows))


def _wallet_cost(txid: str, rows: Sequence[ChainMove], taken_msat: int, given_msat: int) -> ChainCost:
    left_msat = taken_msat - given_msat
    told = any(row.account == OUTSIDE for row in rows)
    plausible = left_msat <= max(LARGEST_FEE_MSAT, int(taken_msat * LARGEST_FEE_RATIO)) and given_msat > 0
    kind = CostKind.WALLET if told or plausible else CostKind.UNTOLD
    return ChainCost(txid, WALLET, kind, left_msat, *_when(rows))


def _kind_of(account: str, rows: Sequence[ChainMove]) -> CostKind:
    mine = [row for row in rows if row.account == account]
    opened = any(row.tag == _OPEN_TAG for row in mine)
    if any(row.tag == _CLOSE_TAG for row in mine):
        return CostKind.SPLICE
    return CostKind.OPEN if opened else CostKind.SWEEP


def _when(rows: Sequence[ChainMove]) -> tuple[int, int]:
    """The instant and the height. Funds that go elsewhere are written down before they are in a block."""
    return max(row.moved_at for row in rows), max(row.blockheight for row in rows)
