"""What each transaction cost us, and whom it is booked to, from the node's own ledger of chain moves.

What a transaction took from our accounts, less what it gave to them or to those that we paid by it, is the fee that we
paid, once all its rows are there; a row alone tells nothing. What goes to the peer of a channel that closes
(`THEIR_TAGS`), and what we claim with a preimage (`htlc_fulfill`, which is a forward's), is no part of it. Measured on
a node (lightningd v26.06.6) in 65 transactions of all kinds, 47 by balances before and after, the others, of which we
paid all, by the miners' fee: right to the msat in all but one, where 9 msat of an HTLC were cut off that its ledger
doesn't have.

The fee is shared as lightningd's bookkeeper does (plugins/bkpr/onchain_fee.c): alike by the channels that the
transaction touched, whatever their size; the msat that are left over go to the first of them by name. The wallet pays
only where no channel is in it. Nothing is booked before all is there that the transaction was for.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

from revops.domain.chain_cost import FORFEITED_TAGS, OUTSIDE, THEIR_TAGS, WALLET, ChainCost, CostKind
from revops.domain.forward import CLOSE_TAG, OPEN_TAG, PROPOSED_TAG, ChainMove

_FULFILLED_TAG: Final = "htlc_fulfill"
#: Outputs of a commitment that take a second transaction, and what that one makes of them.
_STAGED_TAGS: Final = frozenset({"htlc_timeout", _FULFILLED_TAG})
_SECOND_STAGE_TAG: Final = "htlc_tx"
#: What left the wallet without a word where to is a fee up to here, or up to that part of what was spent.
LARGEST_FEE_MSAT: Final = 100_000_000
LARGEST_FEE_RATIO: Final = 0.1


def chain_costs(
    moves: Iterable[ChainMove], opening: Mapping[str, Collection[str]], final: Collection[str] = ()
) -> tuple[ChainCost, ...]:
    """Given all moves of some transactions, return what each cost; msat.

    `opening` names, by txid, the channels that a transaction funds, as far as channels are listed; `final` are closes
    of channels that the node has forgotten. Nothing is returned of a transaction of which rows are still to come, nor
    of one that took less from us than it gave.
    """
    by_txid: dict[str, list[ChainMove]] = {}
    for move in moves:
        by_txid.setdefault(move.txid, []).append(move)
    found: list[ChainCost] = []
    for txid, rows in sorted(by_txid.items()):
        if txid in final or _is_whole(txid, rows, opening.get(txid, ())):
            found += _costs(txid, rows)
    return tuple(found)


def _is_whole(txid: str, rows: Sequence[ChainMove], funded: Collection[str]) -> bool:
    """Whether all rows are there, as far as they tell. A channel's opening comes when it is locked in, and what a
    close leaves to be swept when it is swept. lightningd never tells of an HTLC that the peer had offered if it had
    expired before the peer's close was in a block (onchaind/onchaind.c propose_ignore, up to v26.06.6 at least).
    """
    opened = {row.account for row in rows if row.tag == OPEN_TAG}
    if not opened.issuperset({*funded, *(row.account for row in rows if row.tag == PROPOSED_TAG)}):
        return False
    made = {row.outpoint for row in rows if row.outpoint.partition(":")[0] == txid}
    if any(row.output_count is not None and row.is_close and len(made) < row.output_count for row in rows):
        return False
    staged = any(row.tag in _STAGED_TAGS and row.debit_msat > 0 and row.account != OUTSIDE for row in rows)
    return not staged or any(row.tag == _SECOND_STAGE_TAG for row in rows)


def _costs(txid: str, rows: Sequence[ChainMove]) -> list[ChainCost]:
    # What is spent of others' outputs was never ours.
    taken_msat = sum(row.debit_msat for row in rows if row.spending_txid is not None and row.account != OUTSIDE)
    given_msat = sum(row.credit_msat for row in rows if row.spending_txid is None and _is_ours(row))
    accounts = sorted({row.account for row in rows} - {OUTSIDE})
    if not accounts or taken_msat == 0 or given_msat > taken_msat:
        return []
    channels = [account for account in accounts if account != WALLET]
    if not channels:
        return [_wallet_cost(txid, rows, taken_msat, given_msat)]
    part_msat, left_over_msat = divmod(taken_msat - given_msat, len(channels))
    found = []
    for place, account in enumerate(channels):
        share_msat = part_msat + (place < left_over_msat)
        found.append(
            ChainCost(txid, account, _kind_of(account, rows), share_msat, *_when(account, rows), len(channels))
        )
    return found


def _is_ours(row: ChainMove) -> bool:
    """Whether what a row gives was given by us to ourselves, or to somebody whom we paid by it."""
    return row.tag not in THEIR_TAGS if row.account == OUTSIDE else row.account == WALLET or row.tag != _FULFILLED_TAG


def _wallet_cost(txid: str, rows: Sequence[ChainMove], taken_msat: int, given_msat: int) -> ChainCost:
    left_msat = taken_msat - given_msat
    told = any(row.account == OUTSIDE for row in rows)
    plausible = given_msat > 0 and left_msat <= max(LARGEST_FEE_MSAT, int(taken_msat * LARGEST_FEE_RATIO))
    kind = CostKind.WALLET if told or plausible else CostKind.UNTOLD
    return ChainCost(txid, WALLET, kind, left_msat, *_when(WALLET, rows))


def _kind_of(account: str, rows: Sequence[ChainMove]) -> CostKind:
    mine = [row for row in rows if row.account == account]
    if any(row.is_close for row in mine):
        forfeited = any(row.account == OUTSIDE and row.tag in FORFEITED_TAGS for row in rows)
        return CostKind.FORFEIT if forfeited else CostKind.CLOSE
    if any(row.tag == CLOSE_TAG for row in mine):
        return CostKind.SPLICE
    return CostKind.OPEN if any(row.tag == OPEN_TAG for row in mine) else CostKind.SWEEP


def _when(account: str, rows: Sequence[ChainMove]) -> tuple[int, int]:
    """When the account was first touched by it, and its height: what goes elsewhere is written down before a block."""
    mine = [row for row in rows if row.account == account]
    return min(row.moved_at for row in mine), max(row.blockheight for row in rows)
