"""Random histories of a node's books: what was recorded, and what it comes to by day in plain arithmetic."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st
from sqlalchemy import insert

from revops.domain.chain_cost import CostKind
from revops.domain.listed import Forward
from revops.store import cursors, forwards, moves, rollup
from revops.store.cursors import FORWARDS_CREATED, FORWARDS_UPDATED
from revops.store.engine import Tx
from revops.store.keys import channel_keys
from revops.store.profits import FIELD_OF
from revops.store.tables import balance_day, chain_cost, rebalance_job, rebalance_plan
from tests.builders import DAY, NOW, channel_id
from tests.store.rows import FAILED, OFFERED, REFUSED, SETTLED, make_forward, make_move, record, scid

CHANNELS = (1, 2, 3)
#: The midnight after which "today" begins, of which rows are always raw.
MIDNIGHT = NOW // DAY * DAY
#: Days of histories, by their distance from today.
OLDEST, NEWEST = -5, 1

_quarters = st.integers(4 * OLDEST, 4 * NEWEST + 3).map(lambda count: MIDNIGHT + count * DAY / 4)
#: Midnights, the moments just before them, and others.
moments = st.builds(math.nextafter, _quarters, st.sampled_from([0.0, math.inf])) | _quarters
_seconds = moments.map(math.floor)
_channels = st.sampled_from(CHANNELS)
_amounts = st.sampled_from([1, 999, 2**40 + 1])
_fees = st.sampled_from([0, 1, 7_777, 10**12 + 1])

Days = dict[int, dict[str, int]]


@st.composite
def _forward(draw: st.DrawFn) -> dict[str, Any]:
    status = draw(st.sampled_from([SETTLED, SETTLED, SETTLED, FAILED, REFUSED, OFFERED]))
    out_msat, fee_msat = draw(_amounts), draw(_fees)
    has_exit = status is SETTLED or draw(st.booleans())
    return {
        "in_scid": scid(draw(_channels)),
        "out_scid": scid(draw(_channels)) if has_exit else None,
        "in_msat": out_msat + fee_msat,
        "out_msat": out_msat if has_exit else None,
        "fee_msat": fee_msat if has_exit else None,
        "status": status,
        "received_at": draw(moments),
        "resolved_at": draw(moments) if status in (SETTLED, FAILED) and draw(st.booleans()) else None,
    }


@dataclass(frozen=True)
class Payment:
    """A circular payment. `moved_at` None: its moves aren't there yet; `booked_at` None: no job of ours. A job may have
    been booked at another price than the moves say.
    """

    source: int
    target: int
    amount_msat: int
    fee_msat: int
    moved_at: int | None
    booked_at: float | None
    booked_msat: int


@dataclass(frozen=True)
class History:
    """Forwards, and when rows before which moment were pruned; payments; leases as (channel, at, credit, debit); costs
    as (account_key, kind, msat, at); balances by (day, channel).
    """

    forwards: list[dict[str, Any]] = field(default_factory=list)
    prunes: list[tuple[float, int]] = field(default_factory=list)
    payments: list[Payment] = field(default_factory=list)
    leases: list[tuple[int, int, int, int]] = field(default_factory=list)
    costs: list[tuple[int, CostKind, int, int]] = field(default_factory=list)
    balances: dict[tuple[int, int], int] = field(default_factory=dict)


_payments = st.builds(
    Payment, _channels, _channels, _amounts, _fees, st.none() | _seconds, st.none() | moments, _fees
).filter(lambda one: one.moved_at is not None or one.booked_at is not None)
histories = st.builds(
    History,
    forwards=st.lists(_forward(), max_size=12),
    prunes=st.lists(st.tuples(moments.filter(lambda at: at <= MIDNIGHT), st.integers(1, 9)), max_size=3),
    payments=st.lists(_payments, max_size=5),
    leases=st.lists(st.tuples(_channels, _seconds, _fees, _fees), max_size=4),
    costs=st.lists(
        st.tuples(st.integers(0, 3), st.sampled_from(CostKind), _fees, _seconds), max_size=6
    ),
    balances=st.dictionaries(st.tuples(st.integers(OLDEST, NEWEST), _channels), _amounts, max_size=6),
)  # fmt: skip


def store(tx: Tx, history: History) -> None:
    """Record a history as the commands do, as far as they are about it."""
    record(tx, *CHANNELS)
    for index, fields in enumerate(history.forwards, 1):
        forwards.ingest(tx, [_made(index, fields)], NOW + 9 * DAY)
        for name in (FORWARDS_CREATED, FORWARDS_UPDATED):
            cursors.set_cursor(tx, name, index)
    for before_at, max_rows in history.prunes:
        rollup.prune_forwards(tx, before_at, max_rows)
    keys = channel_keys(tx)
    _store_jobs(tx, history, keys)
    page = list(_moves(history))
    moves.ingest_channel_moves(tx, [make_move(index, **fields) for index, fields in enumerate(page, 1)])
    _insert(
        tx, chain_cost,
        [
            {
                "txid": f"{number:064x}", "account_key": 0 if account == 0 else keys[channel_id(account)],
                "kind": kind.value, "cost_msat": cost_msat, "booked_at": at, "blockheight": 900_000, "share_count": 1,
            }
            for number, (account, kind, cost_msat, at) in enumerate(history.costs)
        ],
    )  # fmt: skip
    today = int(MIDNIGHT // DAY)
    _insert(
        tx, balance_day,
        [
            {
                "day": today + day, "channel_key": keys[channel_id(number)], "local_msat": local_msat,
                "capacity_msat": 2 * local_msat,
            }
            for (day, number), local_msat in history.balances.items()
        ],
    )  # fmt: skip


def _made(index: int, fields: dict[str, Any]) -> Forward:
    return make_forward(index, **fields)


def _insert(tx: Tx, table: Any, rows: list[dict[str, Any]]) -> None:
    if rows:
        tx.connection.execute(insert(table), [{"node_key": tx.node_key, **row} for row in rows])


def _store_jobs(tx: Tx, history: History, keys: dict[str, int]) -> None:
    _insert(tx, rebalance_plan, [{"plan_key": 1, "run_key": 1, "created_at": NOW, "expires_at": NOW}])
    _insert(
        tx, rebalance_job,
        [
            {
                "job_key": number, "plan_key": 1, "source_channel_key": keys[channel_id(one.source)],
                "target_channel_key": keys[channel_id(one.target)], "amount_msat": one.amount_msat, "max_fee_msat": 1,
                "expected_gain_msat": 1, "status": "settled", "created_at": NOW, "expires_at": NOW,
                "payment_hash": f"{number:064x}", "fee_msat": one.booked_msat, "finished_at": one.booked_at,
            }
            for number, one in enumerate(history.payments, 1)
            if one.booked_at is not None
        ],
    )  # fmt: skip


def _moves(history: History) -> Any:
    for number, one in enumerate(history.payments, 1):
        if one.moved_at is not None:
            named = {"tag": "invoice", "payment_hash": f"{number:064x}", "moved_at": one.moved_at, "fees_msat": 0}
            sent_msat = one.amount_msat + one.fee_msat
            yield {"account": channel_id(one.source), "credit_msat": 0, "debit_msat": sent_msat, **named}
            yield {"account": channel_id(one.target), "credit_msat": one.amount_msat, "debit_msat": 0, **named}
    for number, at, credit_msat, debit_msat in history.leases:
        yield {
            "account": channel_id(number), "credit_msat": credit_msat, "debit_msat": debit_msat, "moved_at": at,
            "tag": "lease_fee", "payment_hash": None, "fees_msat": 0,
        }  # fmt: skip


def by_day(history: History) -> Days:
    """What a history comes to, by day: the names of a line's sums, and `untold_msat`; without what is 0."""
    days: Days = defaultdict(lambda: defaultdict(int))

    def add(at: float, **amounts: int) -> None:
        for name, amount in amounts.items():
            days[int(at // DAY)][name] += amount

    for fields in history.forwards:
        one = _made(1, fields)
        at = one.received_at if one.resolved_at is None else one.resolved_at
        if one.status is SETTLED:
            fee_msat, out_msat = one.fee_msat or 0, one.out_msat or 0
            add(at, earned_msat=fee_msat, sourced_msat=fee_msat, in_count=1, out_count=1)
            add(at, in_msat=one.in_msat, out_msat=out_msat)
        add(at, failed_count=int(one.status is FAILED), refused_count=int(one.status is REFUSED))
    for paid in history.payments:
        if paid.booked_at is None and paid.fee_msat > paid.amount_msat:
            continue  # a purchase under the hash of an own invoice (store/payments.py)
        moved = paid.moved_at is not None
        if paid.moved_at is not None:
            add(paid.moved_at, rebalanced_msat=paid.amount_msat, rebalance_msat=paid.fee_msat, rebalance_count=1)
        if paid.booked_at is not None:
            beyond_msat = max(paid.booked_msat - (paid.fee_msat if moved else 0), 0)
            add(paid.booked_at, rebalance_msat=beyond_msat)
            add(paid.booked_at, rebalanced_msat=0 if moved else paid.amount_msat, rebalance_count=int(not moved))
    for _, at, credit_msat, debit_msat in history.leases:
        add(at, lease_earned_msat=credit_msat, lease_paid_msat=debit_msat)
    for _, kind, cost_msat, at in history.costs:
        add(at, **{FIELD_OF.get(kind, "untold_msat"): cost_msat})
    for (day, _), local_msat in history.balances.items():
        add(MIDNIGHT + day * DAY, capital_msat=local_msat)
    shown = {day: {name: amount for name, amount in sums.items() if amount} for day, sums in days.items()}
    return {day: sums for day, sums in shown.items() if sums}
