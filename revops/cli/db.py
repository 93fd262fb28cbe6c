"""`revops db upgrade`, `check` and `backup`."""

from __future__ import annotations

from pathlib import Path

import click

from revops.cli.groups import LazyGroup
from revops.cli.options import Command, common
from revops.cli.output import Output
from revops.domain.options import CommonOptions
from revops.report import summaries, upgrade_plan


@click.group("db", cls=LazyGroup)
def db() -> None:
    """The database: its schema and a copy of it."""


@db.command("upgrade", cls=Command)
@common
def upgrade(options: CommonOptions) -> None:
    """Bring the schema to this version, or create the database. Other commands never migrate by themselves. With
    --dry-run: the steps, the database's size, and how much room on the disk they may take.
    """
    from revops.cycle import db as cycle

    if options.dry_run:
        plan = cycle.preview(options)
        Output(options).news("db upgrade", plan, lambda: upgrade_plan.upgrade_plan(plan))
        return
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
@click.argument("target", type=click.Path(path_type=Path, readable=False), required=False)
@click.option(
    "--keep", type=click.IntRange(1, 10_000), metavar="N",
    help="Name the copy by its time, in the folder TARGET, and remove all but the newest N there.",
)  # fmt: skip
@common
def backup(options: CommonOptions, target: Path | None, keep: int | None) -> None:
    """Copy the SQLite database while it is in use.

    TARGET is a file that doesn't exist yet, or a folder; without it the folder is `backups` beside the database.
    """
    if options.dry_run:  # better no answer than one that changes something
        raise click.UsageError("there is no dry run of this; `revops db check` says how the database stands")
    from revops.cycle import db as cycle

    summary = cycle.backup(options, None if target is None else target.absolute(), keep)
    Output(options).news("db backup", summary, lambda: summaries.backup(summary))
