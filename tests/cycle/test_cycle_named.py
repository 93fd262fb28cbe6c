"""What a name means: ids before aliases, which anybody may choose, and nothing that fits several peers."""

from __future__ import annotations

import pytest

from revops.cycle.named import Names, goes_by
from revops.errors import UnknownChannel

ALICE, BOB, CAROL = "02aaaaaaaaaa" + "0" * 54, "02aaaaaaaabb" + "0" * 54, "03cccccccccc" + "0" * 54
CHANNELS = {
    "a1": Names(frozenset({"1x1x0", "f" * 64}), ALICE, "Alice"),
    "a2": Names(frozenset({"2x1x0", "9x9x9"}), ALICE, "Alice"),
    "b": Names(frozenset({"3x1x0"}), BOB, "alice"),
    # A stranger who calls itself what another's channel, and another's id, look like.
    "c": Names(frozenset({"4x1x0"}), CAROL, "1x1x0"),
    "nameless": Names(frozenset({"6x1x0"}), CAROL, None),
    "d": Names(frozenset({"5x1x0"}), None, ALICE[:12]),
}


def meant(name: str) -> list[str]:
    return goes_by(name, CHANNELS, CHANNELS.__getitem__)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("1x1x0", ["a1"]),
        ("9x9x9", ["a2"]),
        ("f" * 64, ["a1"]),
        ("f" * 8, ["a1"]),
        ("f" * 7, []),
        (ALICE, ["a1", "a2"]),
        (ALICE[:12], ["a1", "a2"]),
        (CAROL[:8], ["c", "nameless"]),
        ("nobody", []),
        ("", []),
    ],
)
def test_what_is_meant(name: str, found: list[str]) -> None:
    assert meant(name) == found


@pytest.mark.parametrize("name", ["ALICE", ALICE[:10]])
def test_a_name_of_several_peers_is_none(name: str) -> None:
    with pytest.raises(UnknownChannel, match="fits 2 peers: 02aaaaaaaaaa, 02aaaaaaaabb; name a channel"):
        meant(name)
