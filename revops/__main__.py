"""The process: `revops` and `python -m revops`. SIGTERM becomes an exception here, exceptions exit codes there."""

from __future__ import annotations

import signal
import sys
from types import FrameType

from revops.cli.main import main as run_command
from revops.errors import Terminated


def _terminate(_number: int, _frame: FrameType | None) -> None:
    raise Terminated


def main() -> int:
    """Run the command of `sys.argv`, return its exit code. `timeout` and systemd send SIGTERM: unwind, then 143."""
    signal.signal(signal.SIGTERM, _terminate)
    return run_command(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
