"""Real replies of a v26.06.6 node, trimmed (fixtures/node-samples/parse_*.json), and a caller that replays them."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from revops.node.errors import NodeError
from revops.node.rpc import Params

FOLDER = Path(__file__).parents[1] / "fixtures" / "node-samples"

#: There is no recording of these; shapes by their schemas.
INVOICE: dict[str, Any] = {
    "payment_hash": "ce5e1e78b4113c21877c75ca11f5a2afc976f00a94254f94f75f562567f466fc",
    "expires_at": 1795356155,
    "bolt11": "lnbcrt1",
    "payment_secret": "49a47eb1d47890f0d21a237b143d4a7738ba4075dd732b9bd28f40aa34b532a0",
    "created_index": 7,
}
CLOSED_CHANNELS: dict[str, Any] = {
    "closedchannels": [
        {
            "peer_id": "02a4d79a38d1e4399288449b8da7f5dc05cacf2cd4185789825a5138b3b6912f7f",
            "channel_id": "640694bfc9b01f3367349e831cad176d963fc9c9ff8d1f42aba0f49abea066e1",
            "short_channel_id": "122x1x0",
            "alias": {"local": "16133624x4673719x57399", "remote": "9471920x9996359x43453"},
            "opener": "local",
            "closer": "remote",
            "private": False,
            "total_local_commitments": 7,
            "total_msat": 5_000_000_000,
            "final_to_us_msat": 1_234_567_890,
            "close_cause": "remote",
            "last_stable_connection": 1795352525,
        }
    ]
}


def sample(name: str) -> dict[str, Any]:
    """Given a sample's name, return the whole recording."""
    recording: dict[str, Any] = json.loads((FOLDER / f"parse_{name}.json").read_text())
    return recording


def reply(name: str) -> dict[str, Any]:
    """Given a sample's name, return the recorded result."""
    recorded: dict[str, Any] = sample(name)["result"]
    return recorded


Answer = dict[str, Any] | NodeError | Callable[[Params], dict[str, Any]]


class Replay:
    """A caller that answers each method with what the test says, and remembers what it was asked."""

    def __init__(self, **answers: Answer) -> None:
        self.answers = {method.replace("_", "-"): answer for method, answer in answers.items()}
        self.asked: list[tuple[str, Any]] = []
        self.timeouts: list[float | None] = []

    def call(self, method: str, params: Params = None, timeout_seconds: float | None = None) -> dict[str, object]:
        self.asked.append((method, copy.deepcopy(params)))
        self.timeouts.append(timeout_seconds)
        answer = self.answers[method]
        if isinstance(answer, NodeError):
            raise answer
        return copy.deepcopy(answer) if isinstance(answer, dict) else answer(params)


Path_ = tuple[str | int, ...]


def paths_of(value: Any, prefix: Path_ = ()) -> Iterator[Path_]:
    """Given a JSON value, return the path of each member of an object in it."""
    items: Iterator[tuple[str | int, Any]] = iter(())
    if isinstance(value, Mapping):
        items = iter(value.items())
    elif isinstance(value, list):
        items = iter(enumerate(value))
    for key, inner in items:
        if isinstance(key, str):
            yield (*prefix, key)
        yield from paths_of(inner, (*prefix, key))


def holder_of(value: Any, path: Path_) -> Any:
    """Given a JSON value and a path in it, return the object that holds the path's end."""
    for key in path[:-1]:
        value = value[key]
    return value


def text_of(path: Path_) -> str:
    """Given a path, return it as errors write it."""
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path).lstrip(".")
