"""A node whose every figure is another number, so that a family which reads the wrong field shows."""

from __future__ import annotations

import pytest

from revops.domain.budget import Category, CategoryState, Limit, WindowState
from revops.domain.decision import BudgetVerdict, WindowBudget
from revops.domain.demand import DemandFigures
from revops.domain.forward import Flow
from revops.domain.measures import CommandFigures, DatabaseSize, Measures, Moved, PriceMarks, RefillReturn, Tally
from revops.domain.node import Feerates
from revops.domain.occupancy import Occupancy
from revops.domain.reason import ReasonCode, why
from revops.domain.reconciliation import Cause, Difference, Figure, NodeBooks, Reconciliation
from revops.domain.record import Books, ChannelRecord, PeerRecord, Report, ReserveStanding, Standing, Totals
from revops.domain.recorder import RecorderRecord
from revops.domain.stability import Stability, StabilityWindow
from revops.metrics.collect.command import CommandRun

NODE_ID = "02" + "ab" * 32
PEER_ID = "03" + "cd" * 32


@pytest.fixture
def channel() -> ChannelRecord:
    return ChannelRecord(
        channel_id="11" * 32,
        name="700000x12x1",
        peer_id=PEER_ID,
        alias="a peer",
        state="CHANNELD_NORMAL",
        open=True,
        private=False,
        connected=True,
        opener="local",
        capacity_msat=5_000_000_000,
        local_msat=3_000_000_001,
        spendable_msat=2_900_000_002,
        receivable_msat=1_900_000_003,
        fee_base_msat=1_004,
        fee_ppm=250,
        htlc_count=3,
        opened_at=1_700_000_000,
        window=Flow(in_msat=1, out_msat=2, in_count=1, out_count=1, earned_msat=1, sourced_msat=1),
        lifetime=Flow(
            in_msat=7_000_000_005,
            out_msat=8_000_000_006,
            in_count=71,
            out_count=82,
            earned_msat=930_007,
            sourced_msat=840_008,
            refused_count=19,
        ),
        window_rebalanced_in_msat=9,
        window_rebalance_fees_msat=10,
        lifetime_rebalance_fees_msat=55_011,
        lifetime_chain_msat=155_000,
        occupancy_out=Occupancy(6, 30, 7, 28),
        occupancy_in=Occupancy(3, 30, 1, 8),
        nearest_expiry_blockheight=900_144,
        value_ppm=137.5,
        demand=DemandFigures(1_749_990_000.75, 251, 62.5, 1.25, 0.75, 2.25, 310, 290, 350, 620, 137.25, 101.5, 180.125),
    )


@pytest.fixture
def peer() -> PeerRecord:
    return PeerRecord(
        peer_id=PEER_ID,
        alias="a peer",
        channel_count=1,
        connected=True,
        sender=Standing(0.625, 5.5),
        receiver=Standing(0.75, 6.25),
        hold_seconds=2.125,
        in_msat=1,
        out_msat=2,
        earned_msat=3,
        sourced_msat=4,
        stability=Stability(
            PEER_ID,
            day=StabilityWindow(86_400.0, up_seconds=60_000.0, down_seconds=20_000.0, flap_count=5),
            week=StabilityWindow(604_800.0, up_seconds=300_000.0, down_seconds=100_000.5, flap_count=17),
        ),
    )


@pytest.fixture
def measures(channel: ChannelRecord, recorder: RecorderRecord) -> Measures:
    return Measures(
        marks={channel.channel_id: PriceMarks(1_749_900_000.0, 9_000.0, 1_750_003_600.0, 1_749_999_000.5)},
        earned_msat={channel.channel_id: 12_345},
        refills={channel.channel_id: RefillReturn(40_000_000, 8_000, 30_000_000, 11_000)},
        moved={channel.channel_id: Moved(5_000_000, 55_011, 20), "33" * 32: Moved(1_000_000, 900, 8)},
        feerates=Feerates(1_749_999_980.0, 253, 1_001, 1_002, 1_003, 1_004, 1_005, 1_006),
        tallies=(
            Tally("fees adjust", "change", "", 17),
            Tally("fees adjust", "change", "demand", 16),
            Tally("rebalance run", "failed", "", 7),
            Tally("rebalance run", "failed", "no_route", 4),
            Tally("rebalance run", "failed", "other", 3),
            Tally("rebalance run", "settled", "", 21),
        ),
        size=DatabaseSize(8_192_000, 4_096),
        recorder=recorder,
        splice_budget=CategoryState(
            Category.SPLICE,
            WindowState("day", Limit(7_000_000), 1_500_001, 2_000_002),
            WindowState("week", Limit(9_000_000), 3_500_003, 2_000_002),
        ),
    )


