"""`revops report --html`: the page, written whole or not at all."""

from __future__ import annotations

import logging
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import click
from click.core import ParameterSource

from revops.cli.files import replace_file
from revops.cli.output import Output, stream
from revops.domain.options import CommonOptions
from revops.domain.period import Period
from revops.domain.text import printable
from revops.errors import ConfigError, OutputError

#: What the extra brings; without it the page can't be made.
_NEEDED: Final = ("jinja2", "matplotlib")
#: Options of the page alone, and those of the report as text alone.
_OF_THE_PAGE: Final = ("first_day", "last_day", "last_count")
_OF_THE_WHOLE: Final = {"fleet": "the report of all nodes", "page_path": "the page of the whole report"}
_OF_THE_TEXT: Final = ("window_days", "decision_count", "fleet")


def refuse_what_has_no_meaning(context: click.Context) -> None:
    """Given the context of `report`, raise click.UsageError for options that don't go together: better no report than
    another one than was asked for.
    """
    given = {name for name in context.params if context.get_parameter_source(name) is ParameterSource.COMMANDLINE}
    names = {name: option.opts[0] for option in context.command.params if (name := option.name or "") in given}
    part = context.invoked_subcommand
    if part is not None:
        for name, what in _OF_THE_WHOLE.items():
            if name in names:
                raise click.UsageError(f"{names[name]} is {what}, and no part of it")
        for name in names.keys() & set(_OF_THE_PAGE):
            raise click.UsageError(
                f"{names[name]} stands after the part's name: `revops report {part} {names[name]} …`"
            )
    elif "page_path" in given:
        for name in names.keys() & set(_OF_THE_TEXT):
            raise click.UsageError(f"{names[name]} has no meaning with --html, whose period is --last, --from, --until")
    elif names.keys() & set(_OF_THE_PAGE):
        raise click.UsageError("a period goes with --html; for figures as text: `revops report pnl`")


def write_page(options: CommonOptions, path: Path, period: Period | None) -> None:
    """Given the flags, where to write ("-": standard output) and the period (None: the last 30 days), write the page.

    Raise ConfigError where what draws it isn't installed, OutputError where there is nowhere to write.
    """
    if options.json:
        raise click.UsageError("--json and --html don't go together")
    to_stdout = str(path) == "-"
    if options.dry_run and not to_stdout:
        raise click.UsageError("there is no dry run of writing a file; `--html -` writes none")
    _insist_on_extra()
    if not to_stdout and not path.absolute().parent.is_dir():
        raise OutputError(f"{printable(str(path))}: there is no folder {printable(str(path.absolute().parent))}")
    # It warns of a list of fonts that it makes, and of a home that it can't write to, as under cron: nobody's business.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    from revops.cycle import html_report as cycle
    from revops.report.html.page import page

    output = Output(options)
    with output.working() as told:
        text = page(cycle.run(told, period), told.progress)
    if to_stdout:
        stream((text,))
    else:
        replace_file(path, (text,))
        if options.verbosity > 0:
            output.message(f"{path} is written")


def _insist_on_extra() -> None:
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        raise ConfigError(f"--html needs {' and '.join(missing)}: pip install '.[html]' in the checkout of revops")
