"""What all pages of rows take: which rows, in which order, and as CSV. Names are those of the page's JSON."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import click

from revops.cli.output import Output, stream
from revops.domain.options import CommonOptions
from revops.report.blocks import Blocks
from revops.report.rows import BadChoice, Choice, chosen, condition, csv_of


class ListPage:
    """A page of rows on its way out: the rows that were asked for, as a table, as JSON, or as CSV."""

    def __init__(self, choice: Choice, *, as_csv: bool) -> None:
        self._choice = choice
        self._as_csv = as_csv

    def show(
        self, options: CommonOptions, command: str, value: Any, field: str, render: Callable[[Any], Blocks]
    ) -> None:
        """Given a page's value, the field of its rows, and what renders it, print it. Raise click.UsageError for what
        its rows can't be chosen by.
        """
        if self._as_csv and options.json:
            raise click.UsageError("--csv and --json don't go together")
        rows: Sequence[Any] = getattr(value, field)
        try:
            left = chosen(rows, self._choice)
        except BadChoice as problem:
            raise click.UsageError(str(problem)) from problem
        if not self._as_csv:
            shown = replace(value, **{field: left})
            Output(options).product(command, shown, lambda: render(shown))
        elif left:
            stream(csv_of(left))
        else:
            Output(options).message("no rows")


def _conditions(_context: click.Context, _parameter: click.Parameter, texts: Sequence[str]) -> tuple[Any, ...]:
    try:
        return tuple(map(condition, texts))
    except BadChoice as problem:
        raise click.BadParameter(str(problem)) from problem


_as_csv = click.option("--csv", "as_csv", is_flag=True, help="The rows as CSV, every figure exact.")


def csv_option(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command whose rows belong together, as the parts of a total, what prints them as CSV; its function takes
    it as one ListPage, `page`.
    """

    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> None:
        function(*args, page=ListPage(Choice(), as_csv=kwargs.pop("as_csv")), **kwargs)

    return _as_csv(wrapped)


def last_option(default: int) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Given how many rows a page of the latest has by itself, return the option that asks for others; its value is the
    parameter `count`.
    """
    return click.option(
        "--last", "count", type=click.IntRange(1, 1_000_000), default=default, show_default=True, metavar="N",
        help="How many of the latest to choose from.",
    )  # fmt: skip


def row_options(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of a page of rows; its function takes them as one ListPage, `page`."""

    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> None:
        choice = Choice(kwargs.pop("conditions"), kwargs.pop("sort") or "", kwargs.pop("limit"))
        function(*args, page=ListPage(choice, as_csv=kwargs.pop("as_csv")), **kwargs)

    limit = click.option("--limit", type=click.IntRange(min=1), metavar="N", help="The first N of them only.")
    sort = click.option("--sort", metavar="NAME", help="Sort by a figure of the JSON; -NAME: the largest first.")
    where = click.option(
        "--where", "conditions", multiple=True, callback=_conditions, metavar="'NAME>VALUE'",
        help="Only rows of which this is true (=, !=, <, <=, >, >=, ~ contains; amounts in msat, or 5000sat); may be "
        "given again. NAME is a figure of the JSON; its end is enough, where only one ends so.",
    )  # fmt: skip
    return where(sort(limit(_as_csv(wrapped))))
