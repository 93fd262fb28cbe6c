"""Run a command with less: `python -I -S confined.py [--no-override] [--file-bytes N] -- COMMAND…`.

`--no-override` takes away root's right to pass by file modes, so that permissions are real in a container too;
`--file-bytes` bounds every file that is written, as a full disk does. Its own process, since a test has threads.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import resource
from typing import Final

#: linux/prctl.h and linux/capability.h
_PR_CAPBSET_DROP: Final = 24
_CAP_DAC_OVERRIDE: Final = 1
_CAP_DAC_READ_SEARCH: Final = 2


def main() -> None:
    """Confine this process, then become the command."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--no-override", action="store_true")
    parser.add_argument("--file-bytes", type=int)
    parser.add_argument("command", nargs="+")
    options = parser.parse_args()
    if options.no_override and os.geteuid() == 0:
        libc = ctypes.CDLL(None, use_errno=True)
        for capability in (_CAP_DAC_OVERRIDE, _CAP_DAC_READ_SEARCH):
            if libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0) != 0:
                raise OSError(ctypes.get_errno(), "prctl(PR_CAPBSET_DROP)")
    if options.file_bytes is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (options.file_bytes, options.file_bytes))
    os.execv(options.command[0], options.command)


if __name__ == "__main__":
    main()
