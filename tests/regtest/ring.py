"""alice, bob and carol, each with a channel to the two others, and the payments that make alice's books interesting.

alice is the operator's node. A payment from bob to carol would go their own channel; a layer of the payer's keeps it
off that, so that alice forwards it. The amounts close a circle: what is rebalanced alice -> bob -> carol -> alice is
what the next payments can bring back.
"""

from __future__ import annotations

import itertools
from collections import Counter
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from tests.regtest.network import ANNOUNCE_BLOCKS, Bitcoind, Lightningd, RpcRefused
from tests.regtest.processes import wait_until

CAPACITY_SAT = 1_000_000
#: Of alice's two channels, so that both ways are open at first and bob can bring more than alice has towards carol.
PUSHED_SAT = 550_000
WALLET_SAT = 3_000_000
ALICE_PPM = 900
ALICE_BASE_MSAT = 1_000
LAYER = "around"
#: What revops knows of routes is in this layer of alice's node.
KNOWN_LAYER = "revops"
#: alice's part of the channel to carol, once paid forwards have used it up.
DRAINED_MSAT = 160_000_000
PAYMENT_SAT = 100_000
#: What the tests move in a circle, and what bob must have towards carol for it.
REBALANCE_SAT = 100_000
STOCK_MSAT = 300_000_000
CLTV_FINAL_BLOCKS = 40
#: lightningd sends gossip once a minute: what it has just said of a channel is taken back as late as that.
GOSSIP_SECONDS = 150.0
CLTV_DELTA_BLOCKS = 40


