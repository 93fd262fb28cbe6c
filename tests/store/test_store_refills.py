"""What earlier rebalances tell: ends of attempts, and what of bought liquidity was sold."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import structs
from sqlalchemy import delete, insert, select, update

from revops.domain.reason import Reason, ReasonCode, why
from revops.domain.rebalance import Attempt, FailureKind, Lot
from revops.store import forwards, refills, scids
from revops.store.codec import dump_reasons
from revops.store.engine import Database, Tx
from revops.store.keys import channel_keys, next_keys
from revops.store.strays import LOST_PLAN
from revops.store.tables import forward, lot_mark, rebalance_job, rebalance_payment, rebalance_plan
from tests.builders import DAY, HOUR, NOW, channel_id
from tests.store.plain_lots import plain_lots
from tests.store.rows import FAILED, make_forward, record, scid

DAYS = 14


@pytest.fixture
def tx(database: Database, node_key: int) -> Any:
    with database.transaction(node_key) as opened:
        record(opened, 1, 2, 3)
        row = {"node_key": node_key, "plan_key": 1, "run_key": 1, "created_at": NOW, "expires_at": NOW}
        opened.connection.execute(insert(rebalance_plan).values(row))
        yield opened


def add(tx: Tx, status: str, at: float | None, reason: Reason | None = None, **facts: Any) -> None:
    """A job from channel 2 to channel 1."""
    keys = channel_keys(tx)
    row = {
        "node_key": tx.node_key,
        "job_key": next_keys(tx, "rebalance_job"),
        "plan_key": 1,
        "source_channel_key": keys[channel_id(facts.pop("source", 2))],
        "target_channel_key": keys[channel_id(facts.pop("target", 1))],
        "amount_msat": 1_000_000,
        "max_fee_msat": 1_000,
        "expected_gain_msat": 1,
        "status": status,
        "created_at": NOW - DAY,
        "expires_at": NOW,
        "fee_msat": 100,
        "finished_at": at,
        "reason_json": None if reason is None else dump_reasons([reason]),
        **facts,
    }
    tx.connection.execute(insert(rebalance_job).values(row))


def test_ends_of_attempts_are_told_oldest_first_with_their_kind(tx: Tx) -> None:
    add(tx, "failed", NOW - 10, failure="time_out")
    add(tx, "settled", NOW - 20, source=3)
    add(tx, "failed", NOW - 30, why(ReasonCode.ROUTE_TOO_DEAR, fee_msat=2, max_fee_msat=1))  # of before kinds were kept
    add(tx, "failed", NOW - DAY, failure="liquidity")
    assert refills.attempts(tx, NOW - HOUR) == (
        Attempt(channel_id(2), channel_id(1), NOW - 30, FailureKind.FEE_TOO_LOW),
        Attempt(channel_id(3), channel_id(1), NOW - 20, None),
        Attempt(channel_id(2), channel_id(1), NOW - 10, FailureKind.TIME_OUT),
    )


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ("failed", None),
        ("failed", why(ReasonCode.BUDGET_EXHAUSTED, left_sat=0, wanted_sat=1, window="daily")),
        ("expired", why(ReasonCode.PLAN_REPLACED, age_minutes=1)),
        ("planned", None),
        ("in_flight", None),
    ],
)
def test_what_the_way_is_not_to_blame_for_is_no_attempt(tx: Tx, status: str, reason: Reason | None) -> None:
    add(tx, status, NOW - 1 if status in {"failed", "expired"} else None, reason)
    assert refills.attempts(tx, NOW - HOUR) == ()


def sell(tx: Tx, *moves: tuple[float, int]) -> None:
    """Forwards out of channel 1 (into it for negative amounts) at so many hours after NOW - 2 days."""
    page = []
    for index, (hours, amount_msat) in enumerate(moves, start=1):
        at = NOW - 2 * DAY + hours * HOUR
        ends = (
            {"in_scid": scid(2), "out_scid": scid(1)} if amount_msat > 0 else {"in_scid": scid(1), "out_scid": scid(2)}
        )
        size = abs(amount_msat)
        page.append(make_forward(index, in_msat=size, out_msat=size, fee_msat=0, received_at=at, **ends))
    forwards.ingest(tx, page, NOW)


def bought(tx: Tx, hours: float = 0, before_msat: int | None = 200_000, **facts: Any) -> None:
    """A lot of 1,000,000 msat for channel 1, which had 200,000."""
    add(tx, "settled", NOW - 2 * DAY + hours * HOUR, local_before_msat=before_msat, **facts)


def only(tx: Tx, now: float = NOW) -> Lot:
    (lot,) = refills.lots(tx, now, DAYS)[channel_id(1)]
    return lot


@pytest.mark.parametrize(
    ("moves", "sold_msat"),
    [
        ((), 0),
        (((1, 200_000),), 0),  # what was there before goes first
        (((1, 300_000),), 100_000),
        (((1, 150_000), (2, 150_000)), 100_000),
        (((1, 1_200_000),), 1_000_000),
        (((1, 1_200_000), (2, 900_000)), 1_000_000),
        (((1, 700_000), (2, -700_000), (3, 100_000)), 500_000),  # it fell so low once
        (((1, -700_000), (2, 700_000)), 0),  # what came in was enough
        (((-1, 900_000),), 0),  # before it was bought
    ],
)
def test_sold_is_what_would_have_been_lacking_without_the_lot(
    tx: Tx, moves: tuple[tuple[float, int], ...], sold_msat: int
) -> None:
    bought(tx)
    sell(tx, *moves)
    assert only(tx) == Lot(1_000_000, 100, 2.0, sold_msat)


def test_what_failed_sold_nothing_nor_did_other_channels(tx: Tx) -> None:
    bought(tx)
    forwards.ingest(
        tx,
        [
            make_forward(1, in_scid=scid(2), out_scid=scid(1), out_msat=900_000, received_at=NOW - DAY, status=FAILED),
            make_forward(2, in_scid=scid(2), out_scid=scid(3), out_msat=900_000, received_at=NOW - DAY),
        ],
        NOW,
    )
    assert only(tx).sold_msat == 0


def test_each_sat_is_sold_once_that_of_the_oldest_lot_first(tx: Tx) -> None:
    bought(tx)
    bought(tx, hours=5, before_msat=1_100_000)
    sell(tx, (1, 100_000), (6, 800_000))
    first, second = refills.lots(tx, NOW, DAYS)[channel_id(1)]
    assert (first.sold_msat, second.sold_msat) == (700_000, 0)


def test_what_is_sold_after_the_horizon_came_too_late(tx: Tx) -> None:
    bought(tx)
    sell(tx, (1, 300_000), (24.1, 400_000))
    assert only(tx).sold_msat == 500_000
    (lot,) = refills.lots(tx, NOW, 1)[channel_id(1)]
    assert lot.sold_msat == 100_000


def test_lots_of_more_than_two_horizons_ago_or_of_unknown_balance_are_left_out(tx: Tx) -> None:
    bought(tx, before_msat=None)
    bought(tx, hours=-24 * 27)
    add(tx, "failed", NOW - 5, local_before_msat=1)
    assert refills.lots(tx, NOW, DAYS) == {}
    assert refills.lots(tx, NOW - 2 * DAY, DAYS)[channel_id(1)][0].age_days == 27


def paid(tx: Tx, job_key: int, amount_msat: int, number: int, target: int = 1) -> None:
    """A circular payment of a job, as the node's moves have it."""
    keys = channel_keys(tx)
    row = {
        "node_key": tx.node_key,
        "payment_hash": bytes([number]) * 32,
        "job_key": job_key,
        "source_channel_key": keys[channel_id(2)],
        "target_channel_key": keys[channel_id(target)],
        "amount_msat": amount_msat,
        "fee_msat": amount_msat // 10_000,
        "moved_at": NOW - 2 * DAY,
    }
    tx.connection.execute(insert(rebalance_payment).values(row))


