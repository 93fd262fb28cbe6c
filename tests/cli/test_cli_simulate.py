"""`revops simulate`: what it asks of its cycle, what it prints, what it refuses, and how it ends."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from revops.cli import simulate_names as names
from revops.cli.main import main
from revops.cli.simulate import simulate
from revops.cycle import simulate as cycle
from revops.cycle import studies
from revops.cycle.simulate import Question, Simulation
from revops.domain.policy import BudgetConfig, FeesConfig, RebalanceConfig
from revops.sim.arena.families import FAMILIES
from revops.sim.arena.frozen import FrozenSet
from revops.sim.arena.null_test import copies_of
from revops.sim.arena.outcome import Study
from revops.sim.arena.policies import POLICIES
from revops.sim.arena.rebalancing import Spending
from revops.sim.arena.runner import Cycles
from revops.sim.arena.sets import SETS
from revops.sim.arena.stopwatch import PARTS
from tests.sim.studies import make_outcomes, make_study, noisy

ROOT = Path(__file__).parents[2]
FIRST, SECOND = copies_of("demand")
LUCK = noisy(0.5, 0.2)
STUDY = make_study(
    make_outcomes(
        {
            "demand": lambda family, seed: LUCK(family, seed) + (0.1 if family == "calm" else -0.1),
            "constant": LUCK,
            FIRST: LUCK,
            SECOND: LUCK,
        },
        seeds=range(1, 7),
        span_count=2,
    )
)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, int | None]]:
    calls: list[tuple[Any, int | None]] = []

    def run(question: Question, *, process_count: int | None, progress: Any) -> Simulation:
        progress("worlds", 1, 1)
        calls.append((question, process_count))
        return Simulation(STUDY, {"oracle": 12.5, "demand": 100.25}, 60.0)

    monkeypatch.setattr(cycle, "run", run)
    return calls


def test_it_asks_for_the_small_set_unless_told_otherwise(asked, capsys):
    assert main(["simulate"]) == 0
    assert main([
        "simulate", "--set", "tuning", "--seeds", "3", "--days", "40", "--family", "mixture", "--family", "sink",
        "--policy", "demand", "--policy", "constant", "--jobs", "2", "--check",
    ]) == 0  # fmt: skip
    assert main(["simulate", "--full-cycles", "--rebalance"]) == 0
    told = Question("tuning", 3, 40.0, ("mixture", "sink"), ("demand", "constant"), check=True)
    assert asked == [(Question(), None), (told, 2), (Question(full_cycles=True, rebalance=True), None)]
    assert capsys.readouterr().err == ""


def test_it_prints_wins_and_losses_of_each_span(asked, capsys):
    assert main(["simulate", "--policy", "demand"]) == 0
    out = capsys.readouterr().out
    assert "2 families x 6 seeds (1 to 6)" in out
    assert "Not judged" in out
    rows = [line.split() for line in out.splitlines()]
    for title in ("Learning, days 0 to 30: 12 worlds", "Steady state, days 30 to 90: 12 worlds"):
        assert title in out
    assert [row[-1] for row in rows if row[:1] == ["wild"] and "constant" in row] == ["loses"] * 2
    assert [row[-1] for row in rows if row[:1] == ["calm"] and "constant" in row] == ["wins"] * 2
    assert out.count("demand family by family: 1 lost of 2") == 2
    assert out.count("difference of shares, percentage points") == 2
    assert out.count("two copies of demand are rightly not told apart") == 2
    assert "Where the time went" not in out


def test_the_profile_says_where_the_time_went(asked, capsys):
    assert main(["simulate", "--profile"]) == 0
    rows = capsys.readouterr().out.partition("Where the time went")[2].split("\n")
    assert [row.split()[-2:] for row in rows[3:6]] == [["demand", "100.2"], ["oracle", "12.5"], ["clock", "60.0"]]


def test_json_has_stable_keys(asked, capsys):
    assert main(["simulate", "--json", "--profile"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert list(document) == [
        "schema_version", "command", "judged", "set_name", "setting", "made_at", "version", "commit", "days", "seeds",
        "families", "policies", "frozen_hash", "frozen_count", "strange", "outcomes", "full_cycles", "rebalance",
        "figures", "seconds", "elapsed_seconds",
    ]  # fmt: skip
    assert list(document["figures"]) == ["subject", "spans", "null_tests", "same"]
    assert list(document["figures"]["spans"][0]) == [
        "first_day", "last_day", "world_count", "oracle_msat", "leader", "policies", "versus", "families", "losses",
    ]  # fmt: skip
    assert document["figures"]["spans"][0]["losses"][0]["family"] in {"calm", "wild"}
    assert document["figures"]["null_tests"][0]["sees_nothing"] is True


def test_what_is_stored_is_shown_again(asked, capsys, tmp_path):
    path, page = tmp_path / "study.json", tmp_path / "page.html"
    assert main(["simulate", "--save", str(path)]) == 0
    first = capsys.readouterr()
    assert first.err.startswith(f"revops: 12 worlds stored in {path}; `")
    assert first.err.endswith(f" simulate --from {path}` shows them again\n")
    assert main(["simulate", "--from", str(path), "--page", str(page)]) == 0
    assert capsys.readouterr() == (first.out, f"revops: page written: {page}\n")
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert len(asked) == 1


def test_what_was_written_is_said_beside_the_product_and_not_when_quiet(asked, capsys, tmp_path):
    path = tmp_path / "a study.json"
    assert main(["simulate", "--json", "--save", str(path)]) == 0
    told = capsys.readouterr()
    assert json.loads(told.out)["set_name"] == "tuning"
    assert f"--from '{path}'`" in told.err
    assert main(["simulate", "-q", "--save", str(path)]) == 0
    assert capsys.readouterr().err == ""


def test_a_document_from_standard_output_can_be_shown_too(asked, capsys, tmp_path):
    path = tmp_path / "study.json"
    assert main(["simulate"]) == 0
    shown = capsys.readouterr().out
    assert main(["simulate", "--json"]) == 0
    path.write_text(capsys.readouterr().out, encoding="utf-8")
    assert main(["simulate", "--from", str(path)]) == 0
    assert capsys.readouterr().out == shown


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"# Readme", "it isn't JSON"),
        (b"\xff\xfe", "it isn't JSON"),
        (b"[1]", "it is JSON, but no object"),
        (b'{"schema_version": 1, "command": "fees adjust"}', "Object missing required field `set_name`"),
        (b'{"schema_version": 2}', "its schema_version is 2, not 1"),
    ],
)
def test_a_file_that_is_no_study_is_named_with_what_to_do(asked, capsys, tmp_path, content, complaint):
    path = tmp_path / "other.json"
    path.write_bytes(content)
    assert main(["simulate", "--from", str(path)]) == 65
    told = capsys.readouterr().err
    assert told.startswith(f"revops: {path} holds no result of `revops simulate`: {complaint}. Name a file that ")
    assert "`revops simulate --save FILE` wrote" in told
    assert told.count("\n") == 1


def test_a_file_that_can_not_be_read_is_no_bug(asked, capsys, tmp_path, monkeypatch):
    path = tmp_path / "study.json"
    path.touch()

    def refuse(self: Path) -> bytes:
        raise PermissionError(errno.EACCES, "Permission denied", str(self))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    assert main(["simulate", "--from", str(path)]) == 77
    assert capsys.readouterr().err == f"revops: {path}: Permission denied\n"


def test_the_help_names_all_families_and_policies(capsys):
    assert (tuple(names.FAMILIES), set(names.POLICIES)) == (FAMILIES, set(POLICIES))
    assert main(["simulate", "--help"]) == 0
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    for name in (*FAMILIES, *POLICIES):
        assert any(line.startswith(f"{name}  ") for line in lines), name


@pytest.mark.parametrize("option", ["--seeds", "--days"])
def test_the_help_names_the_defaults_of_each_set(capsys, option):
    (text,) = [one.help for one in simulate.params if option in one.opts]
    for name, world_set in SETS.items():
        number = {"--seeds": world_set.seed_count, "--days": world_set.days}[option]
        assert f"{name} {number:g}" in str(text).replace("tuning, former and judged", "tuning 90, former 90, judged")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--db", "sqlite:///x"], "--db has no meaning here"),
        (["-n"], "--dry-run has no meaning here"),
        (["--days", "nan"], "'nan' is not a number of days"),
        (["--days", "0"], "not in the range"),
        (["--seeds", "0"], "not in the range"),
        (["--from", __file__, "--days", "3"], "it takes no --set"),
        (["--from", __file__, "--full-cycles"], "it takes no --set"),
        (["--full-cycles", "--check"], "--check takes no --full-cycles"),
        (["--from", "/nonexistent"], "does not exist"),
    ],
)
def test_nonsense_is_refused(asked, capsys, arguments, complaint):
    assert main(["simulate", *arguments]) == 2
    assert complaint in capsys.readouterr().err.replace("\n", " ")
    assert asked == []


def test_a_subject_that_was_not_compared_is_refused(asked, capsys, tmp_path):
    path = tmp_path / "study.json"
    studies.save(path, STUDY)
    assert main(["simulate", "--from", str(path), "--policy", "clboss"]) == 2
    assert "clboss is not in it; there are: demand, constant" in capsys.readouterr().err


def test_hours_are_not_spent_for_a_file_that_can_not_be_written(asked, capsys, tmp_path, monkeypatch):
    assert main(["simulate", "--save", str(tmp_path / "none" / "x.json")]) == 73
    assert "there is no folder" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    assert main(["simulate", "--page", str(tmp_path / "x.html")]) == 2
    assert "pip install '.[html]'" in capsys.readouterr().err
    assert asked == []


def test_unknown_names_are_usage(capsys):
    assert main(["simulate", "--policy", "dmand"]) == 2
    assert "no such policy: dmand; there are: " in capsys.readouterr().err


@pytest.mark.parametrize("flag", ["--full-cycles", "--rebalance"])
def test_others_policies_have_neither_full_cycles_nor_rebalances(capsys, flag):
    assert main(["simulate", "--policy", "constant", "--policy", "clboss", flag]) == 2
    assert "have full cycles or rebalance: name one of demand, hill_climb" in capsys.readouterr().err


def test_json_tells_where_the_time_of_cycles_went(monkeypatch, capsys):
    found = Simulation(STUDY, {"demand": 1.5}, 2.0, {"demand": Cycles(3, {"store": 1.0, "rest": 0.5})})
    monkeypatch.setattr(cycle, "run", lambda *_, **__: found)
    assert main(["simulate", "--json", "--profile"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["cycles"] == {"demand": {"count": 3, "seconds": {"store": 1.0, "rest": 0.5}}}


def one_world(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, *options: str, family: str = "faucet", days: str = "2"
) -> tuple[Study, str]:
    """What the command finds in one world, and what it prints on the way."""
    path = tmp_path / f"{len(list(tmp_path.iterdir()))}.json"
    arguments = ["--family", family, "--seeds", "1", "--days", days, "--policy", "demand", "--policy", "constant"]
    assert main(["simulate", *arguments, "--jobs", "1", "--save", str(path), *options]) == 0
    told = capsys.readouterr()
    assert told.err.startswith(f"revops: 1 world stored in {path}; ")
    return studies.load(path), told.out


def test_headings_of_full_cycles_say_the_days_that_were_run(capsys, tmp_path):
    study, said = one_world(capsys, tmp_path, "--full-cycles", days="1.5")
    assert study.days == 1.5
    assert ": 1 family x 1 seed (1), 1.5 d each; made " in said
    assert "Learning, days 0 to 1.5: 1 world" in said
    assert "Steady state" not in said


def test_full_cycles_come_to_the_same_to_the_msat(capsys, tmp_path):
    alone, said = one_world(capsys, tmp_path, days="1")
    full, said_full = one_world(capsys, tmp_path, "--full-cycles", "--profile", days="1")
    assert full.outcomes == alone.outcomes
    assert (alone.full_cycles, full.full_cycles, full.rebalance) == (False, True, False)
    assert "Full cycles" not in said
    assert "Full cycles: demand, as from cron on a simulated node; the others only decide." in said_full
    rows = [line.split() for line in said_full.partition("Where a full cycle's time went")[2].splitlines()[3:] if line]
    assert [row[0] for row in rows[:-2]] == list(PARTS)
    assert rows[-1] == ["cycles", "48"]


@pytest.mark.parametrize("flags", [("--rebalance",), ("--rebalance", "--full-cycles")])
def test_rebalances_are_booked_beside_the_same_strategy_without(capsys, tmp_path, monkeypatch, flags):
    """One that charges and pays enough for any route."""
    hasty = FeesConfig(strategy="static", fixed_ppm=900, max_step_ratio=10.0)
    keen = Spending(RebalanceConfig(kelly_fraction=1.0), BudgetConfig(daily_sat=50_000, weekly_sat=200_000))
    monkeypatch.setattr("revops.sim.arena.runner.STRATEGIES", {"demand": hasty})
    monkeypatch.setattr("revops.sim.arena.runner.SPENDING", keen)
    study, said = one_world(capsys, tmp_path, *flags, family="elasticity 0.5", days="1")
    assert study.policies == ("demand", "demand (rebalancing)", "constant")
    assert (study.full_cycles, study.rebalance) == ("--full-cycles" in flags, True)
    spent_msat = {one.policy: one.spans[0].rebalance_msat for one in study.outcomes}
    assert spent_msat["demand (rebalancing)"] > 0 == spent_msat["demand"] == spent_msat["constant"]
    assert "rebalances cost sat" in said
    assert "within the product's own limits; the oracle makes none." in said
    assert ("paid at a price, by no path" in said) == ("--full-cycles" not in flags)
    assert "demand (rebalancing) against each of the others" in said


def test_freezing_says_what_it_froze(capsys, monkeypatch):
    monkeypatch.setattr(
        "revops.cycle.simulate.freeze", lambda process_count, progress: FrozenSet(90.0, {"a": {1: "00", 2: "01"}})
    )
    assert main(["simulate", "--freeze"]) == 0
    assert "frozen: 2 worlds, sha256 " in capsys.readouterr().out


#: Who runs the tests in the background hands an ignored SIGINT down to every process.
INTERRUPTIBLE = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from revops.__main__ import main
sys.exit(main())
"""


def test_ctrl_c_ends_it_and_its_processes_at_once():
    """As a terminal does it: the signal goes to the whole group."""
    running = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTIBLE, "simulate", "--set", "judged", "--jobs", "2"],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 60
        while len(children_of(running.pid)) < 3 and time.monotonic() < deadline:  # two that work, and Python's tracker
            time.sleep(0.05)
        os.killpg(running.pid, signal.SIGINT)
        # Ends when nobody holds the streams any more, the other processes neither.
        out, err = running.communicate(timeout=60)
    finally:
        if running.poll() is None:
            os.killpg(running.pid, signal.SIGKILL)
            running.communicate()
    assert (running.returncode, out, err) == (130, "", "")


def children_of(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
