"""What people read: the reason that decided in a list, all of them one a line, and what a fee by hand leads to."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import revops.cycle
from revops.cli.main import main
from revops.domain.decision import FeeDecision, FeePlan, Outcome
from revops.domain.reason import Reason, ReasonCode, why
from revops.domain.snapshot import FeePin
from revops.report import fee_plans
from revops.report.blocks import Line, Table
from revops.report.text import folded, page
from revops.report.words import deciding, fee_step, shortened
from tests.builders import NOW, channel_id, node_id

WATCHED = why(ReasonCode.OBSERVING, fee_ppm=100, open_hours=1.0, needed_hours=8.0, forward_count=2)
CLIMBED = why(ReasonCode.CLIMB_KEEP, fee_ppm=100, rate_msat=7, last_rate_msat=5, step_percent=10.0)
LIMITED = why(ReasonCode.STEP_LIMIT, limit_ppm=25)
DROPPED = why(ReasonCode.ZERO_FLOW_DROP, idle_hours=72.0, fee_ppm=85)
BASE = why(ReasonCode.BASE_FEE, base_msat=1_000, wanted_base_msat=0)
NOTED = why(ReasonCode.CHAIN_RATE_UNKNOWN, days=3)
WAITS = why(ReasonCode.MIN_INTERVAL, age_hours=1.0, interval_hours=8.0)
BOUND = why(ReasonCode.AT_BOUND, fee_ppm=100, bound_ppm=104)
UNPAID = why(ReasonCode.UNPAID, fee_ppm=100, wanted_ppm=200)
OBSERVED = why(ReasonCode.OBSERVE_MODE)
PINNED = why(ReasonCode.PINNED, pin_ppm=900, span="until it is released")


@pytest.mark.parametrize(
    ("outcome", "reasons", "same_ppm", "decided"),
    [
        ("skip", (), False, None),
        ("skip", (WATCHED,), True, WATCHED),
        ("skip", (WATCHED, NOTED), True, WATCHED),
        ("skip", (CLIMBED, LIMITED, WAITS), False, WAITS),
        ("skip", (WATCHED, BOUND), True, BOUND),
        ("skip", (WATCHED, UNPAID), True, UNPAID),
        ("defer", (CLIMBED, WAITS, OBSERVED), False, WAITS),
        ("defer", (CLIMBED, LIMITED, OBSERVED), False, CLIMBED),
        ("defer", (WATCHED, DROPPED, OBSERVED), False, DROPPED),
        ("defer", (WATCHED, BASE, OBSERVED), True, BASE),
        ("defer", (OBSERVED,), False, OBSERVED),
        ("change", (CLIMBED, LIMITED, NOTED), False, CLIMBED),
        ("change", (WATCHED, DROPPED, NOTED), False, DROPPED),
        ("change", (WATCHED, BASE), True, BASE),
        ("change", (CLIMBED, BASE), False, CLIMBED),
        ("change", (PINNED, LIMITED), False, PINNED),
    ],
)
def test_the_reason_that_decided(
    outcome: str, reasons: tuple[Reason, ...], same_ppm: bool, decided: Reason | None
) -> None:
    assert deciding(outcome, reasons, same_ppm=same_ppm) is decided
    text = shortened(outcome, reasons, same_ppm=same_ppm)
    more_count = len(reasons) - 1 - (len(reasons) > 1 and reasons[-1] is OBSERVED)
    more = f" (+{more_count})" if more_count > 0 else ""
    assert text == ("" if decided is None else decided.sentence + more)


@pytest.mark.parametrize(
    ("outcome", "new_ppm", "text"),
    [
        ("change", 125, "100 -> 125 ppm"),
        ("skip", 125, "100 ppm (125 wanted)"),
        ("defer", 125, "100 ppm (125 wanted)"),
        ("skip", 100, "100 ppm"),
    ],
)
def test_a_fee_that_stays_is_not_told_as_a_step(outcome: str, new_ppm: int, text: str) -> None:
    assert fee_step(outcome, 100, new_ppm) == text


def decision(**overrides: Any) -> FeeDecision:
    base = FeeDecision(
        channel_id=channel_id(1), peer_id=node_id(1), name="1x1x0", strategy="pin", outcome=Outcome.CHANGE,
        old_ppm=100, proposed_ppm=900, new_ppm=125, old_base_msat=0, new_base_msat=0, expected_gain_msat=0,
        reasons=(PINNED, LIMITED), state=None, state_if_sent=None,
    )  # fmt: skip
    return replace(base, **overrides)


def test_a_plan_tells_the_deciding_reason_of_each_or_all_one_a_line() -> None:
    skipped = decision(name="2x1x0", outcome=Outcome.SKIP, reasons=(CLIMBED, LIMITED, WAITS), strategy="hill_climb")
    plan = FeePlan(NOW, (decision(), skipped))
    short = page(fee_plans.fee_plan(plan, dry_run=True, each_skip=False))
    assert "pinned by hand at 900 ppm, until it is released (+1)" in short
    assert "min_interval" in short
    assert "2x1x0: last changed 1.0 h ago, least interval 8.0 h (+2)" in short
    assert "step limited" not in short
    lines = page(fee_plans.fee_plan(plan, dry_run=True, each_skip=True)).splitlines()
    assert lines == [
        f"1x1x0  {node_id(1)[:12]}  would be sent: 100 -> 125 ppm",
        "  - pinned by hand at 900 ppm, until it is released",
        "  - step limited to 25 ppm",
        f"2x1x0  {node_id(1)[:12]}  not sent: 100 ppm (125 wanted)",
        *(f"  - {reason.sentence}" for reason in (CLIMBED, LIMITED, WAITS)),
        "2 channels: 1 would be sent, 1 not sent, 0 kept",
    ]


def test_what_became_of_a_fee_is_told_in_the_same_words_by_all_that_set_fees() -> None:
    """`adjust`, dry or not, in a table or one a line, and what is set by hand."""
    plan = FeePlan(
        NOW,
        (
            decision(),
            decision(name="2x1x0", outcome=Outcome.DEFER, reasons=(CLIMBED, OBSERVED)),
            decision(name="3x1x0", outcome=Outcome.SKIP, new_ppm=100, reasons=(WATCHED,)),
        ),
    )
    dry, done = (
        {each: page(fee_plans.fee_plan(plan, dry_run=dry, each_skip=each)) for each in (False, True)}
        for dry in (True, False)
    )
    for told, sent in ((dry, "would be sent"), (done, "sent")):
        assert f"  {sent}: 100 -> 125 ppm" in told[True]
        assert f"  {sent}  " in told[False]
        for text in told.values():
            assert text.splitlines()[-1] == f"3 channels: 1 {sent}, 1 not sent, 1 kept"
            assert "change" not in text
            assert "skip" not in text
    assert "not sent: 100 ppm (125 wanted)" in done[True]
    assert "kept: 100 ppm" in done[True]
    kept = FeePlan(NOW, plan.decisions[2:])
    assert (
        page(fee_plans.fee_set(kept, FeePin(100, NOW, None, forced=False), dry_run=False)).splitlines()[1]
        == "kept: 100 ppm"
    )


def test_a_dry_run_says_that_watching_has_not_begun() -> None:
    first = why(ReasonCode.FIRST_SEEN, fee_ppm=100)
    plan = FeePlan(NOW, (decision(outcome=Outcome.SKIP, new_ppm=100, reasons=(first,)),))
    assert "a dry run records nothing" in page(fee_plans.fee_plan(plan, dry_run=True, each_skip=False))
    assert "a dry run" not in page(fee_plans.fee_plan(plan, dry_run=False, each_skip=True))


@pytest.fixture
def by_hand(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Either command with a cycle that only answers; what it printed, where standard output is no terminal."""

    def told(answer: FeeDecision, *line: str) -> str:
        plan = FeePlan(NOW, (answer,))
        fake = SimpleNamespace(
            set_fee=lambda *_, **__: plan, unset_fee=lambda *_, **__: plan, run=lambda *_, **__: plan
        )
        monkeypatch.setattr(revops.cycle, "fees", fake, raising=False)
        assert main([*line]) == 0
        return capsys.readouterr().out

    return told