def test_a_lot_is_what_arrived_not_what_was_planned(tx: Tx) -> None:
    """Of 1,000,000 planned 100,000 arrived, in two payments, and all of it was sold."""
    bought(tx)
    paid(tx, 1, 60_000, 1)
    paid(tx, 1, 40_000, 2)
    sell(tx, (1, 300_000))
    assert only(tx) == Lot(100_000, 10, 2.0, 100_000)


def test_what_arrived_over_another_channel_is_at_stake_on_the_target_and_is_not_sold_there(tx: Tx) -> None:
    """Else its peer could have us pay for the same target again and again."""
    bought(tx)
    paid(tx, 1, 1_000_000, 1, target=3)
    sell(tx, (1, 50_000))
    assert refills.lots(tx, NOW, DAYS) == {channel_id(1): (Lot(1_000_000, 100, 2.0, 0),)}
    (attempt,) = refills.attempts(tx, NOW - 30 * DAY)
    assert attempt.failure is FailureKind.MISDELIVERED


def test_what_a_lost_database_had_bought_is_a_lot_of_which_nothing_is_known_to_be_sold(tx: Tx) -> None:
    bought(tx)
    tx.connection.execute(update(rebalance_job).values(local_before_msat=None))
    assert refills.lots(tx, NOW, DAYS) == {}
    row = {"node_key": tx.node_key, "plan_key": LOST_PLAN, "run_key": 1, "created_at": NOW, "expires_at": NOW}
    tx.connection.execute(insert(rebalance_plan).values(row))
    tx.connection.execute(update(rebalance_job).values(plan_key=LOST_PLAN))
    sell(tx, (1, 900_000))
    assert refills.lots(tx, NOW, DAYS) == {channel_id(1): (Lot(1_000_000, 100, 2.0, 0),)}


