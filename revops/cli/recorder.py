"""`revops recorder path`, `recorder status` and `recorder events`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final

import click

from revops.cli.groups import LazyGroup
from revops.cli.options import Command, common
from revops.cli.output import Output
from revops.cli.rows import ListPage, last_option, row_options
from revops.domain.options import CommonOptions
from revops.errors import UnavailableError
from revops.report import recorder as page_of
from revops.report.blocks import Line

_NAME: Final = "revops-recorder"


@click.group("recorder", cls=LazyGroup)
def recorder() -> None:
    """The companion plugin of the node, for metrics that are fresh at once. Optional."""


@recorder.command("path", cls=Command)
@common
def path(options: CommonOptions) -> None:
    """Where the plugin is, for the node's config file: plugin=PATH.

    Nothing on standard output and exit 69 where it isn't installed beside this interpreter.
    """
    found = Path(sys.executable).with_name(_NAME)
    if not os.access(found, os.X_OK):
        raise UnavailableError(f"{found} isn't there or can't be executed: install revops with pip or pipx")
    Output(options).product("recorder path", {"path": str(found)}, lambda: [Line(str(found))])


@recorder.command("status", cls=Command)
@common
def status(options: CommonOptions) -> None:
    """Whether the plugin writes, how much there is, and whether sync reads it. Asks nothing of the node."""
    from revops.cycle import recorder as cycle

    value = cycle.status(options)
    Output(options).product("recorder status", value, lambda: page_of.status(value))


@recorder.command("events", cls=Command)
@last_option(50)
@row_options
@common
def events(options: CommonOptions, count: int, page: ListPage) -> None:
    """When peers came and went, and channels changed their state, as the plugin saw it. Reads the database only.

    For example: revops recorder events --where kind=state
    """
    from revops.cycle import recorder as cycle

    value = cycle.events(options, count)
    page.show(options, "recorder events", value, "events", page_of.events)
