"""The bench of each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.actuate.bench import Bench, make_template, open_bench


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_template(tmp_path_factory.mktemp("actuate"))


@pytest.fixture
def bench(template: Path) -> Iterator[Bench]:
    with open_bench(template) as opened:
        yield opened
