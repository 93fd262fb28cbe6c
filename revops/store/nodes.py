"""The node itself, as the last sync saw it."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select, update

from revops.domain.node import NodeInfo
from revops.errors import BugError
from revops.store.engine import Tx
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
    """Given what the node says of itself and its funds, record it. Raise BugError where `tx` is another node's."""
    statement = (
        update(node)
        .where(node.c.node_key == tx.node_key, node.c.node_id == info.node_id)
        .values(
            alias=info.alias,
            version=info.version,
            network=info.network,
            blockheight=info.blockheight,
            wallet_spendable_msat=wallet_spendable_msat,
            channels_spendable_msat=channels_spendable_msat,
            synced_at=synced_at,
        )
    )
    if tx.connection.execute(statement).rowcount != 1:
        raise BugError(f"node {info.node_id} has no row with key {tx.node_key}")


def node_row(tx: Tx) -> NodeRow:
    """Return the node's row. Raise BugError where it has none."""
    row = tx.connection.execute(select(node).where(node.c.node_key == tx.node_key)).one_or_none()
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
