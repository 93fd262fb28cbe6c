"""Plans as `rebalance plan` makes them, with a market that quotes what a test says."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from revops.decide.rebalance.plan import cut_questions, gather, make_plan
from revops.decide.rebalance.priced import Question, questions
from revops.decide.rebalance.scene import Scene
from revops.decide.rebalance.survey import survey
from revops.domain.decision import RebalancePlan
from revops.domain.policy import RebalanceConfig
from revops.domain.reason import Reason
from revops.domain.rebalance import FailureKind, Quote
from revops.domain.snapshot import RebalanceSnapshot
from revops.domain.units import share_msat
from tests.builders import SAT, make_channel, make_terms

Market = Callable[[Question], Quote]

#: Figures by hand are without the return that is asked for on top.
NO_RETURN = RebalanceConfig(min_return_ratio=0.0)
#: A channel that sells at 500 ppm and is nearly empty, and one that has plenty.
DRAINED = make_channel(1, local_msat=250_000 * SAT, local_terms=make_terms(fee_ppm=500, fee_base_msat=0))
FULL = make_channel(2, local_msat=4_750_000 * SAT)


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
    quotes = gather(
        questions(candidates, scene), lambda found: cut_questions(candidates, scene, found), market or at_ppm(50)
    )
    return make_plan(candidates, scene, quotes, suspended)
