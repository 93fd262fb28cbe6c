"""What is printed: rich on a terminal, plain elsewhere, and nothing a stranger wrote that a terminal would obey."""

from __future__ import annotations

import io
import json
import sys
from types import SimpleNamespace

import pytest

from revops.cli.main import main
from revops.cli.output import Output
from revops.domain.decision import BudgetVerdict, Outcome, WindowBudget
from revops.domain.forward import ForwardStatus
from revops.domain.options import CommonOptions
from revops.domain.reason import ReasonCode, why
from revops.domain.record import Books
from revops.report import amounts
from revops.report.blocks import Line, Listing, Table
from revops.report.plain import plain
from revops.report.text import page

EVIL = "\x1b[2J[red]evil[/red]\u202e=1+1"
TABLE = Table("Title", ("name", ">sat"), ((EVIL, "1,234"), ("b" * 200, "5")))


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def on_terminal(monkeypatch: pytest.MonkeyPatch, options: CommonOptions | None = None, **environment: str) -> str:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    for name in ("NO_COLOR", "FORCE_COLOR", "COLORTERM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "100")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    Output(options or CommonOptions()).blocks([Line(EVIL), TABLE])
    return terminal.getvalue()


def test_piped_tables_are_plain_and_whole(capsys):
    Output(CommonOptions()).blocks([TABLE])
    out = capsys.readouterr().out
    assert "\\x1b[2J[red]evil[/red]\\u202e=1+1" in out
    assert "b" * 200 in out
    assert "1,234" in out
    assert not set(out) & set("\x1b\u202e│─┃")


def test_numbers_stand_to_the_right(capsys):
    Output(CommonOptions()).blocks([Table("", ("a", ">n"), (("x", "1"), ("y", "1,000")))])
    lines = capsys.readouterr().out.splitlines()
    assert lines[2].endswith("    1")
    assert lines[3].endswith("1,000")


def test_an_empty_table_still_prints(capsys):
    Output(CommonOptions()).blocks([Table("", ("a", ">n"), ())])
    assert capsys.readouterr().out.splitlines()[0].split() == ["a", "n"]


def test_a_terminal_gets_a_table_and_the_stranger_s_text_as_text(monkeypatch):
    out = on_terminal(monkeypatch)
    assert "[red]evil[/red]" in out
    assert "\x1b[2J" not in out
    assert "\u202e" not in out
    assert "\x1b[1m" in out  # the title is bold, by us
    assert out.count("b") >= 200  # folded, not cut


@pytest.mark.parametrize(
    ("options", "environment"),
    [(CommonOptions(color=False), {}), (CommonOptions(), {"NO_COLOR": "1"}), (CommonOptions(), {"TERM": "dumb"})],
)
def test_colours_can_be_refused(monkeypatch, options, environment):
    out = on_terminal(monkeypatch, options, **environment)
    assert "\x1b[3" not in out
    assert "\x1b[1;3" not in out
    assert "Title" in out


def test_json_is_ascii_and_versioned(capsys):
    Output(CommonOptions(json=True)).product("x", {"alias": EVIL, "rate": float("nan")}, tuple)
    out = capsys.readouterr().out
    assert out.isascii()
    assert "\x1b" not in out
    assert json.loads(out) == {"schema_version": 1, "command": "x", "alias": EVIL, "rate": None}


def test_values_become_json_with_their_derived_figures():
    window = WindowBudget("day", 10, 3, 2)
    verdict = BudgetVerdict(1.0, window, window, (why(ReasonCode.OBSERVE_MODE),))
    document = plain(verdict)
    assert document["daily"] == {"window": "day", "limit_msat": 10, "spent_msat": 3, "reserved_msat": 2, "left_msat": 5}
    assert document["left_msat"] == 0
    reason = {"code": "observe_mode", "numbers": {}, "sentence": "observe mode: nothing is sent"}
    assert document["suspended"] == [reason]
    assert plain(Books(5, 3, 1, 0.0))["difference_msat"] == 1
    assert plain({"a": (Outcome.SKIP, ForwardStatus.SETTLED), "b": frozenset({2, 1})}) == {
        "a": ["skip", "settled"],
        "b": [1, 2],
    }
    with pytest.raises(TypeError, match="no place"):
        plain(object())


@pytest.mark.parametrize(
    ("shown", "text"),
    [
        (amounts.income(1_234_999), "1,234"),
        (amounts.cost(1_234_001), "1,235"),
        (amounts.income(-1), "-1"),
        (amounts.income_rate(1, 3), "333,333"),
        (amounts.nearest_rate(2, 3), "666,667"),
        (amounts.nearest_rate(1, 3), "333,333"),
        (amounts.nearest_rate(1, 0), "-"),
        (amounts.whole(-0.4), "0"),
        (amounts.whole(-1_234.5), "-1,234"),
        (amounts.share(1, 3), "33 %"),
        (amounts.share(1, 0), "-"),
        (amounts.instant(0), "1970-01-01 00:00Z"),
        (amounts.span(119), "119 s"),
        (amounts.span(120), "2 min"),
        (amounts.span(7_200), "2 h"),
        (amounts.span(172_800), "2 d"),
        (amounts.span(-5), "0 s"),
        (amounts.age(None, 5), "never"),
        (amounts.age(0, 300), "5 min ago"),
    ],
)
def test_amounts_are_rounded_against_us_and_instants_are_utc(shown, text):
    assert shown == text


def test_a_closed_stdout_ends_nothing(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    Output(CommonOptions()).blocks([TABLE])


@pytest.mark.parametrize(
    ("verbosity", "printed"),
    [(0, {"product", "answer"}), (1, {"product", "answer", "news"}), (-1, {"product"})],
)
def test_quiet_leaves_what_was_asked_for(verbosity: int, printed: set[str], capsys):
    """A page is printed whatever the flags; what came of an act isn't."""
    output = Output(CommonOptions(verbosity=verbosity))
    for kind in ("product", "answer", "news"):
        getattr(output, kind)("command", None, lambda kind=kind: [Line(kind)])
    assert set(capsys.readouterr().out.split()) == printed


def test_a_reconcile_that_finds_something_is_told_by_its_exit_code_alone_with_quiet(monkeypatch, capsys):
    import revops.cycle
    from revops.report import reconciliation

    monkeypatch.setattr(
        revops.cycle,
        "reconcile",
        SimpleNamespace(run=lambda _options: SimpleNamespace(agrees=False)),
        raising=False,
    )
    monkeypatch.setattr(reconciliation, "reconciliation", lambda _value: [Line("the page")])
    monkeypatch.setattr(reconciliation, "unexplained", lambda _value: "7 msat")
    assert main(["reconcile"]) == 1
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("the page\n", "revops: 7 msat\n")
    assert main(["reconcile", "-q"]) == 1
    assert capsys.readouterr() == ("", "")


def test_the_help_says_what_quiet_leaves(capsys):
    assert main(["history", "--help"]) == 0
    assert "Pages, exports and --json are printed all the same" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("count", "verbosity", "told"),
    [
        (5, 0, "dear: a0, a1, a2, a3, a4\n"),
        (7, 0, "dear: a0, a1, a2, a3, a4, and 2 more (-v)\n"),
        (7, 1, "dear: a0, a1, a2, a3, a4, a5, a6\n"),
    ],
)
def test_a_note_names_all_or_says_how_many_more(monkeypatch, capsys, count: int, verbosity: int, told: str):
    note = Listing("dear", tuple(f"a{number}" for number in range(count)))
    Output(CommonOptions(verbosity=verbosity)).blocks([note])
    assert capsys.readouterr().out == told
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    Output(CommonOptions(verbosity=verbosity)).blocks([note])
    assert terminal.getvalue() == told
    assert "(-v)" not in page([note])
