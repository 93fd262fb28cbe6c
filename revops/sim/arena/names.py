"""What the market's node and its channels are called, what is the same of all of them, and what time it is there.

Records alone (`policies.py`) and full cycles on a simulated node (`node.py`) go by the same figures: they must decide
alike. The market counts seconds from 0, lightningd and the records count from 1970, and to the millisecond.
"""

from __future__ import annotations

from typing import Final

from revops.sim.ids import alias_scid

#: A midnight in UTC, so that the market's days are the records' days.
EPOCH_AT: Final = 1_795_305_600.0
NODE_ID: Final = "03" + "0" * 64
VERSION: Final = "v26.06.6"
NETWORK: Final = "bitcoin"
START_BLOCKHEIGHT: Final = 900_000
BLOCK_SECONDS: Final = 600.0
#: Long before: no channel is new to the node.
OPENED_AT: Final = int(EPOCH_AT) - 30 * 86_400
HTLC_MIN_MSAT: Final = 1_000
CLTV_DELTA_BLOCKS: Final = 34
#: What peers charge towards us.
REMOTE_PPM: Final = 10
#: What hubs, by which circular payments find their way, charge each other, and what peers charge into them.
HUB_PPM: Final = 20
#: What a hub charges into a peer of whose price gossip tells nothing: too few do to call it one.
UNKNOWN_PPM: Final = 200
#: The share of rebalances that hang on their way for hours. Not of a world's own parameters: those are frozen.
OWN_STUCK_RATIO: Final = 0.03


def instant(at: float) -> float:
    """Given a moment of the market, return it as the node's clock shows it."""
    return EPOCH_AT + round(at, 3)


def blockheight(at: float) -> int:
    """Given a moment of the market, return the height of the chain: here blocks are punctual."""
    return START_BLOCKHEIGHT + int(at // BLOCK_SECONDS)


def channel_id(number: int) -> str:
    """Given a channel's number in the market, return its id."""
    return f"{number:064x}"


def number_of(channel_id: str) -> int:
    """Given a channel's id, return its number in the market."""
    return int(channel_id, 16)


def peer_id(number: int) -> str:
    """Given a channel's number in the market, return its peer's id: each channel has its own."""
    return f"02{number:064x}"


def scid(number: int) -> str:
    """Given a channel's number in the market, return its short channel id."""
    return f"{800_000 + number}x1x0"


def aliases(number: int) -> tuple[str, str]:
    """Given a channel's number in the market, return our alias of it and its peer's."""
    return alias_scid("arena", "local", number), alias_scid("arena", "remote", number)


def htlc_max_msat(capacity_msat: int, reserve_msat: int) -> int:
    """Given a channel's capacity and reserve, return its largest HTLC: what lightningd sets by itself."""
    return capacity_msat - reserve_msat
