"""Lots by their marks under whatever may happen to forwards and clocks, in any order, against plain addition."""

from __future__ import annotations

import math
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import (
    initialize,
    invariant,
    precondition,
    rule,
)
from sqlalchemy import func, insert, select

from revops.domain.listed import Forward
from revops.store import forwards, keys, refills
from revops.store.engine import Database, Tx
from revops.store.tables import lot_mark, rebalance_job, rebalance_payment, rebalance_plan
from tests.builders import DAY, HOUR, NOW, channel_id
from tests.store.machines import CHANNELS, ForwardMachine, rarely, run_on
from tests.store.plain_lots import plain_lots
from tests.store.rows import FAILED, OFFERED, SETTLED, make_forward

HORIZONS = (1, 2)
_hours = st.integers(-96, 8).map(lambda count: NOW + count * HOUR)
#: The same few instants again and again, and those just before and after them.
moments = _hours | st.builds(math.nextafter, _hours, st.sampled_from([0.0, math.inf]))
amounts = st.sampled_from([1, 300, 500, 1_000, 2_500])
seen = {"marks": 0, "sold": 0}


@st.composite
def a_forward(draw: st.DrawFn) -> dict[str, Any]:
    """How a forward stands, with places of names; mostly settled."""
    status = draw(st.sampled_from([SETTLED] * 6 + [FAILED, OFFERED]))
    at, size = draw(moments), draw(amounts)
    return {
        "into": draw(st.integers(0, 5)),
        "out": draw(st.integers(0, 5)),
        "in_msat": size + 1,
        "out_msat": size,
        "fee_msat": 1,
        "status": status,
        "received_at": at,
        "resolved_at": None if status is OFFERED else at,
    }


class Lots(ForwardMachine):
    """Forwards that are new, changed or repeated, late and early, refills, and marks at any time and horizon."""

    most_names = 6

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.payments = 0
        with database.transaction(self.node_key) as tx:
            plan = {"plan_key": 1, "run_key": 1, "created_at": NOW, "expires_at": NOW}
            tx.connection.execute(insert(rebalance_plan).values(node_key=self.node_key, **plan))

    def one(self, index: int, fields: dict[str, Any]) -> Forward:
        self.updates += 1
        fields = dict(fields)
        into, out = (self.names[fields.pop(side) % len(self.names)] for side in ("into", "out"))
        return make_forward(index, updated_index=self.updates, in_scid=into, out_scid=out, **fields)

    @rule(page=st.lists(a_forward(), min_size=1, max_size=8), seen_at=moments, crash=rarely)
    def new(self, page: list[dict[str, Any]], seen_at: float, crash: bool) -> None:
        items = [self.one(self.count + place, fields) for place, fields in enumerate(page, 1)]
        if self.committed(lambda tx: forwards.ingest(tx, items, seen_at), crash):
            self.pages.append(items)
            self.count += len(items)

    @precondition(lambda self: self.count > 0)
    @rule(data=st.data(), page=st.lists(a_forward(), min_size=1, max_size=3), seen_at=moments, crash=rarely)
    def changed(self, data: st.DataObject, page: list[dict[str, Any]], seen_at: float, crash: bool) -> None:
        items = [self.one(data.draw(st.integers(1, self.count)), fields) for fields in page]
        if self.committed(lambda tx: forwards.ingest(tx, items, seen_at), crash):
            self.pages.append(items)

    @precondition(lambda self: self.pages)
    @rule(data=st.data(), seen_at=moments)
    def again(self, data: st.DataObject, seen_at: float) -> None:
        page = data.draw(st.sampled_from(self.pages))
        self.committed(lambda tx: forwards.ingest(tx, page, seen_at), False)

    @rule(
        number=st.sampled_from(CHANNELS), at=moments, amount_msat=amounts, before_msat=st.sampled_from([0, 400, None])
    )
    def refilled(self, number: int, at: float, amount_msat: int, before_msat: int | None) -> None:
        def work(tx: Tx) -> None:
            by_id = keys.channel_keys(tx)
            row = {
                "node_key": tx.node_key,
                "job_key": keys.next_keys(tx, "rebalance_job"),
                "plan_key": 1,
                "source_channel_key": by_id[channel_id(number % 3 + 1)],
                "target_channel_key": by_id[channel_id(number)],
                "amount_msat": amount_msat,
                "max_fee_msat": 9,
                "expected_gain_msat": 1,
                "status": "settled",
                "created_at": at,
                "expires_at": at,
                "fee_msat": 9,
                "finished_at": at,
                "local_before_msat": before_msat,
            }
            tx.connection.execute(insert(rebalance_job).values(row))

        self.committed(work, False)

    @initialize(at=st.lists(moments, min_size=2, max_size=4))
    def begun(self, at: list[float]) -> None:
        """Some refills to begin with, so that there is something to be wrong about."""
        for place, one in enumerate(at):
            self.refilled(place % 2 + 1, one, 1_000, 400)

    @rule(data=st.data(), number=st.sampled_from(CHANNELS), amount_msat=amounts)
    def seen_in_moves(self, data: st.DataObject, number: int, amount_msat: int) -> None:
        """What arrived by the node's moves is known later, and may be something else."""
        with self.database.transaction(self.node_key) as tx:
            mine = rebalance_job.c.node_key == self.node_key
            jobs = tx.connection.execute(select(rebalance_job.c.job_key).where(mine)).scalars().all()
            if not jobs:
                return
            self.payments += 1
            by_id = keys.channel_keys(tx)
            row = {
                "node_key": tx.node_key,
                "payment_hash": self.payments.to_bytes(32, "big"),
                "job_key": data.draw(st.sampled_from(sorted(jobs))),
                "source_channel_key": by_id[channel_id(number % 3 + 1)],
                "target_channel_key": by_id[channel_id(number)],
                "amount_msat": amount_msat,
                "fee_msat": 2,
                "moved_at": NOW,
            }
            tx.connection.execute(insert(rebalance_payment).values(row))

    @rule(late=st.integers(0, 60), horizon_days=st.sampled_from(HORIZONS), crash=rarely)
    def marked_late(self, late: int, horizon_days: int, crash: bool) -> None:
        """As plans do: most forwards lie behind."""
        self.marked(NOW + 8 * HOUR - late * HOUR / 4, horizon_days, crash)

    @rule(now=moments, horizon_days=st.sampled_from(HORIZONS), crash=rarely)
    def marked(self, now: float, horizon_days: int, crash: bool) -> None:
        self.committed(lambda tx: refills.mark_lots(tx, now, horizon_days), crash)

    @invariant()
    def lots_are_those_of_all_forwards(self) -> None:
        with self.database.read(self.node_key) as tx:
            count = select(func.count()).where(lot_mark.c.node_key == self.node_key)
            seen["marks"] += tx.connection.execute(count).scalar_one()
            for now in (NOW, NOW - 7 * HOUR, NOW - 30 * HOUR, NOW + 5 * DAY):
                for horizon_days in HORIZONS:
                    wanted = plain_lots(tx, now, horizon_days)
                    assert refills.lots(tx, now, horizon_days) == wanted
                    seen["sold"] += any(0 < one.sold_msat < one.amount_msat for lot in wanted.values() for one in lot)


def test_lots_are_those_of_plain_addition_whatever_is_done(database: Database) -> None:
    seen.update(marks=0, sold=0)
    run_on(database, Lots, example_count=16, step_count=25)
    assert seen["marks"] > 100
    assert seen["sold"] > 100
