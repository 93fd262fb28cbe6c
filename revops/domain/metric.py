"""What a metric family is: its name, type, help and labels, and which of the `.prom` files it lives in."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What Prometheus calls a metric's type."""

    GAUGE = "gauge"
    COUNTER = "counter"


class Place(StrEnum):
    """Which file a family lives in: the node's, or one of the commands'."""

    NODE = "node"
    COMMAND = "command"


@dataclass(frozen=True, slots=True)
class Definition:
    """One metric family. Samples give their label values in the order of `labels`.

    `lasts` is a command's own figure that a later run which has none (it failed before) must not wipe out: what the
    present file says stands.
    """

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...]
    place: Place
    lasts: bool = False


@dataclass(frozen=True, slots=True)
class MetricsList:
    """All that `revops metrics list` shows. `labels` says of each label name what it holds."""

    definitions: tuple[Definition, ...]
    labels: tuple[tuple[str, str], ...]
