"""How this program is called, by the person who reads what it prints, and by cron, which finds less."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from revops.config import search_paths

NAME: Final = "revops"
#: PATH of crontab.example.
CRON_FOLDERS: Final = ("/usr/local/bin", "/usr/bin", "/bin")


def called() -> str:
    """Return what to type to run this program again: its name where the shell finds it, else its path."""
    running = Path(sys.argv[0])
    if running.name == "__main__.py":
        return f"{shlex.quote(sys.executable)} -m {NAME}"
    found = shutil.which(NAME)
    if running.name != NAME or not running.exists() or (found is not None and running.samefile(found)):
        return NAME
    return shlex.quote(str(running.absolute()))


def cron_settings(config_path: Path) -> Iterator[str]:
    """Given the configuration, return the variables that the crontab needs to find it and this program."""
    running = Path(sys.argv[0]).absolute()
    if running.name == NAME and running.exists() and str(running.parent) not in CRON_FOLDERS:
        yield f"PATH={':'.join((str(running.parent), *CRON_FOLDERS))}"
    if config_path not in search_paths({}):
        yield f"REVOPS_CONFIG={config_path}"
