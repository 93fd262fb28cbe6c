"""Feature bits, as `getinfo` and `listpeers` have them: which of BOLT 9's features a node signals."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from revops.node.fields import Fields

#: A message holds 65,535 bytes; more digits are no features.
_HEX: Final = re.compile(r"(?:[0-9a-f]{2}){0,65535}")


@dataclass(frozen=True, slots=True)
class Features:
    """The bits that we signal, and those of each peer that is connected, or has said so before."""

    own: frozenset[int]
    peers: Mapping[str, frozenset[int]]


def features(info: dict[str, object], peers: dict[str, object]) -> Features:
    """Given the replies of `getinfo` and `listpeers`, return which bits are set; a peer that has said nothing, since it
    isn't connected, is left out.
    """
    own = Fields("getinfo", info)
    ours = own.maybe(own.child, "our_features")
    found = {}
    for row in Fields("listpeers", peers).rows("peers"):
        if "features" in row:
            found[row.node_id("id")] = _bits(row, "features")
    return Features(frozenset() if ours is None else _bits(ours, "init"), found)


def _bits(row: Fields, name: str) -> frozenset[int]:
    """The lowest bit stands last (BOLT 1, "The `init` Message")."""
    text = row.text(name)
    if _HEX.fullmatch(text) is None:
        raise row.wrong(name, "is not hex")
    number = int(text or "0", 16)
    return frozenset(place for place in range(number.bit_length()) if number >> place & 1)
