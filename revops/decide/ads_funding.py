"""Where a lease that the wallet can't pay for could get its coins from: a splice out of a channel with dead capital.

Leases are paid from coins of the wallet, and what lies idle usually lies in channels. A splice out moves it, for the
weight of that transaction at today's feerate. The whole of it is in the price of the first lease that it pays for, and
of each other one until the coins are spent (`ads_cost.py`). Nothing is done here: `ads adjust` says what would be asked
then, and `splice plan` plans the splice where others ask for as much as that lease must earn.
"""

from __future__ import annotations

from collections.abc import Sequence

from revops.decide.ads import AdsInput
from revops.decide.ads_chain import chain_stops, dearest_perkw
from revops.decide.ads_cost import lease_cost
from revops.decide.ads_limits import funding_weight, given, lendable, room_msat, running
from revops.decide.ads_price import quote
from revops.decide.dead_capital import chain_rates
from revops.decide.splice.cost import OUT_WEIGHT
from revops.decide.splice.winners import is_loser
from revops.decide.suspend import lacks_wallet, resume_level_msat
from revops.domain.ads import LeaseFunding
from revops.domain.channel import Channel
from revops.domain.dead_capital import ChainRates
from revops.domain.node import Wallet, WalletOutput
from revops.domain.policy import AdsConfig, Config, ReserveConfig
from revops.domain.reason import Reason, ReasonCode, why
from revops.domain.splice import SpliceSite
from revops.domain.units import MSAT_PER_SAT, sat_ceil, sat_floor


def wallet_short(seen: AdsInput, policy: AdsConfig, reserve: ReserveConfig) -> bool:
    """Given what is known and the limits, return whether nothing but the wallet stands against a lease."""
    rates = chain_rates(seen.feerates, seen.view.taken_at)
    others = [one for one in seen.suspended if not lacks_wallet(one)]
    if others or given(seen.view, seen.since_at) or seen.starting is None or seen.capital is None or rates is None:
        return False
    if chain_stops(rates, seen.view.taken_at, policy):
        return False
    least_msat = policy.min_lease_sat * MSAT_PER_SAT
    lent = lendable(seen.view, reserve, policy, dearest_perkw(seen.feerates[-1], rates))
    return lent.lease_msat < least_msat <= min(room_msat(seen.view, policy).values())


def coming(seen: AdsInput, policy: AdsConfig) -> bool:
    """Given what is known and the limits, return whether the wallet may soon have what it lacks: a splice is under way,
    or coins wait for a block. Another splice out would bring it twice.
    """
    waiting_msat = sum(one.amount_msat for one in seen.view.wallet.outputs if one.status == "unconfirmed")
    splicing = any(channel.splicing for channel in seen.view.channels)
    return splicing or waiting_msat >= policy.min_lease_sat * MSAT_PER_SAT


def funding(seen: AdsInput, sites: Sequence[SpliceSite], config: Config) -> LeaseFunding | None:
    """Given what is known, the channels as a splice plan sees them, and the configuration, return the splice out by
    which the wallet could pay for a lease, of the dead channel that has most; None where the wallet isn't what lacks,
    where that may be on its way, or where no channel can give it.
    """
    if not wallet_short(seen, config.ads, config.reserve) or coming(seen, config.ads):
        return None
    rates = chain_rates(seen.feerates, seen.view.taken_at)
    height = seen.view.node.blockheight
    able = [one for one in sites if is_loser(one) and one.splices and one.channel.usable and not one.channel.splicing]
    for site in sorted(able, key=lambda one: (-one.channel.spendable_msat, one.channel.channel_id)):
        if rates is not None and not leased(site.channel, height):
            found = _by(site.channel, seen, rates, config)
            if found is not None:
                return found
    return None


def leased(channel: Channel, blockheight: int) -> bool:
    """Given a channel and the block height, return whether we lend in it: the lessee has paid for that to stay."""
    return channel.lent_msat is not None and running(channel, blockheight)


