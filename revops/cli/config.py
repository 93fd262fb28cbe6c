"""`revops config check` and `revops config show`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from revops.cli.groups import LazyGroup
from revops.cli.options import Command, common
from revops.cli.output import Output
from revops.domain.options import CommonOptions
from revops.report.blocks import Line

if TYPE_CHECKING:
    from revops.config import Loaded


@click.group("config", cls=LazyGroup)
def config() -> None:
    """The configuration: checked, and as it is in force."""


@config.command("check", cls=Command)
@common
def check(options: CommonOptions) -> None:
    """Check the configuration. Exit 78 and name every fault when something is wrong."""
    loaded = _read(options)
    body = {"path": str(loaded.path), "ok": True, "warnings": list(loaded.warnings)}
    Output(options).news("config check", body, lambda: [Line(f"ok: {loaded.path}")])


@config.command("show", cls=Command)
@common
def show(options: CommonOptions) -> None:
    """Print the configuration in force, with the origin of each value: default, file, variable or flag."""
    from revops.config_template import effective

    loaded = _read(options)
    output = Output(options)
    if options.json:
        output.product("config show", _document(loaded), tuple)
    else:
        output.text(effective(loaded.config, loaded.origins))


def _read(options: CommonOptions) -> Loaded:
    from revops.config import read, warn

    loaded = read(options)
    warn(loaded)
    return loaded


def _document(loaded: Loaded) -> dict[str, Any]:
    from revops.config_schema import keys_of, sections
    from revops.config_template import shown

    return {
        "path": str(loaded.path),
        "values": {
            section: {
                key: {
                    "value": shown(section, key, loaded.config),
                    "origin": loaded.origins.get(f"{section}.{key}", "default"),
                }
                for key in keys_of(kind)
            }
            for section, kind in sections().items()
        },
    }
