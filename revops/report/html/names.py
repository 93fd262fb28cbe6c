"""How channels and peers are called on the page: texts of strangers, on one line and of a bounded length."""

from __future__ import annotations

import re
import unicodedata
from typing import Final, NamedTuple

from revops.domain.profit import ChannelProfit
from revops.domain.record import ChannelRecord
from revops.domain.text import printable

#: BOLT 7 gives an alias 32 bytes; what is longer comes from elsewhere.
NAME_LENGTH: Final = 40
_ID_LENGTH: Final = 12
#: No script piles more marks upon one letter; what does reaches over the lines around it.
_MOST_MARKS: Final = 3
_NOT_ASCII: Final = re.compile(r"[^\x00-\x7f]+")


class Name(NamedTuple):
    """A channel and its peer, as they are shown; `full` is all that may be searched for."""

    channel: str
    peer: str
    full: str


def cut(text: str, length: int = NAME_LENGTH) -> str:
    """Given any text, return as much of it as fits, printable; what was left out shows as "…"."""
    shown = _NOT_ASCII.sub(lambda run: _lowered(run.group()), printable(text[: length + 1]))
    return shown if len(shown) <= length else f"{shown[: length - 1]}…"


def _lowered(text: str) -> str:
    """Given any text, return it with what is piled too high upon a letter as escapes."""
    found, height = [], 0
    for character in text:
        height = height + 1 if unicodedata.category(character).startswith("M") else 0
        found.append(character if height <= _MOST_MARKS else f"\\u{ord(character):04x}")
    return "".join(found)


def name_of(channel: ChannelRecord | ChannelProfit) -> Name:
    """Given a channel, return how it is called; a peer without an alias by the beginning of its id."""
    peer_id = channel.peer_id or ""
    peer = cut(channel.alias) if channel.alias else peer_id[:_ID_LENGTH] or "unknown peer"
    return Name(cut(channel.name), peer, f"{cut(channel.name)} {peer} {cut(peer_id, 66)} {cut(channel.channel_id, 80)}")
