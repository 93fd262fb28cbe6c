"""Log lines on stderr, made for cron mail and journald: short, one line each, quiet unless something is wrong."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Mapping
from typing import Final

from revops.domain.text import printable

LEVEL_OF_VERBOSITY: Final = {-1: logging.ERROR, 0: logging.WARNING, 1: logging.INFO, 2: logging.DEBUG}


class LineFormatter(logging.Formatter):
    """`revops: warning: message`, with a UTC time in front unless the journal adds one. Control characters escaped."""

    def __init__(self, *, with_time: bool) -> None:
        super().__init__()
        self._with_time = with_time

    def format(self, record: logging.LogRecord) -> str:
        """Given a record, return its line; a traceback follows on lines of its own."""
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ ", time.gmtime(record.created)) if self._with_time else ""
        lines = [f"{stamp}revops: {record.levelname.lower()}: {printable(record.getMessage())}"]
        if record.exc_info:
            lines += [printable(line) for line in self.formatException(record.exc_info).splitlines()]
        return "\n".join(lines)


class StderrHandler(logging.StreamHandler):  # type: ignore[type-arg]  # the class is not subscriptable at run time
    """Ours, so that a second `configure` in one process replaces it instead of printing twice."""


def configure(verbosity: int, environment: Mapping[str, str]) -> None:
    """Given -v/-q as a number (-1 to 2) and the environment, send the `revops` loggers to stderr at that level.

    At the default verbosity lines carry no time: cron mail has its own. Under journald (JOURNAL_STREAM) they never do.
    """
    logger = logging.getLogger("revops")
    for handler in [handler for handler in logger.handlers if isinstance(handler, StderrHandler)]:
        logger.removeHandler(handler)
    handler = StderrHandler(sys.stderr)
    handler.setFormatter(LineFormatter(with_time=verbosity > 0 and not environment.get("JOURNAL_STREAM")))
    logger.addHandler(handler)
    logger.setLevel(LEVEL_OF_VERBOSITY[max(-1, min(2, verbosity))])
