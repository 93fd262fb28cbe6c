"""Programs that run on this machine, as /proc shows them to anybody: whose they are, and how they were started."""

from __future__ import annotations

import pwd
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PROC: Final = Path("/proc")


@dataclass(frozen=True, slots=True)
class Process:
    """A running program. `gids` are its group and its further groups."""

    pid: int
    uid: int
    gids: frozenset[int]
    arguments: tuple[str, ...]

    @property
    def user(self) -> str:
        """Its user's name, or number where that has none."""
        return user_name(self.uid)

    def option(self, name: str) -> str:
        """Given the name of a long option, return what it was given, as `--name=value` or `--name value`; else ""."""
        for place, argument in enumerate(self.arguments):
            for spelling in (f"--{name}", f"-{name}"):
                if argument.startswith(f"{spelling}="):
                    return argument.partition("=")[2]
                if argument == spelling and place + 1 < len(self.arguments):
                    return self.arguments[place + 1]
        return ""


def user_name(uid: int) -> str:
    """Given a user's number, return the name, or the number where it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def running(names: Collection[str], proc: Path = PROC) -> tuple[Process, ...]:
    """Given names of programs, return those that run; none where /proc shows them to their owners only."""
    return tuple(found for found in _all(proc) if found.arguments and Path(found.arguments[0]).name in names)


def _all(proc: Path) -> Iterator[Process]:
    try:
        folders = sorted((one for one in proc.iterdir() if one.name.isdigit()), key=lambda one: int(one.name))
    except OSError:
        return
    for folder in folders:
        try:
            line = (folder / "cmdline").read_bytes()
            status = (folder / "status").read_text(encoding="utf-8", errors="replace")
        except OSError:  # it has ended, or is hidden
            continue
        fields = dict(row.partition(":")[::2] for row in status.splitlines())
        numbers = {name: [int(word) for word in fields.get(name, "").split()] for name in ("Uid", "Gid", "Groups")}
        if line and numbers["Uid"] and numbers["Gid"]:
            arguments = tuple(part.decode(errors="replace") for part in line.rstrip(b"\0").split(b"\0"))
            gids = frozenset((numbers["Gid"][0], *numbers["Groups"]))
            yield Process(int(folder.name), numbers["Uid"][0], gids, arguments)
