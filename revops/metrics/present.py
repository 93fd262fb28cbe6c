"""What a `.prom` file of ours says already: a run that knows no figure must not wipe out what an earlier one knew.

Only our own lines are looked at: a label can't start a line, since line breaks in it are escaped.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Final

from revops.metrics.catalog import METRICS, Metric
from revops.metrics.collect.families import Family, Sample, in_order

_LABEL: Final = re.compile(r'([a-z_]+)="((?:[^"\\]|\\.)*)"')
_ESCAPED: Final = re.compile(r'\\(["\\])')


def present_value(text: str, metric: Metric) -> float | None:
    """Given what a file says and a metric of one series, return its value; None if it isn't there."""
    return next((one.value for one in _samples(text, metric)), None)


def lasting(families: tuple[Family, ...], text: str) -> tuple[Family, ...]:
    """Given the families of a run and what the present file says, return them with those that last and that the run
    doesn't have.
    """
    found: dict[Metric, list[Sample]] = {
        metric: list(family.samples) for metric in METRICS for family in families if family.definition is metric.value
    }
    for metric in METRICS:
        if metric.value.lasts and metric not in found and (kept := list(_samples(text, metric))):
            found[metric] = kept
    return in_order(found)


def _samples(text: str, metric: Metric) -> Iterator[Sample]:
    """The series of a metric; a line that was spoilt is none."""
    wanted = metric.value.labels
    for line in text.split("\n"):
        if line.startswith(metric.value.name + "{"):
            labels, _, number = line[len(metric.value.name) :].rpartition(" ")
            values = {name: _ESCAPED.sub(r"\1", value) for name, value in _LABEL.findall(labels)}
            with suppress(ValueError, KeyError):
                yield Sample(tuple(values[name] for name in wanted), float(number))
