"""What a valid configuration says about this machine that every run would stumble over. Told by `config check` only:
the run that stumbles says so itself, and the other runs have no use for it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from stat import S_ISSOCK

from revops.decide.doctor.settings import unreachable_classes, unspendable
from revops.domain.policy import Config


def outlook(config: Config) -> tuple[str, ...]:
    """Given a configuration, return what stands in the way of what it asks for, one sentence each."""
    return (
        *_socket(Path(config.node.rpc_path)),
        *_metrics(config.metrics.textfile_dir),
        *unspendable(config),
        *unreachable_classes(config),
        *_recorder(config.recorder.spool_dir),
    )


def _socket(path: Path) -> Iterator[str]:
    try:
        kind = path.stat().st_mode
    except OSError as error:
        yield f"node.rpc_path: {path}: {error.strerror}; is lightningd running, and may this user look there?"
        return
    if not S_ISSOCK(kind):
        yield f"node.rpc_path: {path} is not a socket"
    elif not os.access(path, os.W_OK):
        yield f"node.rpc_path: {path}: this user may not open it; be in lightningd's group, with rpc-file-mode=0660"


def _metrics(folder: str) -> Iterator[str]:
    if not folder:
        return
    if not Path(folder).is_dir():
        yield f"metrics.textfile_dir: there is no folder {folder}: every run would fail at its end"
    elif not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        yield f"metrics.textfile_dir: this user may not write to {folder}: every run would fail at its end"


def _recorder(folder: str) -> Iterator[str]:
    if folder and not os.access(folder, os.R_OK | os.X_OK):
        state = "this user may not read" if Path(folder).exists() else "there is no folder"
        yield f"recorder.spool_dir: {state} {folder}: does the node run `revops recorder path`, and who owns its spool?"
