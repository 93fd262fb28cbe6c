"""What a made node's books must say: everything added up once more, in plain Python, past all of the product's code.

A forward is dated by when it was resolved, or received where we refused it at once; a window takes its beginning and
leaves out its end. The fee of a transaction is shared as lightningd's bookkeeper does (plugins/bkpr/onchain_fee.c).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from revops.domain.forward import ChainMove
from revops.domain.listed import ChannelMove
from tests.books.made import MadeNode
from tests.books.traffic import FAILED, REFUSED, Made

PAGE = 5_000
DAY_SECONDS = 86_400
OUTSIDE, WALLET = "external", "wallet"


@dataclass
class Sums:
    """What went through one channel; `last_settled_at` whichever way."""

    in_msat: int = 0
    in_count: int = 0
    sourced_msat: int = 0
    out_msat: int = 0
    out_count: int = 0
    earned_msat: int = 0
    refused_count: int = 0
    failed_count: int = 0
    last_settled_at: float | None = None

    def settled_at(self, at: float) -> None:
        self.last_settled_at = at if self.last_settled_at is None else max(self.last_settled_at, at)


class Circular(NamedTuple):
    """A circular payment: dated by its last row; it costs what left beyond what came back."""

    payment_hash: str
    source: str
    target: str
    amount_msat: int
    fee_msat: int
    moved_at: int


class Cost(NamedTuple):
    """One account's share of the fee of a transaction. `kind` is open, splice, close (sweeps among them) or wallet."""

    txid: str
    account: str
    kind: str
    fee_msat: int
    paid_at: int


@dataclass
class Plain:
    """The books of one window. `flows` by channel_id, "" where no exit was chosen; `days` by day and channel_id."""

    flows: dict[str, Sums] = field(default_factory=lambda: defaultdict(Sums))
    days: dict[tuple[int, str], Sums] = field(default_factory=lambda: defaultdict(Sums))
    failcodes: Counter[int] = field(default_factory=Counter)
    circulars: list[Circular] = field(default_factory=list)
    costs: list[Cost] = field(default_factory=list)
    #: What each channel was paid for leased liquidity, less what it paid.
    lease_fees_msat: Counter[str] = field(default_factory=Counter)

    @property
    def earned_msat(self) -> int:
        return sum(one.earned_msat for one in self.flows.values())

    def circular_cost_msat(self) -> dict[str, int]:
        """What circular payments cost, by the channel that they arrived on."""
        found: Counter[str] = Counter()
        for one in self.circulars:
            found[one.target] += one.fee_msat
        return dict(found)

    def chain_cost_msat(self) -> dict[tuple[str, str], int]:
        """What transactions cost, by account and kind."""
        found: Counter[tuple[str, str]] = Counter()
        for one in self.costs:
            found[one.account, one.kind] += one.fee_msat
        return dict(found)


