"""One reply of the node is bent, anywhere in `rebalance plan` and `rebalance run`: no money goes where it mustn't.

Whatever is missing, null, of the wrong kind, negative, too large, or as another version has it: a run either goes on,
or it says in one line what can't be true. What it pays stays within each job's limit, the reservation and the budget;
and when the node tells the truth again, everything that was paid is in the books.

CI bends a few replies of each method, `-m campaign` five hundred.
"""

from __future__ import annotations

import copy
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final
from unittest.mock import patch

import pytest

import revops.node.attempt
from revops.actuate.pricing import LAYER
from revops.errors import BugError, RevopsError
from revops.node.errors import NodeError, garbage
from revops.node.local import served
from revops.sim.world import SimConfig
from tests.e2e.ledgers import OPEN, payments_by_job, reservations, rows
from tests.e2e.operator_place import Machine, Saved, machine
from tests.e2e.stock import stocked

WORLD: Final = SimConfig(seed=13, channel_count=8, history_days=0.5, forwards_per_day=100.0)
#: All that the two commands may call, and do call here; a method that isn't called fails the test.
RUN: Final = (
    "getinfo", "listpeerchannels", "listclosedchannels", "listfunds", "feerates", "wait", "listforwards",
    "listchannelmoves", "listchainmoves", "listnetworkevents", "listnodes", "listconfigs", "getroutes",
    "askrene-listlayers", "askrene-create-layer", "askrene-disable-node", "askrene-age", "askrene-inform-channel",
    "invoice", "sendpay", "waitsendpay", "listsendpays", "listinvoices", "delinvoice",
)  # fmt: skip
PLAN: Final = (
    "getinfo", "listpeerchannels", "listclosedchannels", "listfunds", "feerates", "wait", "listforwards",
    "listchannelmoves", "listchainmoves", "listnetworkevents", "listnodes",
)  # fmt: skip
CASES: Final = [("rebalance run", method) for method in RUN] + [("rebalance plan", method) for method in PLAN]
#: In CI, and in a campaign.
FEW: Final = 2
MANY: Final = 500
AMOUNTS: Final = "_msat"
BUDGET_SAT: Final = 400
ODD: Final[tuple[Any, ...]] = (
    None, True, False, -1, 0, 1, 2**31, 2**53 + 1, 2**63 - 1, 2**63, 2**64 - 1, -(2**63), 0.5, 1e300, "", "x", "0", "5",
    "\x00", "a" * 5_000, "-1msat", "18446744073709551615msat", [], [None], {}, {"x": 1}, [[]], "complete", "failed",
    "pending", "paid", "expired", "00" * 32, "02" + "00" * 32, "1x1x1", "1x1x1/0",
)  # fmt: skip

Place = tuple[Any, ...]


def places(value: Any, at: Place = ()) -> Iterator[Place]:
    """Every place in a reply, containers among them."""
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, member in members:
        yield (*at, name)
        yield from places(member, (*at, name))


def bend(reply: Any, rng: random.Random) -> Any:
    """Given a reply, return it with one thing wrong."""
    bent = copy.deepcopy(reply)
    found = list(places(bent))
    if not found or rng.random() < 0.03:
        return rng.choice(ODD)
    *way, name = rng.choice(found)
    holder = bent
    for step in way:
        holder = holder[step]
    value = holder[name]
    kind = rng.choice(("missing", "odd", "odd", "odd", "negative", "huge", "doubled", "renamed", "swapped", "near"))
    if kind == "missing" or (kind == "renamed" and isinstance(holder, list)):
        del holder[name]
    elif kind == "negative" and isinstance(value, int):
        holder[name] = -value - 1
    elif kind == "huge" and isinstance(value, int):
        holder[name] = rng.choice((2**64 - 1, 2**63, value * 1_000, value * 1_000_000))
    elif kind == "doubled" and isinstance(holder, list):
        holder.insert(0, copy.deepcopy(value))
    elif kind == "renamed":
        _as_another_version(holder, name, value)
    elif kind == "swapped":
        holder[name] = copy.deepcopy(_lookup(bent, rng.choice(found)))
    elif kind == "near" and isinstance(value, int) and not isinstance(value, bool):
        holder[name] = value + rng.choice((-1, 1, -1_000, 1_000, -50_000, 50_000))
    else:
        holder[name] = rng.choice(ODD)
    return bent


