"""Floods in the arena: what thousands of payments that cost their sender little do to the climb's fees.

Each is shown beside records that believe it, so that it is known to be a flood.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import cache

import pytest

from revops.decide.proven import UNPROVEN_FACTOR
from revops.decide.reputation import weight_of
from revops.domain.forward import ForwardStatus
from revops.domain.policy import FeesConfig
from revops.domain.traffic import FULL_INTEREST_PERMILLE, FinalForward, Lesson, Reputation
from revops.sim.arena.demand import SPAM_MSAT, Customer
from revops.sim.arena.families import DAY_SECONDS, MAX_WILLINGNESS_PPM
from revops.sim.arena.market import FAILED, SETTLED
from revops.sim.arena.names import instant, peer_id
from revops.sim.arena.policies import POLICIES, START_PPM
from revops.sim.arena.records import ChannelRecord, Records
from revops.sim.arena.setting import Setting
from revops.sim.arena.world import Result, World, make_world, run_policy
from tests.sim.arena_worlds import BLIND, SAT, SEED, SMALL

DAYS = 12.5
#: Twice the spam, for half the customers.
SPAMMED = replace(SMALL, spam_per_day=600.0)

KNOWN_TO_ALL = Reputation(success=1e9, settled_msat=1e30, updated_at=instant(0.0))


class CredulousChannel(ChannelRecord):
    """Takes a payment of 2 sat for as much interest as any."""

    def learn(self, forward: FinalForward, lesson: Lesson) -> None:
        full = 0 if forward.status is ForwardStatus.LOCAL_FAILED else FULL_INTEREST_PERMILLE
        super().learn(forward, lesson._replace(interest_permille=full))


class Credulous(Records):
    """Believes every sender whatever it says."""

    def __init__(self, channel_count: int) -> None:
        super().__init__(channel_count)
        self.channels = [CredulousChannel() for _number in range(channel_count)]
        self.senders = {peer_id(number): KNOWN_TO_ALL for number in range(channel_count)}

    def fold(self, now: float) -> None:
        super().fold(now)
        self.senders = dict.fromkeys(self.senders, KNOWN_TO_ALL._replace(updated_at=instant(now)))


class Unbounded(Records):
    """Weighs senders by the numbers of their payments alone, whatever these carry."""

    def __init__(self, channel_count: int) -> None:
        super().__init__(channel_count)
        self.senders = {
            peer_id(number): Reputation(settled_msat=1e30, updated_at=instant(0.0)) for number in range(channel_count)
        }

    def fold(self, now: float) -> None:
        super().fold(now)
        self.senders = {name: one._replace(settled_msat=1e30) for name, one in self.senders.items()}


def climb(world: World, records: Callable[[int], Records] = Records) -> Result:
    return run_policy(world, POLICIES["hill_climb"](), records)


def test_a_name_bought_with_tiny_payments_is_not_believed() -> None:
    records = Records(3)
    for at in range(200):
        records(float(at), 1, 0, 2_000, 0, SETTLED)
        records(float(at), 1, 0, 10**8, 0, FAILED)
        records(float(at), 2, 0, 10**8, 20_000, SETTLED)
    records.fold(3_600.0)
    weights = [weight_of(records.senders[peer_id(number)], instant(3_600.0)) for number in (1, 2)]
    assert weights == [pytest.approx(0.0, abs=0.05), 1.0]


def is_honest(customer: Customer) -> bool:
    failing = customer.fails and customer.willing_ppm == MAX_WILLINGNESS_PPM
    return customer.amount_msat != SPAM_MSAT and not failing


def test_thousands_of_tiny_and_failing_payments_cost_little_where_senders_are_weighed() -> None:
    """The same customers with and without the flood; with it, by records that weigh senders and by ones that don't."""
    moved = {"weighed": 0.0, "believed": 0.0}
    net_msat = {"weighed": 0, "believed": 0, "without": 0}
    for seed in (SEED + 1, SEED + 2):
        flooded = make_world("spammer", seed, 12.0, SPAMMED)
        honest = tuple(customer for customer in flooded.customers if is_honest(customer))
        assert len(flooded.customers) > 7 * len(honest)
        without = climb(replace(flooded, customers=honest))
        net_msat["without"] += without.net_msat
        for name, records in (("weighed", Records), ("believed", Credulous)):
            result = climb(flooded, records)
            net_msat[name] += result.net_msat
            pairs = list(zip(result.final_ppm, without.final_ppm, strict=True))[::3]
            moved[name] += sum(abs(math.log(ppm / clean_ppm)) for ppm, clean_ppm in pairs)
    assert moved["weighed"] < 0.5 * moved["believed"]
    assert net_msat["weighed"] > 0.7 * net_msat["without"] > 1.3 * net_msat["believed"]