def books(node: MadeNode, since_at: float | None = None, until_at: float | None = None, *, days: bool = False,
          moves: bool = True) -> Plain:  # fmt: skip
    """Given a node and a window (None: no bound), add up all that the node has recorded by now.

    Forwards that it lists no more count as well. `days` adds them up by day, too; `moves=False` leaves all else out.
    """
    found = Plain()
    low, high = (float("-inf") if since_at is None else since_at), (float("inf") if until_at is None else until_at)
    for row in node.traffic.all():
        if row.received_at > node.now_at:
            break
        at = row.received_at if row.status == REFUSED else row.resolved_at
        if at is None or at > node.now_at or not low <= at < high:
            continue
        source, target = node.lives[row.source].channel_id, node.lives[row.target].channel_id
        if row.out_name is None:
            target = ""
        if row.failcode is not None:
            found.failcodes[row.failcode] += 1
        _count(row, at, found.flows[source], found.flows[target])
        if days:
            day = int(at // DAY_SECONDS)
            _count(row, at, found.days[day, source], found.days[day, target])
    if not moves:
        return found
    found.circulars, found.lease_fees_msat = _paid(_all_moves(node), low, high)
    found.costs = [one for one in chain_costs(node.chain_moves(1, 10**9)) if low <= one.paid_at < high]
    return found


def _count(row: Made, at: float, entry: Sums, leave: Sums) -> None:
    if row.status == FAILED:
        leave.failed_count += 1
    elif row.status == REFUSED:
        leave.refused_count += 1
    elif row.out_msat is not None and row.fee_msat is not None:
        entry.in_count += 1
        entry.in_msat += row.in_msat
        entry.sourced_msat += row.fee_msat
        leave.out_count += 1
        leave.out_msat += row.out_msat
        leave.earned_msat += row.fee_msat
        entry.settled_at(at)
        leave.settled_at(at)


def _all_moves(node: MadeNode) -> Iterable[ChannelMove]:
    start = 1
    while page := node.channel_moves(start, PAGE):
        yield from page
        start = page[-1].created_index + 1


def _paid(moves: Iterable[ChannelMove], low: float, high: float) -> tuple[list[Circular], Counter[str]]:
    """The circular payments and the lease fees of a window."""
    by_hash: dict[str, list[ChannelMove]] = defaultdict(list)
    leases: Counter[str] = Counter()
    for row in moves:
        if row.tag == "invoice" and row.payment_hash is not None:
            by_hash[row.payment_hash].append(row)
        elif row.tag == "lease_fee" and low <= row.moved_at < high:
            leases[row.account] += row.credit_msat - row.debit_msat
    circulars = []
    for payment_hash, rows in by_hash.items():
        came_msat, left_msat = sum(row.credit_msat for row in rows), sum(row.debit_msat for row in rows)
        at = max(row.moved_at for row in rows)
        if came_msat and left_msat >= came_msat and low <= at < high:
            source = max(rows, key=lambda row: row.debit_msat).account
            target = max(rows, key=lambda row: row.credit_msat).account
            circulars.append(Circular(payment_hash, source, target, came_msat, left_msat - came_msat, at))
    return circulars, leases


def chain_costs(rows: Sequence[ChainMove]) -> list[Cost]:
    """Given the rows of listchainmoves, return what each account paid for each transaction, as the bookkeeper has it.

    A close: what the channel held less what came of it in the same transaction. Any other: what went in less what came
    out, in equal parts for the channels in it, a msat more for the first of them, by account, until none is left; for
    the wallet where there are none, for somebody outside never.
    """
    by_tx: dict[str, list[ChainMove]] = defaultdict(list)
    for row in rows:
        by_tx[row.spending_txid or row.outpoint.split(":")[0]].append(row)
    found: list[Cost] = []
    for txid, members in by_tx.items():
        members.sort(key=lambda row: (row.account, row.created_index))
        closes = [row for row in members if row.tag == "channel_close" and "splice" not in row.extra_tags]
        if closes:
            found += _closed(txid, closes, members)
        elif len(members) > 1:
            found += _shared(txid, members)
    return [one for one in found if one.fee_msat]


def _closed(txid: str, closes: Sequence[ChainMove], members: Sequence[ChainMove]) -> list[Cost]:
    came_msat = sum(
        row.credit_msat
        for row in members
        if row.tag != "anchor" and (row.account == OUTSIDE) == (row.tag == "htlc_fulfill")
    )
    return [
        Cost(txid, row.account, "close", row.debit_msat - came_msat, row.moved_at)
        for row in closes
        if came_msat <= row.debit_msat
    ]


def _shared(txid: str, members: Sequence[ChainMove]) -> list[Cost]:
    spent_msat = sum(row.debit_msat for row in members if row.spending_txid is not None)
    came_msat = sum(row.credit_msat for row in members if row.spending_txid is None)
    if not 0 < came_msat <= spent_msat:
        return []
    accounts = list(dict.fromkeys(row.account for row in members if row.account != OUTSIDE))
    payers = [account for account in accounts if account != WALLET] or accounts
    if not payers:
        return []
    part_msat, rest = divmod(spent_msat - came_msat, len(payers))
    found = []
    for place, account in enumerate(payers):
        own = [row for row in members if row.account == account]
        found.append(Cost(txid, account, _kind(account, own), part_msat + (place < rest), own[0].moved_at))
    return found


def _kind(account: str, rows: Sequence[ChainMove]) -> str:
    if account == WALLET:
        return WALLET
    if any("splice" in row.extra_tags for row in rows):
        return "splice"
    return "open" if any(row.tag == "channel_open" for row in rows) else "close"