def _lookup(value: Any, at: Place) -> Any:
    for step in at:
        value = value[step]
    return value


def _as_another_version(holder: dict[str, Any], name: str, value: Any) -> None:
    """Names and notations of older and newer nodes."""
    if name.endswith(AMOUNTS) and isinstance(value, int):
        holder[name] = f"{value}msat"
        return
    del holder[name]
    others = {
        "amount_out_msat": "amount_msat", "cltv_out": "delay", "node_id_out": "next_node_id",
        "amount_in_msat": "amount_msat", "cltv_in": "delay", "short_channel_id_dir": "short_channel_id",
        "to_us_msat": "msatoshi_to_us", "amount_sent_msat": "msatoshi_sent", "updates": "channel_updates",
    }  # fmt: skip
    holder[others.get(name, f"{name}_old")] = value


@dataclass
class Bender:
    """Bends the reply to one call of a method: the `nth`, counted from 1."""

    method: str
    nth: int
    rng: random.Random
    counts: Counter[str] = field(default_factory=Counter)
    bent: bool = False


@contextmanager
def bending(bender: Bender) -> Iterator[None]:
    """Let what runs in the body meet the bent reply. An error's data are bent as results are."""
    real = revops.node.attempt.attempt

    def attempt(path: str, method: str, *arguments: Any, **options: Any) -> Any:
        outcome = real(path, method, *arguments, **options)
        bender.counts[method] += 1
        if method != bender.method or bender.counts[method] != bender.nth:
            return outcome
        bender.bent = True
        if isinstance(outcome, NodeError):
            outcome.data = bend(outcome.data, bender.rng)
            return outcome
        bent = bend(outcome, bender.rng)
        return bent if isinstance(bent, dict) else garbage(method, "the result is not a JSON object")

    with patch.object(revops.node.attempt, "attempt", attempt):
        yield


@dataclass(frozen=True, slots=True)
class Fuzzed:
    """A machine whose node answers in this process, and the states in which an example begins."""

    machine: Machine
    #: Before anything was copied, with a plan; and with all copied.
    fresh: Saved
    ready: Saved


@pytest.fixture(scope="module")
def fuzzed() -> Iterator[Fuzzed]:
    with machine(WORLD) as built:
        ready = stocked(built)
        budget = {"daily_sat": BUDGET_SAT, "weekly_sat": BUDGET_SAT, "revenue_share_ratio": 10.0}
        built.write_config(budget=budget, rebalance={"max_attempts": 3})
        with served(built.rpc, built.server.answer):
            built.restore(ready)
            with patch_database(built):
                fresh = built.save()
            yield Fuzzed(built, fresh, ready)


@contextmanager
def patch_database(built: Machine) -> Iterator[None]:
    """Let everything be new to the next sync: what was read is forgotten, and the plan stays."""
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(built.database)) as connection:
        connection.execute("DELETE FROM cursor")
        connection.execute("UPDATE peer SET alias = NULL, alias_checked_at = NULL")
        connection.commit()
    yield


def begin(fuzzed: Fuzzed, method: str) -> Machine:
    """Put everything back; two payments will fail, so that there are failures to read about."""
    lists = {"listforwards", "listchannelmoves", "listchainmoves", "listnetworkevents", "listnodes"}
    built = fuzzed.machine
    built.restore(fuzzed.fresh if method in lists else fuzzed.ready)
    built.node.fail_payments(count=2)
    if method == "askrene-listlayers":  # else there is none to be listed
        built.node.handle("askrene-create-layer", {"layer": LAYER})
        built.node.handle("askrene-disable-node", {"layer": LAYER, "node": built.node.node_id})
    return built


