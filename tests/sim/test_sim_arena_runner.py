"""Worlds run: what comes of one depends on it and the policy alone, and the frozen ones are as they were frozen."""

from __future__ import annotations

import os
import random
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from multiprocessing import active_children
from pathlib import Path
from unittest.mock import patch

import pytest

from revops.cycle import simulate, studies
from revops.cycle.simulate import Question
from revops.domain.policy import FeesConfig
from revops.errors import DataError, OutputError, UnavailableError, UnknownName
from revops.sim.arena import frozen, full, pool
from revops.sim.arena.baselines.static import nothing
from revops.sim.arena.families import FAMILIES
from revops.sim.arena.frozen import FrozenSet, world_hash
from revops.sim.arena.full import FullResult
from revops.sim.arena.null_test import Late, copies_of, disturbed, original_of, renumbered
from revops.sim.arena.policies import POLICIES
from revops.sim.arena.rebalancing import Spending
from revops.sim.arena.runner import Cycles, Done, Job, hash_job, run_job, run_world
from revops.sim.arena.sets import SETS
from revops.sim.arena.setting import SETTINGS, TUNING
from revops.sim.arena.world import World, make_world, run_constant, run_policy
from tests.sim.studies import make_outcomes, make_study, noisy

SEED = 1_001
#: The quickest family to find the oracle of.
QUICK = "faucet"
NAMES = ("constant", "proportional")
#: The tuning market, but small.
TINY = replace(TUNING, channel_count=4, customers_per_day=20.0)


@pytest.fixture(scope="module", autouse=True)
def tiny() -> Iterator[None]:
    with patch.dict(SETTINGS, tuning=TINY):
        yield


def tiny_job(job: Job) -> Done:
    """Patches of this process don't reach others."""
    with patch.dict(SETTINGS, tuning=TINY):
        return run_job(job)


@pytest.fixture(scope="module")
def world() -> World:
    return make_world("flapping", SEED, 2.0, TINY)


@pytest.fixture(scope="module")
def done() -> Done:
    return run_job(Job("tuning", QUICK, SEED, 1.0, NAMES))


def test_a_world_gives_an_outcome_of_each_policy(done: Done) -> None:
    assert [(one.policy, one.family, one.seed) for one in done.outcomes] == [(name, QUICK, SEED) for name in NAMES]
    quiet, busy = (one.spans[0] for one in done.outcomes)
    assert (quiet.first_day, quiet.last_day) == (0.0, 1.0)
    assert quiet.oracle_msat == busy.oracle_msat >= quiet.net_msat
    assert quiet.updates_per_day == 0.0 < busy.updates_per_day
    assert set(done.seconds) == {"drawing worlds", "hashing worlds", "oracle", *NAMES}
    assert done.outcomes[0].curve_msat[-1] == quiet.earned_msat


def test_what_comes_of_a_policy_does_not_depend_on_who_else_runs(done: Done) -> None:
    assert run_world(TINY, QUICK, SEED, 1.0, ("proportional",)) == [done.outcomes[1]]


def test_two_spans_have_an_oracle_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("revops.sim.arena.world.LEARNING_DAYS", 0.5)
    (outcome,) = run_world(TINY, QUICK, SEED, 1.0, ("constant",))
    assert [(span.first_day, span.last_day) for span in outcome.spans] == [(0.0, 0.5), (0.5, 1.0)]
    assert len({span.oracle_msat for span in outcome.spans}) == 2


def test_the_number_of_processes_changes_nothing(done: Done) -> None:
    jobs = [Job("tuning", QUICK, seed, 1.0, ("constant",)) for seed in (SEED, SEED + 1)]
    found = {one.job: one for one in pool.run_all(jobs, tiny_job, 2)}
    assert [found[job] for job in jobs] == list(pool.run_all(jobs, tiny_job, 1))
    assert found[jobs[0]].outcomes == done.outcomes[:1]


def killed(_job: Job) -> Done:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def test_a_process_that_dies_is_said_and_leaves_none_behind() -> None:
    jobs = [Job("tuning", QUICK, seed, 1.0, ()) for seed in range(2)]
    with pytest.raises(UnavailableError, match="try fewer --jobs"):
        list(pool.run_all(jobs, killed, 2))
    assert active_children() == []


def in_a_folder(job: Job) -> Done:
    """The second job ends at once; the others hold a folder for as long as they are let."""
    if job.seed == 2:
        while not list(Path(job.family).iterdir()):
            time.sleep(0.01)
        return Done(job, (), "", {})
    with tempfile.TemporaryDirectory(dir=job.family):
        signal.pause()
    raise AssertionError


def test_a_process_that_is_ended_takes_its_folder_away(tmp_path: Path) -> None:
    jobs = [Job("tuning", str(tmp_path), seed, 1.0, ()) for seed in (1, 2)]
    with closing(pool.run_all(jobs, in_a_folder, 2)) as running:
        assert next(running).job.seed == 2
    assert active_children() == []
    assert list(tmp_path.iterdir()) == []


