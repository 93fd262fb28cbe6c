"""A home of the operator's own, and a simulated node in it: nobody else's node is looked for."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from revops.cycle import doctor_machine, find_node
from revops.sim.config import SimConfig
from revops.sim.server import SimServer
from revops.sim.world import SimulatedNode


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever lightningd and node_exporter run on this machine are none of the tests' business."""
    monkeypatch.setattr(find_node, "running", lambda _names: ())
    monkeypatch.setattr(doctor_machine, "running", lambda _names: ())
    monkeypatch.delenv("LIGHTNING_DIR", raising=False)


@pytest.fixture
def short_dir() -> Iterator[Path]:
    """A unix socket's path holds 108 bytes."""
    folder = Path(tempfile.mkdtemp(prefix="r"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    folder: Path = tmp_path
    return folder


@pytest.fixture
def node(short_dir) -> Iterator[Path]:
    world = SimulatedNode(SimConfig(seed=3, channel_count=4, start_at=1_790_000_000, history_days=2))
    with SimServer(world, short_dir / "rpc"):
        yield short_dir / "rpc"
