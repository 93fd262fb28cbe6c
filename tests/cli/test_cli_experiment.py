"""The experiment's commands: what they ask of their cycle, and what a person reads."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, get_args

import pytest

import revops.cycle
from revops.cli.experiment import STRATEGIES
from revops.cli.main import main
from revops.domain.experiment import (
    Arm,
    ArmSum,
    Difference,
    Ending,
    Experiment,
    ExperimentReport,
    ExperimentStatus,
    Member,
    Need,
    OtherExperiment,
    Turn,
)
from revops.domain.options import CommonOptions
from revops.domain.policy import Strategy

EXPERIMENT = Experiment(2, 0.0, "hill_climb", "demand", 77, 259_200, 86_400, 14, 0.9, 0.01, "0.1")
STATUS = ExperimentStatus(300_000.0, EXPERIMENT, 1, 40, {"aa": Turn(2, Arm.B, "demand", 1, 14)})
NET = Difference("net msat per hour and channel", 70, 120.4, 1_000.2, 20.1, 220.9, 0.0213)
FEES = Difference("fees in msat per hour and channel", 70, 3.0, 1_500.0, -99.0, 93.0, 0.94)
REPORT = ExperimentReport(
    taken_at=300_000.0,
    experiment=replace(EXPERIMENT, ended_at=3_628_800.0, ending=Ending.COMPLETE),
    peer_count=10,
    pair_count=70,
    left_out_count=3,
    arms=(
        ArmSum(Arm.A, "hill_climb", 70, 3_333.3, 3_000.0, 0.9, 4_000, 3_000_999, 4_500_999),
        ArmSum(Arm.B, "demand", 70, 3_333.3, 2_500.0, 0.75, 4_200, 2_800_000, 3_700_000),
    ),
    differences=(NET, FEES),
    needs=(Need(0.1, 1_600, 1_460, 438), Need(0.2, 400, 260, 78), Need(0.5, 64, 0, 0)),
)
STOP_RULE = (
    "stop rule: all 7 pairs of blocks, never earlier for success; earlier for harm, if B is worse beyond doubt "
    "(one-sided, 1 % for all looks together)"
)


@pytest.fixture
def cycle(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Any]]:
    def install(function: str, result: Any) -> list[Any]:
        calls: list[Any] = []

        def called(*args: Any, **kwargs: Any) -> Any:
            calls.append((args, kwargs))
            return result

        monkeypatch.setattr(revops.cycle, "experiment", SimpleNamespace(**{function: called}), raising=False)
        return calls

    return install


def test_the_strategies_that_can_be_compared_are_all_that_price() -> None:
    assert {*STRATEGIES, "off"} == set(get_args(Strategy))


@pytest.mark.parametrize(
    ("line", "asked"),
    [
        ([], {"block_seconds": 259_200, "block_count": 14, "seed": None}),
        (["--block-hours", "24", "--days", "9", "--seed", "5"], {"block_seconds": 86_400, "block_count": 8, "seed": 5}),
    ],
)
def test_start_asks_for_whole_pairs_of_blocks(cycle: Any, capsys: Any, line: list[str], asked: dict[str, Any]) -> None:
    calls = cycle("start", STATUS)
    assert main(["experiment", "start", "--a", "hill_climb", "--b", "demand", *line]) == 0
    assert calls == [((CommonOptions(), "hill_climb", "demand"), asked)]
    assert capsys.readouterr().out.splitlines() == [
        "experiment 2: A is hill_climb, B is demand; 1970-01-01 00:00Z to 1970-02-12 00:00Z",
        "each peer by turns in 14 blocks of 72 h, the first 24 h of each not measured; drawn with seed 77",
        "what decides: net msat per hour and channel; beside it: fees in msat per hour and channel",
        STOP_RULE,
        "taking part now: 1 channel; `revops fees adjust` does the rest",
    ]


@pytest.mark.parametrize(
    "line",
    [
        ["--a", "hill_climb"], ["--a", "off", "--b", "demand"], ["--a", "static", "--b", "demand", "--days", "5"],
        ["--a", "static", "--b", "demand", "--block-hours", "0"],
    ],
)  # fmt: skip
def test_what_is_no_experiment_is_usage(cycle: Any, capsys: Any, line: list[str]) -> None:
    calls = cycle("start", STATUS)
    assert main(["experiment", "start", *line]) == 2
    assert calls == []
    assert "Error" in capsys.readouterr().err


def test_a_dry_run_says_that_nothing_is_registered(cycle: Any, capsys: Any) -> None:
    cycle("start", replace(STATUS, experiment=replace(EXPERIMENT, experiment_key=0)))
    assert main(["experiment", "start", "--a", "static", "--b", "demand", "-n"]) == 0
    assert capsys.readouterr().out.startswith("this would be registered:\nexperiment: A is hill_climb")
    cycle("stop", STATUS)
    assert main(["experiment", "stop", "-n"]) == 0
    assert capsys.readouterr().out.startswith("experiment 2 would be stopped")


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (ExperimentStatus(1.0, None), "no experiment was ever begun"),
        (STATUS, "block 2 of 14 is under way, until 1970-01-07 00:00Z"),
        (replace(STATUS, block=None), "over; its last payments settle"),
        (replace(STATUS, experiment=REPORT.experiment, block=None), "over since 1970-02-12 00:00Z: complete"),
    ],
)
def test_status_tells_how_far_it_is(cycle: Any, capsys: Any, status: ExperimentStatus, told: str) -> None:
    cycle("status", status)
    assert main(["experiment", "status"]) == 0
    assert told in capsys.readouterr().out


MEMBERS = (
    Member("aa", "1x1x1", "02" * 33, "ali\x1bce", 1, 1),
    Member("bb", "2x2x2", "03" * 33, None, 1, 0),
)


def test_status_shows_whose_turn_it_is_until_when_and_how_many_blocks_are_over(cycle: Any, capsys: Any) -> None:
    cycle("status", replace(STATUS, members=MEMBERS))
    assert main(["experiment", "status"]) == 0
    out = capsys.readouterr().out
    rows = [line.split() for line in out.splitlines()]
    assert "Whose turn it is, and blocks that are over, of 14" in out
    assert [row[0] for row in rows if row and row[0] in ("1x1x1", "2x2x2")] == ["1x1x1", "2x2x2"]
    assert next(row for row in rows if row[:1] == ["1x1x1"])[-6:] == ["B", "demand", "1970-01-07", "00:00Z", "1", "1"]
    assert ["2x2x2", "030303030303", "-", "1", "0"] in rows
    assert "\x1b" not in out
    assert "-: pinned, kept out by a rule" in out
    cycle("status", STATUS)
    assert main(["experiment", "status"]) == 0
    assert "no channel was priced by turns yet" in capsys.readouterr().out


def test_the_report_shows_the_difference_its_interval_and_what_is_missing(cycle: Any, capsys: Any) -> None:
    calls = cycle("report", REPORT)
    assert main(["report", "experiment", "--number", "2"]) == 0
    assert calls == [((CommonOptions(), 2), {})]
    out = capsys.readouterr().out
    rows = [line.split() for line in out.splitlines()]
    assert ["A", "hill_climb", "70", "3,333", "90", "%", "4,000", "3,000", "4,500", "900", "1,350"] in rows
    assert ["net", "1,000", "+120", "+20", "+221", "+12", "%", "2.1", "%"] in rows
    assert ["fees", "1,500", "+3", "-99", "+93", "+0", "%", "94", "%"] in rows
    assert ["10", "%", "1,600", "1,460", "438", "d"] in rows
    assert "70 pairs of blocks of 10 peers count; 3 more don't" in out
    assert "demand brings more than hill_climb on this node" in out
    assert "pulls the difference towards 0" in out
    assert "open for much less of the time" in out


SHORT = replace(NET, low_msat=None, high_msat=None, pair_count=5)


WORSE = replace(NET, mean_msat=-9, low_msat=-20.0, high_msat=-1.0)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"differences": (SHORT, SHORT)}, "5 pairs are too few for an interval"),
        ({"differences": (replace(NET, low_msat=-1.0), FEES)}, "no difference is shown"),
        ({"differences": (WORSE, replace(FEES, mean_msat=-3.0))}, "hill_climb brings more"),
        ({"differences": (WORSE, FEES)}, "point in opposite directions: neither is shown"),
        ({"experiment": EXPERIMENT}, "it isn't over"),
        ({"experiment": replace(EXPERIMENT, ended_at=1.0, ending=Ending.HARM)}, "ended early for bringing less"),
        ({"experiment": replace(EXPERIMENT, ended_at=1.0, ending=Ending.STOPPED)}, "promises too much"),
        ({"differences": (), "pair_count": 0}, "nothing to compare"),
        ({"needs": ()}, "can't be told yet"),
    ],
)
def test_the_report_says_no_more_than_is_known(cycle: Any, capsys: Any, changes: dict[str, Any], told: str) -> None:
    cycle("report", replace(REPORT, **changes))
    assert main(["report", "experiment"]) == 0
    out = capsys.readouterr().out
    assert told in out
    assert ("demand brings more than" in out) == (changes.keys() == {"needs"})


STOPPED = replace(EXPERIMENT, experiment_key=1, started_at=-864_000.0, ended_at=-86_400.0, ending=Ending.STOPPED)
OTHER = OtherExperiment(STOPPED, 66, (NET, FEES))


def test_all_other_experiments_are_listed_with_what_they_show(cycle: Any, capsys: Any) -> None:
    running = OtherExperiment(replace(EXPERIMENT, experiment_key=3, a="static"), 0, ())
    cycle("report", replace(REPORT, others=(OTHER, running)))
    assert main(["report", "experiment"]) == 0
    out = capsys.readouterr().out
    rows = [line.split() for line in out.splitlines()]
    dates = ["1969-12-22", "00:00Z", "1969-12-31", "00:00Z"]
    figures = ["+120", "+20", "+221", "2.1", "%"]
    assert ["1", *dates, "hill_climb", "demand", "by", "hand", "66", *figures, "no", "verdict"] in rows
    dates = ["1970-01-01", "00:00Z", "1970-02-12", "00:00Z"]
    assert ["3", *dates, "static", "demand", "runs", "0", "-", "-", "-", "-", "nothing", "to", "compare"] in rows
    assert "2 others, 1 stopped by hand. Whoever stops and begins anew until one wins finds a winner" in out
    assert "one at least would show a difference in 10 cases of 100" in out


@pytest.mark.parametrize(
    ("p_value", "others", "told"),
    [
        (0.0213, (), "demand brings more than hill_climb on this node"),
        (0.0213, (OTHER,), "demand brings more than hill_climb on this node"),
        (
            0.0213,
            (OTHER, OTHER),
            "which is one of 3: to show anything among so many, its chance would have to be 1.7 %",
        ),
        (0.0113, (OTHER, OTHER), "demand brings more than hill_climb on this node"),
        (0.0213, (OTHER, replace(OTHER, differences=(replace(NET, low_msat=None), FEES))), "demand brings more than"),
    ],
)
def test_one_that_wins_among_many_must_win_more_clearly(
    cycle: Any, capsys: Any, p_value: float, others: tuple[OtherExperiment, ...], told: str
) -> None:
    cycle("report", replace(REPORT, differences=(replace(NET, p_value=p_value), FEES), others=others))
    assert main(["report", "experiment"]) == 0
    out = capsys.readouterr().out
    assert told in out
    assert ("brings more than" in out) == ("brings more than" in told)


def test_json_has_stable_keys(cycle: Any, capsys: Any) -> None:
    cycle("report", REPORT)
    assert main(["report", "experiment", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert list(document) == [
        "schema_version", "command", "taken_at", "experiment", "peer_count", "pair_count", "left_out_count", "arms",
        "differences", "needs", "others",
    ]  # fmt: skip
    assert document["command"] == "report experiment"
    assert list(document["differences"][0]) == [
        "metric", "pair_count", "mean_msat", "base_msat", "low_msat", "high_msat", "p_value",
    ]  # fmt: skip
    assert document["experiment"]["ends_at"] == 14 * 259_200
    assert (document["experiment"]["ending"], document["arms"][1]["arm"]) == ("complete", "B")


def test_an_experiment_of_before_says_how_it_is_counted_now(cycle: Any, capsys: Any) -> None:
    cycle("report", replace(REPORT, experiment=replace(REPORT.experiment, metric="net msat per open hour")))
    assert main(["report", "experiment"]) == 0
    assert "registered as net msat per open hour, counted as net msat per hour" in capsys.readouterr().out


def test_the_help_shows_a_whole_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["experiment", "start", "--help"]) == 0
    assert "  revops experiment start --a hill_climb --b demand\n" in capsys.readouterr().out