@pytest.fixture
def report(channel: ChannelRecord) -> Report:
    return Report(
        taken_at=1_750_000_000.25,
        synced_at=1_749_999_990.5,
        window_days=7,
        node_id=NODE_ID,
        alias="our alias",
        version="v26.06.6",
        network="bitcoin",
        blockheight=900_123,
        wallet_spendable_msat=12_345_000,
        window=Totals(1, 2, 3, 4, 5, 6, 7, 8),
        lifetime=Totals(
            earned_msat=1_000_201,
            forwarded_msat=15_000_000_202,
            settled_count=203,
            failed_count=204,
            refused_count=205,
            rebalance_fees_msat=3_000_206,
            rebalanced_msat=6_000_000_207,
            rebalance_count=28,
            chain_msat=400_030,
            lease_earned_msat=70_000,
            lease_paid_msat=9_000,
        ),
        books=Books(
            node_fees_msat=1_500_300, recorded_fees_msat=1_000_201, opening_msat=500_000, checked_at=1_749_999_991.0
        ),
        budget=BudgetVerdict(
            taken_at=1_750_000_000.25,
            daily=WindowBudget("daily", limit_msat=100_000, spent_msat=20_000, reserved_msat=3_000),
            weekly=WindowBudget("weekly", limit_msat=400_000, spent_msat=350_000, reserved_msat=60_000),
            suspended=(
                why(ReasonCode.RESERVE_LOW, where="on-chain wallet", have_sat=12, floor_sat=100),
                why(ReasonCode.RESERVE_LOW, where="off-chain", have_sat=1, floor_sat=2),
            ),
        ),
        channels=(channel,),
        decisions=(),
        runs=(),
        reserves=(
            ReserveStanding("onchain", 12_345_000, 100_000_000, 110_000_000, 1_749_990_000.0),
            ReserveStanding("offchain", 2_000_000_000, 1_000_000_000, 1_100_000_000),
        ),
    )


@pytest.fixture
def recorder() -> RecorderRecord:
    return RecorderRecord(
        last_at=1_749_999_985.75,
        connect_count=31,
        disconnect_count=29,
        forward_count=4_007,
        state_count=13,
        dropped_count=5,
        removed_count=6,
        malformed_count=7,
        readable=False,
        gap_seconds={"24h": 61.5, "7d": 9_000.25},
    )


@pytest.fixture
def run() -> CommandRun:
    return CommandRun(
        command="fees adjust",
        started_at=1_750_000_000.0,
        finished_at=1_750_000_002.5,
        exit_code=0,
        last_success_at=1_749_998_000.0,
        version="0.1.0",
        decision_counts={"change": 2, "skip": 31, "defer": 0},
        interval_seconds=1_800.0,
        schema_expected=13,
        schema_found=12,
        figures=CommandFigures({"run": 41, "forward": 2_000_042}, reconciliation()),
    )


def reconciliation() -> Reconciliation:
    """Three figures that differ, two of them without a reason, and damage."""
    return Reconciliation(
        taken_at=1_750_000_001.5,
        books=NodeBooks(0, 0, 0, 0, 0, ()),
        differences=(
            Difference(Figure.WALLET, None, 1_000, 400, Cause.UNKNOWN),
            Difference(Figure.BALANCE, "11" * 32, 10, 40, Cause.UNKNOWN),
            Difference(Figure.EARNED, "11" * 32, 7, 8, Cause.DELETED),
        ),
        still=True,
        compared_count=12,
        damaged=("a sum", "a cost", "another cost", "one more"),
    )
