"""`revops export`: the books as CSV, to a file or to standard output."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from revops.cli.files import replace_file
from revops.cli.groups import LazyGroup
from revops.cli.options import Command, NamedPath, common
from revops.cli.output import Output, stream
from revops.cli.spans import period_of, period_options
from revops.domain.options import CommonOptions
from revops.report import exports

_RENDERERS: Mapping[str, Callable[[Iterator[Any], str], Iterator[str]]] = {
    "forwards": exports.forwards,
    "rebalances": exports.rebalances,
    "costs": exports.costs,
}


@click.group("export", cls=LazyGroup)
def export() -> None:
    """The books as CSV, exact to the msat: of a period, or all that is on record. Rows of any period add up to `report
    pnl`. Reads the database only.
    """


def _listed(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command what all exports take: the period (all that is on record), and where to write."""
    output = click.option(
        "-o", "--output", "path", type=NamedPath(path_type=Path, readable=False), metavar="FILE",
        help="Write there (mode 0600), whole or not at all, instead of to standard output.",
    )  # fmt: skip
    return output(period_options(common(function)))


def _write(options: CommonOptions, path: Path | None, texts: Iterable[str]) -> None:
    if path is None or str(path) == "-":
        stream(texts)
    else:
        replace_file(path, texts)
        if options.verbosity > 0:
            Output(options).message(f"{path} is written")


def _list(options: CommonOptions, what: str, path: Path | None, *days: int | None) -> None:
    from revops.cycle import books_export as cycle

    _refuse(options, path)
    with cycle.rows(options, what, period_of(*days)) as (rows, network):
        _write(options, path, _RENDERERS[what](rows, exports.currency_of(network)))


def _refuse(options: CommonOptions, path: Path | None) -> None:
    """Better no file than another one than was asked for."""
    if options.json:
        raise click.UsageError("--json has no meaning here: exports are CSV; `revops report pnl --json` is the figures")
    if options.dry_run and path is not None:
        raise click.UsageError("there is no dry run of writing a file; without --output nothing is written")


@export.command("forwards", cls=Command)
@_listed
def forwards(options: CommonOptions, path: Path | None, **days: int | None) -> None:
    """Each forward that settled, with its fee. Of days that a rollup has summarised a row for each pair of channels."""
    _list(options, "forwards", path, days["first_day"], days["last_day"], days["last_count"])


@export.command("rebalances", cls=Command)
@_listed
def rebalances(options: CommonOptions, path: Path | None, **days: int | None) -> None:
    """Each circular payment, whoever sent it, with its fee, and what was booked for jobs beyond them."""
    _list(options, "rebalances", path, days["first_day"], days["last_day"], days["last_count"])


@export.command("costs", cls=Command)
@_listed
def costs(options: CommonOptions, path: Path | None, **days: int | None) -> None:
    """What transactions on the chain cost, by channel, and each day's lease fees."""
    _list(options, "costs", path, days["first_day"], days["last_day"], days["last_count"])


@export.command("pnl", cls=Command)
@click.option("--by", type=click.Choice(list(exports.PNL_BY)), default="day", show_default=True, help="A row for each.")
@_listed
def pnl(options: CommonOptions, by: str, path: Path | None, **days: int | None) -> None:
    """Profit and loss with all its figures, as `report pnl --csv` has it."""
    from revops.cycle import books_export as cycle

    _refuse(options, path)
    value = cycle.pnl(options, by, period_of(days["first_day"], days["last_day"], days["last_count"]))
    _write(options, path, exports.pnl(value, by, exports.currency_of(value.network)))
