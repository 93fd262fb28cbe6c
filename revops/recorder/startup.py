"""What the plugin is told when it starts: its options, and since when lightningd runs."""

from __future__ import annotations

import math
import os
import shlex
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

SPOOL_OPTION: Final = "revops-recorder-spool"
SYNC_OPTION: Final = "revops-recorder-sync"
SECONDS_OPTION: Final = "revops-recorder-sync-seconds"
DEFAULT_FOLDER: Final = "revops-recorder"
DEFAULT_SECONDS: Final = 5.0
LONGEST_SECONDS: Final = 86_400.0
#: The kernel counts the start of a process from its own, in steps of 10 ms; the clock has been set since.
_DOUBT_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class Settings:
    """How to record. `command` is what is started after events; empty: nothing."""

    folder: Path
    command: tuple[str, ...]
    least_seconds: float


def default_command() -> str:
    """Return the sync of the `revops` that is installed with this interpreter."""
    return shlex.join([str(Path(sys.executable).with_name("revops")), "sync", "-q"])


def settings_of(options: Mapping[str, Any], lightning_dir: str, complain: Callable[[str], None]) -> Settings:
    """Given the options as lightningd hands them over, and its folder, return the settings. What can't be used is
    complained of, and its default holds: a misspelt option must not keep a node from starting.
    """
    folder = Path(lightning_dir) / DEFAULT_FOLDER
    spool = str(options.get(SPOOL_OPTION) or "")
    if spool and Path(spool).is_absolute():
        folder = Path(spool)
    elif spool:
        complain(f"{SPOOL_OPTION}: {spool} is no absolute path; {folder} is used")
    text = options.get(SYNC_OPTION)
    command: tuple[str, ...] = ()
    try:
        command = tuple(shlex.split(default_command() if text is None else str(text)))
    except ValueError as error:
        complain(f"{SYNC_OPTION}: {error}; no sync is started")
    given = options.get(SECONDS_OPTION)
    try:
        seconds = DEFAULT_SECONDS if given in {None, ""} else float(str(given))
    except ValueError:
        seconds = math.nan
    if not 1 <= seconds <= LONGEST_SECONDS:
        complain(f"{SECONDS_OPTION}: expected 1 to {LONGEST_SECONDS:.0f}, found {given}; {DEFAULT_SECONDS:g} holds")
        seconds = DEFAULT_SECONDS
    return Settings(folder, command, seconds)


def node_started_at(now: float, *, with_us: bool) -> float | None:
    """Given the moment, and whether lightningd has started us because it started itself, return since when it runs at
    the latest. None where that isn't known: the kernel tells it on Linux only.
    """
    if with_us:
        return now
    try:
        age_seconds = _uptime_seconds() - _started_seconds(os.getppid())
    except (OSError, ValueError, IndexError):
        return None
    return now - age_seconds - _DOUBT_SECONDS


def _uptime_seconds() -> float:
    return float(Path("/proc/uptime").read_text(encoding="ascii").split()[0])


def _started_seconds(pid: int) -> float:
    """When a process began, after the machine's start. The name in parentheses can hold anything."""
    after_name = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2]
    return int(after_name.split()[19]) / os.sysconf("SC_CLK_TCK")
