"""`revops explain`."""

from __future__ import annotations

import click

from revops.cli.options import Command, common
from revops.cli.output import Output
from revops.cli.spans import Moment
from revops.domain.options import CommonOptions
from revops.report import explanation


@click.command("explain", cls=Command)
@click.argument("name", metavar="SCID|CHANNEL_ID|PEER_ID|ALIAS")
@click.option("--at", type=Moment(), metavar="TIME", help="As of then: 2026-11-01, 2026-11-01T12:30 (UTC), or 3d ago.")
@common
def explain(options: CommonOptions, name: str, at: float | None) -> None:
    """Why a channel, or each channel of a peer, asks for what it asks: rule, strategy, proposal, each rail that changed
    it, what was sent, what came of each price, and which refills it got or paid for, with what of
    them was sold (what the channel would have lacked without it). Reads the database only.
    """
    from revops.cycle import explain as cycle

    value = cycle.run(options, name, at)
    Output(options).product("explain", value, lambda: explanation.explained(value))
