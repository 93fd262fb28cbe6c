"""The only module that prints: standard output carries the product, standard error the messages.

Renderers return blocks; here they become rich tables on a terminal and plain ones elsewhere (rich cuts cells at 80
columns where there is no terminal). Every text passes `printable`, and rich's markup is never switched on.
"""

from __future__ import annotations

import codecs
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

from revops.cli.table import show, style_of
from revops.domain.options import CommonOptions
from revops.domain.text import printable
from revops.errors import OutputError
from revops.report.blocks import Blocks, Line
from revops.report.plain import document
from revops.report.sparkline import PLAIN
from revops.report.text import block_text, folded, line_text

if TYPE_CHECKING:
    from rich.console import Console

#: What is done with signs that a terminal's encoding lacks.
_FALLBACK: Final = "revops"


def on_terminal(stream: IO[str] | None) -> bool:
    """Given a stream (None where it was closed before we started), return whether a person reads it directly."""
    return stream is not None and not stream.closed and stream.isatty()


@dataclass(frozen=True, slots=True)
class Output:
    """Where and how one run prints. With -q only errors, and what was asked for: a page (`product`), or a document."""

    options: CommonOptions

    def product(self, command: str, value: Any, render: Callable[[], Blocks]) -> None:
        """Print what the person asked for, whatever the stream: one JSON document with --json, else the blocks."""
        if self.options.json:
            self.write(document(command, value))
        else:
            self.blocks(render())

    def news(self, command: str, value: Any, render: Callable[[], Blocks]) -> None:
        """Print what a command did where somebody reads it: on a terminal, with --json, -n or -v. Not for cron."""
        options = self.options
        wanted = options.dry_run or options.verbosity > 0 or on_terminal(sys.stdout)
        if options.json or (wanted and options.verbosity >= 0):
            self.product(command, value, render)

    def answer(self, command: str, value: Any, render: Callable[[], Blocks]) -> None:
        """Print what came of a command that people give by hand, whatever the stream; nothing with -q."""
        if self.options.json or self.options.verbosity >= 0:
            self.product(command, value, render)

    def message(self, text: str) -> None:
        """Say on standard error what was done beside the product; nothing with -q."""
        if self.options.verbosity >= 0:
            error(text)

    def blocks(self, blocks: Blocks) -> None:
        """Print blocks, tables in the way that fits the stream."""
        console = self._console() if on_terminal(sys.stdout) else None
        whole = self.options.verbosity > 0
        for block in blocks:
            if console is None:
                self.write(block_text(block, whole=whole))
            elif isinstance(block, Line):
                self._line(console, block, whole=whole)
            else:
                show(console, block)

    def _line(self, console: Console, line: Line, *, whole: bool) -> None:
        text = folded(line_text(line, whole=whole), console.width)
        style = style_of(line.text)
        if not style:
            self.write(text)
            return
        from rich.text import Text

        console.print(Text(text, style=style), soft_wrap=True)

    def text(self, text: str) -> None:
        """Print a text of several lines as it is but for its control characters: a configuration, a file."""
        for line in text.splitlines():
            self.write(printable(line))

    def write(self, text: str) -> None:
        """Print lines that are safe already."""
        print(text)

    def _console(self) -> Console:
        from rich.console import Console

        plain_terminal = os.environ.get("TERM") == "dumb" or bool(os.environ.get("NO_COLOR"))
        no_color = self.options.color is False or plain_terminal
        return Console(no_color=no_color, markup=False, emoji=False, highlight=False, soft_wrap=False)

    @contextmanager
    def working(self) -> Iterator[CommonOptions]:
        """Yield the options with a progress bar on standard error behind them, where somebody sees it."""
        if not on_terminal(sys.stderr) or self.options.json or self.options.verbosity < 0:
            yield self.options
            return
        from rich.console import Console
        from rich.progress import Progress, TaskID

        tasks: dict[str, TaskID] = {}
        console = Console(stderr=True, markup=False, emoji=False, no_color=self.options.color is False)
        with Progress(console=console, transient=True) as bars:

            def advance(label: str, done: int, total: int | None) -> None:
                if label not in tasks:
                    tasks[label] = bars.add_task(printable(label).replace("[", "("), total=total)
                bars.update(tasks[label], completed=done, total=total)

            yield replace(self.options, progress=advance)


def error(message: str) -> None:
    """Print one line on standard error. Where that is closed there is nobody left to tell; the exit code remains."""
    if sys.stderr is None or sys.stderr.closed:
        return
    try:
        print(f"revops: {printable(message)}", file=sys.stderr, flush=True)
    except OSError:
        return


def write_file(path: Path, text: str) -> None:
    """Given a path and a text, store it there. Raise OutputError where that can't be done."""
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise OutputError(f"{path}: {error.strerror or error}") from error


def stream(texts: Iterable[str]) -> None:
    """Print a text for other programs, in pieces: in UTF-8 whatever the terminal's encoding, and as it is."""
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(encoding="utf-8", errors="strict", newline="\n")
    for text in texts:
        print(text, end="")


def prepare_streams() -> None:
    """Let no alias end a run: what a terminal's encoding can't show is written as an escape, bars as plainer signs."""
    codecs.register_error(_FALLBACK, _shown_otherwise)
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors=_FALLBACK)


def _shown_otherwise(error: UnicodeError) -> tuple[str | bytes, int]:
    """Given what can't be encoded, return what stands for its first character, and where to go on."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    plain_sign = PLAIN.get(error.object[error.start])
    if plain_sign is not None:
        return plain_sign, error.start + 1
    return codecs.backslashreplace_errors(error)


def flush() -> None:
    """Bring standard output out now, while an error can still become an exit code."""
    if sys.stdout is not None and not sys.stdout.closed:
        sys.stdout.flush()


def abandon_stdout() -> None:
    """The reader is gone: point standard output nowhere, so that the interpreter's last flush has nothing to say."""
    try:
        number = sys.stdout.fileno()
    except (AttributeError, OSError, ValueError):  # no real file: nothing is flushed at the end
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, number)
    os.close(nowhere)
