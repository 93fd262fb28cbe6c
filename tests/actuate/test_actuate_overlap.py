"""Two runs at once, the older of which has lost its lock: a dropped connection on PostgreSQL, here another folder.

The fence in the ledger is what keeps them apart then: the older run stops before it sends, or leaves alone what the
newer one has taken.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from revops.cycle import rebalance
from revops.errors import RevopsError, TemporaryError
from revops.node.errors import NodeError
from revops.node.rpc import Rpc
from tests.actuate.bench import HOUR, Bench

pytestmark = pytest.mark.timeout(120)
PATIENCE_SECONDS = 30


class Runs:
    """Runs of `rebalance run` in threads of their own, each with locks of its own."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.threads: dict[str, threading.Thread] = {}
        self.results: dict[str, Any] = {}

    def start(self, name: str) -> None:
        folder = self.bench.folder / name
        folder.mkdir()
        options = self.bench.options
        path = folder / "config.toml"
        written = (self.bench.folder / "config.toml").read_text(encoding="utf-8")
        path.write_text(written.replace("[database]", f'[database]\nstate_dir = "{folder}"'), encoding="utf-8")
        path.chmod(0o600)
        mine = replace(options, config_path=path, lock_wait_seconds=5.0)

        def work() -> None:
            try:
                self.results[name] = rebalance.run(mine, self.bench.clock)
            except RevopsError as error:
                self.results[name] = error

        self.threads[name] = threading.Thread(target=work, name=name)
        self.threads[name].start()

    def join(self) -> None:
        for thread in self.threads.values():
            thread.join(2 * PATIENCE_SECONDS)
            assert not thread.is_alive()


def interleave(monkeypatch: pytest.MonkeyPatch, step: Callable[[str, str, bool], None]) -> None:
    """Call `step(thread, method, before)` around each call to the node."""
    call = Rpc.call

    def scheduled(self: Rpc, method: str, *args: Any, **given: Any) -> Any:
        name = threading.current_thread().name
        step(name, method, True)
        reply = call(self, method, *args, **given)
        step(name, method, False)
        return reply

    monkeypatch.setattr(Rpc, "call", scheduled)


def settle_all(bench: Bench) -> None:
    bench.node.hold_payments(False)
    bench.node.advance_by(2 * HOUR)
    bench.run()
    bench.run()
    bench.check(final=True)


def test_what_a_newer_run_frees_is_not_sent_by_the_older(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A has reserved and asks for its invoice while B looks, finds none, and frees the reservation."""
    bench.node.hold_payments()
    bench.plan(1)
    runs = Runs(bench)
    a_has_reserved, b_has_looked = threading.Event(), threading.Event()

    def step(name: str, method: str, before: bool) -> None:
        if (name, method, before) == ("A", "invoice", True):
            a_has_reserved.set()
            assert b_has_looked.wait(PATIENCE_SECONDS)
        if (name, method, before) == ("B", "listinvoices", False):
            b_has_looked.set()
            runs.threads["A"].join(PATIENCE_SECONDS)

    interleave(monkeypatch, step)
    runs.start("A")
    assert a_has_reserved.wait(PATIENCE_SECONDS)
    runs.start("B")
    runs.join()
    monkeypatch.undo()
    assert isinstance(runs.results["A"], TemporaryError)
    assert bench.payments() == []
    settle_all(bench)
    assert bench.spent_msat == 0


def test_the_older_run_does_not_give_up_what_the_newer_pays(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.plan(1)
    runs = Runs(bench)
    a_asks, b_has_sent = threading.Event(), threading.Event()

    def step(name: str, method: str, before: bool) -> None:
        if (name, method, before) == ("A", "getroutes", True):
            a_asks.set()
            assert b_has_sent.wait(PATIENCE_SECONDS)
            raise NodeError("getroutes", "no route", code=205, answer="no route")
        if (name, method, before) == ("B", "sendpay", False):
            b_has_sent.set()
            runs.threads["A"].join(PATIENCE_SECONDS)

    interleave(monkeypatch, step)
    runs.start("A")
    assert a_asks.wait(PATIENCE_SECONDS)
    runs.start("B")
    runs.join()
    monkeypatch.undo()
    assert isinstance(runs.results["A"], TemporaryError)
    settle_all(bench)
    assert bench.job().status == "settled"
    assert bench.spent_msat == bench.totals().spent_day_msat > 0
