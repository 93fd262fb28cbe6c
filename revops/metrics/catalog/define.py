"""What the catalogue's parts are written with: makers of definitions, and the sets of labels with what each holds."""

from __future__ import annotations

from typing import Final

from revops.domain.metric import Definition, Kind, Place

NODE: Final = ("node",)
CHANNEL: Final = ("node", "channel", "peer_id")
CHANNEL_BOUND: Final = (*CHANNEL, "bound")
CHANNEL_WAY: Final = (*CHANNEL, "direction")
PEER: Final = ("node", "peer_id", "role")
PEER_WINDOW: Final = ("node", "peer_id", "window")
BUDGET: Final = ("node", "window")
PLACE: Final = ("node", "place")
COMMAND: Final = ("node", "command")

#: What each label holds. All values but ids and the alias come from a small set.
LABELS: Final[dict[str, str]] = {
    "alias": "the peer's alias, control characters escaped; strangers choose it",
    "bound": "low or high",
    "cause": "why a line of the companion plugin is missing: dropped, removed, malformed",
    "channel": "short channel id; before it is known, or where it isn't unique, an alias of it or the channel's id",
    "channel_id": "the channel's id, which never changes",
    "command": "the command without its options, as in `fees adjust`",
    "direction": "out (offered by us) or in (offered by the peer)",
    "estimate": "what lightningd would pay for: floor, opening, mutual_close, unilateral_close, penalty, blocks_2 "
    "(within 2 blocks), blocks_12",
    "kind": "of a failure: no_route, fee_too_low, liquidity, time_out, unreachable, other; of the companion plugin's "
    "events: connect, disconnect, forward, state",
    "network": "bitcoin, testnet, signet, regtest",
    "node": "node.name of the configuration, else `node`",
    "node_id": "the node's public key",
    "outcome": "how a decision or a job ended, in one word",
    "peer_id": "the peer's public key; empty where it isn't known",
    "place": "onchain or offchain",
    "reason": "a reason's code, as in `--json` of the commands",
    "role": "sender (of payments to us) or receiver (of payments from us)",
    "table": "a table of the database",
    "version": "a version",
    "window": "daily or weekly of a budget, 24h or 7d of a peer or of the companion plugin",
}


def state(name: str, labels: tuple[str, ...], text: str) -> Definition:
    """Given a name, labels and help, return the definition of a gauge in the node's file."""
    return Definition(name, Kind.GAUGE, text, labels, Place.NODE)


def total(name: str, labels: tuple[str, ...], text: str) -> Definition:
    """Given a name, labels and help, return the definition of a counter in the node's file."""
    return Definition(name, Kind.COUNTER, text, labels, Place.NODE)


def of_run(name: str, labels: tuple[str, ...], text: str, *, lasts: bool = False) -> Definition:
    """Given a name, labels and help, return the definition of a gauge in the commands' files."""
    return Definition(name, Kind.GAUGE, text, labels, Place.COMMAND, lasts)
