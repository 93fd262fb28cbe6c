"""Killed at every commit, every call and every file, then run again: nothing is lost and nothing is doubled.

Each test first counts the moments of a clean run, then dies at each of them from the same start. What stands between
the test and 15 minutes is that it dies inside the test's process (see tests/e2e/moments.py for why that is the same);
CI takes a sixth of the moments of the main scenario and every twenty-third of the others, `-m campaign` takes all, and
two deaths in a row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final

import pytest

from revops.sim.world import SimulatedNode
from tests.e2e.conftest import Start
from tests.e2e.ledgers import (
    OPEN,
    check_fees,
    check_forwards,
    check_money_at_rest,
    check_money_meanwhile,
    check_moves,
    check_sound,
    check_steps,
    fee_changes,
    fees_on_node,
    history,
    rows,
)
from tests.e2e.moments import Killed, Moments, watched
from tests.e2e.operator_place import Machine, Saved

DAY_SECONDS: Final = 86_400
#: A short history in many pages.
PAGE_SIZE: Final = 250
#: Moments at which the node is not spoken to.
NO_CALLS: Final = frozenset({"before commit", "before .prom"})
#: Runs after which nothing may be left to do.
MOST_RUNS: Final = 5

Change = Callable[[SimulatedNode], object]


def count_moments(machine: Machine, command: str, page_size: int | None = None) -> Moments:
    """Run a command undisturbed and return the moments that it passed."""
    with watched(Moments(), page_size) as moments:
        machine.here(command)
    return moments


def kill(machine: Machine, command: str, at: int, page_size: int | None = None, now: float | None = None) -> str:
    """Run a command up to a moment, and no further; return the moment's name."""
    with watched(Moments(at), page_size) as moments, pytest.raises(Killed):
        machine.here(command, now)
    return moments.names[-1]


@contextmanager
def died(at: int, name: str) -> Iterator[None]:
    """Say where the run had died, if the body fails."""
    try:
        yield
    except Exception as error:
        error.add_note(f"killed at moment {at}, {name}")
        raise


# ---- sync


@pytest.mark.parametrize("spacing", [3, pytest.param(1, marks=pytest.mark.campaign)])
@pytest.mark.parametrize("state", ["empty", "stocked"])
def test_sync(start: Start, state: str, spacing: int) -> None:
    """What is copied after a death is what would have been copied without one, row by row."""
    machine, saved = start.machine, getattr(start, state)
    machine.restore(saved)
    total = len(count_moments(machine, "sync", PAGE_SIZE).names)
    undisturbed = history(machine.database)
    check_forwards(machine)
    assert total > (80 if state == "empty" else 30)
    for at in range(1, total + 1, spacing):
        machine.restore(saved)
        with died(at, kill(machine, "sync", at, PAGE_SIZE)):
            machine.here("sync")
            assert history(machine.database) == undisturbed
            check_forwards(machine)
            check_sound(machine)


def test_sync_while_the_market_goes_on(start: Start) -> None:
    """Between death and repeat forwards are made and resolved: both indexes of the node have moved on."""
    _sync_with_market(start, range(0, 4_000, 9))


@pytest.mark.campaign
def test_sync_while_the_market_goes_on_at_each_moment(start: Start) -> None:
    _sync_with_market(start, range(4_000))


def _sync_with_market(start: Start, chosen: range) -> None:
    machine = start.machine
    machine.restore(start.empty)
    total = len(count_moments(machine, "sync", PAGE_SIZE).names)
    for at in (at for at in range(1, total + 1) if at in chosen):
        machine.restore(start.empty)
        machine.node.pause_market(False)
        with died(at, kill(machine, "sync", at, PAGE_SIZE)):
            before = len(machine.node.world.forwards)
            machine.node.advance_by(7_200)
            assert len(machine.node.world.forwards) > before
            machine.here("sync")
            check_forwards(machine)


# ---- rebalance run


def _settle_at_once(_node: SimulatedNode) -> None:
    """Payments are final after a few seconds of waiting."""


def _let_time_pass(node: SimulatedNode) -> None:
    node.advance_by(600)


@dataclass(frozen=True, slots=True)
class Fate:
    """What the node does to payments: at the run that dies, and after one more run has seen them."""

    before: Change
    after: Change
    stays_open: bool = False


