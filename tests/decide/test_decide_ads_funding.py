"""Where a lease that the wallet can't pay for gets its coins from: by hand, and what must hold for any wallet."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from revops.decide.ads import AdsInput, decide_ads
from revops.decide.ads_funding import funding, funding_reasons, leased, wallet_short
from revops.decide.splice.plan import make_plan
from revops.domain.ads import LeaseFunding, LeaseRates, StartingFees
from revops.domain.capital import RatioRange
from revops.domain.decision import Outcome
from revops.domain.node import Feerates, Wallet, WalletOutput
from revops.domain.policy import AdsConfig, Config, NodeConfig, ReserveConfig, SpliceConfig
from revops.domain.reason import Reason, ReasonCode, why
from revops.domain.splice import SpliceDirection, SplicePlan, SpliceSite
from tests.builders import NOW, SAT, channel_id, make_channel, make_view, node_id
from tests.decide.splice_scenes import MIN_DAYS, RATES, dead, scene, wallet, winner

CAPITAL = RatioRange(0.01, 0.02, 0.10)
#: Five others who ask for 80 of 10,000 and 500 sat.
MARKET = tuple((node_id(number), LeaseRates(500 * SAT, 80, 666, 0, 3)) for number in range(1, 6))
SYNCING = why(ReasonCode.NODE_SYNCING, warning="behind")


def low(where: str) -> Reason:
    return why(ReasonCode.RESERVE_LOW, where=where, have_sat=1, floor_sat=2, resume_sat=3)


def make_config(**sections: Any) -> Config:
    return Config(node=NodeConfig(rpc_path="/nowhere"), **({"splice": SpliceConfig(mode="act")} | sections))


def make_input(*amounts_sat: int, perkw: int = 2_500, **overrides: Any) -> AdsInput:
    """10 sat/vB for everything, and a wallet of these coins."""
    rates = Feerates(NOW, 253, perkw, perkw, perkw, perkw, perkw, perkw)
    view = make_view(make_channel(1), wallet=wallet(*amounts_sat))
    return replace(AdsInput(view, CAPITAL, MARKET, (rates,), (), None, StartingFees(1_000, 10)), **overrides)


def site(number: int = 2, local_sat: int = 4_000_000, **overrides: Any) -> SpliceSite:
    return dead(number, channel={"local_msat": local_sat * SAT}, **overrides)


def found(seen: AdsInput, *sites: SpliceSite, **sections: Any) -> LeaseFunding | None:
    return funding(seen, sites, make_config(**sections))


def test_a_funding_by_hand() -> None:
    """A wallet of 150,000 sat and a reserve of 100,000, 10 sat/vB, and a dead channel of 4,000,000 sat.

    Two coins may pay for it: 2 x 275 + 172 = 722. At ten times 10 sat/vB they take 18,050 sat, so that 21,950 sat are
    free above the reserve and a tenth, and a lease of 2,000,000 lacks 1,978,050. The splice weighs 772: 1,930 sat.

    The lease costs 3,068.5 sat for the capital, 3,260 for the close, 1,930 for the splice, a quarter more of these, and
    1,805 for the opening: 12,128.1 sat. Its base fee is (3,260 + 1,930) x 1.25 = 6,487.5, so 6,488, and 2 for rounding.
    Others ask 16,000 + 500 + 1,665 sat for as much: it is lifted to that by a basis of 50.
    """
    one = found(make_input(150_000), site())
    assert one is not None
    assert (one.channel_id, one.amount_sat, one.lease_msat) == (channel_id(2), 1_978_050, 2_000_000 * SAT)
    assert one.splice_msat == 1_930 * SAT
    assert one.cost_msat == 12_128_117
    assert one.own_msat == (3_260 + 1_805) * SAT
    assert (one.market_msat, one.offer_count, one.sold) == (18_165 * SAT, 5, True)
    assert one.rates == LeaseRates(6_490 * SAT, 50, 722, 1_000, 3)
    assert one.price_msat == (6_490 + 10_000 + 1_805) * SAT
    codes = [reason.code for reason in funding_reasons(one, make_input(), AdsConfig())]
    assert codes == [ReasonCode.ADS_FUNDING, ReasonCode.ADS_FUNDING_PRICE]


def test_a_wallet_below_its_reserve_is_filled_first() -> None:
    seen = make_input(20_000, suspended=(low("the wallet"),))
    one = found(seen, site())
    assert one is not None
    # 80,000 sat to the reserve, a tenth of it beyond, and 18,050 for the dearest opening.
    assert (one.amount_sat, one.lease_msat) == (2_108_050, 2_000_000 * SAT)
    # Up to where writing goes on: a wallet that recovers lends nothing.
    reserve = ReserveConfig(onchain_sat=1_000_000, resume_ratio=1.0)
    one = found(make_input(20_000, suspended=(low("the wallet"),)), site(), reserve=reserve, ads=small(500_000))
    assert one is not None
    assert (one.amount_sat, one.lease_msat) == (2_498_050, 500_000 * SAT)
    assert found(seen, site(local_sat=1_900_000), reserve=reserve, ads=small(500_000)) is None


def small(max_lease_sat: int) -> AdsConfig:
    return AdsConfig(max_lease_sat=max_lease_sat)


def test_what_there_is_may_be_less_than_the_largest_lease() -> None:
    one = found(make_input(150_000), site(local_sat=1_000_000))
    assert one is not None
    # 50,000 of the channel's are its reserve, and 3,860 sat are kept for the dearest splice.
    assert one.amount_sat == 946_140
    assert one.lease_msat == (946_140 + 21_950) * SAT


@pytest.mark.parametrize(
    ("overrides", "sites", "sections"),
    [
        ({}, (), {}),
        ({}, (winner(2),), {}),
        ({}, (site(splices=False),), {}),
        ({}, (site(splices=None),), {}),
        ({}, (dead(2, channel={"connected": False}),), {}),
        ({}, (dead(2, channel={"state": "CHANNELD_AWAITING_SPLICE"}),), {}),
        ({}, (dead(2, channel={"lent_msat": SAT, "scid": "899000x1x0"}),), {}),
        ({}, (site(local_sat=500_000),), {}),
        ({}, (site(),), {"splice": SpliceConfig(max_feerate_perkw=2_499)}),
        ({}, (site(),), {"splice": SpliceConfig(max_amount_sat=400_000)}),
        ({}, (site(),), {"ads": AdsConfig(max_total_sat=0)}),
        ({}, (site(),), {"ads": AdsConfig(max_peer_sat=499_999)}),
        ({"suspended": (SYNCING,)}, (site(),), {}),
        ({"suspended": (low("the wallet"), SYNCING)}, (site(),), {}),
        ({"suspended": (low("the channels"),)}, (site(),), {}),
        ({"capital": None}, (site(),), {}),
        ({"starting": None}, (site(),), {}),
        ({"feerates": ()}, (site(),), {}),
        ({"perkw": 250_000}, (site(),), {}),
        ({"capital": RatioRange(9.0, 900.0, 9_000.0)}, (site(),), {}),
    ],
)
def test_who_gives_nothing(overrides: Any, sites: tuple[SpliceSite, ...], sections: Any) -> None:
    seen = make_input(150_000, **overrides)
    assert found(seen, *sites, **sections) is None


def test_a_wallet_that_can_pay_needs_nobody() -> None:
    assert not wallet_short(make_input(5_000_000), AdsConfig(), ReserveConfig())
    assert found(make_input(5_000_000), site()) is None
    assert [one.code for one in funding_reasons(None, make_input(1), AdsConfig())] == [ReasonCode.ADS_NO_FUNDING]


@pytest.mark.parametrize(
    ("size_sat", "state", "waits"),
    [
        (0, "CHANNELD_NORMAL", False),
        (0, "CHANNELD_AWAITING_SPLICE", True),
        (499_999, "CHANNELD_NORMAL", False),
        (500_000, "CHANNELD_NORMAL", True),
    ],
)
def test_what_may_be_on_its_way_is_waited_for(size_sat: int, state: str, waits: bool) -> None:
    outputs = (*wallet(150_000).outputs, WalletOutput("ee:0", size_sat * SAT, "unconfirmed", False))
    seen = make_input(view=make_view(make_channel(1, state=state), wallet=Wallet(outputs)))
    assert (found(seen, site()) is None) is waits
    code = ReasonCode.ADS_FUNDING_COMING if waits else ReasonCode.ADS_NO_FUNDING
    assert [one.code for one in funding_reasons(None, seen, AdsConfig())] == [code]


def test_the_dead_channel_that_has_most_gives() -> None:
    one = found(make_input(150_000), site(2, 3_000_000), site(3, 4_500_000), site(4, 4_000_000))
    assert one is not None
    assert one.channel_id == channel_id(3)


@pytest.mark.parametrize(
    ("market", "code", "number"),
    [
        (MARKET[:4], ReasonCode.ADS_MARKET_THIN, ("offer_count", 4)),
        # 10 of 10,000 of 2,000,000 sat, and a weight of 1.
        (tuple((node, LeaseRates(SAT, 10, 1, 0, 1)) for node, _ in MARKET), ReasonCode.ADS_FUNDING_UNSOLD,
         ("market_sat", 2_003)),
    ],
)  # fmt: skip
def test_what_nobody_would_pay_is_said(market: Any, code: ReasonCode, number: tuple[str, int]) -> None:
    one = found(make_input(150_000, market=market), site())
    assert one is not None
    assert not one.sold
    reason = funding_reasons(one, make_input(), AdsConfig())[-1]
    assert (reason.code, reason.numbers[number[0]]) == (code, number[1])


def test_a_lease_that_is_over_binds_no_capital() -> None:
    channel = make_channel(2, lent_msat=SAT, scid="899000x1x0")
    assert leased(channel, 899_000 + 4_175)
    assert not leased(channel, 899_000 + 4_176)
    assert not leased(make_channel(2), 0)


# ---- planned


def plan(*sites: SpliceSite, lease: LeaseFunding | None, **overrides: Any) -> SplicePlan:
    made = scene(*sites, lease=lease, **({"wallet": wallet(150_000)} | overrides))
    return make_plan(made, SpliceConfig(mode="act"), MIN_DAYS)


def decided(made: SplicePlan, number: int) -> Any:
    (one,) = (one for one in made.decisions if one.channel_id == channel_id(number))
    return one


def test_a_splice_for_a_lease_is_planned_where_nobody_else_wants_it() -> None:
    """At 400 per 1000 weight, the scene's rate: 772 x 0.4 = 308.8 sat. One lease at that feerate brings its price less
    our own opening and the close, if somebody takes it; three fit in 90 days.
    """
    lease = found(make_input(150_000, perkw=400), site(), ads=AdsConfig(mode="act"))
    assert lease is not None
    one = decided(plan(site(), lease=lease), 2)
    assert (one.outcome, one.direction, one.amount_sat) == (Outcome.CHANGE, SpliceDirection.OUT, lease.amount_sat)
    gain_msat = lease.price_msat - lease.own_msat
    assert one.terms.cost_msat == 308_800
    assert one.terms.gain_low_msat == 0
    assert one.terms.gain_msat == pytest.approx(gain_msat, abs=2)
    assert one.terms.gain_high_msat == pytest.approx(gain_msat * 3, abs=4)
    assert one.expected_gain_msat == one.terms.gain_msat - 308_800
    assert [reason.code for reason in one.reasons] == [
        ReasonCode.SPLICE_DEAD, ReasonCode.SPLICE_LEASE, ReasonCode.SPLICE_COST,
    ]  # fmt: skip


def test_a_splice_for_a_lease_leaves_the_channels_their_reserve() -> None:
    """The fee may come to half as much again as today's: 463.2 sat."""
    lease = found(make_input(150_000, perkw=400), site(), ads=AdsConfig(mode="act"))
    assert lease is not None
    enough_msat = lease.amount_sat * SAT + 463_200
    assert decided(plan(site(), lease=lease, channels_free_msat=enough_msat), 2).outcome is Outcome.CHANGE
    one = decided(plan(site(), lease=lease, channels_free_msat=enough_msat - 1), 2)
    assert (one.outcome, one.reasons[0].code) == (Outcome.SKIP, ReasonCode.SPLICE_CHANNELS_SHORT)


