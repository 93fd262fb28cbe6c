"""How rows go that the node has kept: by the plugin autoclean, or with a backup that is restored."""

from __future__ import annotations

from revops.sim.rows import ForwardRow
from revops.sim.state import World


def autoclean(world: World, older_than_seconds: float) -> int:
    """Delete forwards that ended longer ago; getinfo keeps counting their fees and the moves stay. Return how many."""
    limit_at = world.now_at - older_than_seconds
    return len(world.forwards.delete(lambda row: row.status != "offered" and ended_at(row) < limit_at))


def ended_at(row: ForwardRow) -> float:
    """Return what autoclean takes for a row's age: of a failed one its arrival (plugins/autoclean.c)."""
    return row.resolved_at if row.status == "settled" and row.resolved_at is not None else row.received_at


def restore_to_index(world: World, created_index: int) -> None:
    """Turn the tables back as a restored backup would: forwards after `created_index` and what came later go."""
    gone = world.forwards.restore(lambda row: row.created_index <= created_index)
    world.ledger.fees_collected_msat -= sum(row.fee_msat or 0 for row in gone if row.status == "settled")
    if gone:
        at = gone[0].received_at
        world.channelmoves.restore(lambda row: row.timestamp_at < at)
        world.networkevents.restore(lambda row: row.timestamp_at < at)
        world.payments.restore(lambda row: row.created_at < at)
