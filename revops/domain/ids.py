"""Names of things on the network: short channel ids, channel ids, node ids.

An scid says where a channel's funding output is (BOLT 7: block, transaction, output) and changes with each splice, so
it only names a channel for people and RPCs. The key is `channel_id`.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

_SCID: Final = re.compile(r"([0-9]{1,8})x([0-9]{1,8})x([0-9]{1,5})")
_HEX64: Final = re.compile(r"[0-9a-f]{64}")
_NODE_ID: Final = re.compile(r"0[23][0-9a-f]{64}")


def scid_parts(scid: str) -> tuple[int, int, int]:
    """Given "700000x12x1", return (block, transaction, output). Raise ValueError for anything else."""
    match = _SCID.fullmatch(scid)
    if match is None:
        raise ValueError(f"{scid!r} is not a short channel id (BLOCKxTXxOUT)")
    block, transaction, output = (int(part) for part in match.groups())
    if block >= 1 << 24 or transaction >= 1 << 24 or output >= 1 << 16:
        raise ValueError(f"{scid!r} is out of range for a short channel id")
    return block, transaction, output


@lru_cache(maxsize=16_384)
def is_scid(text: str) -> bool:
    """Given a text, return whether it is a short channel id. A history names the same few hundred over and over."""
    try:
        scid_parts(text)
    except ValueError:
        return False
    return True


def is_channel_id(text: str) -> bool:
    """Given a text, return whether it has the form of a channel_id (32 bytes of hex)."""
    return _HEX64.fullmatch(text) is not None


def is_hex(text: str) -> bool:
    """Given a text, return whether there is nothing in it but small hex digits."""
    return not text.encode().translate(None, b"0123456789abcdef")


def is_node_id(text: str) -> bool:
    """Given a text, return whether it has the form of a node's public key."""
    return _NODE_ID.fullmatch(text) is not None