def marked(tx: Tx) -> list[tuple[int, float, int, int]]:
    rows = tx.connection.execute(select(lot_mark).order_by(lot_mark.c.job_key)).all()
    return [(row.job_key, row.until_at, row.net_msat, row.low_msat) for row in rows]


def test_a_mark_stays_an_hour_behind_and_no_plan_reads_what_lies_behind_it(tx: Tx) -> None:
    bought(tx)
    bought(tx, hours=24 * 2 - 0.5)
    sell(tx, (1, 700_000), (2, -300_000), (47.5, 50_000))
    refills.mark_lots(tx, NOW, DAYS)
    assert marked(tx) == [(1, NOW - HOUR, -400_000, -700_000)], "the second lot is younger than that"
    tx.connection.execute(delete(forward).where(forward.c.counted_at < NOW - HOUR))  # as a rollup prunes
    assert refills.lots(tx, NOW, DAYS)[channel_id(1)][0] == Lot(1_000_000, 100, 2.0, 500_000)
    refills.mark_lots(tx, NOW + HOUR, DAYS)
    assert marked(tx) == [(1, NOW, -450_000, -700_000), (2, NOW, -50_000, -50_000)]
    assert refills.lots(tx, NOW + HOUR, DAYS)[channel_id(1)][0].sold_msat == 500_000


def test_a_mark_ends_with_the_horizon_and_goes_with_its_lot(tx: Tx) -> None:
    bought(tx)
    sell(tx, (1, 300_000), (30, 900_000))
    refills.mark_lots(tx, NOW, 1)
    assert marked(tx) == [(1, NOW - DAY, -300_000, -300_000)]
    refills.mark_lots(tx, NOW, 2)
    assert marked(tx) == [(1, NOW - HOUR, -1_200_000, -1_200_000)]
    assert refills.lots(tx, NOW, 1) == plain_lots(tx, NOW, 1), "a mark of a longer horizon is none"
    refills.mark_lots(tx, NOW + 3 * DAY, 1)
    assert marked(tx) == []


