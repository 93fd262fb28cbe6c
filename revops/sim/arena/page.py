"""A study as one HTML file: opens without a network, in light and dark, on a phone; every name escaped."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Final

from revops.domain.text import printable
from revops.report.blocks import Table
from revops.report.text import side_of
from revops.sim.arena import tables
from revops.sim.arena.figures import Figures
from revops.sim.arena.headings import heading, same_line, span_title
from revops.sim.arena.outcome import Study
from revops.sim.arena.plots import Plot, plots

#: Nothing is fetched, nothing runs: a name that got through the escapes would find neither.
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'"
_STYLE: Final = """
:root { color-scheme: light dark; --ink: #1b1b1b; --paper: #fdfdfc; --faint: #8a8a86; --card: #ffffff; --line: #dededa }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e6e3; --paper: #141516; --faint: #85868a; --card: #1c1e20; --line: #34373a }
}
* { box-sizing: border-box }
body { margin: 0 auto; padding: 1rem; max-width: 68rem; color: var(--ink); background: var(--paper);
  font: 1rem/1.5 system-ui, sans-serif }
h1 { font-size: 1.5rem; margin: .5rem 0 } h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; line-height: 1.3 }
h3 { font-size: 1rem; margin: 0 } p { margin: .3rem 0 }
.notice { border-left: .3rem solid #d55e00; padding: .3rem .8rem; background: var(--card) }
.good { border-left-color: #009e73 }
.plots { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fill, minmax(min(100%, 27rem), 1fr)) }
figure { margin: 0; padding: .8rem; background: var(--card); border: 1px solid var(--line); border-radius: .5rem }
figcaption { font-size: .85rem } svg { display: block; width: 100%; height: auto; margin-top: .5rem }
.wide { overflow-x: auto; background: var(--card); border: 1px solid var(--line); border-radius: .5rem;
  margin: .5rem 0 1rem }
table { border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums; width: 100% }
caption { text-align: left; font-weight: 600; padding: .5rem .7rem }
th, td { padding: .25rem .7rem; text-align: left; white-space: nowrap } th { vertical-align: bottom; font-weight: 600 }
thead th { white-space: normal; border-bottom: 1px solid var(--line) } .right { text-align: right }
tbody tr:nth-child(even) { background: color-mix(in srgb, var(--ink) 4%, transparent) }
"""


def page(study: Study, figures: Figures) -> str:
    """Given a study and its figures, return the page."""
    return "\n".join(_lines(study, figures)) + "\n"


def _lines(study: Study, figures: Figures) -> Iterator[str]:
    yield '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">'
    yield f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f"<title>Fee policies compared: {_text(study.set_name)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>"
    yield "<h1>Fee policies compared in simulated markets</h1>"
    *made, verdict = heading(study)
    yield from (f"<p>{_text(text)}</p>" for text in made)
    yield f'<p class="notice{" good" if study.judged else ""}">{_text(verdict)}</p>'
    for test in figures.null_tests:
        good = test.sees_nothing and test.sees_worse
        yield f'<p class="notice{" good" if good else ""}">{_text(tables.null_test_line(test))}</p>'
    yield '<h2>Plots</h2>\n<div class="plots">'
    yield from map(_plot, plots(study, figures))
    yield "</div>"
    for number, span in enumerate(figures.spans):
        yield f"<h2>{_text(span_title(span, number, len(figures.spans)))}</h2>"
        yield from map(_table, tables.span_tables(span, figures.subject))
    yield from (f"<p>{_text(same_line(policies))}</p>" for policies in figures.same)
    yield "</body>\n</html>"


def _plot(plot: Plot) -> str:
    title, caption = _text(plot.title), _text(plot.caption)
    labelled = plot.svg.replace("<svg ", f'<svg role="img" aria-label="{title}" ', 1)
    return f"<figure><h3>{title}</h3><figcaption>{caption}</figcaption>\n{labelled}</figure>"


def _table(table: Table) -> str:
    sides = [side_of(heading) for heading in table.headings]
    head = "".join(_cell("th", side, heading.lstrip(">")) for side, heading in zip(sides, table.headings, strict=True))
    rows = "\n".join(
        "<tr>" + "".join(_cell("td", side, cell) for side, cell in zip(sides, row, strict=True)) + "</tr>"
        for row in table.rows
    )
    return (
        f'<div class="wide"><table><caption>{_text(table.title)}</caption>\n<thead><tr>{head}</tr></thead>\n'
        f"<tbody>{rows}</tbody></table></div>"
    )


def _cell(tag: str, side: str, text: str) -> str:
    right = ' class="right"' if side == "right" else ""
    return f"<{tag}{right}>{_text(text)}</{tag}>"


def _text(text: str) -> str:
    return escape(printable(text))
