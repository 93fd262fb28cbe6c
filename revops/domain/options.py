"""What every command is told by the person or crontab that starts it: the flags, as one value.

`cli` makes it, `cycle` takes it. The configuration is not in it: `revops.config.load(options)` reads that, since flags
override it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from revops.domain.policy import PingConfig

#: Told of long work: what is being done, how many are done, of how many (None: not known).
Progress = Callable[[str, int, int | None], None]


def no_progress(_label: str, _done: int, _total: int | None) -> None:
    """Report progress to nobody: cron has no use for it."""


class Pinger(Protocol):
    """Who tells a monitoring service that a run begins."""

    def begin(self, policy: PingConfig, command: str) -> None: ...


class NoPings:
    """Tells nobody: a run that nobody started by its command line isn't cron's."""

    def begin(self, policy: PingConfig, command: str) -> None:
        """Do nothing."""


@dataclass(frozen=True, slots=True)
class CommonOptions:
    """The flags that all commands share. None means: not given.

    `metrics_dir` is "" for `--metrics-dir none`. `verbosity` is -1 for -q, 1 for -v, 2 for -vv. `color` is False for
    --no-color, else None (the terminal decides). `environment` is where settings are looked for instead of the
    process's variables: the demo, which must not follow them to a real node, has none.
    """

    config_path: Path | None = None
    database_url: str | None = None
    metrics_dir: str | None = None
    dry_run: bool = False
    json: bool = False
    verbosity: int = 0
    lock_wait_seconds: float = 30.0
    color: bool | None = None
    environment: Mapping[str, str] | None = field(default=None, compare=False, repr=False)
    progress: Progress = field(default=no_progress, compare=False, repr=False)
    pings: Pinger = field(default_factory=NoPings, compare=False, repr=False)