#: (payments a day, sat, whether they fail) of somebody who is ready for any price.
Flood = tuple[int, int, bool]
FLOOD: Flood = (300, 1_000_000, True)
#: One small payment in four settles, so that their numbers look ordinary.
DISGUISED_JAM: tuple[Flood, ...] = ((100, 1_000, False), FLOOD)


def with_jammer(world: World, target: int, *floods: Flood) -> World:
    """The world with one more peer, which from the third day on does nothing but send these by channel `target`."""
    jammer = len(world.capacity_msat)
    customers = list(world.customers)
    for per_day, amount_sat, fails in floods:
        moments = [(2 + count / per_day) * DAY_SECONDS for count in range(int(per_day * (world.days - 2)))]
        customers += [
            Customer(at, target, jammer, jammer, amount_sat * SAT, MAX_WILLINGNESS_PPM, fails, 0.0) for at in moments
        ]
    return replace(
        world,
        customers=tuple(sorted(customers)),
        capacity_msat=(*world.capacity_msat, 10**10),
        local_msat=(*world.local_msat, 10**9),
        later_ppm=tuple((*by_bound, START_PPM) for by_bound in world.later_ppm),
        absences=(*world.absences, ()),
        others_ppm=(*world.others_ppm, None),
        size_rank_ratio=(*world.size_rank_ratio, 0.5),
        peer_channel_count=(*world.peer_channel_count, 10),
        start_ppm=(*world.start_ppm, START_PPM),
    )


@cache
def jammed_ppm(
    setting: Setting, seed: int, *floods: Flood, records: Callable[[int], Records] = Records
) -> tuple[int, ...]:
    """The last fees of a world whose channel 0 is flooded."""
    return climb(with_jammer(make_world("logistic", seed, DAYS, setting), 0, *floods), records).final_ppm


def test_thousands_of_large_failing_payments_move_no_fee_at_all() -> None:
    seed = SEED + 1
    world = make_world("logistic", seed, DAYS, BLIND)
    assert len(with_jammer(world, 0, FLOOD).customers) - len(world.customers) > 3_000
    without_ppm = jammed_ppm(BLIND, seed)
    assert jammed_ppm(BLIND, seed, FLOOD) == without_ppm
    assert jammed_ppm(BLIND, seed, FLOOD, records=Credulous)[0] > 1.5 * without_ppm[0]


def test_large_failing_payments_behind_small_settled_ones_move_a_fee_little() -> None:
    """Nobody knows what others charge: where that is known, it bounds fees, whatever is believed."""
    moved = {"bounded": 0.0, "unbounded": 0.0}
    seeds = (SEED, SEED + 1)
    for seed in seeds:
        without_ppm = jammed_ppm(BLIND, seed)[0]
        for name, records in (("bounded", Records), ("unbounded", Unbounded)):
            flooded_ppm = jammed_ppm(BLIND, seed, *DISGUISED_JAM, records=records)[0]
            moved[name] += abs(math.log(flooded_ppm / without_ppm)) / len(seeds)
    assert moved["bounded"] < math.log(2) < math.log(8) < moved["unbounded"]


def test_a_flood_is_kept_below_the_ceiling_because_it_is_not_believed() -> None:
    """The ceiling yields to a market that customers have shown, so that it is belief that has to hold."""
    anchor_ppm = make_world("logistic", SEED, DAYS, SMALL).others_on(0)[0]
    assert anchor_ppm is not None
    ceiling_ppm = round(anchor_ppm * FeesConfig().anchor_ceiling_ratio)
    weighed_ppm, believed_ppm = (
        jammed_ppm(SMALL, SEED, *DISGUISED_JAM, records=records)[0] for records in (Records, Unbounded)
    )
    assert weighed_ppm < ceiling_ppm < believed_ppm


@pytest.mark.parametrize(("setting", "seed"), [(BLIND, SEED), (SMALL, SEED + 2)], ids=["unknown", "known"])
def test_large_payments_that_an_empty_channel_refuses_move_no_fee_at_all(setting: Setting, seed: int) -> None:
    """Nobody else wants anything of that channel. Once nobody knows what others charge there, once it is known."""
    world = make_world("dead", seed, 10.0, setting)
    empty = replace(world, local_msat=(world.capacity_msat[0] // 100, *world.local_msat[1:]))
    flooded = with_jammer(empty, 0, (300, 1_000_000, False))
    without_ppm = climb(with_jammer(empty, 0)).final_ppm
    assert climb(flooded).final_ppm == without_ppm
    # Who believed them would go as far as a price that proves nothing may go.
    most_ppm = UNPROVEN_FACTOR * (world.others_on(0)[0] or START_PPM)
    assert climb(flooded, Unbounded).final_ppm[0] == most_ppm >= 2 * without_ppm[0]
