"""Money on both databases, with two machines that share one: their runs overlap at every call and every commit, in any
order that hypothesis draws, and may be killed at any of these moments.

It is the machine of `tests/actuate/test_actuate_money_machine.py` with more that can happen, on SQLite and PostgreSQL.
The lock that keeps two runs apart is taken away: what is left is the ledger's own fence, as where a connection that
held an advisory lock was lost. What must hold is the same.
"""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import rule, run_state_machine_as_test

from revops.cycle import rebalance
from revops.cycle.session import Session
from revops.errors import BugError, RevopsError
from revops.node.rpc import Rpc
from revops.sim.server import SimServer
from revops.store.engine import Database
from revops.store.tables import metadata
from tests.actuate.bench import Bench, Killed
from tests.actuate.test_actuate_money_machine import OFFSETS, Money, machine_settings

#: Longer than any step of a run that isn't waiting for its turn.
PATIENCE_SECONDS = 60.0
MACHINES = ("one", "two")


class Turns:
    """Lets one of two threads run at a time, as it was drawn; at each moment another may go on."""

    def __init__(self, order: Sequence[int], killed: dict[str, int]) -> None:
        self._order = iter(order)
        self._killed = killed
        self._moments = dict.fromkeys(MACHINES, 0)
        self._running = set(MACHINES)
        self._at_once = 0
        self._turn = MACHINES[0]
        self._changed = threading.Condition()

    def pass_on(self) -> None:
        """A moment at which the other machine may go on, or this one may die."""
        name = threading.current_thread().name
        if name not in MACHINES or self._at_once:
            return
        self._moments[name] += 1
        if self._moments[name] >= self._killed.get(name, 10**9):
            raise Killed
        with self._changed:
            self._choose()
            self.wait(name)

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Let nobody else go on meanwhile: a sync, which the other would not wait for."""
        self._at_once += 1
        try:
            yield
        finally:
            self._at_once -= 1

    def wait(self, name: str) -> None:
        """Wait for one's turn."""
        with self._changed:
            assert self._changed.wait_for(lambda: self._turn == name, PATIENCE_SECONDS), "nobody goes on"

    def end(self, name: str) -> None:
        """The machine has come to its end."""
        with self._changed:
            self._running.discard(name)
            self._choose()

    def _choose(self) -> None:
        wanted = MACHINES[next(self._order, 0)]
        if self._running:
            self._turn = wanted if wanted in self._running else next(iter(self._running))
        self._changed.notify_all()


#: Which machine goes on at each moment.
ORDERS = st.lists(st.integers(0, 1), min_size=20, max_size=160)
#: At which moment which of them dies.
KILLED = st.dictionaries(st.sampled_from(MACHINES), st.integers(8, 80), max_size=2)


class TwoMachines(Money):
    """Two machines with clocks of their own, one node and one database. What one run alone may meet is left to `Money`,
    so that more of the steps are of two: a rule that is None is none, which the base class can't say in its types.
    """

    plan = plan_and_run = plan_and_run_killed = plan_and_run_with_a_loss = run_killed = None  # type: ignore[assignment]
    the_clock_is_wrong_for_a_run = something_is_lost = something_is_refused = None  # type: ignore[assignment]
    paid_and_deleted_before_the_next_run = None  # type: ignore[assignment]
    a_hung_payment_is_settled_while_the_clock_is_wrong = None  # type: ignore[assignment]
    url: ClassVar[str]
    make_url: ClassVar[Callable[[Path], str]]
    overlap_count: ClassVar[int] = 0

    def __init__(self) -> None:
        super().__init__()
        # What a quiet market has earned is soon too little to spend anything of.
        self.budget_is_changed(100, 300, "unset")

    def open(self) -> AbstractContextManager[Bench]:
        """A node, and the database of this test without rows."""
        return open_on(type(self).make_url)

    @rule(data=st.data(), order=ORDERS, killed=KILLED, planned=st.integers(1, 3))
    def two_runs_overlap(self, data: Any, order: list[int], killed: dict[str, int], planned: int) -> None:
        self.bench.node.hold_payments(False)
        self._overlap(data, order, killed, planned)

    @rule(data=st.data(), order=ORDERS, planned=st.integers(1, 3), offset=st.sampled_from(OFFSETS))
    def two_runs_overlap_with_two_clocks(self, data: Any, order: list[int], planned: int, offset: float) -> None:
        self.clock_was_wrong = True
        self._overlap(data, order, {}, planned, offset)

    @rule(data=st.data(), order=ORDERS, killed=KILLED, daily_sat=st.sampled_from([20, 30, 40, 60]))
    def two_runs_overlap_while_payments_hang_and_the_budget_is_tight(
        self, data: Any, order: list[int], killed: dict[str, int], daily_sat: int
    ) -> None:
        self.bench.settings["budget"]["daily_sat"] = daily_sat
        self.bench.node.hold_payments()
        self._overlap(data, order, killed, 3)

    def _overlap(self, data: Any, order: list[int], killed: dict[str, int], planned: int, offset: float = 0.0) -> None:
        pairs = data.draw(st.lists(st.sampled_from(self.pairs), min_size=planned, max_size=planned, unique=True))
        self.bench.plan_pairs(*pairs)
        type(self).overlap_count += 1
        with overlapping(order, killed) as turns:
            clocks = {"one": self.bench.clock, "two": lambda: self.bench.clock() + offset}
            errors: list[BaseException] = []
            # Both machines have the same file; it is read when a run begins.
            options = self.bench.options

            def work(name: str) -> None:
                turns.wait(name)
                try:
                    rebalance.run(options, clocks[name])
                except (Killed, RevopsError) as error:
                    if isinstance(error, BugError):
                        errors.append(error)
                except Exception as error:  # noqa: BLE001 - told by the main thread
                    errors.append(error)
                finally:
                    turns.end(name)

            threads = [threading.Thread(target=work, name=name, args=(name,)) for name in MACHINES]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(2 * PATIENCE_SECONDS)
                assert not thread.is_alive()
        if errors:
            raise errors[0]


