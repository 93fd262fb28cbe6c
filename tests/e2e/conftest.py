"""The machines of these tests. Building one takes seconds, putting it back milliseconds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from revops.sim.world import SimConfig
from tests.e2e.operator_place import Machine, Saved, machine
from tests.e2e.stock import stocked

#: Five days of history on ten channels: all kinds of forwards, in files that are copied in a moment.
WORLD: Final = SimConfig(seed=13, channel_count=10, history_days=5.0, forwards_per_day=150.0)


@dataclass(frozen=True, slots=True)
class Start:
    """A machine with its state before the first sync, and after one with a plan."""

    machine: Machine
    empty: Saved
    stocked: Saved


@pytest.fixture(scope="session")
def start() -> Iterator[Start]:
    with machine(WORLD) as built:
        empty = built.save()
        yield Start(built, empty, stocked(built))


@pytest.fixture
def empty(start: Start) -> Machine:
    """A node with a history that nothing of ours has seen."""
    start.machine.restore(start.empty)
    start.machine.write_config()
    return start.machine


@pytest.fixture
def ready(start: Start) -> Machine:
    """A node that was copied, with a plan, and fees that are out of bounds."""
    start.machine.restore(start.stocked)
    start.machine.write_config()
    return start.machine


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is marked `campaign`, visibly as deselected, unless -m asks for it."""
    if "campaign" in config.option.markexpr:
        return
    here = Path(__file__).parent
    exhaustive = [item for item in items if here in item.path.parents and item.get_closest_marker("campaign")]
    if exhaustive:
        config.hook.pytest_deselected(items=exhaustive)
        items[:] = [item for item in items if item not in exhaustive]
