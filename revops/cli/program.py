"""How this program is called, by the person who reads what it prints, and by cron, which finds less."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path
from typing import Final

NAME: Final = "revops"


def called() -> str:
    """Return what to type to run this program again: its name where the shell finds it, else its path."""
    running = Path(sys.argv[0])
    if running.name == "__main__.py":
        return called_by_path()
    found = shutil.which(NAME)
    if running.name != NAME or not running.exists() or (found is not None and running.samefile(found)):
        return NAME
    return called_by_path()


def called_by_path() -> str:
    """Return how to call this program from anywhere: its path, quoted for a shell."""
    running = Path(sys.argv[0])
    if running.name == NAME and running.exists():
        return shlex.quote(str(running.absolute()))
    beside = Path(sys.executable).with_name(NAME)
    if running.name != "__main__.py" and beside.is_file():
        return shlex.quote(str(beside))
    return f"{shlex.quote(sys.executable)} -m {NAME}"
