"""The arena: its physics, and that the product's climb earns more in it than what it must beat.

The seed here is neither one of those that the climb was tuned on nor one of those that it is judged on.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import pytest

from revops.decide.proven import UNPROVEN_FACTOR
from revops.decide.reputation import weight_of
from revops.domain.forward import ForwardStatus
from revops.domain.traffic import FULL_INTEREST_PERMILLE, FinalForward, Lesson, Reputation
from revops.sim.arena.demand import JAM_MSAT, LIMITED, SLOT_COUNT, SPAM_MSAT, Customer
from revops.sim.arena.families import DAY_SECONDS, FAMILIES, MAX_WILLINGNESS_PPM
from revops.sim.arena.market import FAILED, REFUSED, SETTLED, Market
from revops.sim.arena.oracle import best_constants
from revops.sim.arena.policies import POLICIES, START_PPM
from revops.sim.arena.records import ChannelRecord, Records, peer_id
from revops.sim.arena.setting import JUDGED, TUNING
from revops.sim.arena.world import Result, World, make_world, run_constant, run_policy

SEED = 1_001
SAT = 1_000
TRIED = ("elasticity 1", "elasticity 4", "competitor", "dead", "mixture")
RULES = ("constant", "proportional", "hill_climb")


def payment(at: float, amount_sat: int = 100_000, willing_ppm: float = 500.0, **changes: float) -> Customer:
    """Out by channel 0, in by 1, else by 2."""
    lag_seconds = changes.get("lag_seconds", 0.0)
    return Customer(at, 0, 1, 2, amount_sat * SAT, willing_ppm, bool(changes.get("fails", 0)), lag_seconds)


class Fates(list[tuple[int, int]]):
    """Keeps (fee, fate) of each payment that reached the node."""

    def __call__(
        self, at: float, entry: int, out: int, amount_msat: int, fee_msat: int, fate: int, hold_seconds: float = 0.0
    ) -> None:
        self.append((fee_msat, fate))


def make_market() -> Market:
    return Market([10**9] * 3, [5 * 10**8] * 3, [200] * 3)


def test_a_payment_moves_liquidity_and_leaves_its_fee() -> None:
    market, fates = make_market(), Fates()
    market.trade([payment(0.0), payment(1.0, fails=1), payment(2.0, willing_ppm=199.0)], 9.0, fates)
    assert fates == [(20_000, SETTLED), (20_000, FAILED)]
    assert market.local_msat == [400_000_000, 600_020_000, 500_000_000]
    assert market.earned_msat == 20_000


def test_what_is_not_there_is_refused_and_the_reserve_stays() -> None:
    market, fates = make_market(), Fates()
    market.trade([payment(float(at)) for at in range(9)], 9.0, fates)
    assert [fate for _fee, fate in fates] == [SETTLED] * 4 + [REFUSED] * 5
    assert min(market.local_msat) >= market.reserve_msat(0)
    # By the second way in, where the first is full.
    assert market.local_msat[1:] == [900_080_000, 500_000_000]


@pytest.mark.parametrize(
    ("old_ppm", "new_ppm", "age_seconds", "lag_seconds", "paid_ppm"),
    [
        (200, 300, 700.0, 0.0, 300),
        (200, 300, 500.0, 900.0, 200),
        # Ten minutes after a raise the old fee is refused, and the sender told.
        (200, 300, 700.0, 900.0, 300),
        (200, 100, 700.0, 900.0, 200),
        (200, 100, 700.0, 600.0, 100),
    ],
)
def test_gossip_lags(old_ppm: int, new_ppm: int, age_seconds: float, lag_seconds: float, paid_ppm: int) -> None:
    market, fates = Market([10**9] * 3, [5 * 10**8] * 3, [old_ppm] * 3), Fates()
    market.set_fee(0, new_ppm, 1_000.0)
    market.trade([payment(1_000.0 + age_seconds, lag_seconds=lag_seconds)], 9_000.0, fates)
    assert fates == [(paid_ppm * 100, SETTLED)]


@pytest.mark.parametrize("family", FAMILIES)
def test_worlds_are_drawn_by_seed_alone(family: str) -> None:
    world = make_world(family, SEED, 3.0)
    assert world == make_world(family, SEED, 3.0)
    assert world != make_world(family, SEED + 1, 3.0)
    assert list(world.customers) == sorted(world.customers)
    assert len(world.between(0.0, 3.0)) + len(world.between(3.0, 10.0)) == len(world.customers)


def test_draining_the_node_at_the_end_is_no_gain() -> None:
    """Balances count for what they earn in the week after, so fees near nothing cost more than they bring."""
    world = make_world("logistic", SEED, 10.0)
    given_away, sold = (
        run_constant(world, 0, fees, world.local_msat).net_msat - world.worth_msat(0, world.local_msat)
        for fees in ([1] * 10, world.later_ppm[0])
    )
    assert given_away < 0.1 * sold


def test_a_name_bought_with_tiny_payments_is_not_believed() -> None:
    records = Records(3)
    for at in range(200):
        records(float(at), 1, 0, 2_000, 0, SETTLED)
        records(float(at), 1, 0, 10**8, 0, FAILED)
        records(float(at), 2, 0, 10**8, 20_000, SETTLED)
    records.fold(3_600.0)
    weights = [weight_of(records.senders[peer_id(number)], 3_600.0) for number in (1, 2)]
    assert weights == [pytest.approx(0.0, abs=0.05), 1.0]


KNOWN_TO_ALL = Reputation(success=1e9, settled_msat=1e30)


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
        self.senders = dict.fromkeys(self.senders, KNOWN_TO_ALL._replace(updated_at=now))


class Unbounded(Records):
    """Weighs senders by the numbers of their payments alone, whatever these carry."""

    def __init__(self, channel_count: int) -> None:
        super().__init__(channel_count)
        self.senders = {peer_id(number): Reputation(settled_msat=1e30) for number in range(channel_count)}

    def fold(self, now: float) -> None:
        super().fold(now)
        self.senders = {name: one._replace(settled_msat=1e30) for name, one in self.senders.items()}


def is_honest(customer: Customer) -> bool:
    return customer[4] != SPAM_MSAT and not (customer[6] and customer[5] == MAX_WILLINGNESS_PPM)


def test_thousands_of_tiny_and_failing_payments_cost_little_where_senders_are_weighed() -> None:
    """The same customers with and without the flood; with it, by records that weigh senders and by ones that don't."""
    moved = {"weighed": 0.0, "believed": 0.0}
    net_msat = {"weighed": 0, "believed": 0, "without": 0}
    for seed in (SEED, SEED + 1):
        flooded = make_world("spammer", seed, 20.0)
        honest = tuple(customer for customer in flooded.customers if is_honest(customer))
        assert len(flooded.customers) > 7 * len(honest)
        without = run_policy(replace(flooded, customers=honest), POLICIES["hill_climb"]())
        net_msat["without"] += without.net_msat
        for name, records in (("weighed", Records), ("believed", Credulous)):
            result = run_policy(flooded, POLICIES["hill_climb"](), records)
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
    )


