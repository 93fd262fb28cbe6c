"""What happens to alice's node, and what her operator's books say after it.

What each transaction was for is known here since the test made it.
"""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.regtest.network import Lightningd, RpcRefused
from tests.regtest.operator_home import Operator
from tests.regtest.processes import wait_until
from tests.regtest.street import Street

CAPACITY_SAT = 1_000_000
PUSHED_MSAT = 500_000_000
#: Depends on when each database first looked.
NOT_COMPARED = {"capital_msat", "yearly_return_ratio"}
#: What a node closes alone, it may sweep so many blocks later: what its peer asks for on this chain.
DELAY_BLOCKS = 5
#: Of a peer who wants to see a channel's transaction deeper than others.
LATE_DEPTH = 3

Booked = set[tuple[str, str]]


def new_street(stack: ExitStack, neighbours: dict[str, tuple[str, ...]], *flags: str) -> Street:
    """The path of a socket must be short, so not in pytest's own folder."""
    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="regtest-", ignore_cleanup_errors=True))
    street = Street(Path(folder), stack, neighbours, *flags)
    try:
        street.alice.call("help", command="splicein")
    except RpcRefused:
        pytest.skip("this lightningd has no splicein (v26.04 brought it)")
    return street


def new_operator(street: Street, home: Path) -> Operator:
    """As `revops init` leaves it on that node, wherever it stands."""
    operator = Operator(home)
    ran = operator.run("init", "--rpc-path", str(street.alice.rpc_path))
    assert (ran.code, ran.err) == (0, ""), ran
    return operator


def agree(operator: Operator) -> dict[str, Any]:
    """All that was compared agrees."""
    found = operator.json("reconcile")
    assert (found["differences"], found["unexplained_msat"], found["still"]) == ([], 0, True)
    return found


def causes(operator: Operator) -> dict[tuple[str, str], str]:
    """What differs, and why; nothing of it is unexplained."""
    found = operator.json("reconcile")
    assert (found["unexplained_msat"], found["still"]) == (0, True), found["differences"]
    return {(one["figure"], one["subject"]): one["cause"] for one in found["differences"]}


def profit(operator: Operator) -> dict[str, Any]:
    """Profit and loss of all time."""
    return operator.json("report", "pnl", "--from", "2009-01-03")


def lines(report: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Each channel's line that isn't empty, and the node's, by name."""
    found = {channel["channel_id"]: channel["line"] for channel in report["channels"]} | {"": report["total"]}
    kept = {
        name: {field: value for field, value in line.items() if field not in NOT_COMPARED}
        for name, line in found.items()
    }
    return {name: line for name, line in kept.items() if any(line.values())}


def booked(operator: Operator) -> dict[tuple[str, str, str], int]:
    """By transaction, account and kind, what costs are on record, where there are any."""
    rows = operator.rows(
        "SELECT txid, coalesce(channel_id, 'wallet') AS account, kind, cost_msat FROM chain_cost AS cost LEFT JOIN"
        " channel ON channel.node_key = cost.node_key AND channel.channel_key = cost.account_key WHERE cost_msat != 0"
    )
    return {(row["txid"], row["account"], row["kind"]): row["cost_msat"] for row in rows}


class Life:
    """A street, alice's operator, and what is expected to be booked so far."""

    def __init__(self, street: Street, operator: Operator) -> None:
        self.street, self.operator, self.alice = street, operator, street.alice
        self.expected: Booked = set()

    def agree(self, *, booking: Booked | None = None, sweeping: int = 0) -> None:
        """All agrees by now, and so many closes still are to be swept. `booking` are the transactions with what they
        were for that are booked since the last look; nothing else is.
        """
        self.street.settle()
        found = agree(self.operator)
        self.expected |= booking or set()
        assert {(txid, kind) for txid, _, kind in booked(self.operator)} == self.expected
        assert len(found["to_sweep"]) == sweeping

    def confirm(self, booking: Booked) -> None:
        """A block makes costs of these."""
        self.street.mine()
        self.agree(booking=booking)

    def opens(self, peer: Lightningd, **params: Any) -> None:
        """alice opens a channel."""
        self.street.connect(self.alice, peer)
        opened = self.alice.call("fundchannel", id=peer.node_id, amount=CAPACITY_SAT, **params)
        self.confirm({(opened["txid"], "open")})

    def splices(self, by: Lightningd, peer: Lightningd, method: str, amount_sat: int, *, ours: bool) -> None:
        """One of the two resizes their channel."""
        before = self.street.channel(by, peer)
        made = by.call(method, channel=before["channel_id"], amount=str(amount_sat))
        self.agree()
        self.confirm({(made["txid"], "splice")} if ours else set())
        for node, other in ((by, peer), (peer, by)):
            wait_until("new scid", partial(self._has_other_scid, node, other, before["short_channel_id"]))
        self.street.usable((by, peer))

    def _has_other_scid(self, node: Lightningd, other: Lightningd, before: str) -> bool:
        return bool(self.street.channel(node, other)["short_channel_id"] != before)

    def closes(self, peer: Lightningd) -> None:
        """alice and the peer agree to close. Where he has opened it, what is lost is less than a sat."""
        closed = self.alice.call("close", id=self.street.channel(self.alice, peer)["channel_id"])
        assert closed["type"] == "mutual"
        (txid,) = closed["txids"]
        self.agree()
        self.confirm({(txid, "closing")})


def delete(node: Lightningd, forward: dict[str, Any]) -> None:
    """As autoclean does it."""
    node.call("delforward", in_channel=forward["in_channel"], in_htlc_id=forward["in_htlc_id"], status="settled")
