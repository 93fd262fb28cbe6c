"""One ring of real nodes for all tests of a process; each test has an operator, and so a database, of its own.

The tests run in any order: each one makes the payments that it needs, and what it leaves behind, the next can use.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from revops.node.version import check_version
from revops.errors import RevopsError
from tests.regtest.network import PROGRAMS
from tests.regtest.operator_home import Operator
from tests.regtest.ring import Ring


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All of this folder needs the real programs."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.regtest)


def why_not() -> str | None:
    """Return why there can be no ring on this machine, or None."""
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        return f"not on PATH: {', '.join(missing)}"
    said = subprocess.run(["lightningd", "--version"], capture_output=True, text=True, timeout=20, check=False)
    version = said.stdout.strip()
    try:
        check_version(version)
    except RevopsError as refused:
        return f"lightningd on PATH: {refused}"
    return None


@pytest.fixture(scope="session")
def ring() -> Iterator[Ring]:
    """Three nodes with channels in a circle. Their sockets' paths must be short, so not in pytest's own folder."""
    reason = why_not()
    if reason is not None:
        pytest.skip(reason)
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="regtest-", ignore_cleanup_errors=True))
        yield Ring(Path(folder), stack)


@pytest.fixture
def newcomer(tmp_path: Path) -> Operator:
    """An operator who hasn't begun: no configuration, no database."""
    operator = Operator(tmp_path)
    operator.metrics_dir.mkdir()
    return operator


@pytest.fixture
def operator(ring: Ring, newcomer: Operator) -> Operator:
    """An operator who has done `revops init` on alice's node."""
    ring.settle_down()
    ran = newcomer.run("init", "--rpc-path", str(ring.alice.rpc_path))
    assert (ran.code, ran.err) == (0, ""), ran
    return newcomer
