"""The sums by channel and day under whatever a store may do with forwards, in any order, against plain arithmetic.

The forwards as they were last stored are remembered here, also those that were pruned, so that nothing that the store
added up is trusted.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule
from sqlalchemy import select

from revops.domain.listed import Forward
from revops.store import cursors, flow_hours, flows, forwards, keys, recount, rollup, scids
from revops.store.cursors import FORWARDS_CREATED, FORWARDS_UPDATED
from revops.store.engine import Database, Tx
from revops.store.flows import FlowSum
from revops.store.sums import SUMS
from revops.store.tables import EVER, forward
from tests.builders import DAY, HOUR, NOW, channel_id
from tests.store.machines import CHANNELS, ForwardMachine, rarely, run_on
from tests.store.rows import FAILED, OFFERED, REFUSED, SETTLED, make_forward, scid
from tests.store.sums import added_up, kept, recounted

MIDNIGHT = NOW // DAY * DAY

_quarters = st.integers(-24, 12).map(lambda count: MIDNIGHT + count * DAY / 4)
#: Midnights, the moments just before and after them, and others.
moments = st.builds(math.nextafter, _quarters, st.sampled_from([0.0, math.inf])) | _quarters


@st.composite
def a_forward(draw: st.DrawFn) -> dict[str, Any]:
    """How a forward stands: with places of names, of which there are as many as were found by then."""
    status = draw(st.sampled_from([SETTLED, SETTLED, SETTLED, FAILED, REFUSED, OFFERED]))
    received_at = draw(moments)
    late = draw(st.sampled_from([0.0, 1.5, DAY / 4, 2 * DAY]))
    has_exit = status is SETTLED or draw(st.booleans())
    fee_msat = draw(st.sampled_from([0, 1, 999, 10**15 + 1]))
    out_msat = draw(st.sampled_from([1, 2**40 + 1]))
    return {
        "into": draw(st.integers(0, 9)),
        "out": draw(st.integers(0, 9)) if has_exit else None,
        "in_msat": out_msat + fee_msat,
        "out_msat": out_msat if has_exit else None,
        "fee_msat": fee_msat if has_exit else None,
        "status": status,
        "received_at": received_at,
        "resolved_at": received_at + late if status in (SETTLED, FAILED) and draw(st.booleans()) else None,
    }


class StoreAndSums(ForwardMachine):
    """Whatever comes: new, later, again, otherwise, of another channel, by a wrong clock, broken off, and pruned."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        #: Every forward as it was stored last, by its index, and those of them that were pruned.
        self.all: dict[int, Any] = {}
        self.pruned: set[int] = set()

    def one(self, index: int, fields: dict[str, Any]) -> Forward:
        self.updates += 1
        into, out = fields["into"], fields["out"]
        rest = {name: value for name, value in fields.items() if name not in ("into", "out")}
        names = len(self.names)
        out_scid = None if out is None else self.names[out % names]
        return make_forward(
            index, updated_index=self.updates, in_scid=self.names[into % names], out_scid=out_scid, **rest
        )

    @rule(page=st.lists(a_forward(), min_size=1, max_size=6), seen_at=moments, crash=rarely)
    def new(self, page: list[dict[str, Any]], seen_at: float, crash: bool) -> None:
        items = [self.one(self.count + place, fields) for place, fields in enumerate(page, 1)]
        self.store(items, seen_at, crash)
        if not crash:
            self.count += len(items)

    @precondition(lambda self: self.count > 0)
    @rule(data=st.data(), page=st.lists(a_forward(), min_size=1, max_size=6), seen_at=moments, crash=rarely)
    def changed(self, data: st.DataObject, page: list[dict[str, Any]], seen_at: float, crash: bool) -> None:
        """The same one maybe twice in a page."""
        self.store([self.one(data.draw(st.integers(1, self.count)), fields) for fields in page], seen_at, crash)

    @precondition(lambda self: self.pages)
    @rule(data=st.data(), seen_at=moments, crash=rarely)
    def again(self, data: st.DataObject, seen_at: float, crash: bool) -> None:
        self.store(data.draw(st.sampled_from(self.pages)), seen_at, crash)

    def store(self, items: list[Forward], seen_at: float, crash: bool) -> None:
        def work(tx: Tx) -> None:
            forwards.ingest(tx, items, seen_at)
            for name, index in ((FORWARDS_CREATED, items[-1].created_index), (FORWARDS_UPDATED, self.updates)):
                cursors.set_cursor(tx, name, index)

        if self.committed(work, crash):
            self.pages.append(items)

    def committed(self, work: Callable[[Tx], object], crash: bool) -> bool:
        done = super().committed(work, crash)
        if done:
            self.remember()
        return done

    def remember(self) -> None:
        with self.database.read(self.node_key) as tx:
            rows = tx.connection.execute(select(forward).where(forward.c.node_key == tx.node_key)).all()
        self.all |= {row.created_index: SimpleNamespace(**row._asdict()) for row in rows}
        self.pruned = self.all.keys() - {row.created_index for row in rows}

    @rule(before_at=moments, max_rows=st.integers(1, 9), crash=rarely)
    def prune(self, before_at: float, max_rows: int, crash: bool) -> None:
        self.committed(lambda tx: rollup.prune_forwards(tx, before_at, max_rows), crash)

    def explain(self, name: str, number: int, crash: bool) -> bool:
        with self.database.read(self.node_key) as tx:
            by_id = keys.channel_keys(tx)
        done = super().explain(name, number, crash)
        if done:
            moved = {by_id[f"unknown:{name}"]: by_id[channel_id(number)]}
            for row in self.all.values():
                row.in_channel_key = moved.get(row.in_channel_key, row.in_channel_key)
                row.out_channel_key = moved.get(row.out_channel_key, row.out_channel_key)
        return done

    @rule(name=st.sampled_from(CHANNELS), number=st.sampled_from(CHANNELS))
    def name_of_another(self, name: int, number: int) -> None:
        """What was stored by the name stays where it was, until the node lists it again."""
        self.committed(lambda tx: scids.attach_scids(tx, {scid(name): channel_id(number)}), False)

    @invariant()
    def sums_are_those_of_all_forwards(self) -> None:
        with self.database.read(self.node_key) as tx:
            found = kept(tx)
            assert found == added_up(self.all.values())
            assert found == recounted(tx)

    def teardown(self) -> None:
        with self.database.read(self.node_key) as tx:
            assert recount.wrong_sums(tx.connection) == []

    @rule(since_at=moments | st.none(), until_at=moments | st.none())
    def window(self, since_at: float | None, until_at: float | None) -> None:
        """Whatever its ends; but of days in which it begins or ends and some rows were pruned it can't know."""
        unknown = {self.all[index].counted_at // DAY for index in self.pruned}
        if any(at is not None and at % DAY > 0 and at // DAY in unknown for at in (since_at, until_at)):
            return
        inside = [
            row
            for row in self.all.values()
            if (since_at is None or row.counted_at >= since_at) and (until_at is None or row.counted_at < until_at)
        ]
        wanted = {key: sums for (day, key), sums in added_up(inside).items() if day == EVER}
        with self.database.read(self.node_key) as tx:
            found = {key: one for key, one in flows.flow_sums(tx, since_at, until_at).items() if one != FlowSum()}
            fees_msat = flows.settled_fees_msat(tx, since_at, until_at)
            sold = {} if since_at is None or until_at is not None else flows.sold_msat(tx, since_at)
            names = {key: name for name, key in keys.channel_keys(tx).items()}
        names_of_sums = (*SUMS, "last_settled_at")
        assert {key: {name: getattr(one, name) for name in names_of_sums} for key, one in found.items()} == wanted
        assert fees_msat == sum(row.fee_msat for row in inside if row.status == SETTLED)
        if since_at is not None and until_at is None:
            assert sold == {names[key]: sums["out_msat"] for key, sums in wanted.items() if sums["out_count"]}

    @rule(since_at=moments, until_at=moments)
    def hours(self, since_at: float, until_at: float) -> None:
        """What isn't pruned stands in its hour, and with what is known by the day only it is all that went through."""
        left = [row for index, row in self.all.items() if index not in self.pruned]
        by_hour: dict[int, list[Any]] = {}
        for row in left:
            if since_at <= row.counted_at < until_at:
                by_hour.setdefault(int(row.counted_at // HOUR), []).append(row)
        wanted = {
            (hour, key): sums
            for hour, rows in by_hour.items()
            for (day, key), sums in added_up(rows).items()
            if day == EVER
        }
        names = (*SUMS, "last_settled_at")
        with self.database.read(self.node_key) as tx:
            found = flow_hours.hour_sums(tx, since_at, until_at)
            days = flow_hours.day_only(tx, since_at, until_at)
            sums = flows.flow_sums(tx, since_at, until_at)
        assert {key: {name: getattr(one, name) for name in names} for key, one in found.items()} == wanted
        gone = [self.all[index] for index in self.pruned if since_at // DAY <= self.all[index].counted_at // DAY]
        gone = [row for row in gone if row.counted_at // DAY * DAY < until_at]
        assert {day.day_at // DAY for day in days} == {row.counted_at // DAY for row in gone}
        assert sum(day.earned_msat for day in days) == sum(row.fee_msat for row in gone if row.status == SETTLED)
        if since_at < until_at and (not gone or since_at % DAY == until_at % DAY == 0):
            for name in SUMS:
                of_days = sum(getattr(day, OF_DAY[name]) for day in days) if name in OF_DAY else 0
                in_all = sum(getattr(one, name) for one in sums.values())
                if not gone or name in OF_DAY:
                    assert sum(getattr(one, name) for one in found.values()) + of_days == in_all, name


#: What DayOnly calls what FlowSum adds up.
OF_DAY = {
    "out_count": "settled_count",
    "in_count": "settled_count",
    "earned_msat": "earned_msat",
    "sourced_msat": "earned_msat",
    "failed_count": "failed_count",
    "refused_count": "refused_count",
}


def test_sums_are_those_of_all_forwards_whatever_is_done_with_them(database: Database) -> None:
    run_on(database, StoreAndSums, example_count=24, step_count=30)