def test_a_fee_by_hand_says_what_comes_of_it(by_hand: Callable[..., str]) -> None:
    out = by_hand(decision(), "fees", "set", "1x1x0", "900", "--for", "2d", "--force")
    assert out.splitlines() == [
        "1x1x0 pinned at 900 ppm until 2025-06-17 15:06Z, by force",
        "sent: 100 -> 125 ppm",
        "  - pinned by hand at 900 ppm, until it is released",
        "  - step limited to 25 ppm",
    ]
    out = by_hand(decision(), "fees", "set", "1x1x0", "900", "-n")
    assert out.splitlines()[:2] == [
        "1x1x0 would be pinned at 900 ppm until it is released", "would be sent: 100 -> 125 ppm"
    ]  # fmt: skip
    deferred = decision(outcome=Outcome.DEFER, reasons=(PINNED, OBSERVED), new_base_msat=7, new_htlc_max_msat=5_000)
    out = by_hand(deferred, "fees", "set", "1x1x0", "900")
    assert out.splitlines()[1] == "not sent: 100 ppm (125 wanted), base fee 0 -> 7 msat, htlc_max 5 sat"


def test_in_observe_mode_each_row_tells_its_own_reason_and_the_mode_is_said_once() -> None:
    watched = decision(outcome=Outcome.DEFER, reasons=(CLIMBED, OBSERVED))
    limited = decision(outcome=Outcome.DEFER, reasons=(CLIMBED, LIMITED, OBSERVED))
    blocks = list(fee_plans.fee_plan(FeePlan(0.0, (watched, limited)), dry_run=True, each_skip=False))
    (table,) = [block for block in blocks if isinstance(block, Table)]
    assert [row[-1] for row in table.rows] == [CLIMBED.sentence, f"{CLIMBED.sentence} (+1)"]
    assert sum("observe mode" in block.text for block in blocks if isinstance(block, Line)) == 1


