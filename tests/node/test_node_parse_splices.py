"""Splices at the node's edge: only ids and numbers get into a script, and what comes back is read strictly."""

from __future__ import annotations

from typing import Any

import pytest

from revops.domain.splice import SpliceDirection
from revops.errors import BugError
from revops.node import parse_splices
from revops.node.errors import NodeError
from revops.node.writer import DryRunWriter
from tests.builders import channel_id

IN, OUT = SpliceDirection.IN, SpliceDirection.OUT
NAME = channel_id(1)


def test_the_two_scripts() -> None:
    assert parse_splices.script(IN, NAME, 300_000, 1_500) == f"wallet -> 300000 + fee@1500; 300000 -> {NAME}"
    assert parse_splices.script(OUT, NAME, 200_000, 253) == f"{NAME} -> 200000 + fee@253; 100% -> wallet"


@pytest.mark.parametrize(
    "name", ["", "ab" * 31, "AB" * 32, "ab" * 32 + "; 5 -> wallet", "wallet", "zz" * 32, NAME + "\n"]
)
@pytest.mark.parametrize("make", [parse_splices.script, parse_splices.transcript])
def test_nothing_but_a_channel_gets_into_a_script(name: str, make: Any) -> None:
    with pytest.raises(BugError, match="nothing was sent"):
        make(IN, name, 300_000, 1_500)


@pytest.mark.parametrize("number", [0, -1, 21 * 10**14 + 1, 1.0, True, "1; 2 -> wallet", None])
def test_nothing_but_whole_numbers_gets_into_a_script(number: Any) -> None:
    for amount, perkw in ((number, 1_500), (300_000, number)):
        with pytest.raises(BugError, match="nothing was sent"):
            parse_splices.script(OUT, NAME, amount, perkw)


@pytest.mark.parametrize(
    ("direction", "said"),
    [
        (IN, ["wallet withdraw 300000sat plus fee (1500/kw, 6.00 sat/vB) ", f"put 300000sat into {NAME}",
              "put 100% of rest into wallet"]),
        (OUT, [f"{NAME} withdraw 300000sat plus fee (1500/kw, 6.00 sat/vB) ", "put 100% of rest into wallet"]),
    ],
)  # fmt: skip
def test_what_lightningd_says_it_would_do_is_what_was_asked(direction: SpliceDirection, said: list[str]) -> None:
    """As v26.06.6 wrote it."""
    asked = (direction, NAME, 300_000, 1_500)
    assert parse_splices.previewed({"dryrun": said}) == parse_splices.transcript(*asked)
    assert DryRunWriter().preview_splice(*asked) == parse_splices.transcript(*asked)
    for other in (
        (direction, NAME, 300_001, 1_500),
        (direction, NAME, 300_000, 1_501),
        (direction, "cd" * 32, 300_000, 1_500),
    ):
        assert parse_splices.previewed({"dryrun": said}) != parse_splices.transcript(*other)
    assert parse_splices.previewed({"dryrun": [*said, "put 1sat into " + "ef" * 32]}) != parse_splices.transcript(
        *asked
    )


@pytest.mark.parametrize("reply", [{}, {"dryrun": "x"}, {"dryrun": [1]}, {"dryrun": None}])
def test_a_dry_run_without_its_lines_is_no_answer(reply: dict[str, object]) -> None:
    with pytest.raises(NodeError, match="dev-splice"):
        parse_splices.previewed(reply)


@pytest.mark.parametrize("reply", [{}, {"txid": "ab"}, {"txid": None, "tx": "00"}, {"txid": 7}])
def test_a_splice_without_its_transaction_is_no_answer(reply: dict[str, object]) -> None:
    with pytest.raises(NodeError, match="dev-splice"):
        parse_splices.spliced(reply)
