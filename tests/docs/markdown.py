"""revops/share/docs/commands.md, from what the commands say of themselves."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator

from tests.docs.reference import Entry, common_options, entries

HEAD = """# Commands

Made by `python -m tests.docs.regenerate` from what the commands say of themselves; a test holds it to that.

What each command is for stands in the [README](../../../README.md#the-commands), and so do the exit codes. `--help`
says the same as this page, of one command; `man revops` all of it.
"""


def page() -> str:
    """Return the page."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    commands = entries()[1:]
    yield HEAD
    yield from (f"- [`{entry.name}`](#{entry.name.replace(' ', '-')})" for entry in commands)
    yield from (
        "",
        "## Common options",
        "",
        "Every command that does something takes these, before its name or after, and `--help`, or `-h`.",
        "",
    )
    yield from _table(common_options(), "option")
    for entry in commands:
        yield from _entry(entry)


def _entry(entry: Entry) -> Iterator[str]:
    yield from ("", f"{'#' * len(entry.words)} {entry.name}", "", f"    {entry.usage}", "")
    for number, paragraph in enumerate(entry.paragraphs):
        yield from ([""] if number else [])
        yield from _paragraph(paragraph)
    for title, rows in entry.own_sections().items():
        if title != "Options":
            yield from ("", f"{title}:")
        yield ""
        yield from _table(rows, "option" if title == "Options" else "name")


def _paragraph(text: str) -> list[str]:
    if text.startswith("\b"):
        return [f"    {line}" for line in text.lstrip("\b\n").splitlines()]
    return textwrap.wrap(" ".join(text.split()), 120, break_long_words=False, break_on_hyphens=False)


def _table(rows: list[tuple[str, str]], heading: str) -> Iterator[str]:
    yield from (f"| {heading} | what it does |" if heading == "option" else f"| {heading} | what it is |", "|---|---|")
    yield from (f"| `{_cell(name)}` | {_cell(text)} |" for name, text in rows)


def _cell(text: str) -> str:
    return re.sub(r"\s+", " ", text).replace("|", "\\|")
