"""Interest: stored with each forward, summed into its day, and the same as of somebody who stores nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from random import Random

from revops.cycle.passes import score_page
from revops.decide.scoring import signals_of
from revops.domain.listed import Forward
from revops.sim.arena import market, names
from revops.sim.arena.names import instant
from revops.sim.arena.records import Records
from revops.store import cursors, forwards, rollup, signals
from revops.store.cursors import FORWARDS_CREATED, FORWARDS_UPDATED
from revops.store.earned import Earned, earned_since
from revops.store.engine import Database, Tx
from tests.builders import DAY, NOW, SAT, channel_id, node_id
from tests.store.rows import FAILED, REFUSED, SETTLED, make_forward, record, scid

SEEN_AT = NOW + 100 * DAY
MIDNIGHT = NOW // DAY * DAY + DAY


def ingest(tx: Tx, page: Sequence[Forward], seen_at: float = SEEN_AT) -> None:
    """A page as the sync takes it."""
    forwards.ingest(tx, page, seen_at, partial(score_page, tx, seen_at))


def sent(index: int, amount_sat: int, **overrides: object) -> Forward:
    """A forward of so much from channel 1 to channel 2."""
    amounts = {"in_msat": amount_sat * SAT + 100, "out_msat": amount_sat * SAT, "fee_msat": 100}
    return make_forward(index, **(amounts | overrides))


def prune(tx: Tx, before_at: float) -> int:
    for name in (FORWARDS_CREATED, FORWARDS_UPDATED):
        cursors.set_cursor(tx, name, 1_000)
    return rollup.prune_forwards(tx, before_at, 1_000)


def test_what_failed_later_is_interest_and_earns_nothing(database: Database, node_key: int) -> None:
    page = [
        sent(1, 100_000, received_at=NOW),
        sent(2, 50_000, received_at=NOW + 10, status=FAILED),
        sent(3, 5_000, received_at=NOW + 20, status=FAILED),
        sent(4, 50_000, received_at=NOW + 30, status=REFUSED, failcode=0x1007),
        sent(5, 500, received_at=NOW + 40, status=FAILED),
        sent(6, 500, received_at=NOW + 50),
    ]
    with database.transaction(node_key) as tx:
        record(tx, 1, 2)
        ingest(tx, page)
        found = earned_since(tx, {channel_id(2): NOW})
        assert found == {channel_id(2): Earned(200, 2, NOW + 1, 200.0, math.sqrt(20_000), 2.22, 1.02)}
        # A window that begins after all that settled: wanted, and without revenue.
        later = earned_since(tx, {channel_id(2): NOW + 15})
        assert later == {channel_id(2): Earned(100, 1, None, 100.0, 100.0, 0.22, 0.02)}
        assert earned_since(tx, {channel_id(2): NOW + 51}) == {}
        ingest(tx, [sent(7, 25_000, received_at=NOW + 60, status=FAILED)])
        assert earned_since(tx, {channel_id(2): NOW + 51}) == {channel_id(2): Earned(0, 0, None, 0.0, 0.0, 1.0, 0.0)}


def test_a_flood_of_failing_payments_is_the_interest_that_its_sender_has_paid_for(
    database: Database, node_key: int
) -> None:
    page = [sent(1, 25_000, received_at=NOW)]
    page += [sent(index, 25_000, received_at=NOW + index, status=FAILED) for index in range(2, 500)]
    with database.transaction(node_key) as tx:
        record(tx, 1, 2)
        ingest(tx, page)
        found = earned_since(tx, {channel_id(2): NOW})[channel_id(2)]
        assert found.settled_interest_count == 1.0
        assert 3.0 < found.interest_count <= 4.0


def test_days_keep_the_interest(database: Database, node_key: int) -> None:
    """Settled and failed on the same days and on days of their own; the days say what the rows said."""
    settled = [sent(index, 10_000 * index, received_at=MIDNIGHT + index * DAY / 4) for index in range(1, 8)]
    failed = [
        sent(10 + index, 7_000 * index, received_at=MIDNIGHT + index * DAY / 2, status=FAILED) for index in range(1, 8)
    ]
    window = {channel_id(2): MIDNIGHT}
    with database.transaction(node_key) as tx:
        record(tx, 1, 2)
        ingest(tx, settled + failed)
        before = earned_since(tx, window)[channel_id(2)]
        assert before.interest_count > before.settled_interest_count > 0
        assert prune(tx, MIDNIGHT + 9 * DAY) == len(settled) + len(failed)
        after = earned_since(tx, window)[channel_id(2)]
        assert after._replace(score_error_msat=0.0) == before._replace(score_error_msat=0.0)
        alone = earned_since(tx, {channel_id(2): MIDNIGHT + 2 * DAY})[channel_id(2)]
        assert (alone.earned_count, alone.last_at, alone.score_error_msat) == (0, None, 0.0)
        assert alone.interest_count > alone.settled_interest_count == 0.0


def test_unscored_rows_count_by_their_size_where_they_settled(database: Database, node_key: int) -> None:
    page = [sent(1, 10_000, received_at=MIDNIGHT), sent(2, 90_000, received_at=MIDNIGHT)]
    page += [sent(3, 90_000, received_at=MIDNIGHT, status=FAILED)]
    with database.transaction(node_key) as tx:
        record(tx, 1, 2)
        forwards.ingest(tx, page, SEEN_AT)
        before = earned_since(tx, {channel_id(2): MIDNIGHT})
        assert before[channel_id(2)][-2:] == (1.4, 1.4)
        assert prune(tx, MIDNIGHT + 2 * DAY) == 3
        assert earned_since(tx, {channel_id(2): MIDNIGHT})[channel_id(2)][-2:] == (1.4, 1.4)


FATES = {market.SETTLED: SETTLED, market.FAILED: FAILED, market.REFUSED: REFUSED}


def test_records_in_memory_learn_what_the_database_learns(database: Database, node_key: int) -> None:
    """The same payments told to the arena's records and to the sync, a page a cycle, with values that change."""
    rng = Random(5)
    records = Records(3)
    starts = [instant(1.5 * DAY), instant(0.0), instant(2 * DAY)]
    for number, start in enumerate(starts):
        records.channels[number].open_window(start)
    index = 0
    with database.transaction(node_key) as tx:
        record(tx, 1, 2, 3)
        for cycle in range(1, 60):
            now = cycle * 3 * 3_600.0
            for number in range(3):
                records.channels[number].value_ppm = rng.choice((0.0, 30.0, 400.0))
            values_ppm = {channel_id(number + 1): one.value_ppm for number, one in enumerate(records.channels)}
            signals.save_values(tx, values_ppm, instant(now))
            page = []
            for at in sorted(now - rng.uniform(1, 3 * 3_600) for _payment in range(rng.randrange(5))):
                index += 1
                entry, out = rng.sample(range(3), 2)
                amount_msat, fate = rng.choice((2_000, 10**6, 10**8, 10**9)), rng.choice((0, 0, 1, 1, 1, 1, 1, 2))
                fee_msat = amount_msat // 5_000
                records(at, entry, out, amount_msat, fee_msat, fate)
                refused = fate == market.REFUSED
                page.append(
                    make_forward(
                        index, in_scid=scid(entry + 1), out_scid=scid(out + 1), in_msat=amount_msat + fee_msat,
                        out_msat=None if refused else amount_msat, fee_msat=None if refused else fee_msat,
                        status=FATES[fate], received_at=instant(at), resolved_at=None if refused else instant(at),
                        failcode=0x1007 if refused else None,
                    )
                )  # fmt: skip
            records.fold(now)
            ingest(tx, page, instant(now))
        found = earned_since(tx, {channel_id(number + 1): start for number, start in enumerate(starts)})
        traffic = signals.load(tx)
        for number, known in enumerate(records.channels):
            earned = found[channel_id(number + 1)]
            assert (known.earned_msat, known.earned_count, known.last_earned_at) == earned[:3]
            assert (known.interest_count, known.settled_interest_count) == earned[-2:]
            assert (known.score_msat, known.score_error_msat) == earned[3:5]
            assert known.interest_count > known.settled_interest_count > 0
            kept = signals_of(names.channel_id(number), names.peer_id(number), records.traffic(), instant(now))
            assert kept == signals_of(channel_id(number + 1), node_id(number + 1), traffic, instant(now))
