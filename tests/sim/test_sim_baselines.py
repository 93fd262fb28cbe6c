"""The baselines together: names, bounds, a channel that nobody wants, repetition, speed."""

from __future__ import annotations

import time

import pytest

from revops.sim.arena.baselines.registry import BASELINES
from revops.sim.arena.baselines.static import constant
from revops.sim.arena.baselines.view import MarketView, News, PagedRecords, Payment, seeded
from revops.sim.arena.policies import POLICIES, START_PPM
from revops.sim.arena.world import World, make_world, run_policy
from tests.sim.baselines import DAY_CYCLES, Life, make_market

SEED = 1_002
DAYS = 4.0
#: The original's own bounds, of all fees that it ever sets; None: it has no upper one.
BOUNDS_PPM: dict[str, tuple[int, int | None]] = {
    "nothing": (START_PPM, START_PPM),
    "constant": (200, 200),
    "proportional": (100, 300),
    "feeadjuster": (0, 35_350),
    "clboss": (1, None),
    "lndg": (0, 2_500),
    "predecessor": (8, 5_000),
}


def test_every_baseline_can_be_asked_for_by_name() -> None:
    assert set(BASELINES) == set(BOUNDS_PPM) < set(POLICIES)


class Watched:
    """A policy of which each fee is kept."""

    def __init__(self, name: str) -> None:
        self.policy = BASELINES[name]()
        self.fees: list[tuple[int, ...]] = []

    def __call__(self, market: MarketView, records: PagedRecords, now: float) -> None:
        self.policy(market, records, now)
        self.fees.append(tuple(market.fee_ppm))


@pytest.fixture(scope="module", params=["sink", "flapping", "jammer"])
def world(request: pytest.FixtureRequest) -> World:
    return make_world(request.param, SEED, DAYS)


@pytest.mark.parametrize("name", BASELINES)
def test_no_fee_lies_outside_the_originals_bounds_and_runs_repeat(name: str, world: World) -> None:
    watched, again = Watched(name), Watched(name)
    result = run_policy(world, watched)
    least_ppm, most_ppm = BOUNDS_PPM[name]
    for fees in watched.fees:
        assert min(fees) >= least_ppm
        assert most_ppm is None or max(fees) <= most_ppm
    assert run_policy(world, again) == result
    assert again.fees == watched.fees
    assert (result.spans[0].updates_per_day > 0) == (name not in {"nothing", "constant"})


#: Between what a channel's fee lies after 30 days in which nobody wanted anything of it.
DEAD_PPM = {
    "nothing": (200, 200),
    "constant": (200, 200),
    "proportional": (200, 200),
    "feeadjuster": (100, 100),
    # Any of five cards around what others charge.
    "clboss": (64, 144),
    "lndg": (0, 0),
    # Half asleep, it goes to and fro.
    "predecessor": (200, 300),
}


@pytest.mark.parametrize("name", BASELINES)
def test_a_channel_that_nobody_wants(name: str) -> None:
    life = Life(BASELINES[name](), make_market())
    least_ppm, most_ppm = DEAD_PPM[name]
    assert least_ppm <= list(life.live(30 * DAY_CYCLES))[-1] <= most_ppm


@pytest.mark.parametrize("name", BASELINES)
def test_a_decision_takes_no_time(name: str) -> None:
    life = Life(BASELINES[name](), make_market(channel_count=10))
    began_at = time.process_time()
    for _fee_ppm in life.live(200, lambda: life.forward(10**8, 10**4)):
        pass
    assert (time.process_time() - began_at) / 200 < 1e-3


def test_one_fee_for_all() -> None:
    market = make_market()
    market.fee_ppm[1] = 10
    constant(market, Life(constant, market).records, 0.0)
    assert market.fee_ppm == [200] * 3
    assert market.update_count == [0, 1, 0]


def test_chance_is_drawn_from_the_world() -> None:
    same, other = make_market(), make_market()
    other.local_msat[2] += 1
    drawn = [seeded("one", market).random() for market in (same, make_market(), other)]
    assert drawn[0] == drawn[1] != drawn[2] != seeded("another", other).random()


def test_news_are_each_cycles_payments_once() -> None:
    heard: list[list[Payment]] = []

    class Listener:
        def __init__(self) -> None:
            self.news = News()

        def __call__(self, _market: MarketView, records: PagedRecords, _now: float) -> None:
            heard.append(list(self.news.since_last(records)))

    life = Life(Listener(), make_market())
    for happens in (lambda: life.forward(5_000, 7), lambda: life.refuse(6_000, out=2), None, None):
        list(life.live(1, happens))
    settled, refused = Payment(0.0, 1, 0, 5_000, 7, True, False), Payment(1_800.0, 1, 2, 6_000, 0, False, True)
    assert heard == [[], [settled], [refused], []]
