"""The options that all commands share, gathered into one `CommonOptions` wherever on the line they stand.

`revops --json report` and `revops report --json` mean the same: people try both.
"""

from __future__ import annotations

import functools
import math
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from revops.domain.options import CommonOptions
from revops.errors import INTERRUPTED_EXIT_CODE, READER_GONE_EXIT_CODE, BugError
from revops.log import configure
from revops.ping import Pings

#: What a run ends with by an exception that doesn't say it itself (`cli/main.py` says it of all others).
_CODES = {KeyboardInterrupt: INTERRUPTED_EXIT_CODE, BrokenPipeError: READER_GONE_EXIT_CODE}
_UNKNOWN = BugError.exit_code


class CommonOption(click.Option):
    """An option of all commands: listed apart in the help, kept in the root context's `obj` instead of passed on."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, expose_value=False, callback=_keep, **kwargs)


def _keep(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    given = given_of(context)
    name = str(parameter.name)
    if name in {"verbose", "quiet"}:
        given[name] = given.get(name, 0) + value
    elif value is not None and value is not False:
        given[name] = value


def given_of(context: click.Context) -> dict[str, Any]:
    """Given any context, return what has been given of the common options so far, by name."""
    root = context.find_root()
    if root.obj is None:
        root.obj = {}
    obj: dict[str, Any] = root.obj
    return obj


class Command(click.Command):
    """A command whose help lists its own options before the common ones."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, in two groups."""
        own = [parameter for parameter in self.get_params(ctx) if not isinstance(parameter, CommonOption)]
        shared = [parameter for parameter in self.get_params(ctx) if isinstance(parameter, CommonOption)]
        for title, parameters in (("Options", own), ("Common options", shared)):
            records = [record for parameter in parameters if (record := parameter.get_help_record(ctx))]
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)


class NamedPath(click.Path):
    """A path on the line. An empty one, as of an unset variable, would be the current directory."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Given the text, return the path; fail for an empty one."""
        if value == "":
            self.fail("the path is empty.", param, ctx)
        return super().convert(value, param, ctx)


class Seconds(click.FloatRange):
    """A span on the line. "nan" is a float for Python, and as a deadline one that never comes."""

    name = "seconds"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Given the text, return the seconds; fail for anything but a number within the bounds."""
        seconds = super().convert(value, param, ctx)
        if math.isnan(seconds):
            self.fail(f"{value!r} is not a number of seconds.", param, ctx)
        return seconds


def common_parameters() -> list[click.Parameter]:
    """Return the common options, new for each command."""
    # Whether it can be read is for the command to say, with its exit code.
    path = NamedPath(path_type=Path, readable=False)
    return [
        CommonOption(["-c", "--config"], type=path, metavar="PATH", help="Configuration file."),
        CommonOption(["--db"], metavar="URL", help="Database, instead of the configured one."),
        CommonOption(["--metrics-dir"], metavar="PATH|none", help="Where to write .prom files; none: nowhere."),
        CommonOption(["-n", "--dry-run"], is_flag=True, help="Say what would be done; send and record nothing."),
        CommonOption(["--json"], is_flag=True, help="One JSON document on standard output."),
        CommonOption(["-v", "--verbose"], count=True, help="Say more; -vv says everything."),
        CommonOption(
            ["-q", "--quiet"],
            count=True,
            help="Only errors, of what acts or checks. Pages, exports and --json are printed all the same.",
        ),
        CommonOption(
            ["--lock-wait"],
            type=Seconds(min=0, max=86_400),
            metavar="SECONDS",
            help="How long to wait for another run (30).",
        ),
        CommonOption(["--no-color"], is_flag=True, help="No colours, also on a terminal."),
    ]


def common(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command the common options; its function takes them as one `CommonOptions`, first."""

    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> None:
        pings = Pings()
        options = replace(common_options(given_of(click.get_current_context())), pings=pings)
        configure(options.verbosity, os.environ)
        exit_code = _UNKNOWN
        try:
            function(options, *args, **kwargs)
            exit_code = 0
        except BaseException as problem:
            exit_code = int(getattr(problem, "exit_code", _CODES.get(type(problem), _UNKNOWN)))
            raise
        finally:
            pings.end(exit_code)

    parameters = getattr(wrapped, "__click_params__", [])
    wrapped.__click_params__ = [*reversed(common_parameters()), *parameters]  # type: ignore[attr-defined]
    return wrapped


def common_options(given: dict[str, Any]) -> CommonOptions:
    """Given what was found on the line by name, return the options of the run."""
    metrics_dir = given.get("metrics_dir")
    return CommonOptions(
        config_path=given.get("config"),
        database_url=given.get("db"),
        metrics_dir="" if metrics_dir == "none" else metrics_dir,
        dry_run=given.get("dry_run", False),
        json=given.get("json", False),
        verbosity=verbosity(given),
        lock_wait_seconds=given.get("lock_wait", 30.0),
        color=False if given.get("no_color") else None,
    )


def verbosity(given: dict[str, Any]) -> int:
    """Given what was found on the line, return -1 (-q) to 2 (-vv)."""
    return max(-1, min(2, int(given.get("verbose", 0)) - int(given.get("quiet", 0))))


def refuse_node_options(options: CommonOptions, why_not: str) -> None:
    """Given the flags and why no node of the operator's is meant, raise click.UsageError for one that names it: better
    nothing than what seems to have been what was asked for.
    """
    given = {
        "--config": options.config_path is not None,
        "--db": options.database_url is not None,
        "--metrics-dir": options.metrics_dir is not None,
        "--dry-run": options.dry_run,
    }
    for name, is_given in given.items():
        if is_given:
            raise click.UsageError(f"{name} has no meaning here: {why_not}")