def test_a_channel_that_lacks_funds_comes_first() -> None:
    lease = found(make_input(150_000, perkw=400), site())
    made = plan(winner(1), site(), lease=lease)
    codes = {reason.code for reason in decided(made, 2).reasons}
    assert ReasonCode.SPLICE_FUNDS in codes
    assert ReasonCode.SPLICE_LEASE not in codes


@pytest.mark.parametrize(
    ("overrides", "sites", "code"),
    [
        ({"lease": None}, (site(),), ReasonCode.SPLICE_NO_USE),
        ({}, (site(3),), ReasonCode.SPLICE_NO_USE),
        ({}, (site(splices=False),), ReasonCode.SPLICE_UNSUPPORTED),
        ({"leased_ids": frozenset({channel_id(2)})}, (site(),), ReasonCode.SPLICE_LEASED),
        ({"rates": replace(RATES, opening_perkw=5_000)}, (site(),), ReasonCode.SPLICE_TOO_DEAR),
    ],
)
def test_a_lease_that_takes_nothing(overrides: Any, sites: tuple[SpliceSite, ...], code: ReasonCode) -> None:
    lease = found(make_input(150_000, perkw=400), site(), ads=AdsConfig(market_most_ratio=1.0, risk_ratio=0.0))
    made = plan(*sites, **({"lease": lease} | overrides))
    assert made.jobs == ()
    assert code in {reason.code for one in made.decisions for reason in one.reasons}


