"""The node itself, as the last sync saw it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import Executable, bindparam, select, update

from revops.domain.node import NodeInfo
from revops.errors import BugError
from revops.store.engine import NODE, Tx
from revops.store.tables import node


@dataclass(frozen=True, slots=True)
class NodeRow:
    """The node's row. All but the first four are None until the first sync."""

    node_key: int
    node_id: str
    alias: str
    network: str
    version: str | None
    blockheight: int | None
    wallet_spendable_msat: int | None
    channels_spendable_msat: int | None
    synced_at: float | None


def record_node(
    tx: Tx, info: NodeInfo, *, wallet_spendable_msat: int, channels_spendable_msat: int, synced_at: float
) -> None:
    """Given what the node says of itself and its funds, record it; its network stays what it was when its row was made.
    Raise BugError where `tx` is another node's.
    """
    found = tx.execute(
        _record_node(),
        b_id=info.node_id,
        alias=info.alias,
        version=info.version,
        blockheight=info.blockheight,
        wallet_spendable_msat=wallet_spendable_msat,
        channels_spendable_msat=channels_spendable_msat,
        synced_at=synced_at,
    )
    if found.rowcount != 1:
        raise BugError(f"node {info.node_id} has no row with key {tx.node_key}")


@cache
def _record_node() -> Executable:
    names = ("alias", "version", "blockheight", "wallet_spendable_msat", "channels_spendable_msat", "synced_at")
    values: dict[str, Any] = {name: bindparam(name) for name in names}
    return update(node).where(node.c.node_key == NODE, node.c.node_id == bindparam("b_id")).values(values)


def node_row(tx: Tx) -> NodeRow:
    """Return the node's row. Raise BugError where it has none."""
    row = tx.execute(_node_row()).one_or_none()
    if row is None:
        raise BugError(f"there is no node with key {tx.node_key}")
    return NodeRow(
        node_key=row.node_key,
        node_id=row.node_id,
        alias=row.alias,
        network=row.network,
        version=row.version,
        blockheight=row.blockheight,
        wallet_spendable_msat=row.wallet_spendable_msat,
        channels_spendable_msat=row.channels_spendable_msat,
        synced_at=row.synced_at,
    )


@cache
def _node_row() -> Executable:
    return select(node).where(node.c.node_key == NODE)
