"""Rows of a page, chosen and ordered by the names that they have in its JSON.

A page with a row for each channel, peer, job or decision can be asked for some of them: `--where fee_ppm>500`,
`--sort -window.earned_msat`. One set of names serves JSON, CSV and both of these; a part of a name is enough where it
means only one column.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

from revops.report.csv_text import Cell, csv_texts
from revops.report.plain import plain

Scalar = str | int | float | bool | None
Flat = Mapping[str, Scalar]
Row = TypeVar("Row")
#: Rows, each with its figures.
_Pairs = list[tuple[Row, dict[str, Scalar]]]

_CONDITION: Final = re.compile(r"\s*([a-z0-9_.]+)\s*(!=|<=|>=|=|<|>|~)\s*(.*?)\s*", re.DOTALL)
_TRUTHS: Final = {"true": True, "yes": True, "false": False, "no": False}
#: Amounts are in msat; people think in sat.
_SAT: Final = re.compile(r"(-?[0-9_,]+)\s*sat")
_DATE: Final = re.compile(r"[0-9]{8}")
_LIST_SEPARATOR: Final = "; "


class BadChoice(ValueError):
    """What was asked of a page's rows can't be understood; the message says why, and what would be."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One `--where`: a column's name, a comparison, and what to compare with, as it was typed."""

    name: str
    operator: str
    text: str


@dataclass(frozen=True, slots=True)
class Choice:
    """Which rows of a page, in which order. `sort` is a column's name, "-" in front for the largest first; "" keeps the
    page's own order. `limit` is how many rows at most; None: all.
    """

    conditions: tuple[Condition, ...] = ()
    sort: str = ""
    limit: int | None = None


def condition(text: str) -> Condition:
    """Given what was typed, return the condition. Raise BadChoice for what is none."""
    match = _CONDITION.fullmatch(text)
    if match is None:
        raise BadChoice(f"{text!r} is no condition like fee_ppm>500, state=normal or alias~acinq")
    return Condition(*match.groups())


def flat(row: Any) -> dict[str, Scalar]:
    """Given a row of the domain, return its figures by name: those of a part as "part.name", a list as one text."""
    return dict(_flattened("", plain(row)))


def _flattened(prefix: str, value: Any) -> Iterator[tuple[str, Scalar]]:
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _flattened(f"{prefix}.{name}" if prefix else name, item)
    elif isinstance(value, list):
        yield prefix, _LIST_SEPARATOR.join(map(_word, value))
    else:
        yield prefix, value


def _word(item: Any) -> str:
    """A reason by its sentence; any other group of figures as its names and figures."""
    if isinstance(item, dict):
        sentence = item.get("sentence")
        return (
            sentence if isinstance(sentence, str) else ", ".join(f"{name} {_word(one)}" for name, one in item.items())
        )
    return "" if item is None else str(item)


def chosen(rows: Sequence[Row], choice: Choice) -> tuple[Row, ...]:
    """Given rows of one type and which of them are wanted, return these in the order that was asked for.

    What a row doesn't know fits no comparison but `name=` (unknown) and `name!=` (known), and is sorted last. Raise
    BadChoice for a column that doesn't exist, a part of a name that means several, or a text that the column can't be
    compared with.
    """
    if not rows or not (choice.conditions or choice.sort):
        return tuple(rows[: choice.limit])
    table = [(row, flat(row)) for row in rows]
    names = _names([figures for _, figures in table])
    for one in choice.conditions:
        name = _column(one.name, names)
        fits = _test(name, one, [figures.get(name) for _, figures in table])
        table = [(row, figures) for row, figures in table if fits(figures.get(name))]
    if choice.sort:
        name = _column(choice.sort.removeprefix("-"), names)
        table = _sorted(table, name, reverse=choice.sort.startswith("-"))
    return tuple(row for row, _ in table[: choice.limit])


def _names(table: Sequence[Flat]) -> tuple[str, ...]:
    """A part that is unknown in one row has its figures in another: the column is of the figures."""
    names = dict.fromkeys(name for figures in table for name in figures)
    return tuple(name for name in names if not any(other.startswith(f"{name}.") for other in names))