def test_what_is_leased_funds_no_winner_either() -> None:
    made = plan(winner(1), site(), lease=None, leased_ids=frozenset({channel_id(2)}))
    assert decided(made, 2).outcome is Outcome.SKIP
    assert ReasonCode.SPLICE_LEASED in {reason.code for reason in decided(made, 2).reasons}


# ---- whatever the wallet


@given(
    coins=st.lists(st.integers(0, 300_000), max_size=4),
    local_sat=st.integers(600_000, 4_900_000),
    perkw=st.integers(253, 5_000),
    yearly=st.floats(0, 1),
    reserve_sat=st.integers(0, 400_000),
)
def test_what_was_said_is_what_is_offered_once_the_splice_is_made(
    coins: list[int], local_sat: int, perkw: int, yearly: float, reserve_sat: int
) -> None:
    """No lease below its cost with the splice, none of the reserve, and no more out of a channel than it can send."""
    reserve, policy = ReserveConfig(onchain_sat=reserve_sat), AdsConfig(mode="act")
    config = make_config(ads=policy, reserve=reserve)
    seen = make_input(*coins, perkw=perkw, capital=RatioRange(yearly, yearly, yearly))
    from_site = site(local_sat=local_sat)
    one = funding(seen, (from_site,), config)
    event(f"funded: {one is not None}")
    if one is None:
        return
    assert one.amount_sat * SAT + 772 * config.splice.max_feerate_perkw <= from_site.channel.spendable_msat
    earned_msat = one.lease_msat * yearly * 28 / 365 + (1_304 + 772) * perkw
    assert one.price_msat >= earned_msat * 1.25 + 0.447 * perkw
    coin = WalletOutput("ff" * 32 + ":0", one.amount_sat * SAT, "confirmed", reserved=False)
    after = Wallet((*seen.view.wallet.outputs, coin))
    made = replace(seen, view=replace(seen.view, wallet=after), spliced_msat=one.splice_msat)
    offered = decide_ads(made, policy, config.fees, reserve)
    assert not offered.new.withdrawn
    assert offered.new.rates.fee_base_msat == one.rates.fee_base_msat
    assert offered.new.per_channel_max_msat <= one.lease_msat
    assert one.lease_msat - offered.new.per_channel_max_msat <= 2 * 275 * 10 * perkw
    assert after.spendable_msat - offered.new.per_channel_max_msat >= reserve_sat * SAT
