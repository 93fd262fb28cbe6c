"""Who executes: the node itself or the plugin sling, as the configuration says and the node allows.

`auto` is native. A native payment has one route, whose price is known before it is sent and reserved to the msat; it
pays an invoice of ours, and can be called off by deleting that. sling tries many routes and sources and needs no
supervision, but its cost is bounded only by a limit in ppm and by what its sources may give (`decide/sling.py`): more
must be reserved, and for longer. So sling is chosen only where it was asked for, or where the node can't search routes,
because its router askrene is disabled.
"""

from __future__ import annotations

from typing import Final

from revops.actuate.executor import Executor
from revops.actuate.native import NativeExecutor
from revops.actuate.pricing import LAYER
from revops.actuate.sling import NAME as SLING
from revops.actuate.sling import SlingExecutor
from revops.cycle.session import Session
from revops.cycle.verdict import limits_in_force
from revops.errors import ConfigError
from revops.node.errors import NodeError
from revops.node.faults import METHOD_NOT_FOUND
from revops.node.reader import Reader
from revops.node.version_sling import check_sling
from revops.store import plans

NATIVE: Final = plans.NATIVE


def executors(session: Session) -> tuple[NativeExecutor, dict[str, Executor]]:
    """Return the native executor, and all that may have begun a job, by the names under which jobs know them."""
    budget = session.config.budget
    native = NativeExecutor(
        database=session.database,
        node_key=session.node_key,
        run_key=session.recorded_run_key(),
        reader=session.reader,
        writer=session.writer,
        clock=session.clock,
        policy=session.config.rebalance,
        limits=lambda tx, at: limits_in_force(tx, budget, at),
    )
    sling = SlingExecutor(
        database=native.database,
        node_key=native.node_key,
        run_key=native.run_key,
        reader=native.reader,
        writer=native.writer,
        clock=native.clock,
        policy=native.policy,
        limits=native.limits,
        own_id=session.info.node_id,
    )
    return native, {NATIVE: native, SLING: sling}


def starter(executor: str, reader: Reader) -> str:
    """Given what the configuration says, return who begins new jobs. Raise ConfigError where that can't be.

    Raise NodeError where the node doesn't answer.
    """
    if executor == "sling":
        _insist_on_sling(reader, "rebalance.executor")
        return SLING
    if executor == "auto" and not _has_router(reader):
        _insist_on_sling(reader, "the node's router askrene is missing, so that only sling could rebalance")
        return SLING
    return NATIVE


def _has_router(reader: Reader) -> bool:
    try:
        reader.layer_disabled_nodes(LAYER)
    except NodeError as error:
        if error.code == METHOD_NOT_FOUND:
            return False
        raise
    return True


def _insist_on_sling(reader: Reader, where: str) -> None:
    try:
        version = reader.sling_version()
    except NodeError as error:
        if error.code != METHOD_NOT_FOUND:
            raise
        raise ConfigError(
            f'{where}: the plugin sling doesn\'t answer. Start it, or set rebalance.executor = "native"'
        ) from None
    check_sling(version)
