"""What the commands say of themselves, gathered as `--help` shows it, for the page of commands and the man page."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

import click

from revops.cli.main import cli

#: Wide enough for nothing to be cut.
WIDTH: Final = 10_000
COMMON: Final = "Common options"
COMMANDS: Final = "Commands"


@dataclass(frozen=True, slots=True)
class Entry:
    """One command: its words, what follows them, its help by paragraphs, and its lists of options and names."""

    words: tuple[str, ...]
    usage: str
    paragraphs: tuple[str, ...]
    sections: dict[str, list[tuple[str, str]]]
    #: Its options, those for developers too, which help doesn't list.
    flags: frozenset[str]

    @property
    def name(self) -> str:
        return " ".join(self.words)

    def own_sections(self) -> dict[str, list[tuple[str, str]]]:
        """Its lists less what is told elsewhere: the common options, --help, arguments, and commands."""
        own = {title: rows for title, rows in self.sections.items() if title not in {COMMON, COMMANDS}}
        less = {title: [row for row in rows if row[1] and not row[0].startswith("-h, ")] for title, rows in own.items()}
        return {title: rows for title, rows in less.items() if rows}


@dataclass(slots=True)
class Gatherer(click.HelpFormatter):
    """Stands where click's formatter is, and keeps what it is given instead of laying it out."""

    usage: str = ""
    texts: list[str] = field(default_factory=list)
    sections: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    open_section: str = ""
    width: int = WIDTH

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        self.usage = f"{prog} {args}".rstrip()

    @contextmanager
    def section(self, name: str) -> Iterator[None]:
        self.open_section = name
        yield

    @contextmanager
    def indentation(self) -> Iterator[None]:
        yield

    def write_paragraph(self) -> None:
        """Nothing is laid out here."""

    def write_text(self, text: str) -> None:
        self.texts.append(text)

    def write_dl(self, rows: object, col_max: int = 30, col_spacing: int = 2) -> None:
        assert isinstance(rows, list)
        self.sections.setdefault(self.open_section, []).extend(rows)


def walk(command: click.Command, context: click.Context, words: tuple[str, ...]) -> Iterator[Entry]:
    """Given a command, yield it and all below it, lazy ones too, in the order in which help lists them."""
    gatherer = Gatherer()
    command.format_help(context, gatherer)
    paragraphs = tuple(text for all_of_it in gatherer.texts for text in all_of_it.split("\n\n"))
    flags = frozenset(flag for each in command.get_params(context) for flag in (*each.opts, *each.secondary_opts))
    yield Entry(words, gatherer.usage, paragraphs, gatherer.sections, flags)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            if not below.hidden:
                yield from walk(below, click.Context(below, info_name=name, parent=context), (*words, name))


def entries() -> list[Entry]:
    """All commands; the first is `revops` itself."""
    return list(walk(cli, click.Context(cli, info_name="revops", **cli.context_settings), ("revops",)))


def common_options() -> list[tuple[str, str]]:
    """What every command takes, by any of them that does something."""
    return next(entry.sections[COMMON] for entry in entries() if COMMON in entry.sections)
