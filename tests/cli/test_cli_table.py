"""Tables on terminals of every width: each figure whole on one line, none wider than the terminal, reasons below."""

from __future__ import annotations

import fcntl
import io
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from revops.cli.table import show
from revops.report.blocks import Table
from revops.report.text import PROSE_WIDTH, table_text

ROOT = Path(__file__).parents[2]
WHY = "2,019 ppm earned 57,940 msat per open hour, the price before 32,918: on the same way, -6.0 %"
DECISIONS = Table(
    "Decisions",
    ("last", "command", "channel", "outcome", "what", ">times", "why"),
    (
        ("2026-11-28 11:23Z", "rebalance plan", "11142330x1186425x6503", "change", "1,000,000 sat", "12", WHY),
        ("2026-11-27 16:42Z", "fees adjust", "265616x1515x0", "skip", "", "3", "short"),
    ),
)
CHANNELS = Table(
    "Channels (sat)",
    (
        "channel", "peer", "state", ">capacity", ">local", ">ppm", ">in 30 d", ">out 30 d", ">earned 30 d",
        ">rebalanced 30 d", ">rebalance costs 30 d", ">net ever",
    ),
    tuple(
        (
            f"{number}142330x1186425x6503", "⚡ a node with a long name ⚡", "normal, private", f"{number},108,324,771",
            "69 %", "2,019", f"{number}0,715,038", f"{number}1,946,953", f"{number}2,239", f"{number},183,985",
            f"{number},339", f"-{number}2,345",
        )
        for number in range(1, 6)
    ),
)  # fmt: skip
SUMS = Table("Sums", ("", ">7 d"), (("earned, sat", "34,449"),))
SHOW = """
from revops.cli.output import Output
from revops.domain.options import CommonOptions
from tests.cli.test_cli_table import CHANNELS, DECISIONS, SUMS
Output(CommonOptions()).blocks([CHANNELS, DECISIONS, SUMS])
"""