def test_a_forward_that_is_stored_or_changes_behind_a_mark_drops_it(tx: Tx) -> None:
    bought(tx)
    sell(tx, (1, 300_000), (2, 100_000))
    refills.mark_lots(tx, NOW, DAYS)
    late = make_forward(9, in_scid=scid(2), out_scid=scid(1), out_msat=250_000, received_at=NOW - DAY)
    forwards.ingest(
        tx, [structs.replace(late, out_scid=scid(3)), structs.replace(late, created_index=10, status=FAILED)], NOW
    )
    forwards.ingest(tx, [structs.replace(late, created_index=11, resolved_at=NOW - HOUR + 1)], NOW)
    assert len(marked(tx)) == 1, "of another channel, failed, or after the mark"
    forwards.ingest(tx, [late], NOW)
    assert marked(tx) == []
    assert only(tx) == plain_lots(tx, NOW, DAYS)[channel_id(1)][0] == Lot(1_000_000, 100, 2.0, 700_000)
    refills.mark_lots(tx, NOW, DAYS)
    forwards.ingest(tx, [structs.replace(late, out_scid=scid(3), updated_index=99)], NOW)
    assert marked(tx) == [], "it was counted, and belongs elsewhere now"
    assert only(tx).sold_msat == 450_000


def test_forwards_that_move_to_a_channel_drop_its_marks(tx: Tx) -> None:
    bought(tx)
    scids.add_placeholder(tx, "9x9x9", NOW)
    forwards.ingest(tx, [make_forward(1, in_scid=scid(2), out_scid="9x9x9", received_at=NOW - DAY)], NOW)
    refills.mark_lots(tx, NOW, DAYS)
    assert only(tx).sold_msat == 0
    scids.attach_scids(tx, {"9x9x9": channel_id(1)})
    assert only(tx).sold_msat == 800_000


def test_a_lot_of_the_future_has_no_age(tx: Tx) -> None:
    bought(tx)
    assert only(tx, NOW - 3 * DAY).age_days == 0


def test_what_refills_out_of_a_channel_cost(tx: Tx) -> None:
    add(tx, "settled", NOW - 5)
    add(tx, "settled", NOW - 6, fee_msat=30)
    add(tx, "settled", NOW - 7, source=3, fee_msat=7)
    add(tx, "settled", NOW - DAY)
    add(tx, "failed", NOW - 5)
    assert refills.spent_by_source(tx, NOW - HOUR) == {channel_id(2): 130, channel_id(3): 7}


@pytest.mark.parametrize(
    ("paid", "spent"),
    [
        # By payments' own sources, whichever was named first.
        ([(2, 40), (3, 60)], {2: 40, 3: 60}),
        ([(3, 70), (3, 30)], {3: 100}),
        # What is booked above them counts for who was named; where they say more, they do.
        ([(3, 70)], {2: 30, 3: 70}),
        ([(3, 170)], {3: 170}),
        ([], {2: 100}),
    ],
)
def test_what_a_job_cost_counts_for_the_sources_that_paid(
    tx: Tx, paid: list[tuple[int, int]], spent: dict[int, int]
) -> None:
    add(tx, "settled", NOW - 10, executor="sling")
    add(tx, "settled", NOW - 2 * HOUR, executor="sling")
    keys = channel_keys(tx)
    rows = [
        {
            "node_key": tx.node_key, "payment_hash": bytes([number]) * 32, "job_key": job_key,
            "source_channel_key": keys[channel_id(source)], "target_channel_key": keys[channel_id(1)],
            "amount_msat": 10_000, "fee_msat": fee_msat, "moved_at": NOW - 20,
        }
        for number, (job_key, source, fee_msat) in enumerate([*((1, *one) for one in paid), (2, 3, 999)])
    ]  # fmt: skip
    tx.connection.execute(insert(rebalance_payment), rows)
    assert refills.spent_by_source(tx, NOW - HOUR) == {channel_id(name): msat for name, msat in spent.items()}