def _fail_now(node: SimulatedNode) -> None:
    """Another attempt may follow: that one ends while it is waited for."""
    node.fail_payments()
    node.waiting_takes_time(True)
    node.advance_by(600)


def _close_their_channels(node: SimulatedNode) -> None:
    """Payments that arrived and hang fail when the channel on which they came is closed."""
    node.advance_by(60)
    for flight in list(node.world.flights):
        if flight.last is not None and flight.last.channel_id in node.world.channels:
            node.close_channel(flight.last.channel_id)


def _ten_days_later(node: SimulatedNode) -> None:
    """Longer than any window of the budget: a reservation counts whatever its age."""
    node.advance_by(10 * DAY_SECONDS)


def _release(node: SimulatedNode) -> None:
    node.advance_by(60)
    node.hold_payments(False)
    node.advance_by(60)


FATES: Final[dict[str, Fate]] = {
    "at once": Fate(_settle_at_once, _let_time_pass),
    "all fail": Fate(lambda node: node.fail_payments(), _let_time_pass),
    "two fail, others are tried": Fate(lambda node: node.fail_payments(count=2), _let_time_pass),
    "held, then paid": Fate(lambda node: node.hold_payments(), _release, stays_open=True),
    "held, then failed": Fate(lambda node: node.hold_payments(), _close_their_channels, stays_open=True),
    "on the way, then paid": Fate(lambda node: node.waiting_takes_time(False), _let_time_pass, stays_open=True),
    "on the way, then failed": Fate(lambda node: node.waiting_takes_time(False), _fail_now, stays_open=True),
}
#: Of the other scenarios each so-manieth moment is taken, from another one on in each.
SPACING: Final = 23
#: Shards let several workers share the main scenario.
SHARDS: Final = 12
#: A sixth of them, of both kinds of moments: before a call or commit, and after it.
CI_SHARDS: Final = (1, 6)


def open_jobs(machine: Machine) -> int:
    """Return how many jobs hold a reservation."""
    marks = ", ".join(f"'{status}'" for status in sorted(OPEN))
    return len(rows(machine.database, f"SELECT 1 FROM rebalance_job WHERE status IN ({marks})"))


def run_until_quiet(machine: Machine) -> None:
    """Run until no job is open or planned; each run must leave the money consistent."""
    for _ in range(MOST_RUNS):
        machine.here("rebalance run")
        check_money_meanwhile(machine)
        if not rows(machine.database, "SELECT 1 FROM rebalance_job WHERE finished_at IS NULL"):
            return
    raise AssertionError("jobs stay open although all payments are final")


def recover(machine: Machine, fate: Fate) -> None:
    """What cron does after a death, while the payments go their way."""
    check_money_meanwhile(machine)
    pending = {payment.payment_hash for payment in machine.node.world.payments if payment.status == "pending"}
    machine.here("rebalance run")
    check_money_meanwhile(machine)
    if fate.stays_open:
        assert open_jobs(machine) >= len(pending)
    fate.after(machine.node)
    run_until_quiet(machine)
    machine.here("sync")
    check_money_at_rest(machine)
    check_steps(machine)
    check_moves(machine)
    check_forwards(machine)
    check_sound(machine)


def begin(machine: Machine, saved: Saved, fate: Fate) -> None:
    """Put everything back, with the fate in force."""
    machine.restore(saved)
    fate.before(machine.node)


def die_and_recover(start: Start, fate: Fate, chosen: Callable[[int], bool]) -> int:
    """Die at each moment that is chosen; return how many moments there were."""
    machine = start.machine
    begin(machine, start.stocked, fate)
    total = len(count_moments(machine, "rebalance run").names)
    recover(machine, fate)
    for at in range(1, total + 1):
        if chosen(at):
            begin(machine, start.stocked, fate)
            with died(at, kill(machine, "rebalance run", at)):
                recover(machine, fate)
    return total


@pytest.mark.parametrize("shard", CI_SHARDS)
def test_rebalance_run(start: Start, shard: int) -> None:
    total = die_and_recover(start, FATES["at once"], lambda at: at % SHARDS == shard)
    assert total > 100
    assert start.machine.node.books().rebalance_count > 0


@pytest.mark.parametrize(("fate", "offset"), [(name, n) for n, name in enumerate(FATES) if name != "at once"])
def test_rebalance_run_by_the_fate_of_its_payments(start: Start, fate: str, offset: int) -> None:
    die_and_recover(start, FATES[fate], lambda at: at % SPACING == offset % SPACING)