def on_pty(columns: int) -> str:
    """Return what a terminal of that many columns is sent, without colours."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    environment = {"PATH": os.defpath, "TERM": "xterm-256color", "PYTHONPATH": str(ROOT), "LC_ALL": "C.UTF-8"}
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-c", SHOW], env=environment, stdin=theirs, stdout=theirs, stderr=theirs
    ) as child:
        os.close(theirs)
        sent = b""
        while True:
            try:
                part = os.read(ours, 65_536)
            except OSError:  # EIO: the other end is closed
                break
            if not part:
                break
            sent += part
    os.close(ours)
    assert child.returncode == 0, sent.decode()
    return re.sub(r"\x1b\[[0-9;]*m", "", sent.decode()).replace("\r\n", "\n")


@pytest.mark.parametrize("columns", [60, 80, 100, 140, 220])
def test_every_figure_is_whole_and_no_line_runs_over(columns):
    from rich.cells import cell_len

    lines = on_pty(columns).split("\n")
    assert max(cell_len(line.rstrip()) for line in lines) <= columns
    words = [set(re.findall(r"\S+", line)) for line in lines]
    for table in (CHANNELS, DECISIONS, SUMS):
        for row in table.rows:
            for heading, cell in zip(table.headings, row, strict=True):
                if heading in {"why", "peer"}:
                    continue
                whole = set(re.findall(r"\S+", cell))
                assert any(whole <= {word.strip(",;:") for word in line} | line for line in words), (heading, cell)
    assert " ".join(WHY.split()) in " ".join(" ".join(lines).split())


def test_reasons_stand_below_their_row_where_room_is_short():
    lines = on_pty(80).split("\n")
    (row,) = [number for number, line in enumerate(lines) if line.startswith("2026-11-27 16:42Z")]
    assert lines[row + 1] == "    times 3; why: short"


def test_a_table_of_figures_goes_on_below_with_its_first_column():
    lines = on_pty(80).split("\n")
    assert sum(line.startswith("1142330x1186425x6503") for line in lines) == 3
    assert sum(line.startswith("Channels (sat)") for line in lines) == 1


def shown_at(width: int, table: Table) -> list[str]:
    from rich.console import Console

    out = io.StringIO()
    show(Console(file=out, width=width, color_system=None), table)
    return [line.rstrip() for line in out.getvalue().splitlines()]


def test_a_heading_is_broken_only_where_it_is_wider_than_its_cells():
    table = Table("", ("command", ">next", "what it has before it"), (("fees adjust", "late", "0 changes put off"),))
    heading, more = shown_at(36, table)[:2]
    assert "what it has" in heading + more
    assert shown_at(36, table)[2].startswith("──")


LONG, OTHER = "a node with a very long name indeed", "a node with a very long name as well"


def test_aliases_are_cut_before_a_table_is_broken_up():
    """So much shorter, all of it is on one line."""
    figures = tuple(f"{number}00,000,000" for number in range(1, 5))
    table = Table("", ("channel", "peer", *(f">n{number}" for number in range(4))), (("1x1x1", LONG, *figures),))
    assert [line for line in shown_at(100, table) if LONG in line]
    (row,) = [line for line in shown_at(80, table) if line.startswith("1x1x1")]
    assert row.split() == ["1x1x1", "a", "node", "with", "a", "v…", *figures]
    assert any("⚡ a node with…" in line for line in on_pty(80).split("\n"))


def test_aliases_that_nothing_else_tells_apart_stay_whole():
    figures = tuple(f"{number}00,000,000" for number in range(1, 5))
    rows = ((LONG, *figures), (OTHER, *figures), ("⚡" * 20, *figures))
    lines = shown_at(60, Table("", ("peer", *(f">n{number}" for number in range(4))), rows))
    assert any(line.startswith(LONG) for line in lines)
    assert any(line.startswith(OTHER) for line in lines)
    assert any(line.startswith("⚡" * 7 + "…") for line in lines)
    assert max(map(len, lines)) <= 60


def test_an_endless_alias_is_cut_at_once():
    rows = (("1x1x1", "x" * 1_000_000, "1,234"),)
    assert max(map(len, shown_at(60, Table("", ("channel", "peer", ">n"), rows)))) <= 100


def test_a_wide_terminal_gets_one_line_a_row():
    lines = on_pty(220).split("\n")
    assert sum("1142330x1186425x6503" in line for line in lines) == 2
    assert any(WHY in line and "1,000,000 sat" in line for line in lines)


def test_a_cell_that_no_terminal_holds_runs_over_whole():
    from rich.console import Console

    out = io.StringIO()
    show(Console(file=out, width=40, color_system=None), Table("", ("a", ">n"), (("x" * 90, "1,234"),)))
    assert "x" * 90 in out.getvalue()
    assert "1,234" in out.getvalue()


def test_in_a_pipe_a_long_reason_is_folded_and_every_line_fits_a_page():
    reasons = Table("", ("channel", ">sat", "why"), (("1x1x1", "1,234", f"{WHY}; {WHY}"), ("2x2x2", "7", "short")))
    lines = table_text(reasons).splitlines()
    assert max(map(len, lines)) <= PROSE_WIDTH + len("channel") + len("1,234") + 8
    assert f"{WHY}; {WHY}" in " ".join(" ".join(lines).split())
    figures = Table("", ("channel", ">sat"), (("1x1x1", "1" * 150),))
    assert "1" * 150 in table_text(figures)


def test_what_stands_below_a_row_leaves_out_what_says_nothing_and_names_its_texts():
    from rich.console import Console

    table = Table(
        "", ("job", ">amount sat", "next to leave", ">ppm", "limited by"),
        (("12345678", "1,234,567", "3 sat at noon", "-", WHY), ("2", "7", "-", "", WHY), ("3", "7", "", "61", "")),
    )  # fmt: skip
    out = io.StringIO()
    show(Console(file=out, width=32, color_system=None), table)
    told = " ".join(out.getvalue().split())
    assert f"3 sat at noon; limited by: {WHY} 2 7 {WHY} 3 7" in told
    assert told.endswith("ppm 61")
