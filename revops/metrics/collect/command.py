"""A command's own figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from revops.domain.measures import NO_FIGURES, CommandFigures
from revops.errors import PredicateFalse
from revops.metrics.catalog import CommandMetric
from revops.metrics.collect.families import Family, Row, in_order, samples_of

#: Exit codes of a run that did its work; 1 is the answer "nothing left" of `budget check`, not a failure.
SUCCESS_CODES: Final = frozenset({0, PredicateFalse.exit_code})


@dataclass(frozen=True, slots=True)
class CommandRun:
    """One run of a command, as it ends.

    `last_success_at` is what the records say of the runs before this one: None where there was none, or where the
    records can't be read. `version` is that of revops. `decision_counts` goes by outcome and is None where the run took
    no decisions. `interval_seconds` is how far apart runs are expected, None where they aren't, or it isn't known;
    `schema_found` the schema of the database, None where it could not be read.
    """

    command: str
    started_at: float
    finished_at: float
    exit_code: int
    last_success_at: float | None
    version: str
    decision_counts: Mapping[str, int] | None = None
    interval_seconds: float | None = None
    schema_expected: int | None = None
    schema_found: int | None = None
    figures: CommandFigures = NO_FIGURES


def command_families(node: str, run: CommandRun) -> tuple[Family, ...]:
    """Given the node's label and a run, return the families of the command's file, in the catalogue's order."""
    rows: list[Row] = [
        (CommandMetric.LAST_RUN, (), run.finished_at),
        (CommandMetric.LAST_SUCCESS, (), run.finished_at if run.exit_code in SUCCESS_CODES else run.last_success_at),
        # A clock that was set back during the run must not make it last less than nothing.
        (CommandMetric.LAST_DURATION, (), max(0.0, run.finished_at - run.started_at)),
        (CommandMetric.LAST_EXIT_CODE, (), run.exit_code),
        (CommandMetric.BUILD_INFO, (run.version,), 1),
        (CommandMetric.INTERVAL, (), run.interval_seconds),
        (CommandMetric.SCHEMA_EXPECTED, (), run.schema_expected),
        (CommandMetric.SCHEMA_FOUND, (), run.schema_found),
    ]
    if run.decision_counts is not None:
        counts = sorted(run.decision_counts.items())
        rows += [(CommandMetric.LAST_DECISIONS, (outcome,), count) for outcome, count in counts]
    rows += _figures(run.figures)
    return in_order(samples_of((node, run.command), rows))


def _figures(own: CommandFigures) -> list[Row]:
    rows: list[Row] = [(CommandMetric.DATABASE_ROWS, (name,), count) for name, count in sorted(own.row_counts.items())]
    found = own.reconciled
    if found is None:
        return rows
    unexplained_count = sum(one.unexplained for one in found.differences)
    counts = {
        "explained": len(found.differences) - unexplained_count,
        "unexplained": unexplained_count,
        "damaged": len(found.damaged),
    }
    return [
        *rows,
        (CommandMetric.RECONCILE_UNEXPLAINED, (), found.unexplained_msat),
        *((CommandMetric.RECONCILE_DIFFERENCES, (name,), count) for name, count in counts.items()),
        (CommandMetric.RECONCILE_TIMESTAMP, (), found.taken_at),
    ]
