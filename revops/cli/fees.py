"""`revops fees adjust`."""

from __future__ import annotations

import click

from revops.cli.groups import LazyGroup
from revops.cli.options import Command, common
from revops.cli.output import Output
from revops.domain.ids import is_channel_id, is_scid
from revops.domain.options import CommonOptions
from revops.report import summaries


@click.group("fees", cls=LazyGroup)
def fees() -> None:
    """Set what the channels charge."""


def _channel_names(_context: click.Context, _parameter: click.Parameter, names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        if not (is_scid(name) or is_channel_id(name)):
            raise click.BadParameter(f"{name!r} is neither a short channel id (BLOCKxTXxOUT) nor a channel_id")
    return names


@fees.command("adjust", cls=Command)
@click.option(
    "channels", "--channel", multiple=True, callback=_channel_names, metavar="SCID|CHANNEL_ID",
    help="Only this channel; may be given several times.",
)  # fmt: skip
@common
def adjust(options: CommonOptions, channels: tuple[str, ...]) -> None:
    """Run one cycle of fee setting: sync, decide, act in mode "act", record.

    With --dry-run nothing is sent or recorded, and all that would change is printed with the reasons of what would not.
    """
    from revops.cycle import fees as cycle

    output = Output(options)
    with output.working() as watched:
        plan = cycle.run(watched, channels=channels)
    output.news(
        "fees adjust",
        plan,
        lambda: summaries.fee_plan(plan, with_skips=options.dry_run, each_skip=options.verbosity > 0 or bool(channels)),
    )
