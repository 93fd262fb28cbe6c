"""Deterministic ids: hashes of the seed and a label, in the shapes in which lightningd writes them."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

_BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
# bech32 prefixes: BOLT 11 and BIP 173.
BOLT11_PREFIX = {"bitcoin": "lnbc", "testnet": "lntb", "signet": "lntbs", "regtest": "lnbcrt"}
ADDRESS_PREFIX = {"bitcoin": "bc", "testnet": "tb", "signet": "tb", "regtest": "bcrt"}


def digest(*parts: object) -> str:
    """Given any parts, return 32 bytes of hex that depend on them alone."""
    return hashlib.sha256(":".join(map(str, parts)).encode()).hexdigest()


def node_id(*parts: object) -> str:
    """Return a compressed public key's shape: 02 or 03 and 32 bytes."""
    key = digest(*parts)
    return ("02" if int(key[0], 16) % 2 == 0 else "03") + key


def alias_scid(*parts: object) -> str:
    """Return a random-looking alias scid, as lightningd makes for `alias.local`."""
    key = int(digest(*parts), 16)
    return f"{key % 15_000_000 + 1_000_000}x{(key >> 32) % 16_000_000}x{(key >> 64) % 65_535}"


def scid_parts(scid: str) -> tuple[int, int, int]:
    """Given `NxNxN`, return its three numbers. Raise ValueError if it isn't one (BOLT 7: 24, 24 and 16 bits)."""
    pieces = scid.split("x")
    if len(pieces) != 3 or not all(piece.isascii() and piece.isdigit() for piece in pieces):
        raise ValueError(scid)
    block, transaction, output = (int(piece) for piece in pieces)
    if block >= 1 << 24 or transaction >= 1 << 24 or output >= 1 << 16:
        raise ValueError(scid)
    return block, transaction, output


def bech32_text(prefix: str, *parts: object, length: int) -> str:
    """Return `prefix` and `length` bech32 characters: an address or invoice that only looks like one."""
    characters: list[str] = []
    counter = 0
    while len(characters) < length:
        characters += [_BECH32[byte % 32] for byte in bytes.fromhex(digest(counter, *parts))]
        counter += 1
    return prefix + "1" + "".join(characters[:length])


def direction_of(source: str, destination: str) -> int:
    """Return the channel direction of `source`: 0 for the lesser node id (BOLT 7 channel_update)."""
    return 0 if source < destination else 1


def iso_time(at: float) -> str:
    """Return lightningd's ISO form of an instant."""
    return datetime.fromtimestamp(int(at), UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
