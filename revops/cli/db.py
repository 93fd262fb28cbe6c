"""`revops db upgrade`, `check` and `backup`."""

from __future__ import annotations

from pathlib import Path

import click

from revops.cli.groups import LazyGroup
from revops.cli.options import Command, common
from revops.cli.output import Output
from revops.domain.options import CommonOptions
from revops.report import summaries


@click.group("db", cls=LazyGroup)
def db() -> None:
    """The database: its schema and a copy of it."""


def _refuse_dry_run(options: CommonOptions) -> None:
    # Better no answer than one that changes something.
    if options.dry_run:
        raise click.UsageError("there is no dry run of this; `revops db check` says how the database stands")


@db.command("upgrade", cls=Command)
@common
def upgrade(options: CommonOptions) -> None:
    """Bring the schema to this version, or create the database. Other commands never migrate by themselves."""
    _refuse_dry_run(options)
    from revops.cycle import db as cycle

    state = cycle.upgrade(options)
    Output(options).news("db upgrade", state, lambda: summaries.database(state))


@db.command("check", cls=Command)
@common
def check(options: CommonOptions) -> None:
    """Say whether the schema is this version's and the file sound. Exit 78 when it needs `revops db upgrade`."""
    from revops.cycle import db as cycle

    state = cycle.check(options)
    Output(options).news("db check", state, lambda: summaries.database(state))


@db.command("backup", cls=Command)
@click.argument("target", type=click.Path(path_type=Path, readable=False))
@common
def backup(options: CommonOptions, target: Path) -> None:
    """Copy the SQLite database to TARGET while it is in use. TARGET must not exist."""
    _refuse_dry_run(options)
    from revops.cycle import db as cycle

    summary = cycle.backup(options, target.absolute())
    Output(options).news("db backup", summary, lambda: summaries.backup(summary))