def _column(word: str, names: Sequence[str]) -> str:
    """Given a name or the end of one, return the column that it means: of several that end so, the one that isn't a
    part of a part.
    """
    if word in names:
        return word
    ends = [name for name in names if name.endswith(f".{word}")]
    highest = [name for name in ends if name.count(".") == min(one.count(".") for one in ends)]
    found = highest if len(highest) == 1 else ends or [name for name in names if word in name]
    if len(found) == 1:
        return found[0]
    if found:
        raise BadChoice(f"{word!r} fits several columns: write one of {', '.join(found)}")
    raise BadChoice(f"there is no column {word!r}; there are: {', '.join(names)}")


def _sorted(table: _Pairs[Row], name: str, *, reverse: bool) -> _Pairs[Row]:
    known = [item for item in table if item[1].get(name) is not None]
    unknown = [item for item in table if item[1].get(name) is None]
    known.sort(key=lambda item: _order(item[1][name]), reverse=reverse)
    return known + unknown


def _order(value: Scalar) -> tuple[int, Any]:
    """Texts and numbers in one column still have an order."""
    return (1, value.casefold()) if isinstance(value, str) else (0, value)


def _test(name: str, one: Condition, values: Sequence[Scalar]) -> Callable[[Scalar], bool]:
    """Given a condition and its column, return what tells whether a figure fits."""
    if not one.text and one.operator in ("=", "!="):
        wanted = one.operator == "!="
        return lambda value: (value is not None and value != "") is wanted
    if one.operator == "~":
        part = one.text.casefold()
        return lambda value: value is not None and part in str(value).casefold()
    bound = _bound(name, one.text, values)
    return lambda value: value is not None and _compared(one.operator, value, bound)


def _bound(name: str, text: str, values: Sequence[Scalar]) -> Scalar:
    """Given what was typed, return it as the column's kind: truth, number, instant or text."""
    known = [value for value in values if value is not None]
    if any(isinstance(value, bool) for value in known):
        if text.lower() not in _TRUTHS:
            raise BadChoice(f"{name} is true or false, not {text!r}")
        return _TRUTHS[text.lower()]
    if any(isinstance(value, str) for value in known) or not known:
        return text.casefold()
    try:
        return _instant(text) if name.endswith("_at") else _number(name, text)
    except ValueError:
        kind = "a number or a time like 2026-11-01T12:30" if name.endswith("_at") else "a number"
        raise BadChoice(f"{name} is {kind}, not {text!r}") from None


def _number(name: str, text: str) -> float | int:
    match = _SAT.fullmatch(text)
    if match is not None and name.endswith("_msat"):
        return int(match.group(1).replace(",", "")) * 1_000
    plain_text = text.replace(",", "")
    try:
        return int(plain_text)
    except ValueError:
        return float(plain_text)


def _instant(text: str) -> float:
    """Eight digits are a date, and no epoch of 1970: "20261101"."""
    if not _DATE.fullmatch(text):
        with suppress(ValueError):
            return float(text)
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()


def _compared(operator: str, value: Any, bound: Any) -> bool:
    if isinstance(value, str) != isinstance(bound, str):
        return operator == "!="
    if isinstance(value, str):
        value = value.casefold()
    match operator:
        case "=":
            return bool(value == bound)
        case "!=":
            return bool(value != bound)
        case "<":
            return bool(value < bound)
        case "<=":
            return bool(value <= bound)
        case ">":
            return bool(value > bound)
    return bool(value >= bound)


def csv_of(rows: Sequence[Any]) -> Iterator[str]:
    """Given rows of one type, yield the text of a CSV file of all their figures, under the names of their JSON."""
    table = [flat(row) for row in rows]
    names = _names(table)
    return csv_texts(names, ([_cell(figures.get(name)) for name in names] for figures in table))


def _cell(value: Scalar) -> Cell:
    return ("true" if value else "false") if isinstance(value, bool) else value
