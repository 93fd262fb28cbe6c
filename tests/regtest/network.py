"""bitcoind and lightningd on a private regtest chain, everything on the loopback and in one short temporary folder.

They are driven by their own command-line clients, not by pyln: so what a test compares with what `revops` says has
not come the way that `revops` took.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.regtest.processes import Daemon, free_ports, tail, wait_until

PROGRAMS = ("bitcoind", "bitcoin-cli", "lightningd", "lightning-cli")
CALL_SECONDS = 60.0
#: A coinbase can be spent when it is this deep, and a channel is announced when it is.
MATURITY_BLOCKS = 100
ANNOUNCE_BLOCKS = 6
#: lightningd dates some transactions back by up to 100 blocks, and Bitcoin Knots takes none with a locktime of 21.
OLDEST_LOCKTIME = 22
#: Coins that anyone could spend. To the wallet, each block would cost a write that waits for the disk.
NOBODY = "raw(51)"


def program(name: str) -> str:
    """Given a program, return where it is on PATH; the tests have made sure that it is."""
    path = shutil.which(name)
    assert path is not None, f"{name} is not on PATH"
    return path


class RpcRefused(Exception):
    """The node answered with an error."""

    def __init__(self, method: str, answer: str) -> None:
        super().__init__(f"{method}: {answer}")
        self.code: int | None = None
        try:
            self.code = int(json.loads(answer)["code"])
        except (ValueError, KeyError, TypeError):
            return


def _client(method: str, arguments: Sequence[str]) -> str:
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=CALL_SECONDS, check=False)
    if done.returncode != 0:
        raise RpcRefused(method, (done.stdout + done.stderr).strip())
    return done.stdout


class Bitcoind:
    """A chain of our own: no peers, blocks on request."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (self.rpc_port,) = free_ports(1)
        self._daemon = Daemon(
            "bitcoind",
            [
                program("bitcoind"), "-regtest", f"-datadir={folder}", "-server", "-listen=0", "-networkactive=0",
                "-fallbackfee=0.0001", "-rpcbind=127.0.0.1", "-rpcallowip=127.0.0.1", f"-rpcport={self.rpc_port}",
                "-printtoconsole=0",
            ],
            folder,
        )  # fmt: skip

    def stop(self) -> None:
        """End it."""
        self._daemon.stop()

    def call(self, method: str, *arguments: str) -> str:
        """Given a method and its arguments, return what it prints. The cookie in the data directory opens the door."""
        given = [program("bitcoin-cli"), "-regtest", f"-datadir={self.folder}", f"-rpcport={self.rpc_port}"]
        return _client(method, [*given, method, *arguments]).strip()

    def up(self) -> bool:
        """Whether it answers."""
        self._daemon.check()
        try:
            self.call("getblockchaininfo")
        except RpcRefused:
            return False
        return True

    def prepare(self) -> None:
        """Wait for it, and mine the first spendable coins into a wallet of its own."""
        wait_until("bitcoind that answers", self.up)
        self.call("createwallet", "miner")
        self.call("generatetoaddress", "1", self.call("getnewaddress"))
        self.mine(MATURITY_BLOCKS + OLDEST_LOCKTIME)

    def mempool(self) -> list[str]:
        """What waits for a block."""
        waiting: list[str] = json.loads(self.call("getrawmempool"))
        return waiting

    def mine(self, count: int) -> None:
        """Mine so many blocks."""
        self.call("generatetodescriptor", str(count), NOBODY)


class Lightningd:
    """One node, with the flags that make gossip and blocks fast."""

    def __init__(self, name: str, folder: Path, bitcoind: Bitcoind, *flags: str) -> None:
        self.name = name
        self.folder = folder
        (self.port,) = free_ports(1)
        self._arguments = [
            program("lightningd"), "--network=regtest", f"--lightning-dir={folder}", f"--log-file={folder / 'log'}",
            "--log-level=debug", f"--bind-addr=127.0.0.1:{self.port}", f"--alias={name}",
            f"--bitcoin-cli={program('bitcoin-cli')}", f"--bitcoin-datadir={bitcoind.folder}",
            f"--bitcoin-rpcport={bitcoind.rpc_port}",
            "--developer", "--dev-fast-gossip", "--dev-fast-reconnect", "--dev-bitcoind-poll=1", *flags,
        ]  # fmt: skip
        self.daemon = Daemon(name, self._arguments, folder)
        self._node_id = ""

    @property
    def rpc_path(self) -> Path:
        """Its socket."""
        return self.folder / "regtest" / "lightning-rpc"

    @property
    def node_id(self) -> str:
        """Its public key; the node must be up."""
        if not self._node_id:
            self._node_id = str(self.call("getinfo")["id"])
        return self._node_id

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Given a method and its parameters, return its result. Raise RpcRefused where the node says no."""
        given = [f"{name}={value if isinstance(value, str) else json.dumps(value)}" for name, value in params.items()]
        client = [program("lightning-cli"), "--network=regtest", f"--lightning-dir={self.folder}"]
        result: dict[str, Any] = json.loads(_client(method, [*client, "-J", "-N", "none", "-k", method, *given]))
        return result

    def up(self) -> bool:
        """Whether it answers."""
        try:
            self.daemon.check()
        except AssertionError as ended:
            raise AssertionError(f"{ended}\n{tail(self.folder / 'log')}") from None
        try:
            self.call("getinfo")
        except RpcRefused:
            return False
        return True

    def stop(self) -> None:
        """End it."""
        self.daemon.stop()

    def start(self, *flags: str) -> None:
        """Start it once more, on the same data, with further flags: of one that is there twice the last counts."""
        self.daemon = Daemon(self.name, [*self._arguments, *flags], self.folder)

    def channels(self) -> list[dict[str, Any]]:
        """Return its channels, in whatever state."""
        return list(self.call("listpeerchannels")["channels"])

    def channel_with(self, peer: Lightningd) -> dict[str, Any]:
        """Given a peer, return our only channel with it."""
        (channel,) = self.call("listpeerchannels", id=peer.node_id)["channels"]
        return dict(channel)

    def forwards(self) -> list[dict[str, Any]]:
        """Return all that it ever forwarded, in whatever state."""
        return list(self.call("listforwards")["forwards"])
