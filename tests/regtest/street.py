"""alice and her neighbours on one chain, without any channel at first: what a test makes happen to her books.

Payments go by routes that the test names, so that nobody waits for gossip, and each one is known to the msat.
"""

from __future__ import annotations

import itertools
import json
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from decimal import Decimal
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

from tests.regtest.network import Bitcoind, Lightningd
from tests.regtest.processes import wait_until

ALICE_PPM = 900
ALICE_BASE_MSAT = 1_000
CLTV_FINAL_BLOCKS = 20
CLTV_DELTA_BLOCKS = 40
MSAT_PER_BTC = 100_000_000_000
#: A channel's balance is in the ledger, to the msat, in these states.
SETTLED_STATES = {"CHANNELD_NORMAL", "CHANNELD_AWAITING_SPLICE"}
#: lightningd writes down a move after it has answered: what stood still for so long is all of it.
STILL_SECONDS = 0.4


class Street:
    """One chain, alice, and neighbours by name with their flags."""

    def __init__(self, folder: Path, stack: ExitStack, neighbours: Mapping[str, tuple[str, ...]], *flags: str) -> None:
        self._labels = itertools.count(1)
        self.bitcoind = Bitcoind(folder / "chain")
        stack.callback(self.bitcoind.stop)
        self.bitcoind.prepare()
        charged = (f"--fee-per-satoshi={ALICE_PPM}", f"--fee-base={ALICE_BASE_MSAT}", "--allow-deprecated-apis=false")
        self.alice = self._start(folder, stack, "alice", *charged, *flags)
        self.neighbours = {name: self._start(folder, stack, name, *its) for name, its in neighbours.items()}
        self.running = [self.alice, *self.neighbours.values()]
        for node in self.running:
            wait_until(f"answer of {node.name}", node.up)

    def _start(self, folder: Path, stack: ExitStack, name: str, *flags: str) -> Lightningd:
        node = Lightningd(name, folder / name[0], self.bitcoind, *flags)
        stack.callback(node.stop)
        return node

    def stop(self, node: Lightningd) -> None:
        """End a neighbour that the rest of the test has no need of, or that shall be away."""
        node.stop()
        self.running.remove(node)

    def mine(self, count: int = 1) -> None:
        """Mine so many blocks, and let everybody read them."""
        self.bitcoind.mine(count)
        height = int(self.bitcoind.call("getblockcount"))
        for node in self.running:
            wait_until(f"height of {node.name}", partial(self._has_read, node, height))

    @staticmethod
    def _has_read(node: Lightningd, height: int) -> bool:
        return bool(node.call("getinfo")["blockheight"] == height)

    def fund(self, node: Lightningd, *amounts_sat: int) -> None:
        """Give a node's wallet so many coins; they are in the next block."""
        for amount_sat in amounts_sat:
            address = node.call("newaddr", addresstype="p2tr")["p2tr"]
            self.bitcoind.call("sendtoaddress", address, f"{amount_sat / 100_000_000:.8f}")

    def connect(self, node: Lightningd, peer: Lightningd) -> None:
        """Let a node connect to another."""
        node.call("connect", id=peer.node_id, host="127.0.0.1", port=peer.port)

    def usable(self, *pairs: tuple[Lightningd, Lightningd]) -> None:
        """Wait until both ends of each of these channels may pay."""
        for one, other in pairs:
            for node, peer in ((one, other), (other, one)):
                wait_until(f"channel of {node.name} with {peer.name}", partial(_usable, node, peer))

    def channel(self, node: Lightningd, peer: Lightningd) -> dict[str, Any]:
        """The channel of a node with a peer that is open."""
        (found,) = _open(node, peer)
        return found

    def send(self, *hops: Lightningd, amount_msat: int) -> str:
        """Pay the last of the nodes by way of the others, which charge what they ask; return the payment's hash. The
        payer may be the payee.
        """
        payment_hash = self.offer(*hops, amount_msat=amount_msat)
        hops[0].call("waitsendpay", payment_hash=payment_hash)
        return payment_hash

    def offer(self, *hops: Lightningd, amount_msat: int) -> str:
        """Start such a payment, and return its hash; whether it arrives is for the nodes to say."""
        payee = hops[-1]
        label = f"{payee.name}-{next(self._labels)}"
        made = payee.call("invoice", amount_msat=amount_msat, label=label, description="regtest")
        self._offer(hops, amount_msat, made)
        return str(made["payment_hash"])

    def send_to_end_later(self, payer: Lightningd, payee: Lightningd, amount_msat: int) -> str:
        """Pay by way of alice. The payee takes it while the payer is away, who stays paused. Return the hash."""
        label = f"{payee.name}-{next(self._labels)}"
        made = payee.call("invoice", amount_msat=amount_msat, label=label, description="regtest")
        payee.daemon.pause()
        self._offer((payer, self.alice, payee), amount_msat, made)
        wait_until("forward under way", lambda: _statuses(self.alice)["offered"] == 1 and _offers(self.alice))
        payer.daemon.pause()
        payee.daemon.resume()
        wait_until("forward that is settled", lambda: _statuses(self.alice)["offered"] == 0)
        wait_until("end of it on one side", lambda: not _offers(self.alice))
        return str(made["payment_hash"])

    def _offer(self, hops: Sequence[Lightningd], amount_msat: int, made: dict[str, Any]) -> None:
        route: list[dict[str, Any]] = []
        delay = CLTV_FINAL_BLOCKS
        for node, peer in reversed(list(pairwise(hops))):
            channel = self.channel(node, peer)
            terms = channel["updates"]["local"]
            # Before a block has it, a channel has no other name.
            scid = channel.get("short_channel_id", channel["alias"]["local"])
            route.insert(0, {"id": peer.node_id, "channel": scid, "amount_msat": amount_msat, "delay": delay})
            amount_msat += terms["fee_base_msat"] + amount_msat * terms["fee_proportional_millionths"] // 1_000_000
            delay += CLTV_DELTA_BLOCKS
        secret = made["payment_secret"]
        hops[0].call("sendpay", route=route, payment_hash=made["payment_hash"], payment_secret=secret)

    def settle(self) -> None:
        """Wait until alice's own lists agree with each other, and stand still."""
        wait_until("books of alice that stand still", self._still)

    def _still(self) -> bool:
        before = _books(self.alice)
        if before is None:
            return False
        time.sleep(STILL_SECONDS)
        return _books(self.alice) == before

    def miners_fees_msat(self) -> dict[str, int]:
        """What each transaction of the chain paid to the miners, by bitcoind."""
        fees: dict[str, int] = {}
        for height in range(1, int(self.bitcoind.call("getblockcount")) + 1):
            block = self.bitcoind.call("getblock", self.bitcoind.call("getblockhash", str(height)), "2")
            for transaction in json.loads(block, parse_float=Decimal)["tx"]:
                if "fee" in transaction:
                    fees[transaction["txid"]] = int(transaction["fee"] * MSAT_PER_BTC)
        return fees


