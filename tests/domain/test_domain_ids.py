"""Names of things: what is one, and what only looks like one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revops.domain import ids

NOT_SCIDS = [
    "",
    "1x2",
    "1x2x3x4",
    "1x2x",
    "-1x2x3",
    "1X2X3",
    "1:2:3",
    " 1x2x3",
    "1x2x3\n",
    "1x2x3/0",
    "16777216x0x0",
    "0x16777216x0",
    "0x0x65536",
    "99999999999x1x1",
    "١x٢x٣",
    "１x２x３",
]


@given(block=st.integers(0, 2**24 - 1), transaction=st.integers(0, 2**24 - 1), output=st.integers(0, 2**16 - 1))
def test_every_scid_gives_back_its_parts(block: int, transaction: int, output: int) -> None:
    text = f"{block}x{transaction}x{output}"
    assert ids.scid_parts(text) == (block, transaction, output)
    assert ids.is_scid(text)


@pytest.mark.parametrize("text", NOT_SCIDS)
def test_what_is_no_scid_is_refused_by_name(text: str) -> None:
    assert not ids.is_scid(text)
    with pytest.raises(ValueError, match="short channel id"):
        ids.scid_parts(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("ab" * 32, True), ("AB" * 32, False), ("ab" * 31, False), ("ab" * 33, False), ("", False), ("zz" * 32, False)],
)
def test_channel_ids_are_32_bytes_of_lower_hex(text: str, expected: bool) -> None:
    assert ids.is_channel_id(text) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("02" + "ab" * 32, True),
        ("03" + "00" * 32, True),
        ("04" + "ab" * 32, False),
        ("02" + "AB" * 32, False),
        ("02" + "ab" * 31, False),
        ("02" + "ab" * 32 + "\n", False),
    ],
)
def test_node_ids_are_compressed_public_keys(text: str, expected: bool) -> None:
    assert ids.is_node_id(text) is expected
