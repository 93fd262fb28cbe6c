"""Which release is imitated, and what differs between the supported ones."""

from __future__ import annotations

import re


def release_of(version: str) -> tuple[int, int]:
    """Given getinfo's version ("v26.06.6"), return (year, month). Raise ValueError if it has another shape."""
    match = re.match(r"v?(\d+)\.(\d+)", version)
    if match is None:
        raise ValueError(f"not a Core Lightning version: {version!r}")
    return int(match[1]), int(match[2])


def names_both_ends(version: str) -> bool:
    """Whether getroutes names both ends of a hop, and sendpay accepts those names (v26.06)."""
    return release_of(version) >= (26, 6)


def takes_channel_id(version: str) -> bool:
    """Whether listpeerchannels takes `channel_id` and feerates knows `splice` (v26.04)."""
    return release_of(version) >= (26, 4)


def shows_max_total_htlc(version: str) -> bool:
    """Whether listpeerchannels still shows max_total_htlc_in_msat (removed in v26.06)."""
    return release_of(version) < (26, 6)
