"""What `revops doctor` asks the node: everything that a sync asks, a little of each, and which plugins there are.

A dozen and a half calls, each short: lists are read from their ends. After the first call that gets no answer in time
no further one is made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from revops.cycle.ads_input import DUAL_FUND
from revops.domain.health import Fault, NodeFacts
from revops.errors import ConfigError, RevopsError
from revops.node.errors import UNREACHABLE, NodeError
from revops.node.reader import NodeReader, Subsystem
from revops.node.rpc import Rpc
from revops.node.version import check_version
from revops.node.version_sling import check_sling

COMMAND: Final = "doctor"
#: The whole look takes seconds: a node that needs longer for one of these calls is the finding.
_TIMEOUT_SECONDS: Final = 5.0
#: Enough rows to see whether they have the form that they should.
_ROWS: Final = 20
#: Options of the node's plugin autoclean that are looked at.
AUTOCLEAN: Final = (
    "autoclean-succeededforwards-age",
    "autoclean-failedforwards-age",
    "autoclean-succeededpays-age",
    "autoclean-networkevents-age",
)


def rpc_for(path: Path) -> Rpc:
    """Given the socket, return the calls that are made there: none that writes, and each with a short deadline."""
    return Rpc(path, command=COMMAND, timeout_seconds=_TIMEOUT_SECONDS, writes_allowed=False)


def node_facts(rpc: Rpc, now: float) -> NodeFacts | Fault:
    """Given the socket and the time, return what the node answers; a fault where it doesn't, or says nonsense of
    itself.
    """
    reader = NodeReader(rpc)
    try:
        info = reader.info()
        faults = tuple(_probed(reader, now))
        methods = _methods(reader)
        dual_fund = reader.config_flag(DUAL_FUND)
        settings = {name: value for name in AUTOCLEAN if (value := reader.config_int(name)) is not None}
    except NodeError as error:
        return Fault(str(error), error.exit_code)
    sling_version, sling_fault = _sling(reader) if methods and "sling-version" in methods else (None, None)
    version_warning, version_fault = _version(info.version)
    return NodeFacts(
        info=info,
        slowest_method=rpc.slowest[1],
        slowest_seconds=rpc.slowest[0],
        version_warning=version_warning,
        version_fault=version_fault,
        faults=faults,
        methods=methods,
        settings=settings,
        sling_version=sling_version,
        sling_fault=sling_fault,
        dual_fund=dual_fund,
    )


def _probed(reader: NodeReader, now: float) -> Iterator[Fault]:
    """Ask for a little of everything that a sync reads; yield what gave an answer that it couldn't use.

    Raise NodeError where the node gives none at all: the next method would have to wait as long.
    """
    probes: tuple[Callable[[], object], ...] = (
        reader.channels,
        reader.closed_channels,
        reader.wallet,
        lambda: reader.feerates(now),
        lambda: reader.forwards("created", _from(reader, "forwards"), _ROWS),
        lambda: reader.channel_moves(_from(reader, "channelmoves"), _ROWS),
        lambda: reader.chain_moves(_from(reader, "chainmoves"), _ROWS),
        lambda: reader.node_events(_from(reader, "networkevents"), _ROWS),
    )
    for probe in probes:
        try:
            probe()
        except NodeError as error:
            if _no_answer(error):
                raise
            yield Fault(str(error), error.exit_code)


def _from(reader: NodeReader, subsystem: Subsystem) -> int:
    return max(1, reader.top_index(subsystem, "created") - _ROWS + 1)


def _methods(reader: NodeReader) -> frozenset[str] | None:
    try:
        return reader.methods()
    except NodeError as error:
        if _no_answer(error):
            raise
        return None


def _no_answer(error: NodeError) -> bool:
    return error.code is None and error.exit_code == UNREACHABLE


def _version(version: str) -> tuple[str | None, str | None]:
    try:
        return check_version(version), None
    except ConfigError as error:
        return None, str(error)


def _sling(reader: NodeReader) -> tuple[str | None, str | None]:
    try:
        version = reader.sling_version()
        check_sling(version)
    except RevopsError as error:
        return None, str(error)
    return version, None
