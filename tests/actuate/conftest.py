"""The bench of each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.actuate.bench import Bench, make_template, open_bench
from tests.actuate.splice_bench import Splices


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is marked `campaign`, visibly as deselected, unless -m asks for it."""
    if "campaign" in config.option.markexpr:
        return
    here = Path(__file__).parent
    exhaustive = [item for item in items if here in item.path.parents and item.get_closest_marker("campaign")]
    if exhaustive:
        config.hook.pytest_deselected(items=exhaustive)
        items[:] = [item for item in items if item not in exhaustive]


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_template(tmp_path_factory.mktemp("actuate"))


@pytest.fixture
def bench(template: Path) -> Iterator[Bench]:
    with open_bench(template) as opened:
        yield opened


@pytest.fixture
def place(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Splices:
    return Splices(bench, monkeypatch)
