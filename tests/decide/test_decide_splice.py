"""Splice plans: who gets more, out of what, at what price; each refusal says why; and no plan crosses its limits."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revops.decide.chain_floor import WALLET_INPUT_WEIGHT
from revops.decide.marginal_sat import gained, marginal
from revops.decide.splice.cost import OUT_WEIGHT, feerate_limit_perkw, in_weight, largest_first, most_inputs, terms_of
from revops.decide.splice.plan import make_plan
from revops.decide.splice.winners import Want, want
from revops.domain.capital import CapitalStanding, RatioRange, SatWorth
from revops.domain.dead_capital import ChainRates
from revops.domain.decision import Outcome
from revops.domain.policy import SpliceConfig
from revops.domain.reason import Reason, ReasonCode, why
from revops.domain.splice import SpliceDecision, SpliceDirection, SpliceScene, SpliceSite
from tests.builders import NOW, SAT, channel_id
from tests.decide.capital_cases import worths
from tests.decide.splice_scenes import MIN_DAYS, POLICY, RATES, WORTH, dead, scene, wallet, winner

#: Turned away: 2,000,000 sat in 30 days, so 6,000,000 within 90; a splice moves 5,000,000 at most.
WANTED_SAT = 5_000_000
LOW = why(ReasonCode.RESERVE_LOW, where="the wallet", have_sat=1, floor_sat=2, resume_sat=3)
SYNCING = why(ReasonCode.NODE_SYNCING, warning="behind")


def plan_of(*sites: SpliceSite, **overrides: Any) -> dict[str, SpliceDecision]:
    suspended = overrides.pop("suspended", ())
    policy = overrides.pop("policy", POLICY)
    made = make_plan(scene(*sites, **overrides), policy, MIN_DAYS, suspended)
    return {one.channel_id: one for one in made.decisions}


def codes(decision: SpliceDecision) -> list[str]:
    return [str(one.code) for one in decision.reasons]


# ---- weights and limits


def test_weights_are_no_less_than_those_of_real_splices() -> None:
    # By BOLT 3's widths: frame of 42, the channel's input 164 + 222, outputs of 172 each; a taproot input 230.
    assert OUT_WEIGHT == 772 >= 42 + 386 + 2 * 172
    assert in_weight(1) >= 42 + 386 + 230 + 2 * 172
    assert in_weight(1) >= 998, "one of lightningd v26.06.6, out of a taproot output"
    assert in_weight(3) - in_weight(2) == 387 >= WALLET_INPUT_WEIGHT, "to_remote with anchors, as lightningd reckons it"


def test_the_largest_outputs_pay_first_and_for_the_fee_too() -> None:
    outputs = wallet(100, 5_000, 300_000, 200_000).outputs
    fee_msat = in_weight(1) * 1_000
    assert [one.amount_msat // SAT for one in largest_first(outputs, 300_000 * SAT - fee_msat, 1_000)] == [300_000]
    assert [one.amount_msat // SAT for one in largest_first(outputs, 300_000 * SAT, 1_000)] == [300_000, 200_000]
    assert len(largest_first(outputs, 10**12, 1_000)) == 4
    assert largest_first((), 1, 1_000) == ()


def chosen(amounts: list[int], amount_sat: int, perkw: int, rng: Random) -> int:
    """How many coins lightningd takes: in random order, until they pay for the amount and for a fee that grows with
    each; once it has them, one more where a part of the fee is still lacking.
    """
    have_msat, count = 0, 0
    for one in rng.sample(amounts, len(amounts)):
        if count and have_msat >= amount_sat * SAT + (772 + 230 * count) * perkw:
            break
        have_msat, count = have_msat + one * SAT, count + 1
    return count


@given(st.lists(st.integers(300, 10**7), min_size=1, max_size=30), st.integers(10_000, 10**7), st.integers(253, 5_000),
       st.randoms(use_true_random=False))  # fmt: skip
def test_no_choice_of_coins_takes_more_than_was_reckoned_with(
    amounts: list[int], amount_sat: int, perkw: int, rng: Random
) -> None:
    most = most_inputs(wallet(*amounts).outputs, amount_sat * SAT, perkw)
    assert chosen(amounts, amount_sat, perkw, rng) <= most <= len(amounts)


@pytest.mark.parametrize(
    ("gain_msat", "perkw", "limit"),
    [
        (1e12, 1_000, 1_500),  # half as much again as today
        (1e12, 4_000, 5_000),  # what the operator allows
        (2 * 772_000.0, 900, 1_000),  # what leaves twice the cost
        (0.0, 1_000, 0),
        (-1.0, 1_000, 0),
    ],
)
def test_the_least_of_three_limits_counts(gain_msat: float, perkw: int, limit: int) -> None:
    assert feerate_limit_perkw(gain_msat, 772, perkw, POLICY) == limit


@given(worths, st.integers(1, 366))
def test_a_span_holds_the_first_sale_and_its_part_of_the_year(worth: SatWorth, days: int) -> None:
    found, year = gained(worth, days), marginal(worth)
    assert 0.0 <= found.low_ratio <= found.middle_ratio <= found.high_ratio
    assert found.middle_ratio >= worth.value_ppm / 1e6 * (1 - 1e-9)
    if days <= 365:
        assert found.middle_ratio <= year.middle_ratio * (1 + 1e-9)
        assert found.high_ratio <= year.high_ratio * (1 + 1e-9)


# ---- who could use more


@pytest.mark.parametrize(
    ("site", "code"),
    [
        (winner(1, None), ReasonCode.SPLICE_NOT_COUNTED),
        (winner(1, replace(WORTH, value_ppm=0.9)), ReasonCode.SPLICE_WORTHLESS),
        (winner(1, connected_days=6.9), ReasonCode.SPLICE_UNSEEN),
        (winner(1, exhausted_days=5.9), ReasonCode.SPLICE_NOT_BINDING),
        (winner(1, refused_count=9), ReasonCode.SPLICE_NOT_BINDING),
        # Either figure alone may be wrong: tries of one payment, or a belief.
        (winner(1, refused_msat=60_000 * SAT), ReasonCode.SPLICE_TOO_SMALL),
        (winner(1, demand_msat_per_day=35_000.0 * SAT), ReasonCode.SPLICE_TOO_SMALL),
    ],
)
def test_who_gets_nothing_and_why(site: SpliceSite, code: ReasonCode) -> None:
    found = want(site, scene(site), POLICY, MIN_DAYS)
    assert isinstance(found, Reason)
    assert found.code is code
    assert found.sentence
    decided = plan_of(site)[channel_id(1)]
    assert (decided.outcome, decided.amount_sat, decided.terms, decided.direction) == (Outcome.SKIP, 0, None, None)


@pytest.mark.parametrize("standing", [one for one in CapitalStanding if one is not CapitalStanding.COUNTED])
def test_what_isnt_known_is_said_in_words(standing: CapitalStanding) -> None:
    site = winner(1, None)
    found = want(replace(site, row=replace(site.row, standing=standing)), scene(site), POLICY, MIN_DAYS)
    assert isinstance(found, Reason)
    assert str(standing) not in {"young", "unvalued"} or "it" in found.sentence


@pytest.mark.parametrize(
    ("changed", "policy", "amount_sat"),
    [
        ({}, {}, WANTED_SAT),
        ({}, {"max_amount_sat": 10_000_000}, 5_000_000),  # it doubles at most
        ({}, {"max_amount_sat": 10_000_000, "max_growth_ratio": 2.0}, 6_000_000),
        ({"refused_msat": 500_000 * SAT}, {}, 1_500_000),
        ({"demand_msat_per_day": 50_000.0 * SAT}, {}, 1_500_000),  # of which a million in 30 days did leave
        ({"refused_msat": 500_000 * SAT}, {"horizon_days": 30}, 500_000),
    ],
)
def test_how_much_follows_from_what_is_turned_away(
    changed: dict[str, Any], policy: dict[str, Any], amount_sat: int
) -> None:
    site = winner(1, **changed)
    found = want(site, scene(site), SpliceConfig(**policy), MIN_DAYS)
    assert isinstance(found, Want)
    assert found.amount_sat == pytest.approx(amount_sat, abs=1)
    assert [one.code for one in found.reasons] == [ReasonCode.SPLICE_BINDS, ReasonCode.SPLICE_WORTH]


def test_what_comes_back_is_sold_again_so_that_less_is_needed() -> None:
    site = winner(1, replace(WORTH, returns_ratio=365 / 90, most_returns_ratio=5.0), refused_msat=500_000 * SAT)
    found = want(site, scene(site), POLICY, MIN_DAYS)
    assert isinstance(found, Want)
    assert found.amount_sat == 750_000
    nothing = want(site, scene(site, rated_days=0.0), POLICY, MIN_DAYS)
    assert isinstance(nothing, Reason)


# ---- the plan


def test_a_splice_in_with_all_that_it_rests_on() -> None:
    decided = plan_of(winner(1))[channel_id(1)]
    terms = decided.terms
    assert terms is not None
    assert (decided.outcome, decided.direction, decided.amount_sat) == (
        Outcome.CHANGE, SpliceDirection.IN, WANTED_SAT,
    )  # fmt: skip
    assert (terms.gain_low_msat, terms.gain_msat, terms.gain_high_msat) == (
        2_000 * SAT, 5_000 * SAT, 10_000 * SAT,
    )  # fmt: skip
    # The node may take both outputs, and may lose change below 546 sat.
    assert (terms.weight, terms.cost_msat, terms.max_feerate_perkw) == (772 + 2 * 387, 618_400, 600)
    assert terms.max_cost_msat == 1_546 * 600 + 546_000
    assert terms.payback_days == pytest.approx(618.4 / 5_000 * 90)
    assert decided.expected_gain_msat == 5_000 * SAT - 618_400
    assert codes(decided) == ["splice_binds", "splice_worth", "splice_cost", "splice_wallet"]
    assert all(one.sentence for one in decided.reasons)


@pytest.mark.parametrize(
    ("site", "overrides", "code"),
    [
        (winner(1, channel={"state": "CHANNELD_AWAITING_SPLICE"}), {}, ReasonCode.SPLICE_UNDER_WAY),
        (winner(1, channel={"funding_txids": frozenset({"a", "b"})}), {}, ReasonCode.SPLICE_UNDER_WAY),
        (winner(1, channel={"connected": False}), {}, ReasonCode.NOT_USABLE),
        (winner(1, splices=False), {}, ReasonCode.SPLICE_UNSUPPORTED),
        (winner(1, splices=None), {}, ReasonCode.SPLICE_UNSUPPORTED),
        (winner(1), {"rates": None}, ReasonCode.SPLICE_NO_FEERATE),
        (winner(1), {"rates": replace(RATES, opening_perkw=5_001)}, ReasonCode.SPLICE_FEERATE),
        (winner(1, replace(WORTH, value_ppm=150.0)), {}, ReasonCode.SPLICE_TOO_DEAR),
    ],
)
def test_what_stands_in_the_way(site: SpliceSite, overrides: dict[str, Any], code: ReasonCode) -> None:
    decided = plan_of(site, **overrides)[channel_id(1)]
    assert decided.outcome is Outcome.SKIP
    assert codes(decided) == [str(code), "splice_binds", "splice_worth"]
    assert all(one.sentence for one in decided.reasons)


@pytest.mark.parametrize("perkw", [5_001, 250_000, 10**9])
def test_an_absurd_feerate_stops_all_splices(perkw: int) -> None:
    found = plan_of(winner(1), dead(2), rates=ChainRates(NOW, perkw, perkw, perkw))
    assert {one.outcome for one in found.values()} == {Outcome.SKIP}


def test_the_wallet_keeps_its_reserve() -> None:
    enough = 100_000 + WANTED_SAT + 1_242
    for have_sat, amount_sat in ((enough, WANTED_SAT), (enough - 1, WANTED_SAT - 1), (1_100_000, 998_758)):
        decided = plan_of(winner(1), wallet=wallet(have_sat))[channel_id(1)]
        assert (decided.outcome, decided.amount_sat) == (Outcome.CHANGE, amount_sat)
        assert codes(decided)[-1] == "splice_change", "all of it is change until it confirms"
        left_sat = next(one for one in decided.reasons if one.code is ReasonCode.SPLICE_WALLET).numbers["left_sat"]
        assert int(left_sat) >= 100_000
    short = plan_of(winner(1), wallet=wallet(300_000))[channel_id(1)]
    assert (short.outcome, short.terms, short.amount_sat) == (Outcome.DEFER, None, WANTED_SAT)
    assert codes(short)[-1] == "splice_wallet_short"


def test_what_is_reserved_or_unconfirmed_pays_for_nothing() -> None:
    whole = wallet(20_000_000)
    for changed in ({"reserved": True}, {"status": "unconfirmed"}):
        outputs = tuple(replace(one, **changed) for one in whole.outputs)
        decided = plan_of(winner(1), wallet=replace(whole, outputs=outputs))[channel_id(1)]
        assert decided.outcome is Outcome.DEFER


def test_a_small_part_that_doesnt_pay_isnt_spliced() -> None:
    policy = SpliceConfig(mode="act", min_amount_sat=10_000)
    decided = plan_of(winner(1), wallet=wallet(150_000), policy=policy)[channel_id(1)]
    assert (decided.outcome, codes(decided)[0]) == (Outcome.SKIP, "splice_too_dear")


def test_the_best_comes_first_and_change_pays_for_nothing_more() -> None:
    better = winner(2, replace(WORTH, value_ppm=1_200.0))
    found = plan_of(winner(1), better, wallet=wallet(6_000_000, 1_500_000))
    first, second = found[channel_id(2)], found[channel_id(1)]
    assert (first.outcome, first.amount_sat) == (Outcome.CHANGE, WANTED_SAT)
    assert second.outcome is Outcome.CHANGE
    assert second.amount_sat == 1_500_000 - 100_000 - 1_242, "the change of the first isn't there yet"


def test_a_full_plan_says_so() -> None:
    found = plan_of(winner(1), winner(2), policy=SpliceConfig(mode="act", max_splices=1))
    assert [found[channel_id(number)].outcome for number in (1, 2)] == [Outcome.CHANGE, Outcome.DEFER]
    assert codes(found[channel_id(2)])[-1] == "splice_plan_full"
    waiting = (winner(number, channel={"state": "CHANNELD_AWAITING_SPLICE"}) for number in (2, 3))
    under_way = plan_of(winner(1), *waiting)[channel_id(1)]
    assert (under_way.outcome, codes(under_way)[-1]) == (Outcome.DEFER, "splice_plan_full")


def test_a_channel_on_which_a_splice_may_be_going_on_gets_no_other() -> None:
    """Also where the node lists none: it was asked, and no answer is known."""
    found = plan_of(winner(1), dead(2), wallet=wallet(50_000), begun_ids=frozenset({channel_id(1), channel_id(2)}))
    assert {codes(one)[0] for one in found.values()} == {"splice_under_way", "splice_no_use"}
    assert plan_of(winner(1), winner(2), begun_ids=frozenset({channel_id(2)}))[channel_id(1)].outcome is Outcome.CHANGE


def test_dead_capital_goes_where_funds_are_lacking() -> None:
    found = plan_of(winner(1), dead(2), wallet=wallet(50_000))
    assert (found[channel_id(1)].outcome, found[channel_id(1)].direction) == (Outcome.DEFER, SpliceDirection.IN)
    out = found[channel_id(2)]
    assert (out.outcome, out.direction) == (Outcome.CHANGE, SpliceDirection.OUT)
    assert out.amount_sat == 2_450_000 - 772 * 5, "but for what it may cost, which the channel pays"
    assert out.terms is not None
    assert out.terms.weight == OUT_WEIGHT
    assert out.terms.gain_msat == out.amount_sat  # 1,000 ppm of it, in msat
    assert out.expected_gain_msat == out.terms.gain_msat - 308_800 - 463_600, "less what getting it there costs"
    assert codes(out) == ["splice_dead", "splice_funds", "splice_cost"]
    assert "700001x1x0" in out.reasons[1].sentence


@pytest.mark.parametrize(
    ("site", "overrides", "code"),
    [
        (dead(2), {"wallet": wallet(20_000_000)}, ReasonCode.SPLICE_NO_USE),
        (dead(2, splices=False), {}, ReasonCode.SPLICE_UNSUPPORTED),
        (dead(2, channel={"connected": False}), {}, ReasonCode.NOT_USABLE),
        (dead(2, channel={"local_msat": 250_000 * SAT}), {}, ReasonCode.SPLICE_TOO_SMALL),
        (dead(2, channel={"local_msat": 600_000 * SAT}), {}, ReasonCode.SPLICE_TOO_DEAR),
    ],
)  # fmt: skip
def test_dead_capital_that_stays_and_why(site: SpliceSite, overrides: dict[str, Any], code: ReasonCode) -> None:
    cheap = replace(WORTH, value_ppm=1_500.0)
    found = plan_of(winner(1, cheap), site, **{"wallet": wallet(50_000), **overrides})[channel_id(2)]
    assert (found.outcome, found.amount_sat, codes(found)[0]) == (Outcome.SKIP, 0, str(code))


def test_several_dead_channels_give_no_more_than_is_lacking() -> None:
    policy = SpliceConfig(mode="act", max_splices=10)
    found = plan_of(winner(1), *(dead(number) for number in (2, 3, 4, 5)), wallet=wallet(50_000), policy=policy)
    given_sat = [one.amount_sat for one in found.values() if one.direction is SpliceDirection.OUT]
    assert len(given_sat) == 2, "what is lacking beyond them is less than a splice"
    assert sum(given_sat) <= WANTED_SAT


@pytest.mark.parametrize(
    ("reasons", "into", "out"),
    [
        ((why(ReasonCode.OBSERVE_MODE),), Outcome.DEFER, Outcome.DEFER),
        ((SYNCING,), Outcome.DEFER, Outcome.DEFER),
        ((LOW,), Outcome.DEFER, Outcome.CHANGE),  # a splice out mends it
    ],
)
def test_what_suspends_splices(reasons: tuple[Reason, ...], into: Outcome, out: Outcome) -> None:
    ample = plan_of(winner(1), suspended=reasons)[channel_id(1)]
    assert ample.outcome is into
    assert ample.terms is not None, "what it would be is told all the same"
    assert plan_of(winner(1), dead(2), wallet=wallet(50_000), suspended=reasons)[channel_id(2)].outcome is out


def test_the_plan_holds_each_channel_once_and_is_good_for_a_while() -> None:
    sites = (winner(1), dead(2), winner(3, None), winner(4, splices=False))
    made = make_plan(scene(*sites), POLICY, MIN_DAYS, (SYNCING,))
    assert sorted(one.channel_id for one in made.decisions) == sorted(one.channel.channel_id for one in sites)
    assert made.expires_at == NOW + POLICY.plan_lifetime_seconds
    assert (made.jobs, made.reasons) == ((), (SYNCING,))
    assert make_plan(scene(), POLICY, MIN_DAYS).decisions == ()


def test_terms_that_pay_for_both_transactions() -> None:
    gain = RatioRange(0.0, 0.001, 0.002)
    assert terms_of(SpliceDirection.OUT, gain, 1_000_000, 772, 600, POLICY, 36_000) is not None
    assert terms_of(SpliceDirection.OUT, gain, 1_000_000, 772, 600, POLICY, 37_000) is None
    assert terms_of(SpliceDirection.OUT, gain, 1_000_000, 772, 649, POLICY) is None


scenes = st.builds(
    lambda sites, amounts, perkw, reserve_sat: scene(
        *sites, wallet=wallet(*amounts), rates=replace(RATES, opening_perkw=perkw), reserve_msat=reserve_sat * SAT
    ),
    st.integers(0, 6).flatmap(
        lambda count: st.tuples(
            *(
                st.one_of(
                    st.builds(
                        lambda number, worth, away: winner(number, worth, refused_msat=away * SAT),
                        st.just(number), worths, st.integers(0, 10**8),
                    ),
                    st.builds(
                        lambda number, local: dead(number, channel={"local_msat": local * SAT}),
                        st.just(number), st.integers(0, 5_000_000),
                    ),
                )
                for number in range(1, count + 1)
            )
        )
    ),
    st.lists(st.integers(1, 10**7), max_size=5),
    st.integers(253, 10_000),
    st.integers(0, 10**6),
)  # fmt: skip


@given(scenes, st.integers(1, 5))
def test_no_plan_crosses_a_limit(found: SpliceScene, most: int) -> None:
    policy = SpliceConfig(mode="act", max_splices=most)
    made = make_plan(found, policy, MIN_DAYS)
    channels = {one.channel.channel_id: one.channel for one in found.sites}
    assert len(made.decisions) == len(channels)
    assert len(made.jobs) <= most
    spent_msat = 0
    for one in made.jobs:
        assert one.terms is not None
        assert policy.min_amount_sat <= one.amount_sat <= policy.max_amount_sat
        assert found.rates is not None
        assert found.rates.opening_perkw <= one.terms.max_feerate_perkw <= policy.max_feerate_perkw
        lost_msat = 546_000 if one.direction is SpliceDirection.IN else 0
        assert one.terms.max_cost_msat == one.terms.weight * one.terms.max_feerate_perkw + lost_msat
        assert one.terms.gain_low_msat <= one.terms.gain_msat <= one.terms.gain_high_msat
        assert one.terms.gain_msat >= 2 * one.terms.cost_msat
        assert one.expected_gain_msat > 0
        if one.direction is SpliceDirection.IN:
            assert one.amount_sat * SAT <= channels[one.channel_id].capacity_msat
            spent_msat += one.amount_sat * SAT + one.terms.max_cost_msat
        else:
            assert one.amount_sat * SAT + one.terms.max_cost_msat <= channels[one.channel_id].spendable_msat
    assert spent_msat == 0 or found.wallet.spendable_msat - spent_msat >= found.reserve_msat


CHANNELS_LOW = why(ReasonCode.RESERVE_LOW, where="the channels", have_sat=1, floor_sat=2, resume_sat=3)


def test_a_splice_out_is_no_cure_for_channels_that_lack_their_reserve() -> None:
    sites = (winner(1), dead(2))
    cured = plan_of(*sites, wallet=wallet(50_000), suspended=(LOW,))[channel_id(2)]
    assert cured.outcome is Outcome.CHANGE
    for suspended in ((CHANNELS_LOW,), (LOW, CHANNELS_LOW)):
        waits = plan_of(*sites, wallet=wallet(50_000), suspended=suspended)[channel_id(2)]
        assert (waits.outcome, waits.reasons[-1]) == (Outcome.DEFER, CHANNELS_LOW)


@pytest.mark.parametrize("free_sat", [-5, 0, 13_859, 13_860, 2_000_000, 2_450_000])
def test_the_channels_keep_their_reserve(free_sat: int) -> None:
    """The fee, 3,860 sat at most, leaves them with it."""
    policy = SpliceConfig(mode="act", min_amount_sat=10_000)
    out = plan_of(winner(1), dead(2), wallet=wallet(50_000), channels_free_msat=free_sat * SAT, policy=policy)
    decided = out[channel_id(2)]
    if free_sat < 13_860:
        assert (decided.outcome, codes(decided)[0]) == (Outcome.SKIP, "splice_channels_short")
    elif free_sat == 13_860:
        assert codes(decided)[0] == "splice_too_dear", "there is enough, but not for a gain"
    else:
        assert (decided.outcome, decided.amount_sat) == (Outcome.CHANGE, free_sat - 3_860)
        assert decided.terms is not None
        assert decided.amount_sat * SAT + decided.terms.max_cost_msat <= free_sat * SAT


def test_two_splices_out_leave_the_channels_their_reserve_together() -> None:
    found = plan_of(winner(1), winner(2), dead(3), dead(4), wallet=wallet(50_000), channels_free_msat=4_700_000 * SAT)
    taken = [one for one in found.values() if one.direction is SpliceDirection.OUT and one.outcome is Outcome.CHANGE]
    assert sum(one.amount_sat * SAT + one.terms.max_cost_msat for one in taken if one.terms) <= 4_700_000 * SAT
    assert len(taken) == 2
