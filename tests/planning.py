"""Plans as `rebalance plan` makes them, with a market that quotes what a test says."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from revops.decide.rebalance.plan import ROUNDS, cut_questions, make_plan
from revops.decide.rebalance.priced import Pair, Question, questions
from revops.decide.rebalance.scene import Scene
from revops.decide.rebalance.survey import survey
from revops.domain.decision import RebalancePlan
from revops.domain.policy import RebalanceConfig
from revops.domain.reason import Reason
from revops.domain.rebalance import FailureKind, Quote
from revops.domain.snapshot import RebalanceSnapshot
from revops.domain.units import share_msat

Market = Callable[[Question], Quote]


def at_ppm(route_ppm: int) -> Market:
    """A market in which each route costs that rate, within the limit or not."""
    return lambda asked: Quote(asked.amount_msat, share_msat(asked.amount_msat, route_ppm))


def no_route(_asked: Question) -> Quote:
    """A market without routes."""
    return Quote(_asked.amount_msat, None, FailureKind.NO_ROUTE, "nowhere to go")


def by_source(prices_ppm: Mapping[str, int]) -> Market:
    """A market in which routes out of each channel_id cost that rate, and there are no others."""

    def quote(asked: Question) -> Quote:
        rate_ppm = prices_ppm.get(asked.source.channel_id)
        return no_route(asked) if rate_ppm is None else at_ppm(rate_ppm)(asked)

    return quote


def planned(
    snapshot: RebalanceSnapshot,
    policy: RebalanceConfig,
    market: Market | None = None,
    suspended: tuple[Reason, ...] = (),
) -> RebalancePlan:
    """Given all that a plan sees and a market (each route costs 50 ppm), return the plan."""
    scene = Scene(snapshot, policy)
    candidates = survey(scene)
    ask = market or at_ppm(50)
    quotes: dict[Pair, list[Quote]] = {}
    for asked_again in range(ROUNDS):
        open_ones = cut_questions(candidates, scene, quotes) if asked_again else questions(candidates, scene)
        for asked in open_ones:
            quotes.setdefault((asked.source.channel_id, asked.target.channel_id), []).append(ask(asked))
    return make_plan(candidates, scene, quotes, suspended)
