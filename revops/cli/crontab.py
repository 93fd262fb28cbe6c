"""The crontab for this machine: the lines of crontab.example, with the paths that are right here."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Final

from revops.cli.program import NAME, called_by_path
from revops.config import search_paths
from revops.errors import BugError

_EXAMPLE: Final = "crontab.example"
#: The program's name where it is called: a word, with a command of its own behind it.
_CALL: Final = re.compile(rf"(?<=\s){NAME}(?= [a-z])")
#: The line above the first entry.
_HEADING: Final = re.compile(r"(?m)^# min .*\n")


def example() -> str:
    """Return the text of crontab.example: in the package, or at the top of a checkout."""
    package = files(NAME)
    for place in (package.joinpath("share", _EXAMPLE), Path(str(package)).parent / _EXAMPLE):
        if place.is_file():
            return place.read_text(encoding="utf-8")
    raise BugError(f"{_EXAMPLE} is missing beside the package: install revops anew")


def crontab(config_path: Path) -> str:
    """Given the configuration, return lines that can be pasted into the crontab of this user as they are."""
    return "\n".join(_lines(config_path)) + "\n"


def _lines(config_path: Path) -> Iterator[str]:
    yield "# revops: silent unless something is wrong; what it has to say, cron mails (MAILTO=)."
    if config_path not in search_paths({}):
        yield f"REVOPS_CONFIG={config_path}"
    program = called_by_path().replace("%", r"\%")  # to cron a % ends the line
    for row in _HEADING.split(example(), maxsplit=1)[1].splitlines():
        yield row if row.startswith("#") else _CALL.sub(lambda _: program, row)