def bookkeepers_fees_msat(node: Lightningd) -> dict[tuple[str, str], int]:
    """What lightningd's bookkeeper says that each transaction cost each account, where it cost anything."""
    fees: Counter[tuple[str, str]] = Counter()
    for event in node.call("bkpr-listaccountevents")["events"]:
        if event["tag"] == "onchain_fee":
            fees[event["txid"], event["account"]] += event["credit_msat"] - event["debit_msat"]
    return {key: msat for key, msat in fees.items() if msat}


def chain_moves(node: Lightningd) -> list[dict[str, Any]]:
    """The node's ledger of the chain."""
    return list(node.call("listchainmoves")["chainmoves"])


def channel_moves(node: Lightningd) -> list[dict[str, Any]]:
    """The node's ledger of its channels."""
    return list(node.call("listchannelmoves")["channelmoves"])


def _statuses(node: Lightningd) -> Counter[str]:
    return Counter(forward["status"] for forward in node.forwards())


def _offers(node: Lightningd) -> bool:
    """Whether any HTLC of its own is under way."""
    return any(htlc["direction"] == "out" for channel in node.channels() for htlc in channel["htlcs"])


def _open(node: Lightningd, peer: Lightningd) -> list[dict[str, Any]]:
    channels = node.call("listpeerchannels", id=peer.node_id)["channels"]
    return [channel for channel in channels if channel["state"] in SETTLED_STATES]


def _usable(node: Lightningd, peer: Lightningd) -> bool:
    return any(
        channel["state"] == "CHANNELD_NORMAL"
        and channel["peer_connected"]
        and channel["reestablished"]
        and "remote" in channel["updates"]
        and not channel["htlcs"]
        for channel in _open(node, peer)
    )


def _books(node: Lightningd) -> tuple[int, int] | None:
    """How many rows the ledger has; None while it doesn't say what the other lists do."""
    on_chain, paid = chain_moves(node), channel_moves(node)
    proposed = {move["utxo"] for move in on_chain if move["primary_tag"] == "channel_proposed"}
    ledger: dict[str, int] = defaultdict(int)
    for move in (*on_chain, *paid):
        if not (move["primary_tag"] == "channel_open" and move["utxo"] in proposed):  # else it is there twice
            ledger[move["account_id"]] += move["credit_msat"] - move["debit_msat"]
    channels = node.channels()
    if any(channel.get("htlcs") for channel in channels):
        return None
    settled = [channel for channel in channels if channel["state"] in SETTLED_STATES]
    if any(ledger[channel["channel_id"]] != channel["to_us_msat"] for channel in settled):
        return None
    outputs = node.call("listfunds")["outputs"]
    if ledger["wallet"] != sum(output["amount_msat"] for output in outputs if output["status"] == "confirmed"):
        return None
    return len(on_chain), len(paid)
