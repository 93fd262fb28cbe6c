"""The cache of what others charge, and what else floors rest on: feerates, volumes and refills of the last days."""

from __future__ import annotations

from dataclasses import replace

from revops.domain.decision import Outcome, RebalanceDecision, RebalancePlan
from revops.domain.node import Feerates
from revops.domain.reason import ReasonCode, why
from revops.store import anchors, channels, flows, forwards, jobs, payments, plans, rollup, runs, samples
from revops.store.anchors import REFRESH_SECONDS, Anchor
from revops.store.cursors import FORWARDS_CREATED, FORWARDS_UPDATED, set_cursor
from revops.store.engine import Database, Tx
from tests.builders import DAY, HOUR, NOW, channel_id, make_channel, node_id
from tests.store.rows import make_forward, new_node, record

PEERS = [node_id(number) for number in range(1, 6)]


def due(tx: Tx, now: float, *urgent: str, limit: int = 10) -> list[int]:
    return [PEERS.index(peer_id) + 1 for peer_id in anchors.due_peers(tx, PEERS, urgent, now, limit)]


def test_an_anchor_is_kept_until_it_is_measured_again(database: Database, node_key: int) -> None:
    with database.transaction(node_key) as tx:
        record(tx, 1, 2, 3)
        anchors.record_anchors(tx, {PEERS[0]: 300, PEERS[1]: None}, [PEERS[2]], NOW)
        # A market without a price was read, one of which the node told nothing was not.
        assert anchors.anchors(tx) == {PEERS[0]: Anchor(300, NOW), PEERS[1]: Anchor(None, NOW)}
        # A call that failed leaves it, and its age.
        anchors.record_anchors(tx, {}, PEERS[:2], NOW + DAY)
        assert anchors.anchors(tx)[PEERS[0]] == Anchor(300, NOW)
        anchors.record_anchors(tx, {PEERS[0]: 310, PEERS[1]: 7}, (), NOW + 2 * DAY)
        assert anchors.anchors(tx) == {PEERS[0]: Anchor(310, NOW + 2 * DAY), PEERS[1]: Anchor(7, NOW + 2 * DAY)}
        # A market that is gone has no price any more.
        anchors.record_anchors(tx, {PEERS[0]: None}, (), NOW + 3 * DAY)
        assert anchors.anchors(tx)[PEERS[0]] == Anchor(None, NOW + 3 * DAY)


def test_who_is_asked_about_next(database: Database, node_key: int) -> None:
    with database.transaction(node_key) as tx:
        record(tx, 1, 2, 3, 4, 5)
        assert due(tx, NOW, limit=3) == [1, 2, 3]
        # Peers of new channels first.
        assert due(tx, NOW, PEERS[4], PEERS[2], limit=3) == [3, 5, 1]
        anchors.record_anchors(tx, {PEERS[2]: 5}, [PEERS[0]], NOW)
        anchors.record_anchors(tx, {PEERS[1]: 5}, (), NOW - HOUR)
        assert due(tx, NOW + HOUR, PEERS[2]) == [4, 5]
        assert due(tx, NOW + REFRESH_SECONDS - HOUR) == [4, 5, 2]
        # A failure had its turn like a success; one who was asked about isn't urgent any more.
        assert due(tx, NOW + REFRESH_SECONDS, PEERS[2], PEERS[4]) == [5, 4, 2, 1, 3]
        # A trial from the future is none.
        assert due(tx, NOW - 2 * HOUR) == [1, 2, 3, 4, 5]


def test_a_peer_that_was_never_recorded_can_be_asked_about(database: Database, node_key: int) -> None:
    with database.transaction(node_key) as tx:
        anchors.record_anchors(tx, {PEERS[0]: 12}, [PEERS[1]], NOW)
        assert anchors.anchors(tx) == {PEERS[0]: Anchor(12, NOW)}


