"""A notification of lightningd → what is kept of it → a line of the spool → what is read of it. Pure.

Only what stands in the lists here is kept, and only where it looks as it must: what peers and senders can choose
freely (messages, aliases, addresses, payment hashes) never reaches the disk. A line is one JSON object in ASCII.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from revops.domain.recorder import LineKind, SpoolLine

FORMAT: Final = 1
#: No line of ours is nearly as long.
LONGEST_LINE: Final = 2_000

#: The topics that are subscribed to.
TOPICS: Final[Mapping[str, LineKind]] = {
    "connect": LineKind.CONNECT,
    "disconnect": LineKind.DISCONNECT,
    "forward_event": LineKind.FORWARD,
    "channel_state_changed": LineKind.STATE,
}

Fields = dict[str, Any]

_PEER: Final = re.compile(r"0[23][0-9a-f]{64}")
_CHANNEL: Final = re.compile(r"[0-9a-f]{64}")
_STATE: Final = re.compile(r"[A-Z_]{1,40}")
_WORD: Final = re.compile(r"[a-z_]{1,20}")
_RUN: Final = re.compile(r"[0-9a-f]{32}")

#: Of each topic: field of the notification, its name here, how it must look, and whether the event means nothing
#: without it.
_KEPT: Final[Mapping[LineKind, tuple[tuple[str, str, re.Pattern[str], bool], ...]]] = {
    LineKind.CONNECT: (("id", "peer", _PEER, True),),
    LineKind.DISCONNECT: (("id", "peer", _PEER, True),),
    LineKind.FORWARD: (("status", "status", _WORD, False),),
    LineKind.STATE: (
        ("peer_id", "peer", _PEER, True),
        ("channel_id", "channel", _CHANNEL, True),
        ("old_state", "old", _STATE, False),
        ("new_state", "new", _STATE, True),
        ("cause", "cause", _WORD, False),
    ),
}


def event_of(topic: str, params: Mapping[str, Any]) -> Fields | None:
    """Given a topic and the parameters of its notification, return what is kept of it; None where that is nothing.

    Core Lightning wraps the fields in an object named as the topic.
    """
    kind = TOPICS[topic]
    payload = params.get(topic, params)
    if not isinstance(payload, Mapping):
        return None
    fields: Fields = {"k": kind.value}
    for source, name, pattern, needed in _KEPT[kind]:
        value = payload.get(source)
        if isinstance(value, str) and pattern.fullmatch(value):
            fields[name] = value
        elif needed:
            return None
    return fields


def encode(sequence: int, at: float, fields: Mapping[str, Any]) -> bytes:
    """Given a line's number, time and fields, return it with its end."""
    return json.dumps({"q": sequence, "t": round(at, 3), **fields}, separators=(",", ":")).encode("ascii") + b"\n"


def decode(raw: bytes) -> SpoolLine | None:
    """Given a line without its end, return what it says; None for one that no recorder has written like that. Fields
    and kinds that we don't know are a later recorder's: the kind is a line without meaning, a field is left out.
    """
    if len(raw) > LONGEST_LINE:
        return None
    try:
        found = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict):
        return None
    sequence, at, kind = found.get("q"), _instant(found.get("t")), found.get("k")
    if not _is_count(sequence) or not sequence or at is None or not isinstance(kind, str):
        return None
    reader = _READERS.get(kind)
    if reader is None:
        return SpoolLine(sequence, at, LineKind.BEAT)
    more = reader(found)
    return None if more is None else SpoolLine(sequence, at, LineKind(kind), **more)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53


def _instant(value: object) -> float | None:
    """An instant between 1970 and the year 5138."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e11:
        return None
    return float(value) if math.isfinite(value) else None


def _text(found: Mapping[str, Any], name: str, pattern: re.Pattern[str]) -> str | None:
    value = found.get(name)
    return value if isinstance(value, str) and pattern.fullmatch(value) else None


def _open(found: Mapping[str, Any]) -> Fields | None:
    run_id = _text(found, "run", _RUN)
    if run_id is None or found.get("v") != FORMAT:
        return None
    return {"run_id": run_id, "node_started_at": _instant(found.get("node_started"))}


def _drop(found: Mapping[str, Any]) -> Fields | None:
    count, since_at = found.get("n"), _instant(found.get("since"))
    return {"dropped_count": count, "since_at": since_at} if _is_count(count) and since_at is not None else None


def _peer(found: Mapping[str, Any]) -> Fields | None:
    peer_id = _text(found, "peer", _PEER)
    return None if peer_id is None else {"peer_id": peer_id}


def _state(found: Mapping[str, Any]) -> Fields | None:
    peer_id, channel_id = _text(found, "peer", _PEER), _text(found, "channel", _CHANNEL)
    new_state = _text(found, "new", _STATE)
    if peer_id is None or channel_id is None or new_state is None:
        return None
    return {
        "peer_id": peer_id,
        "channel_id": channel_id,
        "old_state": _text(found, "old", _STATE),
        "new_state": new_state,
        "cause": _text(found, "cause", _WORD),
    }


def _nothing(_found: Mapping[str, Any]) -> Fields:
    return {}


_READERS: Final[Mapping[str, Callable[[Mapping[str, Any]], Fields | None]]] = {
    "open": _open,
    "beat": _nothing,
    "drop": _drop,
    "stop": _nothing,
    "connect": _peer,
    "disconnect": _peer,
    "forward": _nothing,
    "state": _state,
}
