"""The process: `revops` and `python -m revops`. Signals become exceptions here, exceptions exit codes there."""

from __future__ import annotations

import gc
import os
import signal
import sys
from types import FrameType

#: So many more objects are made than freed before garbage in circles is looked for; Python's own is 700.
GARBAGE_COUNT = 70_000


def _leave(number: int, _frame: FrameType | None) -> None:
    os._exit(128 + number)


def _terminate(number: int, _frame: FrameType | None) -> None:
    from revops.errors import HungUp, Terminated

    raise HungUp if number == signal.SIGHUP else Terminated


def _handle(number: int, handler: signal._HANDLER) -> None:
    # What is ignored stays so: nohup and a shell's background jobs start us that way.
    if signal.getsignal(number) is not signal.SIG_IGN:
        signal.signal(number, handler)


def main() -> int:
    """Run the command of `sys.argv`, return its exit code. `timeout` and systemd send SIGTERM: unwind, then 143.

    While the command is still being imported nothing has been done that would need unwinding.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        _handle(number, _leave)
    # Looking for garbage in circles takes a tenth of the imports, and a run ends before it has made much of it.
    gc.set_threshold(GARBAGE_COUNT)
    from revops.cli.main import main as run_command

    _handle(signal.SIGINT, signal.default_int_handler)
    _handle(signal.SIGTERM, _terminate)
    _handle(signal.SIGHUP, _terminate)
    return run_command(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
