"""What a name means: ids before aliases, which anybody may choose, and nothing that fits several peers."""

from __future__ import annotations

import pytest

from revops.cycle.named import Names, goes_by, near
from revops.cycle.named import meant as insisted
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
    told = r"fits 2 peers: 02aaaaaaaaaa \(1x1x0, 2x1x0\); 02aaaaaaaabb \(3x1x0\); name a channel"
    with pytest.raises(UnknownChannel, match=told.replace("2x1x0", "(2x1x0|9x9x9)")):
        meant(name)


NEAR = [
    Names(frozenset({"231328x1345x2", "231000x7x1", "a" * 64}), ALICE, "ACINQ"),
    Names(frozenset({"840000x1x0"}), BOB, None),
    Names(frozenset({"255x9x0"}), CAROL, "LOOP"),
]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("231328x1345x1", "; near it: 231328x1345x2 (ACINQ)"),
        ("31328x1345", "; near it: 231328x1345x2 (ACINQ)"),
        ("840000x1x1", "; near it: 840000x1x0 (02aaaaaaaabb)"),
        ("acinc", "; near it: ACINQ"),
        ("cin", "; near it: ACINQ"),
        ("ci", ""),
        (CAROL[2:9], f"; near it: {CAROL}"),
        ("loop2", "; near it: LOOP"),
        ("nothing", ""),
        ("", ""),
    ],
)
def test_what_is_near_a_name_that_nothing_goes_by(name: str, told: str) -> None:
    assert near(name, NEAR) == told


def test_no_more_is_told_than_a_person_reads() -> None:
    many = [Names(frozenset({f"{number}x1x0"}), None, f"peer-{number}") for number in range(100, 140)]
    assert near("peer-1", many).count(",") == 2


def test_a_name_that_nothing_goes_by_is_an_error_that_says_what_is_near() -> None:
    with pytest.raises(UnknownChannel, match=r"^there is no 231328x1345x1; near it: 231328x1345x2 \(ACINQ\)$"):
        insisted("231328x1345x1", NEAR, lambda one: one, "there is no")
    assert insisted("acinq", NEAR, lambda one: one, "there is no") == NEAR[:1]
