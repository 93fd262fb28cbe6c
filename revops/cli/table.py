"""A table on a terminal, whatever its width: every figure whole, every row readable.

First as it is; then with headings on several lines; then with a long last column (reasons, messages) folded; then with
aliases cut short; then with that column on lines of its own below each row, and what else doesn't fit; a table of short
cells alone continues below, its first column repeated. rich by itself shortens cells instead, figures too, and shows no
mark.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, Literal

from revops.domain.text import printable
from revops.report.blocks import Table, Tone, tone_of
from revops.report.text import side_of

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table as RichTable

#: A last column of texts with a longer one than this is prose: it may be folded, and may stand below its row.
_SHORT: Final = 30
#: Prose in a narrower column is a ribbon; it reads better below.
_LEAST_PROSE: Final = 40
#: An alias longer than this is folded where room is short. The longest short channel id has 22 characters.
_LEAST_ALIAS: Final = 24
#: What an alias is cut to, where nothing less helps; the channel, or the peer's id, says who it is.
_CUT_ALIAS: Final = 16
#: More characters of an alias are not even measured.
_LONGEST_ALIAS: Final = 4 * _CUT_ALIAS
#: The heading of aliases.
_PEER: Final = "peer"
_WIDEST: Final = 10_000
#: Where a heading may be broken: not before a unit ("in 30 d").
_BREAKS: Final = re.compile(r"(?<!\d) ")
_INDENT: Final = "    "
_STYLES: Final = {None: "", Tone.GOOD: "green", Tone.BAD: "red", Tone.WARN: "yellow"}
#: Cells that say nothing: in a row of its own a column stands empty, below one it is left out.
_EMPTY: Final = frozenset({"", "-"})


def show(console: Console, table: Table) -> None:
    """Given a console and a table, print it in the first form that fits, and an empty line."""
    everything = range(len(table.headings))
    prose = _prose_column(table)
    whole, table = table, _with_aliases_cut(table)
    for form, broken in ((whole, False), (whole, True), (table, True)):
        shown = _formed(form, everything, prose, broken=broken)
        if _width(console, shown) <= console.width:
            console.print(shown)
            break
    else:
        if prose is None:
            _continued(console, table)
        else:
            _with_lines_below(console, table, prose)
    console.print()


def style_of(text: str) -> str:
    """Given a cell or line, return rich's style for its tone; "" for a plain one."""
    return _STYLES[tone_of(text)]


def _with_aliases_cut(table: Table) -> Table:
    """Given a table, return it with long aliases cut; whole are those that nothing else tells apart."""
    if _PEER not in table.headings[:-1]:
        return table
    place = table.headings.index(_PEER)
    cut = {row[place]: _cut(printable(row[place])) for row in table.rows}
    alike = Counter(cut.values()) if place == 0 else Counter()
    rows = (
        (*row[:place], row[place] if alike[cut[row[place]]] > 1 else cut[row[place]], *row[place + 1 :])
        for row in table.rows
    )
    return Table(table.title, table.headings, tuple(rows))


def _cut(text: str) -> str:
    from rich.cells import cell_len

    if len(text) <= _LONGEST_ALIAS and cell_len(text) <= _CUT_ALIAS:
        return text
    text = text[:_LONGEST_ALIAS]
    while cell_len(text) >= _CUT_ALIAS:
        text = text[:-1]
    return f"{text.rstrip()}…"


def _prose_column(table: Table) -> int | None:
    last = len(table.headings) - 1
    if last < 1 or side_of(table.headings[last]) == "right":
        return None
    return last if max((len(row[last]) for row in table.rows), default=0) > _SHORT else None


def _formed(table: Table, columns: Sequence[int], prose: int | None, *, broken: bool, titled: bool = True) -> RichTable:
    """Given the columns to show, return rich's table of them: none narrower than its widest cell, but for prose."""
    from rich import box
    from rich.cells import cell_len
    from rich.table import Table as RichTable
    from rich.text import Text

    title = Text(printable(table.title), style="bold") if table.title and titled else None
    shown = RichTable(
        title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1, 0, 0)
    )
    for column in columns:
        heading = table.headings[column]
        side: Literal["left", "right"] = "right" if side_of(heading) == "right" else "left"
        in_cells = max((cell_len(printable(row[column])) for row in table.rows), default=0)
        lines = _lines(heading.lstrip(">"), in_cells) if broken else [heading.lstrip(">")]
        in_heading = max(cell_len(line) for line in lines)
        widest = max(in_heading, in_cells)
        limit = _least_width(table, column, prose, broken=broken)
        shown.add_column(
            "\n".join(lines), justify=side, no_wrap=widest <= limit, min_width=max(in_heading, min(widest, limit)),
            overflow="fold",
        )  # fmt: skip
    for row in table.rows:
        shown.add_row(*(Text(printable(row[column]), style=style_of(row[column])) for column in columns))
    return shown


