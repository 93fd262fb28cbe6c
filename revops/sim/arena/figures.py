"""All figures of a study: its spans, and the null test where its copies are there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from revops.domain.policy import FeesConfig
from revops.sim.arena.null_test import NullTest, copies_of, null_test, original_of
from revops.sim.arena.outcome import Outcome, Span, Study
from revops.sim.arena.stats import SpanFigures, span_figures


@dataclass(frozen=True, slots=True)
class Figures:
    """A study's spans in order of time, null tests likewise. `subject` is the policy that is held against the others:
    the first that was named, or else the strategy that a node has by default, or who leads in the last span. `same` are
    policies that came to the same in each world, in groups.
    """

    subject: str
    spans: tuple[SpanFigures, ...]
    null_tests: tuple[NullTest, ...]
    same: tuple[tuple[str, ...], ...] = ()


def figures_of(study: Study, subject: str | None = None) -> Figures:
    """Given a study, and the policy that is of interest (None: the default one, or who leads), return its figures."""
    own = own_outcomes(study)
    span_count = len(own[0].spans)
    spans = tuple(span_figures(own, span) for span in range(span_count))
    copied = [policy for policy in study.policies if set(copies_of(policy)) <= set(study.policies)]
    tests = tuple(null_test(study.outcomes, policy, span) for policy in copied for span in range(span_count))
    default = FeesConfig().strategy
    leader = default if default in study.policies else spans[-1].leader
    return Figures(subject or leader, spans, tests, tuple(_same(own)))


def own_outcomes(study: Study) -> Sequence[Outcome]:
    """Given a study, return what is of policies themselves, not of the copies that the null test needs."""
    return [outcome for outcome in study.outcomes if not original_of(outcome.policy)[1]]


def _same(outcomes: Sequence[Outcome]) -> Iterator[tuple[str, ...]]:
    """The policies whose outcomes don't differ in any world, in groups."""
    made: dict[str, dict[tuple[str, int], tuple[Span, ...]]] = {}
    for one in outcomes:
        made.setdefault(one.policy, {})[one.family, one.seed] = one.spans
    left = list(made)
    while left:
        first, *others = left
        group = [first, *(policy for policy in others if made[policy] == made[first])]
        if len(group) > 1:
            yield tuple(group)
        left = [policy for policy in left if policy not in group]