def test_nodes_keep_their_own(database: Database, node_key: int) -> None:
    other = new_node(database)
    with database.transaction(other) as tx:
        channels.record_channels(tx, [make_channel(1)], NOW)
        anchors.record_anchors(tx, {PEERS[0]: 9}, (), NOW)
    with database.read(node_key) as tx:
        assert anchors.anchors(tx) == {}
        assert due(tx, NOW, limit=1) == [1]


def test_feerates_come_back_as_they_were(database: Database, node_key: int) -> None:
    first = Feerates(NOW - DAY, 253, None, None, 1_000, None, 2_000, None)
    later = replace(first, sampled_at=NOW, unilateral_close_perkw=None)
    with database.transaction(node_key) as tx:
        samples.record_feerates(tx, later)
        samples.record_feerates(tx, first)
        assert samples.feerates_since(tx, 0.0) == (first, later)
        assert samples.feerates_since(tx, NOW - DAY) == (first, later)
        assert samples.feerates_since(tx, NOW - DAY + 1) == (later,)


def test_volumes_of_a_window_whether_summarised_or_not(database: Database, node_key: int) -> None:
    with database.transaction(node_key) as tx:
        record(tx, 1, 2, 3)
        rows = [
            make_forward(1, received_at=NOW - 40 * DAY),
            make_forward(2, received_at=NOW - 20 * DAY),
            make_forward(3, received_at=NOW - DAY),
        ]
        forwards.ingest(tx, rows, NOW)
        for name in (FORWARDS_CREATED, FORWARDS_UPDATED):
            set_cursor(tx, name, 3)
        assert flows.sold_msat(tx, NOW - 30 * DAY) == {channel_id(2): 2_000_000}
        assert rollup.prune_forwards(tx, NOW - 10 * DAY, 100) == 2
        assert flows.sold_msat(tx, NOW - 30 * DAY) == {channel_id(2): 2_000_000}
        assert flows.sold_msat(tx, NOW) == {}


def job(source: int, target: int, amount_msat: int) -> RebalanceDecision:
    return RebalanceDecision(
        channel_id(target), str(target), channel_id(source), str(source), Outcome.CHANGE, amount_msat, 9_000, 1, ()
    )


def test_what_refills_cost(database: Database, node_key: int) -> None:
    moved = why(ReasonCode.PAYMENT_SETTLED, amount_msat=1, fee_msat=1)
    with database.transaction(node_key) as tx:
        record(tx, 1, 2, 3, 4)
        run_key = runs.begin_run(tx, "rebalance plan", NOW, "0")
        wanted = (
            job(1, 2, 1_000_000),
            job(1, 2, 3_000_000),
            job(1, 3, 1_000_000),
            job(1, 2, 1_000_000),
            job(1, 4, 1_000),
        )
        plans.add_plan(tx, run_key, RebalancePlan(NOW, NOW + DAY, wanted))
        ends = [
            ("settled", 300, 0),
            ("settled", 701, DAY),
            ("failed", 0, 0),
            ("settled", 9_000, 40 * DAY),
            ("settled", 0, 0),
        ]
        for planned, (status, fee_msat, age) in zip(jobs.planned_jobs(tx), ends, strict=True):
            if status == "settled":
                jobs.mark_reserved(
                    tx,
                    planned.job_key,
                    run_key=1,
                    at=NOW,
                    reserve_key=planned.job_key,
                    label=f"label-{planned.job_key}",
                )
                jobs.mark_sending(tx, planned.job_key, "ab" * 32, run_key=1, at=NOW)
            jobs.finish_job(tx, planned.job_key, status, fee_msat, NOW - age, moved, run_key=1)
        assert payments.refill_costs(tx, NOW - 30 * DAY, {}) == {channel_id(2): 251, channel_id(4): 0}
        sold_msat = {channel_id(2): 10**12, channel_id(4): 5, channel_id(9): 7}
        assert payments.refill_costs(tx, NOW - 30 * DAY, sold_msat)[channel_id(2)] < 251
        assert payments.refill_costs(tx, NOW + 1, {}) == {}
