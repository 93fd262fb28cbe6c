"""Families and samples: what `textfile.py` writes, and what the other modules here are written with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple

from revops.domain.metric import Definition
from revops.domain.text import printable
from revops.metrics.catalog import METRICS, Metric


class Sample(NamedTuple):
    """One series' value; label values in the order of its definition."""

    label_values: tuple[str, ...]
    value: float


@dataclass(frozen=True, slots=True)
class Family:
    """A metric family with its samples; never empty."""

    definition: Definition
    samples: tuple[Sample, ...]


#: A metric, the labels beside those that all of its kind have, and its value; None: it isn't known.
Row = tuple[Metric, tuple[str, ...], float | None]


def sample(label_values: Iterable[str], value: float) -> Sample:
    """Given raw label values and a value, return the sample with labels that are one visible line of valid UTF-8.

    Prometheus' own escapes, of quotes and backslashes, are added when the file is rendered.
    """
    return Sample(tuple(map(shown, label_values)), value)


#: A label stands on many samples.
shown: Final = lru_cache(maxsize=4_096)(printable)


def samples_of(before: tuple[str, ...], rows: Iterable[Row]) -> dict[Metric, list[Sample]]:
    """Given the labels that all rows share, and rows, return the samples of those that have a value, by metric."""
    found: dict[Metric, list[Sample]] = {}
    for metric, labels, value in rows:
        if value is not None:
            found.setdefault(metric, []).append(sample((*before, *labels), value))
    return found


def in_order(found: Mapping[Metric, list[Sample]]) -> tuple[Family, ...]:
    """Given samples by metric, return the families that have any, in the catalogue's order."""
    return tuple(Family(metric.value, tuple(found[metric])) for metric in METRICS if found.get(metric))
