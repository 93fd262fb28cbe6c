"""`revops policy show`."""

from __future__ import annotations

import click

from revops.cli.groups import LazyGroup
from revops.cli.options import Command, common
from revops.cli.output import Output
from revops.domain.options import CommonOptions
from revops.report import policies


@click.group("policy", cls=LazyGroup)
def policy() -> None:
    """The policy rules, and what they make of each channel."""


@policy.command("show", cls=Command)
@click.argument("name", required=False, metavar="[SCID|CHANNEL_ID|PEER_ID|ALIAS]")
@common
def show(options: CommonOptions, name: str | None) -> None:
    """Which rules match each channel and what results; of one that is named, each rule and setting.

    Reads the configuration and the database only.
    """
    from revops.cycle import policy as cycle

    found = cycle.run(options, name)
    named = name is not None
    Output(options).product("policy show", policies.document(found), lambda: policies.shown(found, whole=named))
