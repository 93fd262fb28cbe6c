"""What is offered to lessees: cases computed by hand, and what must hold for whatever strangers announce."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revops.decide.ads import WITHDRAWN, AdsInput, decide_ads
from revops.decide.ads_cost import checked, covers, lease_cost, least_msat, least_rates, lifted
from revops.decide.ads_limits import funding_weight, lease_end, lendable, running_leases
from revops.decide.ads_market import anchor_msat, market_prices_msat
from revops.domain.ads import NO_RATES, AdsDecision, AdTerms, LeaseCost, LeaseRates, MarketOffer, StartingFees
from revops.domain.capital import RatioRange
from revops.domain.decision import Outcome
from revops.domain.node import Feerates, Wallet, WalletOutput
from revops.domain.policy import AdsConfig, FeesConfig, ReserveConfig
from revops.domain.reason import ReasonCode, why
from tests.builders import NOW, OWN_ID, SAT, make_channel, make_node, make_view, make_wallet, node_id

FEES = FeesConfig()
#: 2 % a year; 28 of 365 days of it are 0.1534 %.
CAPITAL = RatioRange(0.01, 0.02, 0.10)
MAX_U32 = 2**32 - 1
#: What lightningd charges on a new channel unless told otherwise.
STARTING = StartingFees(1_000, 10)
#: BOLT 3 and 5: the anchor's bump (766) and the sweep (538); the opener pays for the commitment.
CLOSE_WEIGHT = 1_304


def make_feerates(perkw: int = 2_500, **overrides: Any) -> Feerates:
    """10 sat/vB for everything, now."""
    base = Feerates(NOW, 253, perkw, perkw, perkw, perkw, perkw, perkw)
    return replace(base, **overrides)


def make_input(**overrides: Any) -> AdsInput:
    """A wallet of 5,000,000 sat in one output, nothing lent, 10 sat/vB, and nobody else who lends."""
    base = AdsInput(make_view(wallet=make_wallet(5_000_000 * SAT)), CAPITAL, (), (make_feerates(),), (), None, STARTING)
    return replace(base, **overrides)


def make_rates(basis: int = 50, base_sat: int = 500, weight: int = 666) -> LeaseRates:
    return LeaseRates(base_sat * SAT, basis, weight, 0, 3)


def market(*rates: LeaseRates) -> tuple[MarketOffer, ...]:
    return tuple((node_id(number), one) for number, one in enumerate(rates, 1))


def decided(seen: AdsInput | None = None, policy: AdsConfig | None = None, **reserve: Any) -> AdsDecision:
    return decide_ads(
        make_input() if seen is None else seen, policy or AdsConfig(), FEES, ReserveConfig(**reserve), held=()
    )


def codes(decision: AdsDecision) -> set[ReasonCode]:
    return {reason.code for reason in decision.reasons}


# ---- by hand


def test_a_lease_by_hand() -> None:
    """2,000,000 sat at 10 sat/vB, from a wallet of one output, and the default margin of a quarter.

    Capital: 2,000,000 x 2 % x 28 / 365 = 3,068.5 sat. Close: 1,304 x 2.5 = 3,260 sat. Both times 1.25: 7,910.6 sat.
    Our part of the opening: one input (275) and change (172) are 447, at 2.5 sat 1,117.5 sat. In all 9,028.1 sat.

    As rates: 20 of 10,000 (19.18 rounded up), and 3,260 x 1.25 = 4,075 sat and 2 for rounding.
    """
    found = decided()
    assert found.outcome is Outcome.CHANGE
    assert found.cost_msat == 9_028_117
    assert found.new.rates == LeaseRates(4_077 * SAT, 20, 447, 1_000, 3)
    assert found.price_msat == (4_077 + 4_000 + 1_117) * SAT
    assert (found.new.policy, found.new.policy_mod, found.new.leases_only) == ("match", 100, True)
    assert found.new.per_channel_max_msat == 2_000_000 * SAT
    assert found.new.per_channel_min_msat == 500_000 * SAT
    # Ten times 2,500 per 1000 weight: 447 x 25 = 11,175 sat, above the reserve of 100,000. But max_peer_sat of
    # 4,000,000 leaves 1,000,000 of 5,000,000 in the wallet.
    assert (found.lendable_msat, found.new.reserve_tank_msat) == (4_000_000 * SAT, 1_000_000 * SAT)


@pytest.mark.parametrize(
    ("name", "yearly", "share"),
    [("low", 0.01, 0.01 * 28 / 365), ("middle", 0.02, 0.02 * 28 / 365), ("high", 0.10, 0.10 * 28 / 365)],
)
def test_the_bound_that_the_operator_names_counts(name: Any, yearly: float, share: float) -> None:
    cost = lease_cost(CAPITAL, 2_500, 444, AdsConfig(capital=name))
    assert cost is not None
    assert cost.share_ratio == pytest.approx(share)
    assert cost.close_msat == CLOSE_WEIGHT * 2_500


@pytest.mark.parametrize("yearly", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_not_known(yearly: float) -> None:
    found = decided(make_input(capital=RatioRange(yearly, yearly, yearly)))
    assert found.new.withdrawn
    assert codes(found) == {ReasonCode.ADS_CAPITAL_UNKNOWN}


def test_capital_that_loses_elsewhere_costs_nothing() -> None:
    cost = lease_cost(RatioRange(-0.5, -0.2, 0.1), 2_500, 444, AdsConfig())
    assert cost == LeaseCost(0.0, CLOSE_WEIGHT * 2_500, 444)


MEDIAN = [make_rates(basis) for basis in (40, 60, 80, 100, 120)]


@pytest.mark.parametrize(
    ("offers", "code", "price_sat"),
    [
        # 80 of 10,000 of 2,000,000 sat, 500 sat, and 666 x 2.5 = 1,665 sat.
        (MEDIAN, ReasonCode.ADS_MARKET, 16_000 + 500 + 1_665),
        ([make_rates(1)] * 5, ReasonCode.ADS_MARKET_CHEAPER, 9_194),
        # Three times the cost of 9,028.117 sat.
        ([make_rates(900)] * 5, ReasonCode.ADS_MARKET_CAPPED, 27_084),
        (MEDIAN[:4], ReasonCode.ADS_MARKET_THIN, 9_194),
        ([], ReasonCode.ADS_MARKET_THIN, 9_194),
    ],
)
def test_the_market_lifts_a_price_and_lowers_none(offers: list[LeaseRates], code: ReasonCode, price_sat: int) -> None:
    found = decided(make_input(market=market(*offers)))
    assert code in codes(found)
    assert found.price_msat is not None
    # A whole part of 10,000 is 200 sat of 2,000,000.
    assert price_sat * SAT <= found.price_msat <= (price_sat + 201) * SAT


ABSURD = [
    LeaseRates(0, 0, 0, 0, 0),
    LeaseRates(0, 0, 65_535, 0, 0),
    LeaseRates(MAX_U32 * SAT, 65_535, 65_535, MAX_U32, 65_535),
    LeaseRates(MAX_U32 * SAT, MAX_U32, MAX_U32, MAX_U32, MAX_U32),
    LeaseRates(0, 2_001, 0, 0, 1),
]


def test_what_cannot_be_meant_is_no_price() -> None:
    assert market_prices_msat(market(*ABSURD), OWN_ID, 2_000_000 * SAT, 2_500) == []
    with_absurd = decided(make_input(market=market(*MEDIAN, *ABSURD)))
    assert with_absurd.market_msat == decided(make_input(market=market(*MEDIAN))).market_msat


def test_nobody_counts_twice_and_we_do_not_count() -> None:
    twice = [(node_id(1), make_rates(10)), (node_id(1), make_rates(90)), (OWN_ID, make_rates(70))]
    assert len(market_prices_msat(twice, OWN_ID, 2_000_000 * SAT, 0)) == 1


def test_one_lessor_counts_once_however_often_it_announces() -> None:
    many = [(node_id(1), make_rates(basis % 2_000)) for basis in range(200_000)]
    found = decided(make_input(market=(*many, *market(*MEDIAN[1:])[1:])))
    assert ReasonCode.ADS_MARKET_THIN in codes(found)


@pytest.mark.parametrize(("ratio", "price"), [(0.0, 1), (0.5, 3), (0.74, 3), (0.75, 4), (1.0, 5)])
def test_a_quantile_of_prices(ratio: float, price: int) -> None:
    assert anchor_msat([1, 2, 3, 4, 5], ratio) == price


# ---- how much may be lent

LENT = make_channel(7, scid="899000x1x0", lent_msat=3_000_000 * SAT)


@pytest.mark.parametrize(
    ("wallet_sat", "policy", "channels", "total_sat", "lease_sat", "bound"),
    [
        # 1,000,000 - 1.1 x 100,000 - 447 x 25,000 msat
        (1_000_000, {}, (), 878_825, 878_825, "reserve"),
        (100_000, {}, (), 0, 0, "reserve"),
        (0, {}, (), 0, 0, "reserve"),
        (50_000_000, {"max_peer_sat": 20_000_000}, (), 10_000_000, 2_000_000, "max_total_sat"),
        (50_000_000, {"max_total_sat": 0}, (), 0, 0, "max_total_sat"),
        (50_000_000, {"max_peer_sat": 20_000_000}, (LENT,), 7_000_000, 2_000_000, "max_total_sat"),
        (50_000_000, {}, (LENT,), 1_000_000, 1_000_000, "max_peer_sat"),
        (50_000_000, {"max_peer_sat": 3_000_000}, (LENT,), 0, 0, "max_peer_sat"),
    ],
)
def test_how_much_may_be_lent(
    wallet_sat: int, policy: dict[str, Any], channels: Any, total_sat: int, lease_sat: int, bound: str
) -> None:
    view = make_view(*(channels or (make_channel(),)), wallet=make_wallet(wallet_sat * SAT))
    found = lendable(view, ReserveConfig(), AdsConfig(**policy), 25_000)
    assert (found.total_msat, found.lease_msat) == (total_sat * SAT, lease_sat * SAT)
    assert bound in str(found.reasons[0].numbers["bound"])
    assert found.tank_msat >= (110_000 + 11_175) * SAT
    assert found.tank_msat + found.total_msat <= max(wallet_sat, 121_175) * SAT


@pytest.mark.parametrize(
    ("coins_sat", "confirmed_sat"),
    [
        ((5_000_000,), 0),
        # 2,000,000 at once, and of the coins that pay for it the last one may be the largest.
        ((2_500_000, 2_000_000, 500_000), 500_000),
        ((1_000_000,) * 8, None),
    ],
)
def test_change_that_has_no_block_yet_is_told(coins_sat: tuple[int, ...], confirmed_sat: int | None) -> None:
    outputs = tuple(WalletOutput(f"{n}", size * SAT, "confirmed", False) for n, size in enumerate(coins_sat))
    found = decided(make_input(view=make_view(wallet=Wallet(outputs))), onchain_sat=600_000)
    told = [one.numbers["confirmed_sat"] for one in found.reasons if one.code is ReasonCode.ADS_CHANGE]
    assert told == ([] if confirmed_sat is None else [confirmed_sat])


def test_a_lease_ends_after_its_blocks() -> None:
    view = make_view(LENT, node=make_node(blockheight=899_000 + 4_175))
    assert running_leases(view.channels, view.node.blockheight) == [(LENT, 3_000_000 * SAT)]
    assert running_leases(view.channels, 899_000 + 4_176) == []
    assert lease_end(replace(LENT, scid=None)) is None
    assert running_leases([replace(LENT, scid=None)], 10**6) != []
    assert running_leases([make_channel()], 0) == []


def test_the_smallest_outputs_are_what_we_may_have_to_pay_with() -> None:
    sizes = (900, 100, 100, 100, 5_000)
    outputs = tuple(WalletOutput(f"{n}", size * SAT, "confirmed", reserved=False) for n, size in enumerate(sizes))
    wallet = Wallet(
        (*outputs, WalletOutput("x", SAT, "confirmed", reserved=True), WalletOutput("y", 1, "spent", False))
    )
    assert funding_weight(wallet, 250 * SAT, 0) == 3 * 275 + 172
    assert funding_weight(wallet, 301 * SAT, 0) == 4 * 275 + 172
    assert funding_weight(wallet, 10**12, 0) == 5 * 275 + 172
    assert funding_weight(Wallet(()), 1, 0) == 275 + 172
    # Each pays 55 sat for itself: four of them leave 45 + 45 + 45 + 845, three 135.
    assert funding_weight(wallet, 150 * SAT, 200) == 4 * 275 + 172


def test_coins_of_a_splice_are_paid_for_by_who_leases() -> None:
    """1,930 sat for a splice: (3,260 + 1,930) x 1.25 are 6,487.5 sat, so 6,488 and 2 for rounding."""
    found = decided(make_input(spliced_msat=1_930 * SAT))
    assert found.new.rates.fee_base_msat == 6_490 * SAT
    assert found.cost_msat is not None
    assert found.cost_msat - 9_028_117 == pytest.approx(1_930 * 1_250, abs=1)
    assert ReasonCode.ADS_SPLICED in codes(found)
    assert ReasonCode.ADS_SPLICED not in codes(decided())


# ---- withdrawn


def test_a_reserve_that_is_low_withdraws() -> None:
    low = why(ReasonCode.RESERVE_LOW, where="the wallet", have_sat=1, floor_sat=2, resume_sat=3)
    found = decided(make_input(suspended=(low,), in_force=decided().new))
    assert (found.outcome, found.new, found.reasons) == (Outcome.CHANGE, WITHDRAWN, (low,))


@pytest.mark.parametrize(
    ("overrides", "code"),
    [
        ({"feerates": ()}, ReasonCode.ADS_FEERATE_UNKNOWN),
        ({"feerates": (make_feerates(sampled_at=NOW - 3_601),)}, ReasonCode.ADS_FEERATE_UNKNOWN),
        ({"feerates": (make_feerates(12_501),)}, ReasonCode.ADS_FEERATE_HIGH),
        ({"feerates": (make_feerates(250_000),)}, ReasonCode.ADS_FEERATE_HIGH),
        ({"capital": None}, ReasonCode.ADS_CAPITAL_UNKNOWN),
        ({"capital": RatioRange(9.0, 900.0, 9_000.0)}, ReasonCode.ADS_OUT_OF_RANGE),
        ({"view": make_view(wallet=make_wallet(600_000 * SAT))}, ReasonCode.ADS_TOO_LITTLE),
    ],
)
def test_what_is_not_known_or_too_dear_withdraws(overrides: dict[str, Any], code: ReasonCode) -> None:
    found = decided(make_input(**overrides))
    assert found.new == WITHDRAWN
    assert found.new.withdrawn
    assert code in codes(found)


def test_what_is_withdrawn_already_is_left_alone() -> None:
    others = replace(WITHDRAWN, reserve_tank_msat=7 * SAT, fund_probability=3)
    found = decided(make_input(capital=None, in_force=others))
    assert (found.outcome, codes(found)) == (
        Outcome.SKIP, {ReasonCode.ADS_CAPITAL_UNKNOWN, ReasonCode.ADS_IN_FORCE}
    )  # fmt: skip
    # Rates that are still announced, or funds that are given for nothing, are no withdrawal.
    for still in (replace(others, rates=make_rates()), replace(others, policy_mod=1), replace(others, policy="match")):
        assert decided(make_input(capital=None, in_force=still)).outcome is Outcome.CHANGE


def test_observing_puts_off_whatever_it_is() -> None:
    observing = why(ReasonCode.OBSERVE_MODE)
    for seen in (make_input(), make_input(capital=None)):
        found = decide_ads(seen, AdsConfig(), FEES, ReserveConfig(), (observing,))
        assert found.outcome is Outcome.DEFER
        assert found.reasons[-1] == observing


# ---- what is in force


def test_what_is_in_force_stays_while_it_is_as_good() -> None:
    first = decided()
    again = decided(make_input(in_force=first.new))
    assert (again.outcome, again.new) == (Outcome.SKIP, first.new)
    cheaper = decided(make_input(in_force=first.new, feerates=(make_feerates(2_450),)))
    assert (cheaper.outcome, cheaper.new) == (Outcome.SKIP, first.new)
    assert ReasonCode.ADS_DEAD_BAND in codes(cheaper)
    # A little dearer, and the rates in force don't cover the cost any more.
    dearer = decided(make_input(in_force=first.new, feerates=(make_feerates(2_550),)))
    assert dearer.outcome is Outcome.CHANGE
    assert dearer.new.rates.fee_base_msat > first.new.rates.fee_base_msat
    much_cheaper = decided(make_input(in_force=first.new, feerates=(make_feerates(1_000),)))
    assert much_cheaper.outcome is Outcome.CHANGE


@pytest.mark.parametrize(
    "changes",
    [
        {"reserve_tank_msat": 900_000 * SAT},
        {"reserve_tank_msat": 1_200_000 * SAT},
        {"per_channel_max_msat": 2_100_000 * SAT},
        {"per_channel_max_msat": 1_000_000 * SAT},
        {"per_channel_min_msat": 10_000 * SAT},
        {"leases_only": False},
        {"fuzz_percent": 1},
        {"fund_probability": 99},
        {"policy_mod": 200},
        {"policy": "available"},
        {"rates": NO_RATES},
        {"rates": LeaseRates(4_077 * SAT, 20, 447, 1, 3)},
        {"rates": LeaseRates(4_077 * SAT, 20, 447, 1_000, 4)},
        {"rates": LeaseRates(4_077 * SAT, 19, 447, 1_000, 3)},
        {"rates": LeaseRates(4_077 * SAT, 20, 446, 1_000, 3)},
    ],
)
def test_whatever_else_is_in_force_is_replaced(changes: dict[str, Any]) -> None:
    wanted = decided().new
    found = decided(make_input(in_force=replace(wanted, **changes)))
    assert (found.outcome, found.new) == (Outcome.CHANGE, wanted)


def test_limits_that_lend_a_little_less_stay() -> None:
    wanted = decided().new
    less = replace(wanted, per_channel_max_msat=1_900_000 * SAT, reserve_tank_msat=1_050_000 * SAT)
    assert decided(make_input(in_force=less)).outcome is Outcome.SKIP


# ---- whatever comes

PERKW = st.integers(1, 1_000_000)
YEARLY = st.floats(0, 3, allow_nan=False)
FIELD = st.one_of(st.sampled_from([0, 1, 65_535, MAX_U32]), st.integers(0, 20_000))
RATES = st.builds(LeaseRates, FIELD.map(lambda sat: sat * SAT), FIELD, FIELD, FIELD, FIELD)
OFFERS = st.lists(RATES, max_size=12).map(lambda rates: market(*rates))
WALLET = st.lists(st.integers(0, 30_000_000_000), max_size=8).map(
    lambda sizes: Wallet(tuple(WalletOutput(f"{n}", size, "confirmed", False) for n, size in enumerate(sizes)))
)
RISK = st.floats(0, 10)
ASKED = st.lists(st.integers(1, 4_000_000 * SAT), max_size=6)


def priced(
    perkw: int, yearly: float, offers: tuple[MarketOffer, ...], wallet: Wallet, risk: float, spliced_msat: int = 0
) -> AdsDecision:
    capital = RatioRange(yearly, yearly, yearly)
    view = make_view(wallet=wallet)
    return decided(
        make_input(
            view=view,
            capital=capital,
            market=offers,
            feerates=(make_feerates(perkw),),
            spliced_msat=spliced_msat,
        ),
        AdsConfig(risk_ratio=risk, max_feerate_sat_per_vb=10_000),
    )


def paid_perkw(wallet: Wallet, amount_msat: int, other: int) -> int:
    """What our part of the opening weighs at that feerate if lightningd happens to draw the smallest coins that pay for
    themselves (`fundpsbt`), each with a witness of 110.
    """
    own_msat, count, have_msat = 275 * other, 0, 0
    for size_msat in sorted(one.amount_msat for one in wallet.outputs):
        if have_msat < amount_msat and size_msat > own_msat:
            count, have_msat = count + 1, have_msat + size_msat - own_msat
    assert have_msat >= amount_msat
    return 275 * count + 172


@given(
    perkw=PERKW,
    yearly=YEARLY,
    offers=OFFERS,
    wallet=WALLET,
    risk=RISK,
    part=st.floats(0, 1),
    times=st.floats(0, 10),
    spliced_msat=st.integers(0, 10_000 * SAT),
)
def test_never_below_cost(
    perkw: int,
    yearly: float,
    offers: tuple[MarketOffer, ...],
    wallet: Wallet,
    risk: float,
    part: float,
    times: float,
    spliced_msat: int,
) -> None:
    """Whatever is leased, at whatever feerate lightningd lets the lessee choose."""
    found = priced(perkw, yearly, offers, wallet, risk, spliced_msat)
    if found.new.withdrawn:
        return
    terms, other = found.new, int(perkw * times)
    span_msat = terms.per_channel_max_msat - terms.per_channel_min_msat
    amount_msat = terms.per_channel_min_msat + int(span_msat * part) // SAT * SAT
    capital_msat = amount_msat * yearly * 28 / 365
    fixed_msat = CLOSE_WEIGHT * perkw + spliced_msat
    earned_msat = (capital_msat + fixed_msat) * (1 + risk) + paid_perkw(wallet, amount_msat, other) * other
    assert terms.rates.fee_msat(amount_msat, other) >= earned_msat * (1 - 1e-12)


@given(perkw=PERKW, yearly=YEARLY, offers=OFFERS, wallet=WALLET, more=st.integers(0, 500_000))
def test_no_cheaper_at_a_higher_feerate(
    perkw: int, yearly: float, offers: tuple[MarketOffer, ...], wallet: Wallet, more: int
) -> None:
    """At one amount; a part of 10,000, which rounding may give, aside."""
    low, high = (priced(one, yearly, offers, wallet, 0.25) for one in (perkw, perkw + more))
    _no_cheaper(low, high)


@given(perkw=PERKW, yearly=YEARLY, more=YEARLY, offers=OFFERS, wallet=WALLET)
def test_no_cheaper_where_capital_costs_more(
    perkw: int, yearly: float, more: float, offers: tuple[MarketOffer, ...], wallet: Wallet
) -> None:
    _no_cheaper(priced(perkw, yearly, offers, wallet, 0.25), priced(perkw, yearly + more, offers, wallet, 0.25))


def _no_cheaper(low: AdsDecision, high: AdsDecision) -> None:
    if low.new.withdrawn or high.new.withdrawn:
        assert low.cost_msat is None or high.cost_msat is None or low.cost_msat <= high.cost_msat
        return
    if low.new.per_channel_max_msat != high.new.per_channel_max_msat:
        return
    assert low.cost_msat is not None
    assert high.cost_msat is not None
    assert low.cost_msat <= high.cost_msat
    if low.market_msat is None or high.market_msat is None or low.market_msat <= high.market_msat:
        rounding_msat = low.new.per_channel_max_msat // 10_000 + 4 * SAT
        assert low.price_msat is not None
        assert high.price_msat is not None
        assert low.price_msat <= high.price_msat + rounding_msat


@given(
    wallet=WALLET,
    reserve_sat=st.integers(0, 40_000_000),
    perkw=PERKW,
    leases=ASKED,
)
def test_no_run_of_leases_crosses_the_reserve(wallet: Wallet, reserve_sat: int, perkw: int, leases: list[int]) -> None:
    """The plugin lends what is asked for, up to its limits, as often as it is asked, at the dearest feerate."""
    seen = make_input(view=make_view(wallet=wallet), feerates=(make_feerates(perkw),))
    found = decided(seen, AdsConfig(max_feerate_sat_per_vb=10_000), onchain_sat=reserve_sat)
    if found.new.withdrawn:
        return
    left_msat, terms = wallet.spendable_msat, found.new
    fee_msat = terms.rates.funding_weight * perkw * 10
    for asked_msat in leases:
        lent_msat = min(asked_msat, terms.per_channel_max_msat, left_msat - terms.reserve_tank_msat)
        if lent_msat >= terms.per_channel_min_msat:
            left_msat -= lent_msat + fee_msat
        assert left_msat >= reserve_sat * SAT


STATUS = st.sampled_from(["confirmed", "unconfirmed", "spent", "immature"])
COINS = st.lists(st.tuples(st.integers(0, 6_000_000_000), STATUS, st.booleans()), max_size=8)
LENDING = st.lists(st.tuples(st.integers(1, 3), st.integers(1, 5_000_000_000), st.integers(0, 5_000)), max_size=4)


@given(
    coins=COINS,
    lending=LENDING,
    perkw=PERKW,
    limits=st.tuples(st.integers(0, 9_000_000), st.integers(0, 9_000_000), st.integers(10_000, 9_000_000)),
    asked=st.lists(st.tuples(st.booleans(), st.integers(1, 9_000_000)), max_size=8),
)
def test_no_run_of_leases_goes_beyond_the_limits(
    coins: list[tuple[int, str, bool]],
    lending: list[tuple[int, int, int]],
    perkw: int,
    limits: tuple[int, int, int],
    asked: list[tuple[bool, int]],
) -> None:
    """One peer leases as often as it is let, while what is in no block yet comes into one."""
    outputs = tuple(WalletOutput(f"{n}", size, status, held) for n, (size, status, held) in enumerate(coins))
    channels = [
        make_channel(n, peer_id=node_id(peer), scid=f"{900_000 - age}x{n}x0", lent_msat=lent_msat)
        for n, (peer, lent_msat, age) in enumerate(lending, 1)
    ]
    view = make_view(*channels, wallet=Wallet(outputs))
    total_sat, peer_sat, lease_sat = limits
    policy = AdsConfig(
        max_total_sat=total_sat,
        max_peer_sat=peer_sat,
        max_lease_sat=lease_sat,
        min_lease_sat=10_000,
        max_feerate_sat_per_vb=10_000,
    )
    found = decided(make_input(view=view, feerates=(make_feerates(perkw),)), policy)
    if found.new.withdrawn:
        return
    terms, free_msat = found.new, Wallet(outputs).spendable_msat
    coming_msat = sum(size for size, status, _ in coins if status == "unconfirmed")
    running = [(channel.peer_id, channel.lent_msat or 0) for channel, _ in running_leases(channels, 900_000)]
    lent_msat = sum(amount_msat for _, amount_msat in running)
    of_peer_msat = max((sum(b for a, b in running if a == peer) for peer, _ in running), default=0)
    before_msat = of_peer_msat
    for mined, asked_sat in asked:
        if mined:
            free_msat, coming_msat = free_msat + coming_msat, 0
        take_msat = min(asked_sat * SAT, terms.per_channel_max_msat, free_msat - terms.reserve_tank_msat)
        if take_msat >= terms.per_channel_min_msat:
            free_msat, lent_msat, of_peer_msat = free_msat - take_msat, lent_msat + take_msat, of_peer_msat + take_msat
            assert take_msat <= lease_sat * SAT
    assert lent_msat <= max(total_sat * SAT, sum(amount for _, amount in running))
    assert of_peer_msat <= max(peer_sat * SAT, before_msat)


def test_what_has_no_block_yet_is_held_back() -> None:
    """5,000,000 sat, and 3,000,000 that come: of both 4,000,000 may be lent to a peer, now or then."""
    coins = (
        WalletOutput("a:0", 5_000_000 * SAT, "confirmed", False),
        WalletOutput("b:0", 3_000_000 * SAT, "unconfirmed", False),
    )
    found = decided(make_input(view=make_view(wallet=Wallet(coins))))
    assert (found.lendable_msat, found.new.reserve_tank_msat) == (4_000_000 * SAT, 4_000_000 * SAT)
    (reason,) = (one for one in found.reasons if one.code is ReasonCode.ADS_HELD_BACK)
    assert (reason.numbers["now_sat"], reason.numbers["coming_sat"]) == (1_000_000, 3_000_000)


@given(rates=RATES, amount_msat=st.integers(0, 10**15), perkw=PERKW, price_msat=st.integers(0, 10**15))
def test_lifting_reaches_the_price_or_says_that_it_cannot(
    rates: LeaseRates, amount_msat: int, perkw: int, price_msat: int
) -> None:
    found = lifted(rates, amount_msat, perkw, price_msat)
    if found is not None and amount_msat >= SAT:
        assert found.fee_msat(amount_msat, perkw) >= min(price_msat, rates.fee_msat(amount_msat, perkw) + price_msat)
        assert covers(found, rates)


@given(offers=OFFERS, amount_msat=st.integers(1, 10**13), perkw=PERKW, ratio=st.floats(0, 1))
def test_prices_are_in_order_and_within_bounds(
    offers: tuple[MarketOffer, ...], amount_msat: int, perkw: int, ratio: float
) -> None:
    prices = market_prices_msat(offers, OWN_ID, amount_msat, perkw)
    assert prices == sorted(prices)
    assert all(0 < price <= amount_msat for price in prices)
    anchor = anchor_msat(prices, ratio)
    assert anchor is None or anchor in prices


def test_rates_for_which_there_is_no_room_are_none() -> None:
    fits = LeaseRates(MAX_U32 * SAT, 65_535, 65_535, MAX_U32, 65_535)
    assert checked(fits) == fits
    for name in ("fee_basis", "funding_weight", "max_base_msat", "max_thousandths"):
        assert checked(replace(fits, **{name: getattr(fits, name) + 1})) is None
    assert checked(replace(fits, fee_base_msat=(MAX_U32 + 1) * SAT)) is None
    assert lifted(fits, 10**9, 0, 10**15) is None
    # A cost that would need more weight than there is room for.
    assert least_rates(LeaseCost(0.0, 0, 70_000), AdsConfig(), FEES, STARTING) is None


def test_cost_by_hand() -> None:
    assert least_msat(LeaseCost(0.001, 1_000_000, 444), 10**9, 1_000, 0.5) == 3_000_000 + 444_000


def test_the_promise_is_the_ceiling_of_fees_in_whole_thousandths() -> None:
    for max_ppm, thousandths in ((1, 1), (1_000, 1), (1_001, 2), (2_500, 3), (1_000_000, 1_000)):
        fees = FeesConfig(min_ppm=1, max_ppm=max_ppm, base_msat=5)
        found = decide_ads(make_input(), AdsConfig(), fees, ReserveConfig())
        assert (found.new.rates.max_thousandths, found.new.rates.max_base_msat) == (thousandths, 1_000)
        assert found.new.rates.promised_ppm >= max_ppm


def test_terms_that_give_something_are_not_withdrawn() -> None:
    assert WITHDRAWN.withdrawn
    assert AdTerms("fixed", 0, False, 0, 0, 0, 0, 100, NO_RATES).withdrawn
