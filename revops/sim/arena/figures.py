"""All figures of a study: its spans, and the null test where its copies are there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from revops.domain.policy import FeesConfig
from revops.sim.arena.null_test import NullTest, copies_of, null_test, original_of
from revops.sim.arena.outcome import Outcome, Study
from revops.sim.arena.stats import SpanFigures, span_figures


@dataclass(frozen=True, slots=True)
class Figures:
    """A study's spans in order of time, null tests likewise. `subject` is the policy that is held against the others:
    the first that was named, or else the strategy that a node has by default, or who leads in the last span.
    """

    subject: str
    spans: tuple[SpanFigures, ...]
    null_tests: tuple[NullTest, ...]


def figures_of(study: Study, subject: str | None = None) -> Figures:
    """Given a study, and the policy that is of interest (None: the default one, or who leads), return its figures."""
    own = own_outcomes(study)
    span_count = len(own[0].spans)
    spans = tuple(span_figures(own, span) for span in range(span_count))
    copied = [policy for policy in study.policies if set(copies_of(policy)) <= set(study.policies)]
    tests = tuple(null_test(study.outcomes, policy, span) for policy in copied for span in range(span_count))
    default = FeesConfig().strategy
    return Figures(subject or (default if default in study.policies else spans[-1].leader), spans, tests)


def own_outcomes(study: Study) -> Sequence[Outcome]:
    """Given a study, return what is of policies themselves, not of the copies that the null test needs."""
    return [outcome for outcome in study.outcomes if not original_of(outcome.policy)[1]]