def test_full_cycles_are_run_of_the_products_own_strategies_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[tuple[FeesConfig, bool]] = []

    def run(world: World, policy: FeesConfig, spending: Spending | None, *, profile: bool) -> FullResult:
        ran.append((policy, spending is not None))
        return FullResult(run_policy(world, nothing), 48, 3, 1.0, {"store": 0.75, "rest": 0.25})

    monkeypatch.setattr(full, "run_full", run)
    question = Question(
        seed_count=2, days=1.0, families=(QUICK,), policies=("constant", "hill_climb"), full_cycles=True, rebalance=True
    )
    found = simulate.run(question, process_count=1)
    own = FeesConfig(strategy="hill_climb")
    assert found.study.policies == ("constant", "hill_climb", "hill_climb (rebalancing)")
    assert ran == [(own, False), (own, True)] * 2
    twice = Cycles(96, {"store": 1.5, "rest": 0.5})
    assert found.cycles == {"hill_climb": twice, "hill_climb (rebalancing)": twice}
    assert (found.study.full_cycles, found.study.rebalance) == (True, True)
    ran.clear()
    simulate.run(replace(question, full_cycles=False, rebalance=False), process_count=1)
    assert ran == []


def clumsy(job: Job) -> Done:
    raise DataError(f"dropped {job.seed}")


def test_what_a_process_raises_is_raised_here_with_its_place() -> None:
    with pytest.raises(DataError, match="dropped") as caught:
        list(pool.run_all([Job("tuning", QUICK, seed, 1.0, ()) for seed in range(2)], clumsy, 2))
    assert "in clumsy" in "".join(caught.value.__notes__)
    assert active_children() == []


def test_a_channels_number_means_nothing_to_the_market(world: World) -> None:
    order = list(range(len(world.capacity_msat)))
    random.Random(1).shuffle(order)
    other = renumbered(world, order)
    fees = [100 + 50 * number for number in order]
    before = run_constant(world, 0, sorted(fees), world.local_msat)
    after = run_constant(other, 0, fees, other.local_msat)
    assert replace(before, local_msat=()) == replace(after, local_msat=())
    assert tuple(before.local_msat[old] for old in order) == after.local_msat
    assert world_hash(other) != world_hash(world)


def test_copies_meet_the_same_world_otherwise_numbered(world: World) -> None:
    names = copies_of("constant")
    assert [original_of(name)[0] for name in names] == ["constant", "constant"]
    assert original_of("constant") == ("constant", "")
    plain = run_policy(world, nothing)
    for name in names:
        found, policy = disturbed(world, nothing, original_of(name)[1])
        assert found.capacity_msat != world.capacity_msat
        assert run_policy(found, policy).net_msat == plain.net_msat


def test_a_late_policy_leaves_out_its_first_cycles(world: World) -> None:
    moments: list[float] = []
    late = Late(lambda _market, _records, now: moments.append(now), 2)
    run_policy(replace(world, bounds_days=(0.0, 0.125)), late)
    assert moments == [3_600.0, 5_400.0, 7_200.0, 9_000.0]


def test_a_hash_sees_every_change_but_the_last_bits(world: World) -> None:
    found = world_hash(world)
    assert found == world_hash(make_world("flapping", SEED, 2.0, TINY))
    first, *others = world.customers
    for changed in (
        replace(world, customers=(first._replace(willing_ppm=first.willing_ppm * 1.001), *others)),
        replace(world, customers=tuple(others)),
        replace(world, setting=replace(TINY, failure_ratio=0.26)),
        replace(world, local_msat=(world.local_msat[0] + 1, *world.local_msat[1:])),
        replace(world, seed=SEED + 1),
    ):
        assert world_hash(changed) != found
    near = first._replace(willing_ppm=first.willing_ppm * (1 + 1e-15))
    assert world_hash(replace(world, customers=(near, *others))) == found


def test_every_judged_world_is_frozen() -> None:
    stored = frozen.load()
    judged = SETS["judged"]
    assert stored.days == judged.days
    assert {family: tuple(hashes) for family, hashes in stored.worlds.items()} == dict.fromkeys(
        sorted(FAMILIES), judged.seeds()
    )
    assert len({found for hashes in stored.worlds.values() for found in hashes.values()}) == 14 * judged.seed_count


@pytest.mark.parametrize(("family", "seed"), [("faucet", 20_001), ("mixture", 20_002)])
def test_frozen_worlds_are_drawn_as_they_were_frozen(family: str, seed: int) -> None:
    judged = SETS["judged"]
    done = hash_job(Job(judged.setting.name, family, seed, judged.days, ()))
    assert frozen.load().holds(family, seed, judged.days, done.world_hash), (
        f"{family}, seed {seed} is drawn otherwise than it was frozen: results can't be compared with earlier ones. "
        "If that is meant: revops simulate --freeze"
    )


