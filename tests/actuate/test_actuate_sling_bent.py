"""Replies that are bent, one field or one method at a time: no money moves that isn't reserved, none is booked that
wasn't spent, nothing but an error of ours is raised, and once the node tells the truth again the job ends right.
"""

from __future__ import annotations

import copy
import pickle
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Final
from unittest.mock import patch

import pytest

from revops.errors import BugError, RevopsError
from revops.sim.server import SimServer
from revops.sim.state import World
from revops.store import jobs as store_jobs
from revops.store.engine import Database
from tests.actuate.sling_bench import UNHEARD_SECONDS, SlingBench
from tests.node.samples import holder_of, paths_of

METHODS: Final = (
    "sling-version", "sling-jobsettings", "sling-stats", "sling-once", "sling-stop", "listsendpays", "listchannelmoves",
    "listpeerchannels", "listconfigs", "wait", "getinfo",
)  # fmt: skip
#: Replies to each method; CI takes a sample.
CAMPAIGN, SAMPLE = 500, 4
#: The run that begins the job, the one that stops it, and the one that closes it.
TURNS: Final = 3
WRONG: Final[tuple[Any, ...]] = (
    None, "x", "", "1000msat", "0.1btc", True, -1, 2**64 - 1, 2**64, 1.5, [], {}, [None], "0x0x0",
    {"result": "success"},
)  # fmt: skip
#: How other versions of lightningd and of sling call the same thing.
OTHER_NAMES: Final = {
    "amount_msat": "amount_msatoshi", "payment_hash": "hash", "channelmoves": "moves", "payments": "pays",
    "status": "state", "scid": "short_channel_id", "stopped_count": "stopped", "result": "status",
    "sat_direction": "direction", "created_index": "id", "to_us_msat": "msatoshi_to_us",
}  # fmt: skip


@dataclass
class Place:
    """A bench with a plan that is stored, and how to get back there."""

    bench: SlingBench
    world: bytes
    database: bytes

    def restore(self) -> None:
        bench = self.bench
        bench.database.close()
        for name in ("db", "db-wal", "db-shm"):
            (bench.folder / name).unlink(missing_ok=True)
        (bench.folder / "db").write_bytes(self.database)
        bench.database = Database.open(bench.settings["database"]["url"])
        with bench.node.lock:
            world: World = pickle.loads(self.world)
            bench.node.world = world
            bench.node.call_log.clear()


@pytest.fixture(scope="module")
def place(template: Path) -> Iterator[Place]:
    folder = Path(tempfile.mkdtemp(prefix="rv-"))
    try:
        shutil.copy(template, folder / "db")
        bench = SlingBench(folder)
        with SimServer(bench.node, folder / "rpc", faults=bench.faults):
            bench.order_plan()
            bench.database.close()
            saved = Place(bench, pickle.dumps(bench.node.world), (folder / "db").read_bytes())
            bench.database = Database.open(bench.settings["database"]["url"])
            yield saved
            bench.database.close()
    finally:
        shutil.rmtree(folder)


def bent(reply: Any, rng: Random) -> Any:
    """Given a reply, return it with one thing wrong."""
    reply = copy.deepcopy(reply)
    paths = list(paths_of({"reply": reply}))
    whole = {"reply": reply}
    path = rng.choice(paths)
    holder, name = holder_of(whole, path), path[-1]
    way = rng.random()
    if way < 0.25:
        del holder[name]
    elif way < 0.4 and name in OTHER_NAMES:
        holder[OTHER_NAMES[name]] = holder.pop(name)
    else:
        holder[name] = rng.choice(WRONG)
    return whole.get("reply", {})


@contextmanager
def bending(bench: SlingBench, method: str, rng: Random) -> Iterator[None]:
    """Bend what a method answers in the body: one of its first calls, or all."""
    real, chosen, count = bench.node.answer, rng.choice((1, 1, 2, 3, 0)), 0

    def answer(asked: str, given: Any) -> Any:
        nonlocal count
        reply = real(asked, given)
        if asked != method:
            return reply
        count += 1
        return bent(reply, rng) if chosen in (0, count) else reply

    with patch.object(bench.node, "answer", answer):
        yield


def try_run(bench: SlingBench) -> None:
    """Run, and let it fail as it may: with an error of ours that is no bug."""
    with suppress(RevopsError):
        try:
            bench.run()
        except BugError as error:
            raise AssertionError("a bent reply is no bug") from error


def one_case(place: Place, method: str, seed: int) -> None:
    place.restore()
    bench, rng = place.bench, Random(f"{method}:{seed}")
    turn = rng.randrange(TURNS)
    for number in range(TURNS):
        if number == turn:
            with bending(bench, method, rng):
                try_run(bench)
        else:
            try_run(bench)
        bench.check()
        bench.node.advance_by(rng.choice((5.0, 65.0, UNHEARD_SECONDS)))
        bench.check()
    for _ in range(5):
        try_run(bench)
        bench.check()
        if not [job for job in bench.jobs() if job.status in (*store_jobs.OPEN, "planned")]:
            break
        bench.node.advance_by(UNHEARD_SECONDS)
    bench.check(final=True)


@pytest.mark.parametrize("method", METHODS)
def test_bent_replies(place: Place, method: str) -> None:
    for seed in range(SAMPLE):
        try:
            one_case(place, method, seed)
        except BaseException as error:
            error.add_note(f"{method}, seed {seed}")
            raise


@pytest.mark.campaign
@pytest.mark.parametrize("method", METHODS)
def test_five_hundred_bent_replies(place: Place, method: str) -> None:
    for seed in range(CAMPAIGN):
        try:
            one_case(place, method, seed)
        except BaseException as error:
            error.add_note(f"{method}, seed {seed}")
            raise
