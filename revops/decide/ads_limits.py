"""How much may be lent: the on-chain reserve first, then what is lent already, then the limits of a peer and a channel.

Between two runs nobody watches: the plugin funder lends by itself as long as the wallet holds more than its reserve
tank. It lends what lies above at most, and pays its part of the transaction besides; what is left after any number of
leases so lies above the tank less one such part. The tank is therefore that part, at the dearest feerate that
lightningd lets an opener choose, and of the reserve as much as lets writing go on once it was passed: until a block has
a lease our change isn't confirmed, and what that suspends must end with it. What waits for a block could be lent too
once it has one: the tank holds it back, so that what is lent stays within the limits.

Two things no tank can help: the plugin looks at the wallet before it reserves coins, so that two that open in the same
instant may be lent the same coins' worth twice; and coins that nobody knew of may come in.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from revops.decide.suspend import resume_level_msat
from revops.domain.ads import LEASE_BLOCKS, Lendable
from revops.domain.channel import Channel
from revops.domain.node import Wallet
from revops.domain.policy import AdsConfig, ReserveConfig
from revops.domain.reason import Reason, ReasonCode, why
from revops.domain.snapshot import NodeView
from revops.domain.units import MSAT_PER_SAT, sat_floor

#: An input of ours in a transaction that funds a lease, of whatever kind, as plugins/funder.c has it reckoned and paid
#: for: 110 of witness, and its count.
INPUT_WEIGHT: Final = 4 * 41 + 111
#: Weight of the change, to any address.
CHANGE_WEIGHT: Final = 4 * 43
#: lightningd funds nothing above ten times its own estimate of the fastest rate (`feerate_our_max`).
MOST_FEERATE_TIMES: Final = 10
#: A lessee names the block from which the lease counts, and may name one a day ahead (plugins/funder.c).
AHEAD_BLOCKS: Final = 144


def funding_weight(wallet: Wallet, amount_msat: int, most_perkw: int) -> int:
    """Given the wallet, an amount, and the dearest feerate that an opener may choose, return what our part of a
    transaction that pays it weighs at most: lightningd draws its inputs by lot, so as many of the smallest ones as it
    takes when each has paid for itself, and change. At a lower feerate it takes no more.
    """
    own_msat = INPUT_WEIGHT * most_perkw
    count, sum_msat = 0, 0
    for size_msat in sorted(one.amount_msat for one in wallet.outputs if one.spendable):
        if sum_msat > amount_msat:
            break
        count, sum_msat = count + 1, sum_msat + max(size_msat - own_msat, 0)
    return max(count, 1) * INPUT_WEIGHT + CHANGE_WEIGHT


def lease_end(channel: Channel) -> int | None:
    """Given a channel, return the block at which what we lent in it is free again; None where that isn't known yet.

    The lease is counted from a block that the lessee named, up to a day after the one in which it was agreed on, which
    nothing tells: this errs late. A splice gives the channel a later block, and errs later.
    """
    return None if channel.scid is None else int(channel.scid.partition("x")[0]) + LEASE_BLOCKS + AHEAD_BLOCKS


def running(channel: Channel, blockheight: int) -> bool:
    """Given a channel and the block height, return whether a lease that was taken when it was opened still runs."""
    end = lease_end(channel)
    return end is None or blockheight < end


def running_leases(channels: Sequence[Channel], blockheight: int) -> list[tuple[Channel, int]]:
    """Given channels and the block height, return those in which we lend, and how much in each."""
    return [
        (channel, channel.lent_msat)
        for channel in channels
        if channel.lent_msat is not None and running(channel, blockheight)
    ]


def given(view: NodeView, since_at: float | None) -> tuple[Reason, ...]:
    """Given the node, and when liquidity was offered first (None: never), return why no more may be lent: channels that
    were leased since, and then bumped so that nothing was paid (`Channel.given_msat`). A lease's length is enough for
    the operator to close them.
    """
    return tuple(
        why(ReasonCode.ADS_GIVEN, channel=channel.name, given_sat=sat_floor(channel.given_msat))
        for channel in view.channels
        if channel.given_msat is not None
        and since_at is not None
        and (channel.opened_at is None or channel.opened_at >= since_at)
        and running(channel, view.node.blockheight)
    )


def room_msat(view: NodeView, policy: AdsConfig) -> dict[str, int]:
    """Given the node and the limits, return what may still be lent by each of them, by its name."""
    by_peer: dict[str, int] = defaultdict(int)
    for channel, lent_msat in running_leases(view.channels, view.node.blockheight):
        by_peer[channel.peer_id] += lent_msat
    return {
        "max_total_sat": policy.max_total_sat * MSAT_PER_SAT - sum(by_peer.values()),
        "max_peer_sat, less what the peer with most has": policy.max_peer_sat * MSAT_PER_SAT
        - max(by_peer.values(), default=0),
    }


def lendable(view: NodeView, reserve: ReserveConfig, policy: AdsConfig, most_perkw: int) -> Lendable:
    """Given the node, the reserve, the limits, and the dearest feerate that an opener may choose, return how much may
    be lent until the next run; never below 0.
    """
    leases = running_leases(view.channels, view.node.blockheight)
    room = room_msat(view, policy)
    spendable_msat = view.wallet.spendable_msat
    weight = funding_weight(view.wallet, min(policy.max_lease_sat * MSAT_PER_SAT, spendable_msat), most_perkw)
    floor_msat = resume_level_msat(reserve.onchain_sat, reserve.resume_ratio) + weight * most_perkw
    bounds_msat = {
        "what the wallet holds above the reserve and the dearest transaction": spendable_msat - floor_msat
    } | room
    bound, least_msat = min(bounds_msat.items(), key=lambda item: item[1])
    total_msat = _whole_sat(least_msat)
    lease_msat = min(total_msat, policy.max_lease_sat * MSAT_PER_SAT)
    coming_msat = sum(one.amount_msat for one in view.wallet.outputs if one.status == "unconfirmed")
    limits_msat = _whole_sat(min(room.values()))
    # Rounded up: what is below the tank isn't lent.
    tank_msat = -(-max(floor_msat, spendable_msat + coming_msat - limits_msat) // MSAT_PER_SAT) * MSAT_PER_SAT
    now_msat = _whole_sat(min(total_msat, spendable_msat - tank_msat))
    held_back = (
        (why(ReasonCode.ADS_HELD_BACK, now_sat=sat_floor(now_msat), coming_sat=sat_floor(coming_msat)),)
        if now_msat < total_msat and coming_msat > 0
        else ()
    )
    reason = why(
        ReasonCode.ADS_LENDABLE,
        total_sat=sat_floor(total_msat),
        bound=bound,
        wallet_sat=sat_floor(spendable_msat),
        lent_sat=sat_floor(sum(lent_msat for _, lent_msat in leases)),
        lease_count=len(leases),
    )
    return Lendable(
        total_msat=total_msat,
        lease_msat=lease_msat,
        tank_msat=tank_msat,
        weight=weight,
        reasons=(reason, *held_back, *_change(view.wallet, lease_msat, reserve, policy)),
    )


def _change(wallet: Wallet, lease_msat: int, reserve: ReserveConfig, policy: AdsConfig) -> tuple[Reason, ...]:
    """Coins go whole, and come back as change that has no block yet: of those that pay for a lease, the last one is as
    much too large as it can be.
    """
    largest_msat = max((one.amount_msat for one in wallet.outputs if one.spendable), default=0)
    left_msat = max(wallet.spendable_msat - lease_msat - largest_msat, 0)
    if lease_msat < policy.min_lease_sat * MSAT_PER_SAT or left_msat >= reserve.onchain_sat * MSAT_PER_SAT:
        return ()
    return (why(ReasonCode.ADS_CHANGE, confirmed_sat=sat_floor(left_msat), reserve_sat=reserve.onchain_sat),)


def lent_in_all(view: NodeView) -> int:
    """Given the node, return what it lends in all."""
    return sum(lent_msat for _, lent_msat in running_leases(view.channels, view.node.blockheight))


def _whole_sat(amount_msat: int) -> int:
    return max(amount_msat, 0) // MSAT_PER_SAT * MSAT_PER_SAT