@contextmanager
def overlapping(order: Sequence[int], killed: dict[str, int]) -> Iterator[Turns]:
    """Two runs take turns before and after each call to the node and each transaction that writes; never inside one,
    where the other would wait for its lock. Nothing but the ledger keeps them apart.
    """
    turns = Turns(order, killed)
    call, transaction, exclusive = Rpc.call, Database.transaction, Session.exclusive

    def call_in_turn(self: Rpc, method: str, *args: Any, **kwargs: Any) -> dict[str, object]:
        turns.pass_on()
        result = call(self, method, *args, **kwargs)
        turns.pass_on()
        return result

    @contextmanager
    def transaction_in_turn(self: Database, node_key: int) -> Iterator[Any]:
        turns.pass_on()
        with transaction(self, node_key) as tx:
            yield tx
        turns.pass_on()

    @contextmanager
    def no_lock(self: Session, domain: Any) -> Iterator[None]:
        if domain == "rebalance":
            yield
        else:
            with turns.at_once(), exclusive(self, domain):
                yield

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Rpc, "call", call_in_turn)
        patch.setattr(Database, "transaction", transaction_in_turn)
        patch.setattr(Session, "exclusive", no_lock)
        yield turns


@contextmanager
def open_on(make_url: Callable[[Path], str]) -> Iterator[Bench]:
    """A bench whose node answers at its socket, on that database. Unix socket paths are short: a folder of our own."""
    folder = Path(tempfile.mkdtemp(prefix="rv-"))
    try:
        url = make_url(folder)
        bench = Bench(folder, url=url, channel_count=8)
        bench.settings["database"]["state_dir"] = str(folder)  # PostgreSQL has no file for the locks to lie beside
        with SimServer(bench.node, folder / "rpc", faults=bench.faults), bench.database:
            bench.sync()
            yield bench
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def make_url(kind: str, request: pytest.FixtureRequest) -> Callable[[Path], str]:
    """Gives a database without rows for each example: a new file, or the one PostgreSQL database, emptied."""
    if kind == "sqlite":
        template: Path = request.getfixturevalue("sqlite_template")

        def copy(folder: Path) -> str:
            shutil.copy(template, folder / "db")
            return f"sqlite:///{folder / 'db'}"

        return copy
    import psycopg

    shared: str = request.getfixturevalue("own_url")

    def emptied(_folder: Path) -> str:
        with psycopg.connect(shared) as connection:
            for table in reversed(metadata.sorted_tables):
                connection.execute(f'DELETE FROM "{table.name}"'.encode())
        return shared

    return emptied


@pytest.mark.timeout(900)
def test_no_interleaving_of_two_machines_overspends_pays_twice_or_loses_count(
    make_url: Callable[[Path], str],
) -> None:
    reserved: list[int] = []

    class Counted(TwoMachines):
        overlap_count = 0

        def teardown(self) -> None:
            super().teardown()
            reserved.append(self.reserved_count)

    Counted.make_url = staticmethod(make_url)
    # Shrinking a failure takes longer than to read one.
    run_state_machine_as_test(Counted, settings=settings(machine_settings(8, 14), phases=[Phase.generate]))
    assert sum(reserved) > len(reserved)
    assert Counted.overlap_count > 10
