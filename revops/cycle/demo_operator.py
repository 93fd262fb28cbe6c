"""What the demo's operator does by hand while the crontab runs: a splice, a close, two channels opened by one
transaction; so that the books of a demo have what the books of a real node have. Which channels: by seed and day alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, Final

from revops.domain.summary import OperatorDeed
from revops.sim.world import SimulatedNode

SPLICE_SAT: Final = 1_000_000
OPEN_SAT: Final = 1_200_000
#: A node of fewer channels loses none: its market would be another one.
LEAST_CHANNELS: Final = 6
#: Parts of the demo's time after which each is done, late enough that there are sums to choose by.
_SPLICED, _CLOSED, _OPENED = 0.25, 0.4, 0.6

Deed = Callable[[SimulatedNode], OperatorDeed | None]


def deeds(start_at: int, end_at: int) -> Iterator[tuple[float, Deed]]:
    """Given the demo's span (UTC epochs), yield what is done and when, in order of time."""
    for part, deed in ((_SPLICED, spliced), (_CLOSED, closed), (_OPENED, opened_batch)):
        yield start_at + part * (end_at - start_at), deed


def spliced(node: SimulatedNode) -> OperatorDeed | None:
    """Splice into the channel that has earned most; None where the wallet can't pay."""
    earner = _by_earnings(node)[-1]
    with suppress(ValueError):
        node.splice_channel(earner["channel_id"], SPLICE_SAT)
        return OperatorDeed("splice", (earner["channel_id"],), SPLICE_SAT * 1_000)
    return None


def opened_batch(node: SimulatedNode) -> OperatorDeed | None:
    """Open a channel with each of two peers, those of the channels that have earned most but one, by one transaction;
    None where there are no two or the wallet can't pay.
    """
    peers = list(dict.fromkeys(row["peer_id"] for row in reversed(_by_earnings(node))))[1:3]
    if len(peers) < 2:
        return None
    with suppress(ValueError):
        opened = node.open_channels(peers, OPEN_SAT)
        return OperatorDeed("batch_open", tuple(opened), len(opened) * OPEN_SAT * 1_000)
    return None


def closed(node: SimulatedNode) -> OperatorDeed | None:
    """Close, together with its peer, the channel that has earned least of those that we opened; None where they are
    few.
    """
    channels = _by_earnings(node)
    ours = [row for row in channels if row["opener"] == "local"]
    if len(channels) < LEAST_CHANNELS or not ours:
        return None
    amount_msat = int(ours[0]["to_us_msat"])
    node.close_channel(ours[0]["channel_id"], closer="local")
    return OperatorDeed("mutual_close", (ours[0]["channel_id"],), amount_msat)


def _by_earnings(node: SimulatedNode) -> list[dict[str, Any]]:
    """Channels that can be used, the one that has earned least first."""
    earned = node.books().per_channel
    rows = [row for row in node.handle("listpeerchannels")["channels"] if row["state"] == "CHANNELD_NORMAL"]

    def key(row: dict[str, Any]) -> tuple[int, str]:
        books = earned.get(row["channel_id"])
        return (0 if books is None else books.earned_msat, row["channel_id"])

    return sorted(rows, key=key)
