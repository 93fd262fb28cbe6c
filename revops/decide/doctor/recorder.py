"""What is wrong with the companion plugin, where a spool of it is named."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from revops.decide.doctor.findings import note, ok, unchecked, warning
from revops.domain.health import Finding
from revops.domain.instants import is_ahead, span
from revops.domain.recorder import RecorderStatus

RECORDER: Final = "recorder"
_START: Final = "plugin= with the path that `revops recorder path` prints, in lightningd's config file; then restart it"


def recorder(status: RecorderStatus, *, node_answers: bool) -> Iterator[Finding]:
    """Given the plugin's spool and what was read of it, say whether the plugin writes and sync reads; nothing where no
    spool is named, since all works without it. The plugin lives and dies with the node: where that doesn't answer, its
    silence tells nothing.
    """
    if not status.spool_dir:
        return
    if status.fault is not None:
        yield warning(
            RECORDER, f"{status.spool_dir} can't be read: {status.fault}",
            "let this user read it, or set recorder.spool_dir to the folder that the plugin writes to; until then "
            "metrics are as fresh as cron makes them",
        )  # fmt: skip
    elif not status.alive and not node_answers:
        yield unchecked(RECORDER, "the node doesn't answer, and the plugin runs within it")
    elif status.last_line_at is None:
        yield warning(
            RECORDER, f"{status.spool_dir} has no line yet: the plugin doesn't run, or writes elsewhere", _START
        )
    elif is_ahead(status.last_line_at, status.taken_at):
        yield warning(RECORDER, "the plugin has written nothing since the clock was set back", _START)
    elif not status.alive:
        silent = span(status.taken_at - status.last_line_at)
        yield warning(RECORDER, f"the plugin has written nothing for {silent}, and should every half minute", _START)
    elif status.record is None or status.record.place is None:
        yield note(RECORDER, "the plugin writes, and nothing of it is read yet", "`revops sync` reads it")
    else:
        yield ok(RECORDER, f"the plugin writes, and was read to {span(_behind_seconds(status))} before its last line")


def _behind_seconds(status: RecorderStatus) -> float:
    read_to_at = None if status.record is None else status.record.last_at
    return 0.0 if read_to_at is None or status.last_line_at is None else max(0.0, status.last_line_at - read_to_at)
