"""What a valid configuration says about this machine that every run would stumble over. Told by `config check` only:
the run that stumbles says so itself, and the other runs have no use for it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from stat import S_ISSOCK

from revops.domain.policy import Config


def outlook(config: Config) -> tuple[str, ...]:
    """Given a configuration, return what stands in the way of what it asks for, one sentence each."""
    return (
        *_socket(Path(config.node.rpc_path)),
        *_metrics(config.metrics.textfile_dir),
        *_recorder(config.recorder.spool_dir),
        *_spending(config),
        *_classes(config),
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


def _spending(config: Config) -> Iterator[str]:
    names = ("daily_sat", "weekly_sat", "revenue_share_ratio")
    unset = [f"budget.{name} = 0" for name in names if not getattr(config.budget, name)]
    if config.rebalance.mode == "act" and unset:
        yield f'rebalance.mode is "act", but {" and ".join(unset)}: nothing will ever be spent'


def _classes(config: Config) -> Iterator[str]:
    kept_days = config.retention.events_days
    for key, days in (("stagnant_days", config.classes.stagnant_days), ("dead_days", config.classes.dead_days)):
        if days > kept_days:
            yield f"classes.{key} = {days} is above retention.events_days = {kept_days}: no channel will ever be it"
