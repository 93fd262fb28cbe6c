"""Rows of a page, chosen and ordered by the names of its JSON."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revops.domain.reason import Reason, ReasonCode, why
from revops.report.rows import BadChoice, Choice, chosen, condition, csv_of, flat


@dataclass(frozen=True)
class Sums:
    earned_msat: int
    rate_ratio: float | None = None


@dataclass(frozen=True)
class Row:
    name: str
    alias: str | None
    open: bool
    fee_ppm: int | None
    opened_at: float | None
    window: Sums | None
    lifetime: Sums
    reasons: tuple[Reason, ...] = field(default=())


ROWS = (
    Row("1x1x1", "alice", True, 100, 86_400.0, Sums(5_000), Sums(9_000)),
    Row("2x2x2", None, True, 2_000, None, Sums(50_000, -0.5), Sums(60_000)),
    Row("3x3x3", "=Bob", False, None, 2 * 86_400.0, None, Sums(0)),
)


def names(choice: Choice) -> list[str]:
    return [row.name for row in chosen(ROWS, choice)]


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("fee_ppm>100", "2"), ("fee_ppm >= 100", "12"), ("fee_ppm<2,000", "1"), ("fee_ppm!=100", "2"),
        ("fee_ppm=", "3"),
        ("fee_ppm!=", "12"), ("alias=ALICE", "1"), ("alias~b", "3"), ("alias=", "2"), ("open=true", "12"),
        ("open=no", "3"), ("window.earned_msat>5sat", "2"), ("window.earned_msat>=5 sat", "12"),
        ("window.rate_ratio<0", "2"),
        ("opened_at>=1970-01-03", "3"), ("opened_at<1970-01-02T00:00:01", "1"), ("opened_at=86400", "1"),
        ("opened_at>=19700103", "3"),
        ("name>1x1x1", "23"), ("name~2", "2"), ("lifetime.earned_msat<=0", "3"), ("window.earned_msat=", "3"),
    ],
)  # fmt: skip
def test_conditions(typed: str, found: str) -> None:
    assert "".join(name[0] for name in names(Choice((condition(typed),)))) == found


def test_conditions_add_up() -> None:
    assert names(Choice((condition("open=yes"), condition("fee_ppm>100")))) == ["2x2x2"]


@pytest.mark.parametrize(
    ("sort", "order"),
    [("fee_ppm", "123"), ("-fee_ppm", "213"), ("-lifetime.earned_msat", "213"), ("opened_at", "132"), ("alias", "312"),
     ("-window.earned_msat", "213"), ("window.earned_msat", "123"), ("", "123")],
)  # fmt: skip
def test_sorting_puts_the_unknown_last(sort: str, order: str) -> None:
    assert "".join(name[0] for name in names(Choice(sort=sort))) == order


@dataclass(frozen=True)
class Line:
    channel: Row
    demand: dict[str, dict[str, int]]


def test_of_several_columns_that_end_so_the_one_that_is_no_part_of_a_part_is_meant() -> None:
    lines = [Line(row, {"judged": {"fee_ppm": 7, "earned_msat": 8}}) for row in ROWS]
    assert [line.channel.name for line in chosen(lines, Choice((condition("fee_ppm>500"),)))] == ["2x2x2"]
    with pytest.raises(BadChoice, match="several columns"):
        chosen(lines, Choice((condition("earned_msat>1"),)))


def test_a_limit_counts_what_is_left() -> None:
    assert names(Choice((condition("fee_ppm!="),), "-fee_ppm", 1)) == ["2x2x2"]
    assert names(Choice(limit=2)) == ["1x1x1", "2x2x2"]


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("earned_msat>1", "fits several columns: write one of window.earned_msat, lifetime.earned_msat"),
        ("colour=red", "there is no column 'colour'; there are: name, alias"),
        ("fee_ppm>many", "fee_ppm is a number, not 'many'"),
        ("opened_at>yesterday", "opened_at is a number or a time like"),
        ("open=maybe", "open is true or false"),
    ],
)
def test_what_can_t_be_compared_is_said(typed: str, said: str) -> None:
    with pytest.raises(BadChoice, match=r".*") as raised:
        names(Choice((condition(typed),)))
    assert said in str(raised.value)


@pytest.mark.parametrize("typed", ["", "fee_ppm", ">5", "fee ppm>5", "fee_ppm<>"])
def test_what_is_no_condition(typed: str) -> None:
    if typed == "fee_ppm<>":
        assert condition(typed).text == ">"
        return
    with pytest.raises(BadChoice, match="is no condition like"):
        condition(typed)


def test_no_rows_know_no_columns() -> None:
    assert chosen((), Choice((condition("anything>1"),), "nothing")) == ()
    assert "".join(csv_of(())) == "\n"


def test_reasons_are_their_sentences() -> None:
    reason = why(ReasonCode.DEAD_BAND, change_ppm=1, band_ppm=3)
    row = Row("a", None, True, 1, None, None, Sums(1), (reason, reason))
    assert flat(row)["reasons"] == f"{reason.sentence}; {reason.sentence}"


def test_csv_has_the_names_of_the_json_and_no_formula() -> None:
    rows = list(csv.DictReader(io.StringIO("".join(csv_of(ROWS)))))
    assert list(rows[0]) == [
        "name", "alias", "open", "fee_ppm", "opened_at", "window.earned_msat", "window.rate_ratio",
        "lifetime.earned_msat", "lifetime.rate_ratio", "reasons",
    ]  # fmt: skip
    assert rows[1]["window.rate_ratio"] == "-0.5"
    assert (rows[1]["alias"], rows[2]["alias"]) == ("", "'=Bob")
    assert (rows[2]["fee_ppm"], rows[2]["open"], rows[2]["window.earned_msat"]) == ("", "false", "")


_SOME = st.none() | st.integers(-5, 5)


@given(values=st.lists(_SOME, max_size=12), bound=st.integers(-6, 6), reverse=st.booleans())
def test_each_known_row_is_on_one_side_of_a_bound(values: list[int | None], bound: int, reverse: bool) -> None:
    """A comparison and its opposite part the rows that know the figure, and lose none; sorting loses none either."""
    rows = [Row(str(number), None, True, value, None, None, Sums(0)) for number, value in enumerate(values)]
    parts = [chosen(rows, Choice((condition(f"fee_ppm{sign}{bound}"),))) for sign in ("<", ">=", "=")]
    known = [row for row in rows if row.fee_ppm is not None]
    below, above, equal = map(list, parts)
    if known:
        assert sorted(below + above, key=lambda row: int(row.name)) == known
        assert equal == [row for row in known if row.fee_ppm == bound]
    ordered = chosen(rows, Choice(sort="-fee_ppm" if reverse else "fee_ppm"))
    figures = [row.fee_ppm for row in ordered if row.fee_ppm is not None]
    assert figures == sorted(figures, reverse=reverse)
    assert sorted(row.name for row in ordered) == sorted(row.name for row in rows)
    assert all(row.fee_ppm is None for row in ordered[len(figures) :])
