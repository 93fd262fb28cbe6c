"""Where lightningd's RPC socket is, when nobody says: beside a lightningd that runs here, whoever's it is, in
$LIGHTNING_DIR, or in the folders that lightningd and its packages use.
"""

from __future__ import annotations

import logging
import os
import pwd
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from stat import S_ISSOCK
from typing import Final

from revops.config import home_dir
from revops.cycle.doctor_machine import socket_facts
from revops.cycle.processes import Process, running, user_name
from revops.decide.doctor.node import let_in
from revops.errors import ConfigError, PermissionDenied

#: lightningd's folders of networks, the one with real money first.
NETWORKS: Final = ("bitcoin", "testnet", "testnet4", "signet", "regtest")
_MAINNET: Final = NETWORKS[0]
SOCKET_NAME: Final = "lightning-rpc"
_FOLDERS: Final = ("/var/lib/lightningd", "/var/lib/lightning", "/var/lib/lightning/.lightning", "/data/lightningd")
_CONNECT_SECONDS: Final = 2.0
#: Places that an error names: the others differ in the network only.
_SHOWN_COUNT: Final = 4

#: More than any configuration of lightningd.
_MOST_CHARACTERS: Final = 1_000_000

_log = logging.getLogger(__name__)


def default_rpc_paths(environment: Mapping[str, str] | None = None) -> tuple[Path, ...]:
    """Given the environment, return where the socket usually is, best first."""
    named = (os.environ if environment is None else environment).get("LIGHTNING_DIR")
    folders = [Path(named).expanduser()] if named else []
    folders += [home_dir() / ".lightning", *(Path(name) for name in _FOLDERS)]
    paths = [folder / network / SOCKET_NAME for network in NETWORKS for folder in folders]
    own = [Path(named).expanduser() / SOCKET_NAME] if named else []
    return (*own, *paths)


def running_rpc_paths(processes: tuple[Process, ...]) -> tuple[Path, ...]:
    """Given the lightningds that run here, return where their sockets should be, by their command lines and files."""
    return tuple(dict.fromkeys(path for one in processes for path in _paths_of(one)))


def _paths_of(process: Process) -> Iterator[Path]:
    named = process.option("lightning-dir")
    try:
        folder = Path(named) if named else Path(pwd.getpwuid(process.uid).pw_dir) / ".lightning"
    except KeyError:
        return
    settings = _settings(Path(process.option("conf") or folder / "config"))
    flags = {argument.lstrip("-") for argument in process.arguments}
    by_flag = next((one for one in NETWORKS if one in flags), "")
    told = process.option("network") or by_flag or settings.get("network", "")
    file = process.option("rpc-file") or settings.get("rpc-file", SOCKET_NAME)
    for network in (told,) if told else NETWORKS:
        yield folder / network / file


def _settings(path: Path) -> dict[str, str]:
    """lightningd's file: `key=value` or a bare key a line. One that can't be read tells nothing; nor does a pipe or a
    device, for which anybody's process of that name could ask.
    """
    try:
        if not path.is_file():
            return {}
        with path.open(encoding="utf-8", errors="replace") as file:
            rows = file.read(_MOST_CHARACTERS).splitlines()
    except OSError:
        return {}
    found = dict(row.strip().partition("=")[::2] for row in rows if not row.lstrip().startswith("#"))
    return {"network": next((one for one in NETWORKS if one in found), ""), **found}


def find_rpc(named: Path | None) -> Path:
    """Given the socket that was named, or None, return the socket's path.

    Raise ConfigError where there is none or several could be meant, PermissionDenied where this user may not open it,
    with what was tried and what to do.
    """
    if named is not None:
        candidates: tuple[Path, ...] = (named.expanduser().absolute(),)
    else:
        candidates = tuple(dict.fromkeys((*running_rpc_paths(running({"lightningd"})), *default_rpc_paths())))
    sockets: list[Path] = []
    refused: tuple[Path, str] | None = None
    for path in candidates:
        try:
            kind = path.stat().st_mode
        except PermissionError as error:
            refused = refused or (path, error.strerror or "Permission denied")
            continue
        except OSError:
            continue
        if S_ISSOCK(kind):
            sockets.append(path)
        elif named is not None:
            raise ConfigError(
                f"{path} is not a socket; the RPC socket is the file {SOCKET_NAME} in the network's folder"
            )
    if sockets:
        return _chosen(sockets)
    if refused is not None:
        raise _denied(*refused)
    shown = candidates[:_SHOWN_COUNT]
    more = " and the other usual places" if len(candidates) > len(shown) else ""
    raise ConfigError(
        f"no RPC socket at {', '.join(map(str, shown))}{more}; is lightningd running? "
        "`revops init --rpc PATH` names another"
    )


def _chosen(sockets: list[Path]) -> Path:
    """Of several that answer, that of the main network; nobody's test node is taken for it."""
    if len(sockets) == 1 and os.access(sockets[0], os.R_OK | os.W_OK):
        return sockets[0]
    open_to_us = [path for path in sockets if os.access(path, os.R_OK | os.W_OK)]
    if not open_to_us:
        raise _denied(sockets[0], "Permission denied")
    answering = [path for path in open_to_us if _answers(path)]
    if len(answering) <= 1:
        return (answering or open_to_us)[0]
    names = ", ".join(str(path) for path in answering)
    main = [path for path in answering if path.parent.name == _MAINNET]
    if len(main) != 1:
        raise ConfigError(f"several nodes answer here: {names}; `revops init --rpc PATH` names one")
    _log.warning("several nodes answer here: %s; this is %s, --rpc PATH names another", names, main[0])
    return main[0]


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as end:
        end.settimeout(_CONNECT_SECONDS)
        try:
            end.connect(str(path))
        except OSError:
            return False
    return True


def _denied(path: Path, said: str) -> PermissionDenied:
    facts = socket_facts(path)
    remedy = let_in(user_name(os.getuid()), facts, "init")
    return PermissionDenied(f"{path}: {said}; {remedy}")
