"""One ring of real nodes for all tests of a process; each test has an operator, and so a database, of its own.

The tests run in any order: each one makes the payments that it needs, and what it leaves behind, the next can use.
"""

from __future__ import annotations

import itertools
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from revops.errors import RevopsError
from revops.node.version import check_version
from tests.regtest.network import PROGRAMS
from tests.regtest.operator_home import Operator
from tests.regtest.ring import REBALANCE_SAT, Ring, last_payment


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


def skip_without_node() -> None:
    """Skip the test where there can be no node."""
    reason = why_not()
    if reason is not None:
        pytest.skip(reason)


def new_ring(stack: ExitStack) -> Ring:
    """Start three nodes with channels in a circle, which end with `stack`. Skip the test where there can be none."""
    skip_without_node()
    # The path of a socket must be short, so not in pytest's own folder.
    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="regtest-", ignore_cleanup_errors=True))
    return Ring(Path(folder), stack)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """Ends all that a test has started."""
    with ExitStack() as opened:
        skip_without_node()
        yield opened


@pytest.fixture(scope="session")
def ring() -> Iterator[Ring]:
    """The ring that the tests share."""
    with ExitStack() as stack:
        yield new_ring(stack)


@pytest.fixture
def own_ring() -> Iterator[Ring]:
    """A ring for one test, which may do with it what no other test would stand."""
    with ExitStack() as stack:
        yield new_ring(stack)


@pytest.fixture
def newcomer(tmp_path: Path) -> Operator:
    """An operator who hasn't begun: no configuration, no database."""
    return Operator(tmp_path / "newcomer")


@pytest.fixture(scope="session")
def first_day(ring: Ring, tmp_path_factory: pytest.TempPathFactory) -> Operator:
    """What `revops init` leaves of alice's node before it has forwarded anything. Copied by `started`, never used."""
    first = Operator(tmp_path_factory.mktemp("first-day") / "home")
    ran = first.run("init", "--rpc-path", str(ring.alice.rpc_path))
    assert (ran.code, ran.err) == (0, ""), ran
    return first


@pytest.fixture
def started(ring: Ring, first_day: Operator, tmp_path: Path) -> Callable[[], Operator]:
    """Makes operators who have done `revops init`, each with a database of their own."""
    numbers = itertools.count(1)

    def make() -> Operator:
        home = tmp_path / f"operator-{next(numbers)}"
        shutil.copytree(first_day.home, home)
        operator = Operator(home)
        operator.know_payments(last_payment(ring.alice))
        return operator

    ring.settle_down()
    return make


@pytest.fixture
def planned(ring: Ring, started: Callable[[], Operator]) -> Callable[[], Operator]:
    """Makes operators who may spend, with paid forwards that have emptied the channel to carol, and one job planned."""

    def make() -> Operator:
        ring.charge()
        ring.drain()
        ring.stock()
        ring.forget()
        operator = started()
        operator.settings |= {
            "rebalance.mode": "act",
            "rebalance.max_amount_sat": str(REBALANCE_SAT),
            "budget.daily_sat": "1000",
            "budget.weekly_sat": "1000",
        }
        operator.json("rebalance", "plan")
        (job,) = operator.rows("SELECT * FROM rebalance_job")
        assert (job["status"], job["amount_msat"]) == ("planned", REBALANCE_SAT * 1_000)
        return operator

    return make


@pytest.fixture
def operator(started: Callable[[], Operator]) -> Operator:
    """An operator who has done `revops init`."""
    return started()


@pytest.fixture
def rebalancer(planned: Callable[[], Operator]) -> Operator:
    """An operator with one job planned."""
    return planned()