def test_a_release_says_who_goes_on(by_hand: Callable[..., str]) -> None:
    after = decision(strategy="hill_climb", outcome=Outcome.SKIP, new_ppm=100, reasons=(WATCHED,))
    out = by_hand(after, "fees", "unset", "1x1x0")
    assert out.splitlines() == [
        "1x1x0 released at 100 ppm to strategy hill_climb", "kept: 100 ppm", f"  - {WATCHED.sentence}"
    ]  # fmt: skip
    assert by_hand(after, "fees", "unset", "1x1x0", "-n").startswith("1x1x0 would be released at 100 ppm")


@pytest.mark.parametrize("line", [("fees", "set", "1x1x0", "900"), ("fees", "unset", "1x1x0")])
def test_by_hand_has_a_document_and_can_be_quiet(by_hand: Callable[..., str], line: tuple[str, ...]) -> None:
    document = json.loads(by_hand(decision(), *line, "--json"))
    assert document["command"] == " ".join(line[:2])
    assert [one["new_ppm"] for one in document["decisions"]] == [125]
    assert by_hand(decision(), *line, "-q") == ""


def test_the_cycle_of_cron_stays_silent(by_hand: Callable[..., str]) -> None:
    assert by_hand(decision(), "fees", "adjust") == ""


@given(st.text(alphabet="ab -", max_size=200), st.integers(20, 120))
def test_a_folded_line_keeps_its_words_and_its_width(text: str, width: int) -> None:
    lines = folded(text, width).splitlines()
    assert " ".join(" ".join(lines).split()) == " ".join(text.split())
    for line in lines:
        assert len(line) <= width or len(line.split()) <= 2


def test_a_reason_is_folded_below_itself() -> None:
    assert folded("  - one two three four", 12).splitlines() == ["  - one two", "    three", "    four"]
    assert folded("short", 12) == "short"
