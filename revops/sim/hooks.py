"""What a test lets happen on the chain of a simulated node, and to its records."""

from __future__ import annotations

import threading

from revops.sim import cleaning, leases, lifecycle, splices, wallet, zero_conf
from revops.sim.channels import Channel
from revops.sim.opening import Opening, open_batch
from revops.sim.state import SpliceTrouble, World

# What `sim-hook` may call when the server was started with control: for tests whose node is another process.
HOOKS = (
    "advance_by",
    "advance_to",
    "autoclean",
    "close_channel",
    "connect_peer",
    "consolidate",
    "disconnect_peer",
    "fail_payments",
    "false_reply",
    "force_close",
    "forget_sling",
    "hide_feerates",
    "hold_payments",
    "open_at_once",
    "lease",
    "open_channels",
    "pause_market",
    "restore_to_index",
    "run_clboss",
    "set_fee_externally",
    "set_splicing",
    "set_syncing",
    "splice_channel",
    "sweep_all",
    "trouble_splice",
    "waiting_takes_time",
    "withdraw",
)


class ChainHooks:
    """The part of a simulated node that closes, splices and opens channels, moves the wallet's money, deletes rows.

    Each raises ValueError where the money isn't there, and KeyError for a channel that is gone.
    """

    world: World
    lock: threading.RLock

    def channel(self, channel_id: str) -> Channel:
        """Return a live channel's state, to look at it. Raise KeyError if there is none."""
        return self.world.channels[channel_id]

    def close_channel(self, channel_id: str, *, closer: str = "remote", forget: bool = True) -> None:
        """Close a channel; unless `forget`, it stays in listpeerchannels with state ONCHAIN."""
        with self.lock:
            lifecycle.close_channel(self.world, self.channel(channel_id), closer=closer, forget=forget)

    def force_close(self, channel_id: str, *, closer: str = "local") -> None:
        """Let one side close a channel alone; what we closed so is swept after 144 blocks, or by `sweep_all`."""
        with self.lock:
            lifecycle.force_close(self.world, self.channel(channel_id), closer=closer)

    def sweep_all(self) -> None:
        """Fetch now what force closes have left waiting, and forget their channels."""
        with self.lock:
            for waiting in list(self.world.sweeps):
                lifecycle.sweep(self.world, waiting)

    def splice_channel(
        self, channel_id: str, delta_sat: int, *, lock_in: bool = True, initiator: str = "local"
    ) -> None:
        """Splice `delta_sat` in (negative: out). Unless `lock_in`, it waits six blocks or for `lock_in_splice`."""
        with self.lock:
            splices.begin_splice(self.world, self.channel(channel_id), delta_sat, initiator=initiator)
            if lock_in:
                splices.lock_in(self.world, self.channel(channel_id))

    def lock_in_splice(self, channel_id: str) -> None:
        """Lock a pending splice in now."""
        with self.lock:
            splices.lock_in(self.world, self.channel(channel_id))

    def set_splicing(self, peer_id: str, splices: bool) -> None:
        """Choose whether a peer signals splicing, as each does at first."""
        self.world.peers[peer_id].splices = splices

    def trouble_splice(self, trouble: str | None) -> None:
        """Let the peer of the next `dev-splice` vanish or hang in the middle of it (`SpliceTrouble`); None: neither."""
        self.world.knobs.splice_trouble = None if trouble is None else SpliceTrouble(trouble)

    def open_channels(self, peer_ids: list[str], capacity_sat: int, *, pushed_msat: int = 0) -> list[str]:
        """Open a channel with each peer by one transaction; return their channel_ids."""
        with self.lock:
            openings = [Opening(peer_id, capacity_sat, pushed_msat) for peer_id in peer_ids]
            return [channel.channel_id for channel in open_batch(self.world, openings)]

    def open_at_once(self, peer_id: str, capacity_sat: int, *, pushed_msat: int = 0) -> str:
        """Open a channel that is used before the next block confirms it; return its channel_id."""
        with self.lock:
            return zero_conf.open_at_once(self.world, Opening(peer_id, capacity_sat, pushed_msat)).channel_id

    def lease(self, peer_id: str, amount_sat: int) -> str | None:
        """Let a peer ask for a lease at the rates that we announce; return the channel_id, None where we lend none."""
        with self.lock:
            channel = leases.lend(self.world, peer_id, amount_sat)
            return None if channel is None else channel.channel_id

    def withdraw(self, amount_sat: int) -> str:
        """Pay somebody's address from the wallet; return the txid."""
        with self.lock:
            return wallet.withdraw(self.world, amount_sat)

    def consolidate(self) -> str:
        """Pay all free wallet outputs into one; return the txid."""
        with self.lock:
            return wallet.consolidate(self.world)

    def autoclean(self, older_than_seconds: float) -> int:
        """Delete forwards that ended longer ago; getinfo keeps their fees. Return how many."""
        with self.lock:
            return cleaning.autoclean(self.world, older_than_seconds)

    def restore_to_index(self, created_index: int) -> None:
        """Turn the tables back as a restored backup would: forwards after `created_index` and what came later go."""
        with self.lock:
            cleaning.restore_to_index(self.world, created_index)
