"""`revops fees adjust`, `fees set` and `fees unset`."""

from __future__ import annotations

import click

from revops.cli.groups import LazyGroup
from revops.cli.options import Command, common
from revops.cli.output import Output
from revops.cli.spans import Span
from revops.domain.ids import is_channel_id, is_scid
from revops.domain.options import CommonOptions
from revops.domain.snapshot import FeePin
from revops.report import fee_plans


@click.group("fees", cls=LazyGroup)
def fees() -> None:
    """Set what the channels charge."""


def _channel_name(_context: click.Context, _parameter: click.Parameter, name: str) -> str:
    return _channel_names(_context, _parameter, (name,))[0]


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
        lambda: fee_plans.fee_plan(plan, dry_run=options.dry_run, each_skip=options.verbosity > 0 or bool(channels)),
    )


@fees.command("set", cls=Command)
@click.argument("channel", callback=_channel_name, metavar="SCID|CHANNEL_ID")
@click.argument("ppm", type=click.IntRange(0, 1_000_000))
@click.option("for_seconds", "--for", type=Span(), metavar="SPAN", help="How long it holds: 12h, 7d, 2w.")
@click.option(
    "--force", is_flag=True, help="At once: no step limit, no dead band, no least interval. Never past the bounds."
)
@common
def set_fee(options: CommonOptions, channel: str, ppm: int, for_seconds: int | None, force: bool) -> None:
    """Pin a channel's fee by hand, for a span or until `revops fees unset`. Rails hold; strategies leave it alone.

    Nothing is sent in mode "observe": the pin is recorded, and takes effect in mode "act".
    """
    from revops.cycle import fees as cycle

    output = Output(options)
    with output.working() as watched:
        plan = cycle.set_fee(watched, channel, ppm, for_seconds=for_seconds, force=force)
    pin = FeePin(ppm, plan.taken_at, None if for_seconds is None else plan.taken_at + for_seconds, force)
    output.answer("fees set", plan, lambda: fee_plans.fee_set(plan, pin, dry_run=options.dry_run))


@fees.command("unset", cls=Command)
@click.argument("channel", callback=_channel_name, metavar="SCID|CHANNEL_ID")
@common
def unset_fee(options: CommonOptions, channel: str) -> None:
    """Release a fee that was pinned by hand or set by somebody else: the strategy goes on from there."""
    from revops.cycle import fees as cycle

    output = Output(options)
    with output.working() as watched:
        plan = cycle.unset_fee(watched, channel)
    output.answer("fees unset", plan, lambda: fee_plans.fee_unset(plan, dry_run=options.dry_run))