def _lines(heading: str, width: int) -> list[str]:
    """Given a heading and how wide its cells are, return it broken in no more lines than it takes for that."""
    from rich.cells import cell_len

    lines: list[str] = []
    for word in _BREAKS.split(heading):
        if lines and cell_len(f"{lines[-1]} {word}") <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def _least_width(table: Table, column: int, prose: int | None, *, broken: bool) -> int:
    """How narrow a column may become, its texts folded. Rows with lines below them are of one line each."""
    if column == prose:
        return _LEAST_PROSE
    text_of_stranger = column > 0 and side_of(table.headings[column]) == "left" and _prose_column(table) is None
    return _LEAST_ALIAS if broken and text_of_stranger else _WIDEST


def _width(console: Console, shown: RichTable) -> int:
    return console.measure(shown, options=console.options.update(max_width=_WIDEST)).minimum


def _fitting(console: Console, table: Table, columns: Sequence[int]) -> int:
    """Given columns, return how many of them, from the first, fit side by side: one at least."""
    for count in range(len(columns), 1, -1):
        if _width(console, _formed(table, columns[:count], None, broken=True)) <= console.width:
            return count
    return 1


def _continued(console: Console, table: Table) -> None:
    """Print the columns in groups that fit, one group below the other, the first column in front of each."""
    fewest = _groups(console, table, len(table.headings))
    # As many in each as can be, so that none is left over alone.
    even = _groups(console, table, math.ceil((len(table.headings) - 1) / len(fewest)))
    for number, columns in enumerate(even if len(even) == len(fewest) else fewest):
        if number:
            console.print()
        _print_wide(console, _formed(table, [0, *columns], None, broken=True, titled=not number))


def _groups(console: Console, table: Table, most: int) -> list[list[int]]:
    """The columns but the first, in groups that fit beside it, none of more than `most`."""
    rest = list(range(1, len(table.headings)))
    groups: list[list[int]] = []
    while rest:
        count = min(max(1, _fitting(console, table, [0, *rest]) - 1), most)
        groups.append(rest[:count])
        rest = rest[count:]
    return groups


def _print_wide(console: Console, shown: RichTable) -> None:
    """A cell wider than the terminal (an alias of escapes) runs over; it is not cut."""
    width = console.width
    console.width = max(_width(console, shown), width)
    console.print(shown)
    console.width = width


def _with_lines_below(console: Console, table: Table, prose: int) -> None:
    """Print each row on one line, as much of it as fits, and what is left below it, the prose last."""
    from rich.segment import Segment, Segments
    from rich.text import Text

    columns = list(range(prose))
    count = _fitting(console, table, columns)
    shown = _formed(table, columns[:count], None, broken=True)
    lines = console.render_lines(shown, console.options.update(width=_width(console, shown)))
    heading_count = len(lines) - len(table.rows)
    for number, line in enumerate(lines):
        console.print(Segments([*line, Segment.line()]), crop=False)
        if number >= heading_count:
            text = _below(table, table.rows[number - heading_count], columns[count:], prose)
            for part in Text(text).wrap(console, max(_LEAST_ALIAS, console.width - len(_INDENT))):
                console.print(Text(_INDENT + part.plain.rstrip()))


def _below(table: Table, row: tuple[str, ...], columns: Sequence[int], prose: int) -> str:
    left = [f"{_heading(table, column)} {printable(row[column])}" for column in columns if row[column] not in _EMPTY]
    if not left:
        return printable(row[prose])
    told = f"{_heading(table, prose)}: {printable(row[prose])}" if row[prose] else ""
    return "; ".join(part for part in (", ".join(left), told) if part)


def _heading(table: Table, column: int) -> str:
    return table.headings[column].lstrip(">")
