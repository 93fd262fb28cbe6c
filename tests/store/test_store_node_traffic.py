"""Traffic by hour, by size and by price, added up by the database."""

from __future__ import annotations

from revops.domain.listed import ChannelMove
from revops.domain.node_traffic import AmountBin, EntryHour, TrafficHour
from revops.domain.record import FeeChange
from revops.store import fees, forwards, moves, node_traffic
from revops.store.engine import Database, Tx
from tests.builders import DAY, HOUR, NOW, SAT, channel_id
from tests.store.rows import FAILED, OFFERED, REFUSED, make_forward, new_node, record

NO_LIQUIDITY, FEE_TOO_LOW = 0x1007, 0x100C
SINCE_AT = NOW - DAY
LATE, EARLY = NOW - 2 * HOUR, NOW - 20 * HOUR
FIRST, SECOND = channel_id(1), channel_id(2)


def hour_of(at: float) -> int:
    return int((at + 1) // HOUR)


def fill(tx: Tx) -> None:
    """All out of channel 2, into channel 1; each is counted a second after it came."""
    record(tx, 1, 2)
    sizes = {"in_msat": 50_000 * SAT + 100, "out_msat": 50_000 * SAT}
    rows = [
        make_forward(1, received_at=LATE),
        make_forward(2, received_at=LATE, **sizes),
        make_forward(3, received_at=LATE, status=FAILED, **sizes),
        make_forward(4, received_at=LATE + 1, status=REFUSED, failcode=NO_LIQUIDITY, **sizes),
        make_forward(5, received_at=EARLY, **sizes),
        # What tells nothing: too old, tiny, no matter of liquidity, under way, without an exit.
        make_forward(6, received_at=NOW - 2 * DAY, **sizes),
        make_forward(7, received_at=LATE, in_msat=999_999, out_msat=999_899),
        make_forward(8, received_at=LATE, status=REFUSED, failcode=FEE_TOO_LOW, **sizes),
        make_forward(9, received_at=LATE, status=OFFERED, **sizes),
        make_forward(10, received_at=LATE, status=FAILED, out_scid=None, out_msat=None, in_msat=50_000 * SAT),
    ]
    forwards.ingest(tx, rows, NOW)


def test_hours_of_an_exit(database: Database, node_key: int) -> None:
    with database.transaction(node_key) as tx:
        fill(tx)
        found = node_traffic.traffic_hours(tx, [FIRST, SECOND, "unheard of"], SINCE_AT)
        # Nobody scored them: what settled counts by its size, 1,000 of 25,000 sat and all of it.
        assert found == {
            FIRST: (),
            SECOND: (
                TrafficHour(hour_of(EARLY), 1, 0, 0, 1.0, 0.0, 50_000 * SAT),
                TrafficHour(hour_of(LATE), 2, 1, 1, 1.04, 0.0, 51_000 * SAT),
            ),
            "unheard of": (),
        }
        assert found[SECOND][1].attempt_count == 4
        assert node_traffic.oldest_at(tx) == NOW - 2 * DAY + 1
        assert node_traffic.attempts_by_channel(tx, SINCE_AT) == {SECOND: 5}


def test_hours_of_a_way_in_with_what_else_moved_its_balance(database: Database, node_key: int) -> None:
    with database.transaction(node_key) as tx:
        fill(tx)
        rows = [
            ChannelMove(1, FIRST, 0, 7_000, int(LATE), "invoice", None, 0),
            ChannelMove(2, FIRST, 500, 0, int(LATE), "invoice", None, 0),
            ChannelMove(3, FIRST, 9, 0, int(NOW - 2 * DAY), "invoice", None, 0),
        ]
        moves.ingest_channel_moves(tx, rows)
        found = node_traffic.entry_hours(tx, [FIRST, SECOND], SINCE_AT)
        assert found == {
            FIRST: (
                EntryHour(hour_of(EARLY), 1, 0, 50_000 * SAT + 100),
                EntryHour(hour_of(LATE), 2, 2, 51_000 * SAT + 200, -6_500),
            ),
            SECOND: (),
        }


def test_payments_by_size(database: Database, node_key: int) -> None:
    with database.transaction(node_key) as tx:
        fill(tx)
        bins = node_traffic.amounts(tx, SINCE_AT)
        assert [one.payment_count for one in bins] == [1, 4]
        assert bins[0] == AmountBin(1_000_000, 1_414_214, 1)
        assert bins[1].low_msat <= 50_000 * SAT < bins[1].high_msat
        assert node_traffic.tiny_count(tx, SINCE_AT) == 1
        # What is larger than all bins is in the last.
        forwards.ingest(tx, [make_forward(11, received_at=LATE, in_msat=10**13, out_msat=10**13)], NOW)
        assert node_traffic.amounts(tx, SINCE_AT)[-1].payment_count == 1


def test_prices_in_force(database: Database, node_key: int) -> None:
    with database.transaction(node_key) as tx:
        record(tx, 1, 2)
        for at, ppm, source in (
            (NOW - 3 * DAY, 100, fees.REVOPS), (NOW - 2 * DAY, 110, fees.EXTERNAL), (LATE, 120, fees.REVOPS),
            (LATE + 1, 120, fees.VALVE),
        ):  # fmt: skip
            fees.record_fee_change(tx, FeeChange(FIRST, at, None, ppm, source))
        assert node_traffic.prices_since(tx, SINCE_AT) == {FIRST: ((NOW - 2 * DAY, 110), (LATE, 120))}


def test_nodes_keep_their_own(database: Database, node_key: int) -> None:
    with database.transaction(node_key) as tx:
        fill(tx)
    with database.transaction(new_node(database)) as tx:
        record(tx, 1, 2)
        assert node_traffic.oldest_at(tx) is None
        assert node_traffic.attempts_by_channel(tx, SINCE_AT) == {}
        assert node_traffic.traffic_hours(tx, [SECOND], SINCE_AT) == {SECOND: ()}
        assert node_traffic.entry_hours(tx, [FIRST], SINCE_AT) == {FIRST: ()}
        assert node_traffic.amounts(tx, SINCE_AT) == ()
        assert node_traffic.tiny_count(tx, SINCE_AT) == 0
        assert node_traffic.prices_since(tx, SINCE_AT) == {}
