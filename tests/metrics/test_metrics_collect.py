"""Families say what the records say, and nothing where the records say nothing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest

from revops.domain.measures import DatabaseSize, Measures, PriceMarks, RefillReturn
from revops.domain.metric import Place
from revops.domain.node import Feerates
from revops.domain.occupancy import Occupancy
from revops.domain.reason import ReasonCode, why
from revops.domain.record import ChannelRecord, PeerRecord, Report
from revops.domain.recorder import RecorderRecord
from revops.domain.stability import StabilityWindow
from revops.metrics.catalog import CATALOG
from revops.metrics.collect import node_families
from revops.metrics.collect.command import CommandRun, command_families
from revops.metrics.collect.families import Family

PEER_ID = "03" + "cd" * 32
CHANNEL = ("main", "700000x12x1", PEER_ID)

#: Every series of the fixtures' node, written out.
EXPECTED_NODE: dict[str, dict[tuple[str, ...], float]] = {
    "revops_snapshot_timestamp_seconds": {("main",): 1_750_000_000.25},
    "revops_synced_timestamp_seconds": {("main",): 1_749_999_990.5},
    "revops_node_info": {("main", "02" + "ab" * 32, "bitcoin", "v26.06.6"): 1},
    "revops_node_blockheight": {("main",): 900_123},
    "revops_node_wallet_spendable_msat": {("main",): 12_345_000},
    "revops_node_net_msat": {("main",): -2_339_035},
    "revops_node_fees_earned_msat_total": {("main",): 1_000_201},
    "revops_node_forwarded_msat_total": {("main",): 15_000_000_202},
    "revops_node_forwards_settled_total": {("main",): 203},
    "revops_node_forwards_failed_total": {("main",): 204},
    "revops_node_forwards_refused_total": {("main",): 205},
    "revops_node_chain_cost_msat": {("main",): 400_030},
    "revops_node_lease_net_msat": {("main",): 61_000},
    "revops_decisions_total": {
        ("main", command, outcome): 0
        for command in ("fees adjust", "rebalance plan")
        for outcome in ("change", "skip", "defer")
    },
    "revops_node_rebalance_fees_msat_total": {("main",): 3_000_206},
    "revops_rebalance_jobs_total": {("main", outcome): 0 for outcome in ("settled", "failed", "released", "expired")},
    "revops_rebalance_failures_total": {
        ("main", kind): 0 for kind in ("no_route", "fee_too_low", "liquidity", "time_out", "unreachable", "other")
    },
    "revops_books_node_fees_msat": {("main",): 1_500_300},
    "revops_books_recorded_fees_msat": {("main",): 1_000_201},
    "revops_books_opening_msat": {("main",): 500_000},
    "revops_books_difference_msat": {("main",): 99},
    "revops_books_checked_timestamp_seconds": {("main",): 1_749_999_991},
    "revops_budget_limit_msat": {("main", "daily"): 100_000, ("main", "weekly"): 400_000},
    "revops_budget_spent_msat": {("main", "daily"): 20_000, ("main", "weekly"): 350_000},
    "revops_budget_reserved_msat": {("main", "daily"): 3_000, ("main", "weekly"): 60_000},
    "revops_budget_left_msat": {("main", "daily"): 77_000, ("main", "weekly"): 0},
    "revops_spending_left_msat": {("main",): 0},
    "revops_spending_suspended": {
        ("main", "clock_doubtful"): 0,
        ("main", "node_syncing"): 0,
        ("main", "reserve_low"): 1,
        ("main", "reserve_recovering"): 0,
        ("main", "ledger_gaps"): 0,
        ("main", "stray_payments"): 0,
    },
    "revops_reserve_funds_msat": {("main", "onchain"): 12_345_000, ("main", "offchain"): 2_000_000_000},
    "revops_reserve_floor_msat": {("main", "onchain"): 100_000_000, ("main", "offchain"): 1_000_000_000},
    "revops_reserve_suspended": {("main", "onchain"): 1, ("main", "offchain"): 0},
    "revops_reserve_suspended_since_timestamp_seconds": {("main", "onchain"): 1_749_990_000},
    "revops_channel_info": {("main", "700000x12x1", "11" * 32, PEER_ID, "a peer"): 1},
    "revops_channel_capacity_msat": {CHANNEL: 5_000_000_000},
    "revops_channel_local_msat": {CHANNEL: 3_000_000_001},
    "revops_channel_spendable_msat": {CHANNEL: 2_900_000_002},
    "revops_channel_receivable_msat": {CHANNEL: 1_900_000_003},
    "revops_channel_fee_ppm": {CHANNEL: 250},
    "revops_channel_fee_base_msat": {CHANNEL: 1_004},
    "revops_channel_liquidity_value_ppm": {CHANNEL: 137.5},
    "revops_channel_liquidity_value_bound_ppm": {(*CHANNEL, "low"): 101.5, (*CHANNEL, "high"): 180.125},
    "revops_channel_elasticity": {CHANNEL: 1.25},
    "revops_channel_elasticity_bound": {(*CHANNEL, "low"): 0.75, (*CHANNEL, "high"): 2.25},
    "revops_channel_best_price_ppm": {CHANNEL: 310},
    "revops_channel_best_price_bound_ppm": {(*CHANNEL, "low"): 290, (*CHANNEL, "high"): 350},
    "revops_channel_demand_judged_timestamp_seconds": {CHANNEL: 1_749_990_000.75},
    "revops_channel_htlcs_in_flight": {CHANNEL: 3},
    "revops_channel_htlc_slots_used_ratio": {(*CHANNEL, "out"): 0.2, (*CHANNEL, "in"): 0.1},
    "revops_channel_htlc_value_used_ratio": {(*CHANNEL, "out"): 0.25, (*CHANNEL, "in"): 0.125},
    "revops_channel_htlc_expiry_blocks": {CHANNEL: 900_144 - 900_123},
    "revops_channel_connected": {CHANNEL: 1},
    "revops_channel_splice_in_flight": {CHANNEL: 0},
    "revops_channel_forwarded_in_msat_total": {CHANNEL: 7_000_000_005},
    "revops_channel_forwarded_out_msat_total": {CHANNEL: 8_000_000_006},
    "revops_channel_forwards_settled_in_total": {CHANNEL: 71},
    "revops_channel_forwards_settled_out_total": {CHANNEL: 82},
    "revops_channel_forwards_refused_total": {CHANNEL: 19},
    "revops_channel_fees_earned_msat_total": {CHANNEL: 930_007},
    "revops_channel_fees_sourced_msat_total": {CHANNEL: 840_008},
    "revops_channel_chain_cost_msat": {CHANNEL: 155_000},
}

#: What stands in place of some of these, and beside them, where all is measured.
EXPECTED_MEASURED: dict[str, dict[tuple[str, ...], float]] = {
    "revops_node_feerate_perkw": {
        ("main", "floor"): 253,
        ("main", "opening"): 1_001,
        ("main", "mutual_close"): 1_002,
        ("main", "unilateral_close"): 1_003,
        ("main", "penalty"): 1_004,
        ("main", "blocks_2"): 1_005,
        ("main", "blocks_12"): 1_006,
    },
    "revops_node_feerate_sampled_timestamp_seconds": {("main",): 1_749_999_980},
    "revops_decisions_total": EXPECTED_NODE["revops_decisions_total"] | {("main", "fees adjust", "change"): 17},
    "revops_decision_reasons_total": {("main", "fees adjust", "change", "demand"): 16},
    "revops_database_size_bytes": {("main",): 8_192_000},
    "revops_database_free_bytes": {("main",): 4_096},
    "revops_rebalance_jobs_total": EXPECTED_NODE["revops_rebalance_jobs_total"]
    | {("main", "failed"): 7, ("main", "settled"): 21},
    "revops_rebalance_failures_total": EXPECTED_NODE["revops_rebalance_failures_total"]
    | {("main", "no_route"): 4, ("main", "other"): 3},
    "revops_node_rebalanced_msat_total": {("main",): 6_000_000},
    "revops_splice_budget_limit_msat": {("main", "daily"): 7_000_000, ("main", "weekly"): 9_000_000},
    "revops_splice_budget_spent_msat": {("main", "daily"): 1_500_001, ("main", "weekly"): 3_500_003},
    "revops_splice_budget_reserved_msat": {("main", "daily"): 2_000_002, ("main", "weekly"): 2_000_002},
    "revops_splice_budget_left_msat": {("main", "daily"): 3_499_997, ("main", "weekly"): 3_499_995},
    "revops_node_rebalances_total": {("main",): 28},
    "revops_channel_rebalance_fees_msat_total": {CHANNEL: 55_011},
    "revops_channel_price_open_seconds": {CHANNEL: 9_000},
    "revops_channel_revenue_per_open_hour_msat": {CHANNEL: 12_345 / 2.5},
    "revops_channel_asleep": {CHANNEL: 1},
    "revops_channel_asleep_until_timestamp_seconds": {CHANNEL: 1_750_003_600},
    "revops_channel_congested": {CHANNEL: 1},
    "revops_channel_congested_since_timestamp_seconds": {CHANNEL: 1_749_999_000.5},
    "revops_channel_refilled_msat": {CHANNEL: 40_000_000},
    "revops_channel_refill_sold_msat": {CHANNEL: 30_000_000},
    "revops_channel_refill_fees_msat": {CHANNEL: 8_000},
    "revops_channel_refill_return_ratio": {CHANNEL: 0.375},
}

RUN = ("main", "fees adjust")
EXPECTED_RUN = {
    "revops_command_last_run_timestamp_seconds": {RUN: 1_750_000_002.5},
    "revops_command_last_success_timestamp_seconds": {RUN: 1_750_000_002.5},
    "revops_command_last_duration_seconds": {RUN: 2.5},
    "revops_command_last_exit_code": {RUN: 0},
    "revops_command_last_decisions": {(*RUN, "change"): 2, (*RUN, "defer"): 0, (*RUN, "skip"): 31},
    "revops_build_info": {(*RUN, "0.1.0"): 1},
    "revops_command_interval_seconds": {RUN: 1_800},
    "revops_command_schema_version_expected": {RUN: 13},
    "revops_command_schema_version_found": {RUN: 12},
    "revops_database_rows": {(*RUN, "forward"): 2_000_042, (*RUN, "run"): 41},
    "revops_reconcile_unexplained_msat": {RUN: 630},
    "revops_reconcile_differences": {(*RUN, "explained"): 1, (*RUN, "unexplained"): 2, (*RUN, "damaged"): 4},
    "revops_reconcile_compared_timestamp_seconds": {RUN: 1_750_000_001.5},
}


def series(families: Iterable[Family]) -> dict[str, dict[tuple[str, ...], float]]:
    """Given families, return their values by name and labels; a series that stands twice is an error."""
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in families:
        assert family.definition.name not in found
        values = found.setdefault(family.definition.name, {})
        for sample in family.samples:
            assert len(sample.label_values) == len(family.definition.labels)
            assert sample.label_values not in values
            values[sample.label_values] = sample.value
    return found


def test_node_families_are_the_report(report: Report) -> None:
    assert series(node_families("main", report)) == EXPECTED_NODE


def test_what_is_measured_stands_beside_it(report: Report, measures: Measures) -> None:
    without_recorder = replace(measures, recorder=None)
    assert series(node_families("main", report, (), without_recorder)) == EXPECTED_NODE | EXPECTED_MEASURED


def test_a_price_that_was_open_for_minutes_has_no_rate_and_one_that_woke_does_not_sleep(
    report: Report, channel: ChannelRecord, measures: Measures
) -> None:
    marks = PriceMarks(1_749_999_000.0, 3_599.0, report.taken_at, None)
    found = series(node_families("main", report, (), replace(measures, marks={channel.channel_id: marks})))
    assert found["revops_channel_price_open_seconds"] == {CHANNEL: 3_599}
    assert found["revops_channel_asleep"] == found["revops_channel_congested"] == {CHANNEL: 0}
    assert not {
        "revops_channel_revenue_per_open_hour_msat",
        "revops_channel_asleep_until_timestamp_seconds",
        "revops_channel_congested_since_timestamp_seconds",
    } & set(found)


def test_refills_that_cost_nothing_have_no_return(report: Report, channel: ChannelRecord, measures: Measures) -> None:
    free = {channel.channel_id: RefillReturn(1_000, 0, 500, 7)}
    found = series(node_families("main", report, (), replace(measures, refills=free)))
    assert found["revops_channel_refilled_msat"] == {CHANNEL: 1_000}
    assert "revops_channel_refill_return_ratio" not in found


def test_a_channel_for_which_nothing_was_ever_moved_has_cost_nothing(report: Report, measures: Measures) -> None:
    found = series(node_families("main", report, (), replace(measures, moved={})))
    assert found["revops_channel_rebalance_fees_msat_total"] == {CHANNEL: 0}
    assert found["revops_node_rebalances_total"] == found["revops_node_rebalanced_msat_total"] == {("main",): 0}


def test_feerates_that_the_node_does_not_know_are_absent(report: Report, measures: Measures) -> None:
    rates = Feerates(1.0, 253, None, None, None, None, None, 700)
    found = series(node_families("main", report, (), replace(measures, feerates=rates, size=DatabaseSize(5, None))))
    assert found["revops_node_feerate_perkw"] == {("main", "floor"): 253, ("main", "blocks_12"): 700}
    assert found["revops_database_size_bytes"] == {("main",): 5}
    assert "revops_database_free_bytes" not in found


def test_command_families_are_the_run(run: CommandRun) -> None:
    assert series(command_families("main", run)) == EXPECTED_RUN


def test_peers_have_a_reputation_in_each_role_and_a_past(report: Report, peer: PeerRecord) -> None:
    sender, receiver = ("main", peer.peer_id, "sender"), ("main", peer.peer_id, "receiver")
    day, week = ("main", peer.peer_id, "24h"), ("main", peer.peer_id, "7d")
    assert series(node_families("main", report, (peer,))) == EXPECTED_NODE | {
        "revops_peer_uptime_ratio": {day: 0.75, week: pytest.approx(300_000 / 400_000.5)},
        "revops_peer_down_seconds": {day: 20_000, week: 100_000.5},
        "revops_peer_covered_seconds": {day: 80_000, week: 400_000.5},
        "revops_peer_flaps": {day: 5, week: 17},
        "revops_peer_reputation_ratio": {sender: 0.625, receiver: 0.75},
        "revops_peer_reputation_payments": {sender: 5.5, receiver: 6.25},
        "revops_peer_hold_seconds": {("main", peer.peer_id): 2.125},
    }
    held_nothing = series(node_families("main", report, (replace(peer, hold_seconds=None),)))
    assert "revops_peer_hold_seconds" not in held_nothing
    # Seen for less than half of the week: how long it was away is told, the share isn't.
    assert peer.stability is not None
    short = replace(peer.stability, week=StabilityWindow(604_800.0, 0.0, 100.0, 1))
    little = series(node_families("main", report, (replace(peer, stability=short),)))
    assert (little["revops_peer_uptime_ratio"], little["revops_peer_down_seconds"]) == (
        {day: 0.75},
        {day: 20_000, week: 100},
    )
    unrecorded = series(node_families("main", report, (replace(peer, stability=None),)))
    assert not {"revops_peer_uptime_ratio", "revops_peer_flaps", "revops_peer_covered_seconds"} & set(unrecorded)
    # A peer that is gone has no series, as a channel that is closed has none.
    assert series(node_families("main", report, (replace(peer, channel_count=0),))) == EXPECTED_NODE


def test_the_recorder_has_figures_once_a_spool_was_looked_for(report: Report, recorder: RecorderRecord) -> None:
    assert series(node_families("main", report, (), Measures(recorder=recorder))) == EXPECTED_NODE | {
        "revops_recorder_last_line_timestamp_seconds": {("main",): 1_749_999_985.75},
        "revops_recorder_spool_readable": {("main",): 0},
        "revops_recorder_events_total": {
            ("main", "connect"): 31, ("main", "disconnect"): 29, ("main", "forward"): 4_007, ("main", "state"): 13,
        },
        "revops_recorder_lost_lines_total": {
            ("main", "dropped"): 5, ("main", "removed"): 6, ("main", "malformed"): 7,
        },
        "revops_recorder_gap_seconds": {("main", "24h"): 61.5, ("main", "7d"): 9_000.25},
    }  # fmt: skip
    found = series(node_families("main", report, (), Measures(recorder=replace(recorder, last_at=None, readable=True))))
    assert "revops_recorder_last_line_timestamp_seconds" not in found
    assert found["revops_recorder_spool_readable"] == {("main",): 1}


def test_the_two_kinds_of_file_hold_the_whole_catalogue_and_share_nothing(
    report: Report, peer: PeerRecord, run: CommandRun, measures: Measures
) -> None:
    node = [family.definition for family in node_families("main", report, (peer,), measures)]
    command = [family.definition for family in command_families("main", run)]
    assert (*node, *command) == CATALOG
    assert {definition.place for definition in node} == {Place.NODE}
    assert {definition.place for definition in command} == {Place.COMMAND}


def test_what_is_in_flight_is_absent_where_it_is_not_known(report: Report, channel: ChannelRecord) -> None:
    names = ("slots_used_ratio", "value_used_ratio", "expiry_blocks")
    unlisted = replace(channel, occupancy_out=None, occupancy_in=None, nearest_expiry_blockheight=None)
    unread = series(node_families("main", replace(report, channels=(unlisted,))))
    assert not {f"revops_channel_htlc_{name}" for name in names} & unread.keys()
    slotless = replace(channel, occupancy_out=Occupancy(0, 0, 0, 9), occupancy_in=None)
    found = series(node_families("main", replace(report, channels=(slotless,), blockheight=0)))
    assert "revops_channel_htlc_slots_used_ratio" not in found
    assert found["revops_channel_htlc_value_used_ratio"] == {(*CHANNEL, "out"): 0}
    assert "revops_channel_htlc_expiry_blocks" not in found  # at which height, nobody has read


def test_what_is_not_known_is_absent_and_not_zero(report: Report, channel: ChannelRecord) -> None:
    unknown = replace(channel, fee_base_msat=None, fee_ppm=None, alias=None, peer_id=None)
    found = series(node_families("main", replace(report, synced_at=None, books=None, channels=(unknown,))))
    absent = {
        "revops_synced_timestamp_seconds",
        "revops_books_node_fees_msat",
        "revops_books_recorded_fees_msat",
        "revops_books_opening_msat",
        "revops_books_difference_msat",
        "revops_books_checked_timestamp_seconds",
        "revops_channel_fee_ppm",
        "revops_channel_fee_base_msat",
    }
    assert EXPECTED_NODE.keys() - found.keys() == absent
    assert found["revops_channel_info"] == {("main", "700000x12x1", "11" * 32, "", ""): 1}


def test_books_without_an_opening_row_have_no_difference(report: Report) -> None:
    assert report.books is not None
    found = series(node_families("main", replace(report, books=replace(report.books, opening_msat=None))))
    assert "revops_books_node_fees_msat" in found
    assert not {"revops_books_opening_msat", "revops_books_difference_msat"} & found.keys()


def test_a_node_without_channels_has_only_its_own_families(report: Report) -> None:
    found = series(node_families("main", replace(report, channels=())))
    assert found.keys() == {name for name in EXPECTED_NODE if not name.startswith("revops_channel_")}


def test_closed_channels_are_left_out(report: Report, channel: ChannelRecord) -> None:
    closed = replace(channel, channel_id="22" * 32, name="600000x1x0", open=False)
    assert series(node_families("main", replace(report, channels=(closed, channel)))) == EXPECTED_NODE


def test_a_disconnected_channel_says_so(report: Report, channel: ChannelRecord) -> None:
    found = series(node_families("main", replace(report, channels=(replace(channel, connected=False),))))
    assert found["revops_channel_connected"] == {CHANNEL: 0}


def test_a_channel_with_a_splice_in_flight_says_so(report: Report, channel: ChannelRecord) -> None:
    spliced = replace(channel, state="CHANNELD_AWAITING_SPLICE")
    found = series(node_families("main", replace(report, channels=(spliced,))))
    assert found["revops_channel_splice_in_flight"] == {CHANNEL: 1}


def test_channels_with_one_name_go_by_their_ids(report: Report, channel: ChannelRecord) -> None:
    twin = replace(channel, channel_id="22" * 32, local_msat=7)
    other = replace(channel, channel_id="33" * 32, name="700001x1x1", local_msat=8)
    found = series(node_families("main", replace(report, channels=(channel, twin, other))))
    assert found["revops_channel_local_msat"] == {
        ("main", "11" * 32, PEER_ID): 3_000_000_001,
        ("main", "22" * 32, PEER_ID): 7,
        ("main", "700001x1x1", PEER_ID): 8,
    }


def test_a_suspension_of_another_kind_is_shown_as_well(report: Report) -> None:
    verdict = replace(report.budget, suspended=(why(ReasonCode.OBSERVE_MODE),))
    found = series(node_families("main", replace(report, budget=verdict)))
    assert found["revops_spending_suspended"] == {
        ("main", "clock_doubtful"): 0,
        ("main", "node_syncing"): 0,
        ("main", "observe_mode"): 1,
        ("main", "reserve_low"): 0,
        ("main", "reserve_recovering"): 0,
        ("main", "ledger_gaps"): 0,
        ("main", "stray_payments"): 0,
    }


def test_spending_left_is_the_smaller_window_where_nothing_is_suspended(report: Report) -> None:
    weekly = replace(report.budget.weekly, spent_msat=0)
    verdict = replace(report.budget, weekly=weekly, suspended=())
    found = series(node_families("main", replace(report, budget=verdict)))
    assert found["revops_spending_left_msat"] == {("main",): 77_000}
    assert set(found["revops_spending_suspended"].values()) == {0}


@pytest.mark.parametrize(
    ("exit_code", "last_success_at", "expected"),
    [(0, None, 1_750_000_002.5), (1, 5.0, 1_750_000_002.5), (69, 5.0, 5.0), (75, 5.0, 5.0), (78, None, None)],
)
def test_last_success_is_the_last_run_that_did_its_work(
    run: CommandRun, exit_code: int, last_success_at: float | None, expected: float | None
) -> None:
    changed = replace(run, exit_code=exit_code, last_success_at=last_success_at)
    found = series(command_families("main", changed))
    assert found.get("revops_command_last_success_timestamp_seconds", {}).get(RUN) == expected
    assert found["revops_command_last_exit_code"] == {RUN: exit_code}
    assert found["revops_command_last_run_timestamp_seconds"] == {RUN: 1_750_000_002.5}


def test_a_run_without_decisions_has_no_such_family(run: CommandRun) -> None:
    assert "revops_command_last_decisions" not in series(command_families("main", replace(run, decision_counts=None)))


def test_a_clock_set_back_during_the_run_gives_no_negative_duration(run: CommandRun) -> None:
    found = series(command_families("main", replace(run, finished_at=run.started_at - 60)))
    assert found["revops_command_last_duration_seconds"] == {RUN: 0}


#: Labels that no node chooses.
FIXED = {
    label
    for family in ("decisions_total", "rebalance_jobs_total", "rebalance_failures_total")
    for labels in EXPECTED_NODE[f"revops_{family}"]
    for label in labels
} | {"run", "forward", "explained", "unexplained", "damaged"}


def test_every_label_is_printable(report: Report, channel: ChannelRecord, run: CommandRun) -> None:
    evil, shown = "a\nb\x1b[31m\u202e\udcff", r"a\x0ab\x1b[31m\u202e\udcff"
    changed = replace(channel, alias=evil, name=evil, peer_id=evil, channel_id=evil)
    families = [
        *node_families(evil, replace(report, channels=(changed,), version=evil, network=evil, node_id=evil)),
        *command_families(evil, replace(run, command=evil, version=evil, decision_counts={evil: 1})),
    ]
    values = {value for family in families for sample in family.samples for value in sample.label_values}
    assert values - FIXED == {
        shown,
        "daily",
        "weekly",
        "clock_doubtful",
        "node_syncing",
        "reserve_low",
        "reserve_recovering",
        "ledger_gaps",
        "stray_payments",
        "onchain",
        "offchain",
        "out",
        "in",
        "low",
        "high",
    }