def check(built: Machine, limit_msat: int) -> None:
    """Nothing was paid beyond the job's limit, what was reserved for it, and the budget; each job at most once."""
    jobs = {row["job_key"]: row for row in rows(built.database, "SELECT * FROM rebalance_job")}
    reserved = {one.job_key: one.amount_msat for one in reversed(reservations(built))}
    total_msat = 0
    for job_key, payments in payments_by_job(built).items():
        assert len(payments) == 1
        for payment in payments:
            cost_msat = payment.amount_sent_msat - payment.amount_msat
            assert cost_msat <= jobs[job_key]["max_fee_msat"]
            assert cost_msat <= reserved[job_key]
            assert payment.amount_msat == jobs[job_key]["amount_msat"]
            total_msat += cost_msat if payment.status != "failed" else 0
            closed = jobs[job_key]["status"] not in OPEN
            assert payment.status != "pending" or not closed or jobs[job_key]["status"] == "settled"
    assert total_msat <= limit_msat


def check_booked(built: Machine) -> None:
    """What was paid is settled or still reserved: never free."""
    booked: Counter[int] = Counter()
    for one in reservations(built):
        kinds = dict(one.closed_by)
        booked[one.job_key] += kinds.get("settle", 0) if one.closed_by else one.amount_msat
    for job_key, payments in payments_by_job(built).items():
        paid_msat = sum(one.amount_sent_msat - one.amount_msat for one in payments if one.status == "complete")
        assert booked[job_key] >= paid_msat, f"job {job_key} has cost {paid_msat} msat, {booked[job_key]} are booked"


def attempt_command(built: Machine, command: str) -> str:
    """Run a command; return how it ended. Anything but an error of ours, told in one line, is a failure."""
    told: RevopsError | None = None
    try:
        built.here(command)
    except BugError:
        raise
    except RevopsError as error:
        told = error
    if told is None:
        return "done"
    assert str(told).isprintable()
    return f"exit {told.exit_code}"


def example(fuzzed: Fuzzed, command: str, method: str, number: int, count: int) -> str:
    """Bend one reply; return how the run ended. Then let the node tell the truth, and compare."""
    built = begin(fuzzed, method)
    rng = random.Random(f"{command} {method} {number}")
    bender = Bender(method, rng.randint(1, count), rng)
    limit_msat = BUDGET_SAT * 1_000
    with bending(bender):
        ending = attempt_command(built, command)
    check(built, limit_msat)
    left = any(not one.closed_by for one in reservations(built))
    if left or (command, ending) == ("rebalance plan", "done"):
        built.node.advance_by(300)
        attempt_command(built, "rebalance run")
        check(built, limit_msat)
    check_booked(built)
    return ending if bender.bent else "not reached"


def calls_of(fuzzed: Fuzzed, command: str, method: str) -> int:
    """How often an undisturbed run calls a method."""
    begin(fuzzed, method).here(command)
    return sum(name == method for name, _ in fuzzed.machine.node.call_log)


def bend_many(fuzzed: Fuzzed, command: str, method: str, count: int) -> Counter[str]:
    """Bend that many replies of a method, one a run; return how the runs ended."""
    calls = calls_of(fuzzed, command, method)
    assert calls > 0, f"{command} never calls {method} here"
    endings: Counter[str] = Counter()
    for number in range(count):
        try:
            endings[example(fuzzed, command, method, number, calls)] += 1
        except Exception as error:
            error.add_note(f"{command}, {method}, example {number}")
            raise
    return endings


@pytest.mark.parametrize(("command", "method"), CASES)
def test_a_bent_reply_costs_nothing(fuzzed: Fuzzed, command: str, method: str) -> None:
    endings = bend_many(fuzzed, command, method, FEW)
    assert endings["not reached"] <= FEW // 2


@pytest.mark.campaign
@pytest.mark.timeout(3_600)
@pytest.mark.parametrize(("command", "method"), CASES)
def test_five_hundred_bent_replies_cost_nothing(
    fuzzed: Fuzzed, command: str, method: str, record_property: Any
) -> None:
    endings = bend_many(fuzzed, command, method, MANY)
    print(f"{command}, {method}: {dict(sorted(endings.items()))}")
    record_property("endings", dict(endings))
    assert endings["not reached"] < MANY // 2