def with_empty_channel(world: World) -> World:
    """The world with nothing to send on channel 0."""
    return replace(world, local_msat=(world.capacity_msat[0] // 100, *world.local_msat[1:]))


def final_ppm(world: World, records: Callable[[int], Records] = Records) -> tuple[int, ...]:
    return run_policy(world, POLICIES["hill_climb"](), records).final_ppm


def test_thousands_of_large_failing_payments_move_no_fee_at_all() -> None:
    world = make_world("logistic", SEED, 20.0)
    flooded = with_jammer(world, 3, FLOOD)
    assert len(flooded.customers) - len(world.customers) > 3_000
    without_ppm = final_ppm(with_jammer(world, 3))
    assert final_ppm(flooded) == without_ppm
    assert final_ppm(flooded, Unbounded)[3] > 1.5 * without_ppm[3]


def test_large_failing_payments_behind_small_settled_ones_move_a_fee_little() -> None:
    moved = {"bounded": 0.0, "unbounded": 0.0}
    for target in (0, 3):
        world = make_world("logistic", SEED, 20.0)
        without_ppm = final_ppm(with_jammer(world, target))[target]
        flooded = with_jammer(world, target, *DISGUISED_JAM)
        for name, records in (("bounded", Records), ("unbounded", Unbounded)):
            moved[name] += abs(math.log(final_ppm(flooded, records)[target] / without_ppm)) / 2
    assert moved["bounded"] < math.log(2) < math.log(8) < moved["unbounded"]


def test_large_payments_that_an_empty_channel_refuses_move_no_fee_at_all() -> None:
    """Nobody else wants anything of that channel."""
    world = with_empty_channel(make_world("dead", SEED, 15.0))
    flooded = with_jammer(world, 0, (300, 1_000_000, False))
    without_ppm = final_ppm(with_jammer(world, 0))
    assert final_ppm(flooded) == without_ppm
    # Who believed them would go as far as a price that proves nothing may go.
    assert final_ppm(flooded, Unbounded)[0] == UNPROVEN_FACTOR * START_PPM == 2 * without_ppm[0]


@pytest.fixture(scope="module")
def results() -> dict[str, dict[str, Result]]:
    worlds = {family: make_world(family, SEED, 30.0) for family in TRIED}
    return {family: {name: run_policy(world, POLICIES[name]()) for name in RULES} for family, world in worlds.items()}


def test_the_climb_earns_most(results: dict[str, dict[str, Result]]) -> None:
    earned = {name: sum(family[name].net_msat for family in results.values()) for name in RULES}
    assert earned["hill_climb"] > 1.15 * earned["proportional"] > 1.15 * earned["constant"]


def test_the_climb_does_not_flap(results: dict[str, dict[str, Result]]) -> None:
    updates = [family["hill_climb"].updates_per_day for family in results.values()]
    assert sum(updates) / len(updates) <= 2.0


def test_dead_channels_end_at_the_floor(results: dict[str, dict[str, Result]]) -> None:
    """Every third channel of that family never sees a customer. The last step may be within the dead band."""
    assert max(results["dead"]["hill_climb"].final_ppm[::3]) <= 12 < START_PPM


def test_the_oracle_beats_its_starts() -> None:
    world = make_world("sink", SEED, 5.0)
    ((best, fees),) = best_constants(world)
    worth_msat = world.worth_msat(0, world.local_msat)
    assert best.net_msat == run_constant(world, 0, fees, world.local_msat).net_msat - worth_msat
    assert best.net_msat >= run_constant(world, 0, world.later_ppm[0], world.local_msat).net_msat - worth_msat


def test_spans_add_up() -> None:
    world = make_world("logistic", SEED, 32.0)
    result = run_policy(world, POLICIES["constant"]())
    first, second = result.spans
    assert result.earned_by_day_msat[-1] == first.earned_msat + second.earned_msat
    assert first == replace(
        run_constant(world, 0, [START_PPM] * 10, world.local_msat),
        net_msat=first.net_msat,
        depleted_ratio=first.depleted_ratio,
    )
    assert second.chain_msat == pytest.approx(first.chain_msat / 15, rel=1e-3)


JAM = Customer(0.0, 0, 1, 1, JAM_MSAT, 9e9, True, 0.0, 3_600.0, SLOT_COUNT)


def test_a_jammer_holds_slots_and_liquidity_until_its_payments_fail() -> None:
    market, fates = make_market(), Fates()
    # Half of the slots into channel 2 are free, and what is left of channel 0's balance isn't all its own.
    market.trade([JAM._replace(slot_count=15), payment(1.0, 480_000), payment(2.0, 470_000)], 3.0, fates)
    assert fates == [(96_000_000 // 1_000, REFUSED), (94_000, SETTLED)]
    market.trade([], 3_600.0, fates)
    assert fates[2:] == [(JAM_MSAT * 200 // 10**6, FAILED)] * 15


def test_where_all_slots_are_taken_nothing_passes() -> None:
    market, fates = make_market(), Fates()
    market.trade([JAM, payment(1.0)], 2.0, fates)
    assert fates == [(20_000, REFUSED)]
    market.trade([payment(3_601.0)], 4_000.0, fates)
    assert fates[-1] == (20_000, SETTLED)


def test_nobody_comes_while_a_peer_is_away() -> None:
    market, fates = (
        Market([10**9] * 3, [5 * 10**8] * 3, [200] * 3, absences=(((10.0, 20.0),), ((30.0, 40.0),), ())),
        Fates(),
    )
    market.trade([payment(float(at), 1_000) for at in (5, 10, 19, 20, 35)], 50.0, fates)
    assert len(fates) == 3
    # The fourth entered by its second way.
    assert market.local_msat[1:] == [502_000_400, 501_000_200]


def test_gossip_passes_on_a_few_updates_and_then_one_a_day() -> None:
    market = make_market()
    for count in range(6):
        market.set_fee(0, 300 + count, 1.0)
    fates = Fates()
    market.trade([payment(2.0, lag_seconds=LIMITED), payment(1_000.0, lag_seconds=LIMITED)], 9e3, fates)
    # The fifth and sixth didn't get through; who offers too little is told, when the grace is over.
    assert [fee // 100 for fee, _fate in fates] == [303, 305]
    market.set_fee(0, 100, 1.0 + DAY_SECONDS)
    market.trade([payment(2.0 + DAY_SECONDS, lag_seconds=LIMITED)], 9e9, fates)
    assert fates[-1] == (10_000, SETTLED)


def test_what_policies_are_judged_on_differs_in_its_parameters() -> None:
    same = {name for name in TUNING.__slots__ if getattr(TUNING, name) == getattr(JUDGED, name)}
    assert same == {"channel_count"}
