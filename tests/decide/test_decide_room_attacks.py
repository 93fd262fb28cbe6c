"""Strangers who would be paid for room or for a sale of their own making."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from revops.decide.rebalance.moves import Move, counted
from revops.domain.channel import Channel
from revops.domain.decision import RebalanceDecision
from revops.domain.forward import Flow
from revops.domain.policy import RebalanceConfig
from revops.domain.rebalance import Lot
from revops.domain.signals import Rate, Signals
from revops.domain.snapshot import RebalanceSnapshot
from tests.builders import SAT, channel_id, make_channel, make_rebalance_snapshot, make_terms, make_wanted
from tests.planning import at_ppm, planned

TARGET = channel_id(1)


def job_for_target(snapshot: RebalanceSnapshot, last_hop_ppm: int) -> RebalanceDecision | None:
    jobs = planned(snapshot, RebalanceConfig(), at_ppm(last_hop_ppm)).jobs
    return next((job for job in jobs if job.target_channel_id == TARGET), None)


def ways_in(first: int, count: int, local_sat: int, flow: Flow) -> tuple[list[Channel], dict[str, Flow]]:
    channels = [make_channel(first + n, local_msat=local_sat * SAT) for n in range(count)]
    return channels, {channel.channel_id: flow for channel in channels}


def exits(count: int, flow: Flow) -> tuple[list[Channel], dict[str, Flow]]:
    terms = make_terms(fee_ppm=500, fee_base_msat=0)
    channels = [
        make_channel(20 + n, capacity_msat=100_000_000 * SAT, local_msat=70_000_000 * SAT, local_terms=terms)
        for n in range(count)
    ]
    return channels, {channel.channel_id: flow for channel in channels}


def bought_back(asked_ppm: int, last_hop_ppm: int, open_count: int) -> tuple[int, int]:
    """The owner of the target takes the last hop's fee, and buys all of it back through the very source: what he paid
    us, and what we paid, in sat.
    """
    entered = Flow(in_msat=6_000_000 * SAT, in_count=120, sourced_msat=3_000 * SAT)
    full, full_flows = ways_in(10, 4, 4_700_000, entered)
    free, free_flows = ways_in(30, open_count, 1_000_000, entered)
    plenty, plenty_flows = exits(2, Flow(out_msat=12_000_000 * SAT, out_count=240, earned_msat=6_000 * SAT))
    target = make_channel(
        1,
        local_msat=250_000 * SAT,
        local_terms=make_terms(fee_ppm=asked_ppm, fee_base_msat=0),
        remote_terms=make_terms(fee_ppm=last_hop_ppm, fee_base_msat=0),
    )
    flows = {TARGET: Flow(out_msat=1_000_000 * SAT, out_count=20, earned_msat=asked_ppm * SAT)}
    flows |= full_flows | free_flows | plenty_flows
    spent: dict[str, int] = {}
    lots: tuple[Lot, ...] = ()
    for _turn in range(80):
        snapshot = make_rebalance_snapshot(
            [target, *full, *free, *plenty], flows=flows, signals=make_wanted(flows), budget_left_msat=50_000 * SAT
        )
        job = job_for_target(replace(snapshot, spent_msat=spent, lots={TARGET: lots}), last_hop_ppm)
        if job is None:
            break
        source = job.source_channel_id or ""
        cost_msat = job.sources[0].quoted_fee_msat or 0
        spent[source] = spent.get(source, 0) + cost_msat
        lots = (*lots, Lot(job.amount_msat, cost_msat, 0.1, job.amount_msat))
        fee_msat = job.amount_msat * asked_ppm // 10**6
        flows = sold(flows, source, job.amount_msat, fee_msat)
    return flows[TARGET].earned_msat // SAT, sum(spent.values()) // SAT


def sold(flows: Mapping[str, Flow], source: str, amount_msat: int, fee_msat: int) -> dict[str, Flow]:
    out, entry = flows[TARGET], flows[source]
    return {
        **flows,
        TARGET: replace(out, out_msat=out.out_msat + amount_msat, earned_msat=out.earned_msat + fee_msat),
        source: replace(entry, in_msat=entry.in_msat + amount_msat, sourced_msat=entry.sourced_msat + fee_msat),
    }


@pytest.mark.parametrize("asked_ppm", [1, 10, 30])
@pytest.mark.parametrize("last_hop_ppm", [60, 100, 200])
def test_nobody_is_paid_for_room_that_he_takes_himself(asked_ppm: int, last_hop_ppm: int) -> None:
    """Where no other room is left each sale takes room that is worth more than it pays."""
    _paid, spent = bought_back(asked_ppm, last_hop_ppm, open_count=0)
    assert spent == 0


@pytest.mark.parametrize("open_count", [2, 4, 8])
def test_where_some_room_is_left_he_costs_a_part_of_what_others_have_earned_there(open_count: int) -> None:
    """A quarter of the 12,000 sat that entered by full channels at most, and nothing where his last hop is dear."""
    paid, spent = bought_back(30, 60, open_count)
    assert spent - paid <= 12_000 // 4
    _paid, dear = bought_back(10, 200, open_count)
    assert dear == 0


@pytest.mark.parametrize("last_hop_ppm", [300, 500])
def test_room_of_others_does_not_pay_for_a_customer_who_buys_nothing_more(last_hop_ppm: int) -> None:
    """He paid 2,000 sat, and is believed to want four times what he bought. Of his lots nothing is sold."""
    paid_sat, volume_sat = 2_000, 2_000_000
    target = make_channel(
        1,
        capacity_msat=20_000_000 * SAT,
        local_msat=400_000 * SAT,
        local_terms=make_terms(fee_ppm=1_000, fee_base_msat=0),
        remote_terms=make_terms(fee_ppm=last_hop_ppm, fee_base_msat=0),
    )
    entered = Flow(in_msat=15_000_000 * SAT, in_count=300, sourced_msat=3_000 * SAT)
    full, full_flows = ways_in(10, 4, 4_700_000, entered)
    plenty, plenty_flows = exits(2, Flow(out_msat=6_000_000 * SAT, out_count=120, earned_msat=1_200 * SAT))
    flows = {TARGET: Flow(out_msat=volume_sat * SAT, out_count=40, earned_msat=paid_sat * SAT)}
    flows |= full_flows | plenty_flows
    want = 4 * volume_sat * SAT / 14
    signals = make_wanted(flows) | {TARGET: Signals(demand=Rate(want, want * 50_000 * SAT))}
    snapshot = make_rebalance_snapshot(
        [target, *full, *plenty], flows=flows, signals=signals, budget_left_msat=50_000 * SAT
    )
    spent_msat, room_msat = 0, 0.0
    while (job := job_for_target(snapshot, last_hop_ppm)) is not None:
        cost_msat = job.sources[0].quoted_fee_msat or 0
        assert job.terms is not None
        assert cost_msat > 0
        spent_msat += cost_msat
        room_msat += job.terms.room_ppm * job.amount_msat / 10**6
        snapshot = counted(snapshot, [Move(job.source_channel_id or "", TARGET, job.amount_msat, cost_msat)])
    assert 0 < spent_msat <= paid_sat * SAT + room_msat
