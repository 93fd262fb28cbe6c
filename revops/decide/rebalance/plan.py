"""With routes quoted by the node: which jobs are worth their price, how much, and at what price at most.

A job's amount is the least of: what gains at the quoted price, what the Kelly criterion stakes on its sale, and what
the budget still holds. Each of them is in its reasons, and what was refused says how much was missing.

Base fees make a smaller amount dearer by the sat. So a plan is drafted first: where its jobs are smaller than what was
quoted, the node is asked again (`cut_questions`). The plan itself rests on prices of the node alone: that of just this
amount, or of a larger one, which the smaller can't exceed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from revops.decide.rebalance.priced import Pair, Question, Quotes
from revops.decide.rebalance.scene import Scene
from revops.decide.rebalance.survey import Candidate
from revops.decide.rebalance.worthless import explained
from revops.decide.rebalance.writer import Writer
from revops.domain.decision import RebalancePlan
from revops.domain.reason import Reason, ReasonCode, why
from revops.domain.rebalance import Quote

#: The node is asked so many times in a row: first for what is wanted, then for what was cut.
ROUNDS: Final = 3
#: An amount that is smaller than a quoted one by no more than this has its price.
NEAR_RATIO: Final = 0.98


def gather(
    asked: Sequence[Question], then: Callable[[Quotes], Sequence[Question]], ask: Callable[[Question], Quote]
) -> dict[Pair, list[Quote]]:
    """Given what is asked first, what is asked next at the answers so far, and who answers, return all answers."""
    quotes: dict[Pair, list[Quote]] = {}
    for asked_again in range(ROUNDS):
        for one in then(quotes) if asked_again else asked:
            quotes.setdefault((one.source.channel_id, one.target.channel_id), []).append(ask(one))
    return quotes


def make_plan(
    candidates: Sequence[Candidate], scene: Scene, quotes: Quotes, suspended: tuple[Reason, ...] = ()
) -> RebalancePlan:
    """Given the candidates, what the node quoted for (source, target), and what suspends spending, return the plan.

    The job that gains the most comes first. Each channel is the target of one job at most, and then no source. A source
    may give to several as far as what it has to spare lasts: each job finds it as those before leave it. All jobs
    together may cost no more than the budget that is left. What suspends spending stands with the plan, also where no
    job has to wait for it.
    """
    decided = tuple(explained(scene, one) for one in Writer(scene, quotes, suspended).decide_all(candidates))
    return RebalancePlan(scene.now, scene.now + scene.policy.plan_lifetime_seconds, decided, suspended)


def without_layer(plan: RebalancePlan, layer: str) -> RebalancePlan:
    """Given a plan for which the node couldn't be asked for any route, and the layer that this takes, return it with
    that as the cause, in each row and for all.
    """
    decisions = tuple(
        replace(one, reasons=tuple(_unasked(reason, layer) for reason in one.reasons)) for one in plan.decisions
    )
    return replace(plan, decisions=decisions, reasons=(*plan.reasons, why(ReasonCode.NO_LAYER, layer=layer)))


def _unasked(reason: Reason, layer: str) -> Reason:
    if reason.code is not ReasonCode.NOT_QUOTED:
        return reason
    return Reason(reason.code, {**reason.numbers, "cause": f"the routing layer {layer} isn't there now"})


def cut_questions(candidates: Sequence[Candidate], scene: Scene, quotes: Quotes) -> tuple[Question, ...]:
    """Given the candidates and what the node quoted so far, return what to ask it again: the amounts that were cut, the
    sources that would pay first; as many as `max_quotes` still allows.
    """
    left_count = scene.policy.max_quotes - sum(len(answers) for answers in quotes.values())
    if left_count <= 0:
        return ()
    writer = Writer(scene, quotes, (), draft=True)
    writer.decide_all(candidates)
    open_ones = [one for ranked in (writer.firsts, writer.stand_ins) for one in ranked if not _known(one, quotes)]
    return tuple(open_ones[:left_count])


def _known(question: Question, quotes: Quotes) -> bool:
    answers = quotes.get((question.source.channel_id, question.target.channel_id), ())
    return any(NEAR_RATIO * one.amount_msat <= question.amount_msat <= one.amount_msat for one in answers)
