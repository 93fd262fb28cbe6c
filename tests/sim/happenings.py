"""What can happen to a simulated node: payments, splices, closes, transactions of the wallet."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from revops.sim.errors import SimRpcError
from revops.sim.world import SimulatedNode
from tests.sim.driving import channels, prepare

EVENTS = (
    "hours", "rebalance", "hold", "release", "splice in", "splice out", "peer splices in", "peer splices out",
    "pending splice", "pending splice out", "close", "close and stay", "force close", "peer force closes", "sweep",
    "open", "open at once", "withdraw", "consolidate", "autoclean", "down",
)  # fmt: skip


def happen(node: SimulatedNode, event: str, number: int) -> None:
    """Let one thing happen to a node, if the money for it is there."""
    rows = [row for row in channels(node) if row["state"] == "CHANNELD_NORMAL"]
    row = rows[number % len(rows)]
    with suppress(ValueError, SimRpcError):
        if event in ("hours", "rebalance", "hold", "release", "down", "autoclean", "sweep"):
            happen_around(node, event, number, row)
        elif event in ("open", "open at once", "withdraw", "consolidate"):
            happen_to_wallet(node, event, number, rows)
        elif "splice" in event:
            sat = 20_000 + number % 77_777
            node.splice_channel(
                row["channel_id"],
                -sat if "out" in event else sat,
                lock_in="pending" not in event,
                initiator="remote" if "peer" in event else "local",
            )
        elif len(rows) > 4:
            happen_to_end(node, event, number, row)


def happen_around(node: SimulatedNode, event: str, number: int, row: dict[str, Any]) -> None:
    """Payments, time, connections, deletions."""
    match event:
        case "hours":
            node.advance_by(3600.0 * (1 + number % 40))
        case "rebalance":
            with suppress(AssertionError):
                node.handle("sendpay", prepare(node, 3_000_000 + number, label=f"{number}").params())
        case "hold" | "release":
            node.hold_payments(event == "hold")
        case "down":
            (node.disconnect_peer if number % 2 else node.connect_peer)(row["peer_id"])
        case "autoclean":
            node.autoclean(3600.0 * (number % 30))
        case _:
            node.sweep_all()


def happen_to_wallet(node: SimulatedNode, event: str, number: int, rows: list[dict[str, Any]]) -> None:
    """What the operator does with the wallet."""
    if event == "withdraw":
        node.withdraw(1_000 + number * 37)
    elif event == "consolidate":
        node.consolidate()
    elif event == "open at once":
        node.open_at_once(rows[number % len(rows)]["peer_id"], 200_000 + number, pushed_msat=number % 2 * 50_000_123)
    else:
        peers = list(dict.fromkeys(row["peer_id"] for row in rows))[: 1 + number % 3]
        node.open_channels(peers, 200_000 + number, pushed_msat=number % 2 * 50_000_123)


def happen_to_end(node: SimulatedNode, event: str, number: int, row: dict[str, Any]) -> None:
    """How a channel ends."""
    closer = "remote" if "peer" in event or number % 2 else "local"
    if "force" in event:
        node.force_close(row["channel_id"], closer="remote" if "peer" in event else "local")
    else:
        node.close_channel(row["channel_id"], closer=closer, forget="stay" not in event)