class Ring:
    """Three nodes on one chain, public to each other."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._labels = itertools.count(1)
        self.bitcoind = Bitcoind(folder / "chain")
        stack.callback(self.bitcoind.stop)
        self.bitcoind.prepare()
        # Deprecated fields and methods are what the next versions lack: alice's node lacks them already.
        charged = (f"--fee-per-satoshi={ALICE_PPM}", f"--fee-base={ALICE_BASE_MSAT}", "--allow-deprecated-apis=false")
        self.alice = self._start("alice", folder, stack, *charged)
        self.bob = self._start("bob", folder, stack)
        self.carol = self._start("carol", folder, stack)
        self.nodes = (self.alice, self.bob, self.carol)
        for node in self.nodes:
            wait_until(f"answer of {node.name}", node.up)
        self._fund()
        self._open()
        for payer, payee in ((self.bob, self.carol), (self.carol, self.bob)):
            self.keep_off(payer, payee)

    def _start(self, name: str, folder: Path, stack: ExitStack, *flags: str) -> Lightningd:
        node = Lightningd(name, folder / name[0], self.bitcoind, *flags)
        stack.callback(node.stop)
        return node

    def _fund(self) -> None:
        """Two coins for alice, one for each of her channels, and one for bob."""
        for node in (self.alice, self.alice, self.bob):
            address = node.call("newaddr", addresstype="p2tr")["p2tr"]
            self.bitcoind.call("sendtoaddress", address, f"{WALLET_SAT / 100_000_000:.8f}")
        self.bitcoind.mine(1)
        for node, count in ((self.alice, 2), (self.bob, 1)):
            wait_until(f"funds of {node.name}", partial(_has_coins, node, count))

    def _open(self) -> None:
        """alice opens, and so reconnects, to both: she knows where they listen."""
        for opener, peer, pushed_sat in (
            (self.alice, self.bob, PUSHED_SAT),
            (self.alice, self.carol, PUSHED_SAT),
            (self.bob, self.carol, CAPACITY_SAT // 2),
        ):
            opener.call("connect", id=peer.node_id, host="127.0.0.1", port=peer.port)
            opener.call("fundchannel", id=peer.node_id, amount=CAPACITY_SAT, push_msat=pushed_sat * 1_000)
        self.bitcoind.mine(ANNOUNCE_BLOCKS)
        self.settle_down()

    def settle_down(self) -> None:
        """Wait until all is connected, announced, at rest, and at the same height."""
        height = int(self.bitcoind.call("getblockcount"))
        for node in self.nodes:
            wait_until(f"channels of {node.name}", partial(_at_rest, node, height))
        public = {channel["short_channel_id"] for node in self.nodes for channel in node.channels()}
        for node in self.nodes:
            wait_until(f"gossip at {node.name}", partial(_knows, node, public), GOSSIP_SECONDS)

    def keep_off(self, payer: Lightningd, payee: Lightningd) -> None:
        """Give the payer a layer in which its own channel to the payee is closed."""
        channel = payer.channel_with(payee)
        payer.call("askrene-create-layer", layer=LAYER)
        payer.call(
            "askrene-update-channel",
            layer=LAYER,
            short_channel_id_dir=f"{channel['short_channel_id']}/{channel['direction']}",
            enabled=False,
        )

    def pay(self, payer: Lightningd, payee: Lightningd, amount_sat: int, *, directly: bool = False) -> None:
        """Pay an invoice by way of alice (or else over the channel of the two), and wait until all is at rest."""
        invoice = self._invoice(payee, amount_sat)
        payer.call("xpay", invstring=invoice["bolt11"], layers=[] if directly else [LAYER])
        self.settle_down()

    def pay_nobody(self, payer: Lightningd, payee: Lightningd, amount_sat: int) -> None:
        """Pay an invoice that the payee has deleted: it is forwarded, and comes back refused."""
        invoice = self._invoice(payee, amount_sat)
        payee.call("delinvoice", label=invoice["label"], status="unpaid")
        self._fail(payer, payee, amount_sat, invoice)

    def pay_too_much(self, payer: Lightningd, payee: Lightningd) -> None:
        """Send by way of alice all that she has on her channel to the payee, its reserve too: she refuses that.

        The payer must have as much on its own channel to alice.
        """
        amount_sat = self.alice.channel_with(payee)["to_us_msat"] // 1_000
        self._fail(payer, payee, amount_sat, self._invoice(payee, amount_sat))

    def _fail(self, payer: Lightningd, payee: Lightningd, amount_sat: int, invoice: dict[str, Any]) -> None:
        """By a route of our own: `xpay` would split the payment, and try again."""
        out = self.alice.channel_with(payee)
        terms = out["updates"]["local"]
        amount_msat = amount_sat * 1_000
        fee_msat = terms["fee_base_msat"] + amount_msat * terms["fee_proportional_millionths"] // 1_000_000
        route = [
            {
                "id": self.alice.node_id,
                "channel": payer.channel_with(self.alice)["short_channel_id"],
                "amount_msat": amount_msat + fee_msat,
                "delay": CLTV_FINAL_BLOCKS + CLTV_DELTA_BLOCKS,
            },
            {
                "id": payee.node_id,
                "channel": out["short_channel_id"],
                "amount_msat": amount_msat,
                "delay": CLTV_FINAL_BLOCKS,
            },
        ]
        payment_hash = invoice["payment_hash"]
        payer.call("sendpay", route=route, payment_hash=payment_hash, payment_secret=invoice["payment_secret"])
        try:
            payer.call("waitsendpay", payment_hash=payment_hash)
        except RpcRefused:
            self.settle_down()
        else:
            raise AssertionError("a payment that had to fail arrived")

    def _invoice(self, payee: Lightningd, amount_sat: int) -> dict[str, Any]:
        label = f"{payee.name}-{next(self._labels)}"
        made = payee.call("invoice", amount_msat=amount_sat * 1_000, label=label, description="regtest")
        return {**made, "label": label}

    def charge(self) -> None:
        """Let alice ask for what she asked for at first, whatever other tests have set: what a refill may cost depends
        on what is asked for its sale.
        """
        for channel in self.alice.channels():
            terms = channel["updates"]["local"]
            if (terms["fee_base_msat"], terms["fee_proportional_millionths"]) != (ALICE_BASE_MSAT, ALICE_PPM):
                scid = channel["short_channel_id"]
                self.alice.call("setchannel", id=scid, feebase=ALICE_BASE_MSAT, feeppm=ALICE_PPM)

    def forget(self) -> None:
        """Take away what other tests' runs have learnt of routes on alice's node: it would hold for an hour."""
        if self._knows_routes():
            self.alice.call("askrene-remove-layer", layer=KNOWN_LAYER)

    def keep_out(self) -> None:
        """Make sure of the layer that keeps alice out of her own routes. A run leaves it behind, a plan doesn't."""
        if not self._knows_routes():
            self.alice.call("askrene-create-layer", layer=KNOWN_LAYER)
            self.alice.call("askrene-disable-node", layer=KNOWN_LAYER, node=self.alice.node_id)

    def _knows_routes(self) -> bool:
        layers = self.alice.call("askrene-listlayers")["layers"]
        return KNOWN_LAYER in {layer["layer"] for layer in layers}

    def drain(self) -> None:
        """Let bob pay carol by way of alice until her channel to carol is nearly used up."""
        while self.alice.channel_with(self.carol)["to_us_msat"] > DRAINED_MSAT:
            self.pay(self.bob, self.carol, PAYMENT_SAT)

    def stock(self) -> None:
        """Let carol pay bob over their own channel, if he has too little on it for a rebalance to pass."""
        have_msat = self.bob.channel_with(self.carol)["to_us_msat"]
        if have_msat < STOCK_MSAT:
            self.pay(self.carol, self.bob, (STOCK_MSAT - have_msat) // 1_000 + PAYMENT_SAT, directly=True)

    def empty(self) -> int:
        """Let bob pay carol over their own channel until a rebalance can't pass it; return what he paid, in sat."""
        spendable_sat = self.bob.channel_with(self.carol)["spendable_msat"] // 1_000
        amount_sat: int = spendable_sat - REBALANCE_SAT // 2
        self.pay(self.bob, self.carol, amount_sat, directly=True)
        return amount_sat


def footprint(node: Lightningd) -> dict[str, Any]:
    """Return all of a node that its operator's commands could change: what it charges, payments, invoices, layers."""
    return {
        "charged": [channel["updates"]["local"] for channel in node.channels()],
        "payments": node.call("listsendpays")["payments"],
        "invoices": node.call("listinvoices")["invoices"],
        "layers": node.call("askrene-listlayers")["layers"],
    }


def last_payment(node: Lightningd) -> int:
    """Return the number of a node's last payment; 0 without any."""
    return max((row["created_index"] for row in node.call("listsendpays")["payments"]), default=0)


def _has_coins(node: Lightningd, count: int) -> bool:
    return [output["status"] for output in node.call("listfunds")["outputs"]] == ["confirmed"] * count


def _at_rest(node: Lightningd, height: int) -> bool:
    channels = node.channels()
    caught_up: bool = node.call("getinfo")["blockheight"] == height
    return caught_up and len(channels) == 2 and all(_idle(channel) for channel in channels)


def _idle(channel: dict[str, Any]) -> bool:
    return (
        channel["state"] == "CHANNELD_NORMAL"
        and channel["peer_connected"] is True
        and channel["reestablished"] is True
        and "remote" in channel["updates"]
        and channel["htlcs"] == []
    )


def _knows(node: Lightningd, scids: set[str]) -> bool:
    """Both directions of each of them, in force."""
    halves = node.call("listchannels")["channels"]
    active = Counter(half["short_channel_id"] for half in halves if half["active"])
    return all(active[scid] == 2 for scid in scids)