def _by(channel: Channel, seen: AdsInput, rates: ChainRates, config: Config) -> LeaseFunding | None:
    """The lease that this channel's capital could pay for, as far as it goes."""
    policy, perkw = config.ads, rates.opening_perkw
    if seen.capital is None or seen.starting is None or perkw > config.splice.max_feerate_perkw:
        return None
    most_perkw = dearest_perkw(seen.feerates[-1], rates)
    room = min(*room_msat(seen.view, policy).values(), policy.max_lease_sat * MSAT_PER_SAT)
    there_msat = channel.spendable_msat - OUT_WEIGHT * config.splice.max_feerate_perkw
    coin = WalletOutput("spliced", max(there_msat, 0), "confirmed", reserved=False)
    weight = funding_weight(Wallet((*seen.view.wallet.outputs, coin)), room, most_perkw)
    # A wallet that is below its reserve lends nothing until it is well above, and lends down to there.
    resume_msat = resume_level_msat(config.reserve.onchain_sat, config.reserve.resume_ratio)
    free_msat = seen.view.wallet.spendable_msat - resume_msat - weight * most_perkw
    wanted_msat = room - free_msat
    amount_sat = min(sat_floor(there_msat), sat_ceil(wanted_msat), config.splice.max_amount_sat)
    lease_msat = sat_floor(min(room, amount_sat * MSAT_PER_SAT + free_msat)) * MSAT_PER_SAT
    enough = seen.view.wallet.spendable_msat + amount_sat * MSAT_PER_SAT >= resume_msat
    if not enough or amount_sat < config.splice.min_amount_sat or lease_msat < policy.min_lease_sat * MSAT_PER_SAT:
        return None
    splice_msat = OUT_WEIGHT * perkw
    cost = lease_cost(seen.capital, rates.unilateral_perkw, weight, policy, splice_msat + seen.spliced_msat)
    if cost is None:
        return None
    asked = quote(cost, lease_msat, perkw, seen.others, policy, config.fees, seen.starting)
    if asked.wanted is None:
        return None
    return LeaseFunding(
        channel_id=channel.channel_id,
        name=channel.name,
        amount_sat=amount_sat,
        lease_msat=lease_msat,
        splice_msat=splice_msat,
        rates=asked.wanted,
        price_msat=asked.wanted.fee_msat(lease_msat, perkw),
        cost_msat=asked.cost_msat,
        own_msat=cost.close_msat + weight * perkw,
        market_msat=asked.market_msat,
        offer_count=asked.offer_count,
    )


def funding_reasons(found: LeaseFunding | None, seen: AdsInput, policy: AdsConfig) -> tuple[Reason, ...]:
    """Given how the wallet could get what it lacks (None: not at all, or not now), what is known, and the limits,
    return that as reasons.
    """
    if found is None:
        if coming(seen, policy):
            return (why(ReasonCode.ADS_FUNDING_COMING),)
        return (why(ReasonCode.ADS_NO_FUNDING, min_lease_sat=policy.min_lease_sat),)
    rates = found.rates
    reasons = [
        why(
            ReasonCode.ADS_FUNDING,
            channel=found.name,
            amount_sat=found.amount_sat,
            splice_sat=sat_ceil(found.splice_msat),
            lease_sat=sat_floor(found.lease_msat),
        ),
        why(
            ReasonCode.ADS_FUNDING_PRICE,
            price_sat=sat_floor(found.price_msat),
            cost_sat=sat_ceil(found.cost_msat),
            basis=rates.fee_basis,
            base_sat=sat_floor(rates.fee_base_msat),
            weight=rates.funding_weight,
        ),
    ]
    if found.market_msat is None:
        reasons.append(why(ReasonCode.ADS_MARKET_THIN, offer_count=found.offer_count))
    elif not found.sold:
        market_sat = sat_floor(found.market_msat)
        reasons.append(why(ReasonCode.ADS_FUNDING_UNSOLD, offer_count=found.offer_count, market_sat=market_sat))
    return tuple(reasons)