def test_sets_are_kept_apart() -> None:
    small, tuning, judged = (SETS[name] for name in ("small", "tuning", "judged"))
    assert set(small.seeds()) <= set(tuning.seeds())
    assert not {SEED, *tuning.seeds(1_000), *SETS["former"].seeds(1_000)} & set(judged.seeds())
    assert judged.setting not in (tuning.setting, SETS["former"].setting)
    assert small.setting == tuning.setting
    assert judged.days == tuning.days == 90.0


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> FrozenSet:
    """A judged set of one short world, frozen."""
    short_set = replace(SETS["judged"], setting=TUNING, seed_count=1, days=1.0)
    monkeypatch.setattr(simulate, "SETS", {**SETS, "judged": short_set})
    monkeypatch.setattr(frozen, "JUDGED_SET", short_set)
    monkeypatch.setattr(simulate, "FAMILIES", (QUICK,))
    stored: list[FrozenSet] = []
    monkeypatch.setattr(frozen, "store", stored.append)
    monkeypatch.setattr(frozen, "load", lambda: stored[-1])
    return simulate.freeze(process_count=1)


def test_a_result_is_judged_only_on_the_frozen_worlds(short: FrozenSet, monkeypatch: pytest.MonkeyPatch) -> None:
    question = Question("judged", policies=("constant",))
    study = simulate.run(question, process_count=1, now=5.0).study
    assert (study.judged, study.frozen_hash, study.made_at) == (True, short.hash, 5)
    assert not replace(study, frozen_count=2).judged  # a part of it isn't it
    monkeypatch.setattr(frozen, "load", lambda: FrozenSet(1.0, {QUICK: {20_001: "another"}}))
    changed = simulate.run(question, process_count=1).study
    assert (changed.judged, changed.strange) == (False, (f"{QUICK}, seed 20001",))
    longer = FrozenSet(90.0, short.worlds)
    assert not longer.holds(QUICK, 10_001, 1.0, short.worlds[QUICK][20_001])


def test_full_cycles_in_the_judged_worlds_are_judged(short: FrozenSet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        full, "run_full", lambda world, *_, profile: FullResult(run_policy(world, nothing), 48, 0, 1.0, {"rest": 1.0})
    )
    question = Question("judged", policies=("demand",), full_cycles=True)
    study = simulate.run(question, process_count=1).study
    assert (study.judged, study.full_cycles, study.frozen_hash) == (True, True, short.hash)


def test_a_study_has_few_curves_and_says_where_it_comes_from() -> None:
    told: list[tuple[str, int, int | None]] = []
    question = Question(seed_count=2, days=1.0, families=(QUICK, QUICK), policies=("constant",))
    found = simulate.run(question, process_count=1, progress=lambda *news: told.append(news))
    study = found.study
    assert (study.set_name, study.setting, study.judged, study.frozen_hash) == ("small", "tuning", False, None)
    assert [(one.seed, len(one.curve_msat)) for one in study.outcomes] == [(1, 2), (2, 0)]
    assert told == [("worlds", count, 2) for count in range(3)]
    assert found.elapsed_seconds is not None
    assert found.elapsed_seconds >= found.seconds["oracle"] > 0


@pytest.mark.parametrize(
    ("question", "complaint"),
    [
        (Question(families=("faucet", "fawcet")), "no such family: fawcet; there are: elasticity 0.5"),
        (Question(policies=("dmand",)), f"no such policy: dmand; there are: {', '.join(POLICIES)}"),
    ],
)
def test_names_that_are_not_there_are_refused(question: Question, complaint: str) -> None:
    with pytest.raises(UnknownName, match=complaint):
        simulate.run(question)


def test_what_is_stored_is_held_against_the_set_that_is_frozen_now(tmp_path: Path) -> None:
    outcomes = make_outcomes({"a": noisy(0.5, 0.1)})
    path = tmp_path / "study.json"
    studies.save(path, make_study(outcomes))
    assert studies.load(path) == make_study(outcomes)
    studies.save(path, make_study(outcomes, "ab" * 32))
    found = studies.load(path)
    assert found.strange[0] == "all: since then the set was frozen anew"
    assert "calm, seed 1" in found.strange  # no such family is frozen
    assert (found.judged, found.frozen_count) == (False, frozen.load().world_count)


def test_files_that_can_not_be_are_said(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"none/study\.json: No such file"):
        studies.save(tmp_path / "none" / "study.json", make_study(make_outcomes({"a": noisy(0.5, 0.1)})))
    for text in ("{", "[]", "{}", '"x"'):
        (tmp_path / "study.json").write_text(text, encoding="utf-8")
        with pytest.raises(DataError, match=r"study\.json holds no result"):
            studies.load(tmp_path / "study.json")
    with pytest.raises(FileNotFoundError, match=r"other\.json"):
        studies.load(tmp_path / "other.json")


def test_the_frozen_set_survives_its_file(tmp_path: Path) -> None:
    kept = FrozenSet(2.0, {"b": {2: "ff", 1: "00"}, "a": {1: "01"}})
    frozen.store(kept, tmp_path / "frozen.json")
    assert frozen.load(tmp_path / "frozen.json") == kept
    assert frozen.load(tmp_path / "frozen.json").hash == kept.hash


def test_the_commit_is_ours_or_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(studies, "__file__", str(tmp_path / "revops" / "cycle" / "studies.py"))
    assert studies.commit() is None
