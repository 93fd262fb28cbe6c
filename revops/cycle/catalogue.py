"""What `revops metrics` prints: the catalogue, and the files for Grafana and Prometheus that come with it."""

from __future__ import annotations

from importlib.resources import files
from typing import Final

from revops.domain.metric import MetricsList
from revops.metrics.catalog import metrics_list

_SHARED: Final = {"dashboard": "grafana/revops.json", "rules": "prometheus/revops.rules.yml"}


def catalogue() -> MetricsList:
    """Return every metric family."""
    return metrics_list()


def shared(name: str) -> str:
    """Given "dashboard" or "rules", return the file."""
    return files("revops").joinpath("share", *_SHARED[name].split("/")).read_text(encoding="utf-8")
