"""How much may be lent: the on-chain reserve first, then what is lent already, then the limits of a peer and a channel.

Between two runs nobody watches: the plugin funder lends by itself as long as the wallet holds more than its reserve
tank. It lends what lies above at most, and pays its part of the transaction besides; what is left after any number of
leases so lies above the tank less one such part. The tank is therefore the reserve and that part, at the dearest
feerate that lightningd lets an opener choose.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from revops.decide.chain_floor import WALLET_INPUT_WEIGHT
from revops.domain.ads import LEASE_BLOCKS, Lendable
from revops.domain.channel import Channel
from revops.domain.node import Wallet
from revops.domain.policy import AdsConfig, ReserveConfig
from revops.domain.reason import ReasonCode, why
from revops.domain.snapshot import NodeView
from revops.domain.units import MSAT_PER_SAT, sat_floor

#: Weight of the change, to any address.
CHANGE_WEIGHT: Final = 4 * 43
#: lightningd funds nothing above ten times its own estimate of the fastest rate (`feerate_our_max`).
MOST_FEERATE_TIMES: Final = 10


def funding_weight(wallet: Wallet, amount_msat: int) -> int:
    """Given the wallet and an amount, return what our part of a transaction that pays it weighs at most: lightningd
    chooses inputs as it likes, so as many of the smallest ones as it takes, and change.
    """
    sizes = sorted(one.amount_msat for one in wallet.outputs if one.spendable)
    count, sum_msat = 0, 0
    for size_msat in sizes:
        if sum_msat > amount_msat:
            break
        count, sum_msat = count + 1, sum_msat + size_msat
    return max(count, 1) * WALLET_INPUT_WEIGHT + CHANGE_WEIGHT


def lease_end(channel: Channel) -> int | None:
    """Given a channel, return the block at which what we lent in it is free again; None where that isn't known yet.

    The lease is counted from a block before the one that confirmed it, which nothing tells: this errs late. A splice
    gives the channel a later block, and errs later.
    """
    return None if channel.scid is None else int(channel.scid.partition("x")[0]) + LEASE_BLOCKS


def running_leases(channels: Sequence[Channel], blockheight: int) -> list[tuple[Channel, int]]:
    """Given channels and the block height, return those in which we lend, and how much in each."""
    return [
        (channel, channel.lent_msat)
        for channel in channels
        if channel.lent_msat is not None and ((end := lease_end(channel)) is None or blockheight < end)
    ]


def lendable(view: NodeView, reserve: ReserveConfig, policy: AdsConfig, most_perkw: int) -> Lendable:
    """Given the node, the reserve, the limits, and the dearest feerate that an opener may choose, return how much may
    be lent until the next run; never below 0.
    """
    leases = running_leases(view.channels, view.node.blockheight)
    by_peer: dict[str, int] = defaultdict(int)
    for channel, lent_msat in leases:
        by_peer[channel.peer_id] += lent_msat
    lent_msat = sum(by_peer.values())
    most_of_peer_msat = max(by_peer.values(), default=0)
    spendable_msat = view.wallet.spendable_msat
    weight = funding_weight(view.wallet, min(policy.max_lease_sat * MSAT_PER_SAT, spendable_msat))
    floor_msat = reserve.onchain_sat * MSAT_PER_SAT + weight * most_perkw
    bounds_msat = {
        "what the wallet holds above the reserve and the dearest transaction": spendable_msat - floor_msat,
        "max_total_sat": policy.max_total_sat * MSAT_PER_SAT - lent_msat,
        "max_peer_sat, less what the peer with most has": policy.max_peer_sat * MSAT_PER_SAT - most_of_peer_msat,
    }
    bound, least_msat = min(bounds_msat.items(), key=lambda item: item[1])
    total_msat = _whole_sat(least_msat)
    reason = why(
        ReasonCode.ADS_LENDABLE,
        total_sat=sat_floor(total_msat),
        bound=bound,
        wallet_sat=sat_floor(spendable_msat),
        lent_sat=sat_floor(lent_msat),
        lease_count=len(leases),
    )
    return Lendable(
        total_msat=total_msat,
        lease_msat=min(total_msat, policy.max_lease_sat * MSAT_PER_SAT),
        # Rounded up: what is below the tank isn't lent.
        tank_msat=-(-max(floor_msat, spendable_msat - total_msat) // MSAT_PER_SAT) * MSAT_PER_SAT,
        weight=weight,
        reasons=(reason,),
    )


def lent_in_all(view: NodeView) -> int:
    """Given the node, return what it lends in all."""
    return sum(lent_msat for _, lent_msat in running_leases(view.channels, view.node.blockheight))


def _whole_sat(amount_msat: int) -> int:
    return max(amount_msat, 0) // MSAT_PER_SAT * MSAT_PER_SAT
