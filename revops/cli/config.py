"""`revops config check` and `revops config show`."""

from __future__ import annotations

from dataclasses import replace
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
    """Check the configuration. Exit 78 and name every fault when something is wrong.

    Warns of what is valid but would fail on this machine: no socket, no folder for metrics, mode act without a budget.
    """
    from revops.config_outlook import outlook

    loaded = _read(options)
    loaded = replace(loaded, warnings=(*loaded.warnings, *outlook(loaded.config)))
    _warn(loaded)
    body = {"path": str(loaded.path), "ok": True, "warnings": list(loaded.warnings)}
    count = len(loaded.warnings)
    verdict = "ok" if count == 0 else f"valid, with {count} warning{'s' if count > 1 else ''}"
    Output(options).news("config check", body, lambda: [Line(f"{verdict}: {loaded.path}")])


@config.command("show", cls=Command)
@common
def show(options: CommonOptions) -> None:
    """Print the configuration in force, with the origin of each value: default, file, variable or flag."""
    from revops.config_template import effective

    loaded = _read(options)
    _warn(loaded)
    output = Output(options)
    if options.json:
        output.product("config show", _document(loaded), tuple)
    else:
        output.text(effective(loaded.config, loaded.origins))


def _read(options: CommonOptions) -> Loaded:
    from revops.config import read

    return read(options)


def _warn(loaded: Loaded) -> None:
    from revops.config import warn

    warn(loaded)


def _document(loaded: Loaded) -> dict[str, Any]:
    from msgspec.structs import asdict

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
        "rules": [asdict(rule) | {"match": asdict(rule.match)} for rule in loaded.config.rules],
    }
