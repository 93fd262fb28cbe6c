"""`revops db upgrade --dry-run` as blocks."""

from __future__ import annotations

from collections.abc import Iterator

from revops.domain.summary import UpgradePlan
from revops.domain.text import counted
from revops.report.blocks import Block, Legend, Line, Table


def upgrade_plan(value: UpgradePlan) -> Iterator[Block]:
    """Given what an upgrade would do, render its steps and what they take."""
    if value.version_before is None:
        yield Line(f"{value.url}: would be made, schema {value.version}; nothing was changed")
        return
    if value.steps:
        yield Line(
            f"{value.url}: schema {value.version_before} -> {value.version} by {counted(len(value.steps), 'step')}, "
            "all or nothing; nothing was changed"
        )
        yield Line("")
        yield Table("Steps", ("to", "what it brings"), tuple((one.version, one.title) for one in value.steps))
    else:
        yield Line(f"{value.url}: schema {value.version}, up to date; nothing was changed")
    if value.is_rewritten:
        yield Line("the file is written anew, once, so that it can shrink; others wait meanwhile")
    yield Line(f"size now: {value.size_bytes:,} bytes; {_room(value)}")
    if value.steps:
        yield Legend(_BACKUP)


_BACKUP = (
    "no backup is made: `revops db backup FILE` makes one (of PostgreSQL: pg_dump); there is no way back but a backup"
)


def _room(value: UpgradePlan) -> str:
    if not value.needed_bytes:
        return "no room beside it is needed"
    if value.free_bytes is None:
        return f"as much as {value.needed_bytes:,} bytes beside it for a while"
    lacking = " (TOO LITTLE)" if value.free_bytes < value.needed_bytes else ""
    return f"as much as {value.needed_bytes:,} bytes beside it for a while, {value.free_bytes:,} are free{lacking}"
