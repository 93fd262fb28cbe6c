"""`revops export`: the books as CSV, to a file or to standard output."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import click

from revops.cli.files import replace_file
from revops.cli.groups import LazyGroup
from revops.cli.options import Command, NamedPath, common
from revops.cli.output import Output, stream
from revops.cli.spans import period_of, period_options
from revops.domain.options import CommonOptions
from revops.domain.period import Period
from revops.report import exports, pnl_csv

_RENDERERS: Mapping[str, Callable[[Iterator[Any], str], Iterator[str]]] = {
    "forwards": exports.forwards,
    "rebalances": exports.rebalances,
    "costs": exports.costs,
}


_NOTHING: Final = "nothing on record in this period"


@click.group("export", cls=LazyGroup)
def export() -> None:
    """The books as CSV, exact to the msat, unknown figures as empty cells. Rows of any period add up to `report pnl`.
    Reads the database only.
    """


def _listed(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command what all exports take: the period, and where to write."""
    output = click.option(
        "-o", "--output", "path", type=NamedPath(path_type=Path, readable=False), metavar="FILE",
        help="Write there (mode 0600), whole or not at all, instead of to standard output.",
    )  # fmt: skip
    return output(period_options(common(function)))


def _write(options: CommonOptions, path: Path | None, texts: Iterable[str]) -> None:
    lines = 0

    def counted() -> Iterator[str]:
        nonlocal lines
        for text in texts:
            lines += text.count("\n")  # no cell has any
            yield text

    if path is None or str(path) == "-":
        stream(counted())
    else:
        replace_file(path, counted())
        if options.verbosity > 0:
            Output(options).message(f"{path} is written")
    if lines <= 1:
        Output(options).message(_NOTHING)


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
    """Each forward that settled, with its fee; of days that a rollup has summarised a row for each pair of channels.
    Of all that is on record, unless a period is named.
    """
    _list(options, "forwards", path, days["first_day"], days["last_day"], days["last_count"])


@export.command("rebalances", cls=Command)
@_listed
def rebalances(options: CommonOptions, path: Path | None, **days: int | None) -> None:
    """Each circular payment, whoever sent it, with its fee, and what was booked for jobs beyond them. Of all that is on
    record, unless a period is named.
    """
    _list(options, "rebalances", path, days["first_day"], days["last_day"], days["last_count"])


@export.command("costs", cls=Command)
@_listed
def costs(options: CommonOptions, path: Path | None, **days: int | None) -> None:
    """What transactions on the chain cost, by channel, and each day's lease fees. Of all that is on record, unless a
    period is named.
    """
    _list(options, "costs", path, days["first_day"], days["last_day"], days["last_count"])


@export.command("pnl", cls=Command)
@click.option(
    "--by", type=click.Choice(list(pnl_csv.PNL_BY)), default="channel", show_default=True, help="A row for each."
)
@_listed
def pnl(options: CommonOptions, by: str, path: Path | None, **days: int | None) -> None:
    """Profit and loss with all its figures: `report pnl --csv` by another name, with the same defaults (by channel, the
    last 30 days).
    """
    write_pnl(options, by, period_of(days["first_day"], days["last_day"], days["last_count"]), path)


def write_pnl(options: CommonOptions, by: str, period: Period | None, path: Path | None = None) -> None:
    """Given what to have a row for and the period (the last 30 days), write profit and loss as CSV, to a path or to
    standard output.
    """
    from revops.cycle import profit as cycle

    _refuse(options, path)
    value = cycle.run(options, period, by=by)
    _write(options, path, pnl_csv.pnl(value, by, exports.currency_of(value.network)))
