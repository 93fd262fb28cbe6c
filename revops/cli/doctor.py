"""`revops doctor`."""

from __future__ import annotations

import click

from revops.cli.options import Command, common
from revops.cli.output import Output
from revops.domain.options import CommonOptions


@click.command("doctor", cls=Command)
@common
def doctor(options: CommonOptions) -> None:
    """Check everything that can be wrong, and say how to mend it.

    Looks at the configuration, lightningd's socket, version, plugins and replies, the database, its backups and books,
    cron's runs, node_exporter's folder, disks, locks and the clock. It only reads, and works where any of these is
    missing. Run it as the user whose crontab runs revops.

    Exit 0 where nothing is to be mended (notes are no fault), 1 where there are warnings only, else with the code that
    the commands end with for the worst error: see the table in the README. With -v, what is fine is told, too.
    """
    from revops.cycle import doctor as cycle
    from revops.report import health

    report = cycle.run(options)
    output = Output(options)
    output.answer("doctor", report, lambda: health.doctor(report, verbose=options.verbosity > 0))
    if report.exit_code:
        raise click.exceptions.Exit(report.exit_code)