@pytest.mark.campaign
@pytest.mark.parametrize("fate", FATES)
def test_rebalance_run_at_each_moment(start: Start, fate: str) -> None:
    die_and_recover(start, FATES[fate], lambda at: True)


def test_a_reservation_outlives_every_window(start: Start) -> None:
    """Ten days later the payment still hangs, and what it may cost is still reserved."""
    machine, fate = start.machine, FATES["held, then paid"]
    begin(machine, start.stocked, fate)
    names = count_moments(machine, "rebalance run").names
    for at in [number for number, name in enumerate(names, 1) if name == "after sendpay"]:
        begin(machine, start.stocked, fate)
        with died(at, kill(machine, "rebalance run", at)):
            sent = sum(payment.status == "pending" for payment in machine.node.world.payments)
            _ten_days_later(machine.node)
            machine.here("rebalance run")
            check_money_meanwhile(machine)
            assert open_jobs(machine) >= sent
            recover(machine, fate)


@pytest.mark.parametrize("spacing", [29, pytest.param(1, marks=pytest.mark.campaign)])
def test_the_run_that_recovers_dies_too(start: Start, spacing: int) -> None:
    """Two deaths: first at the sharpest moments, then anywhere in the run that cleans up after it."""
    machine, fate = start.machine, FATES["at once"]
    machine.restore(start.stocked)
    names = count_moments(machine, "rebalance run").names
    sharp = [n for n, name in enumerate(names, 1) if name in {"after invoice", "before sendpay", "after sendpay"}]
    for first in sharp:
        machine.restore(start.stocked)
        kill(machine, "rebalance run", first)
        dead = machine.save()
        total = len(count_moments(machine, "rebalance run").names)
        for second in range(1 + first % spacing, total + 1, spacing):
            machine.restore(dead)
            with died(first, names[first - 1]), died(second, kill(machine, "rebalance run", second)):
                recover(machine, fate)


def test_a_payment_that_was_on_its_way_arrives_at_any_moment(start: Start) -> None:
    """The run died with `sendpay` sent and not yet read by lightningd, which does so whenever it likes: before any call
    of the run that recovers, or after that run. Nothing may be paid for that isn't reserved.
    """
    machine = start.machine
    machine.restore(start.stocked)
    names = count_moments(machine, "rebalance run").names
    sent = next(call for call in machine.node.call_log if call[0] == "sendpay")
    first = names.index("before sendpay") + 1
    machine.restore(start.stocked)
    kill(machine, "rebalance run", first)
    dead = machine.save()
    names = count_moments(machine, "rebalance run").names
    calls = [n for n, name in enumerate(names, 1) if name.startswith("before ") and name not in NO_CALLS]
    total = len(names)
    for late in [*calls, total + 1]:
        machine.restore(dead)
        arrives = Moments(late, partial(machine.node.handle, *sent))
        with died(late, "the late sendpay arrives"):
            with watched(arrives):
                machine.here("rebalance run")
            if late > total:
                machine.node.handle(*sent)
            # It may be under way with nothing reserved: then its invoice is gone, and it must fail at our own door.
            machine.node.advance_by(600)
            run_until_quiet(machine)
            check_money_at_rest(machine)


# ---- fees adjust


@pytest.mark.parametrize("spacing", [3, pytest.param(1, marks=pytest.mark.campaign)])
def test_fees_adjust(start: Start, spacing: int) -> None:
    """The same fees come into force, and each is recorded once, as ours."""
    machine = start.machine
    machine.restore(start.stocked)
    names = count_moments(machine, "fees adjust").names
    assert names.count("after setchannel") >= 2
    machine.here("fees adjust")
    in_force, changes = fees_on_node(machine), fee_changes(machine)
    check_fees(machine)
    for at in range(1, len(names) + 1, spacing):
        machine.restore(start.stocked)
        with died(at, kill(machine, "fees adjust", at)):
            machine.here("fees adjust")
            machine.here("fees adjust")
            check_fees(machine)
            assert fees_on_node(machine) == in_force
            assert sorted(map(repr, fee_changes(machine))) == sorted(map(repr, changes))
            check_forwards(machine)
            check_sound(machine)
