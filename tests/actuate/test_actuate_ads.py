"""Liquidity ads on the simulated node: what is offered, kept in force, withdrawn, and what a killed run leaves."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from revops.actuate.ads import AdsKeeper
from revops.cycle import ads, ads_input, decision_list
from revops.decide.ads import WITHDRAWN
from revops.domain.ads import AdsDecision, AdsReport, AdTerms, LeaseRates, MarketOffer
from revops.domain.capital import RatioRange
from revops.domain.decision import Outcome
from revops.domain.reason import ReasonCode
from revops.errors import BugError, DataError, RevopsError
from revops.node.errors import NodeError
from revops.node.reader import NodeReader
from revops.node.writer import DryRunWriter
from revops.report import ads as page
from revops.report import decision_list as decisions_page
from revops.report.text import page as rendered
from revops.sim.faults import FaultKind
from revops.sim.graph import LeaseRates as SimRates
from revops.store import ads as store_ads
from revops.store.rollup import prune_other
from tests.actuate.bench import DAY, NODE_KEY, Bench, open_bench

SAT = 1_000
CAPITAL = RatioRange(0.01, 0.02, 0.10)
#: The wallet of the simulated node: 5,000,000 and 1,250,000 sat, and more that is reserved or not confirmed.
WALLET_SAT = 6_250_000
UNCONFIRMED_SAT = 300_000


@pytest.fixture
def capital(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ads_input, "cost_of_capital", lambda *_: CAPITAL)


@pytest.fixture
def lender(template: Path, capital: None) -> Iterator[Bench]:
    with open_bench(template, dual_fund=True, lessor_count=10) as bench:
        bench.settings["ads"] = {"mode": "act"}
        bench.node.world.feerate_perkw = 1_000
        yield bench


def adjust(bench: Bench, **options: Any) -> AdsReport:
    return ads.run(replace(bench.options, **options), clock=bench.clock)


def decided(bench: Bench, **options: Any) -> AdsDecision:
    decision = adjust(bench, **options).decision
    assert decision is not None
    return decision


def sent(bench: Bench) -> list[dict[str, Any]]:
    """What funderupdate was asked to set, since this was asked last."""
    calls = [params for method, params in bench.node.call_log if method == "funderupdate" and params]
    bench.node.call_log.clear()
    return calls


def peer(bench: Bench) -> str:
    return next(one.node_id for one in bench.node.world.peers.values() if one.connected)


def rows(bench: Bench, sql: str) -> list[tuple[Any, ...]]:
    with bench.database.read(NODE_KEY) as tx:
        return [tuple(row) for row in tx.connection.exec_driver_sql(sql)]


# ---- what is offered


def test_an_offer_comes_into_force_and_stays(lender: Bench) -> None:
    first = decided(lender)
    assert first.outcome is Outcome.CHANGE
    (request,) = sent(lender)
    assert "compact_lease" not in request
    assert (request["policy"], request["policy_mod"], request["leases_only"]) == ("match", 100, True)
    funder = lender.node.world.funder
    assert funder.rates is not None
    assert funder.rates.fee_basis == first.new.rates.fee_basis
    assert funder.per_channel_max_sat == 2_000_000
    # What has no block yet could be lent as well once it has one.
    assert funder.reserve_tank_sat == WALLET_SAT + UNCONFIRMED_SAT - 4_000_000
    again = decided(lender)
    assert (again.outcome, again.new, sent(lender)) == (Outcome.SKIP, first.new, [])


def test_what_the_node_forgets_is_offered_again(lender: Bench) -> None:
    first = decided(lender)
    sent(lender)
    lender.node.world.funder = type(lender.node.world.funder)()  # lightningd was started anew
    again = decided(lender)
    assert (again.outcome, again.new) == (Outcome.CHANGE, first.new)
    assert len(sent(lender)) == 1


def test_somebody_leases_and_less_is_left(lender: Bench) -> None:
    first = decided(lender)
    channel_id = lender.node.lease(peer(lender), 2_000_000)
    assert channel_id is not None
    row = next(one for one in lender.node.handle("listpeerchannels")["channels"] if one["channel_id"] == channel_id)
    assert row["funding"]["local_funds_msat"] == 2_000_000 * SAT
    assert row["funding"]["fee_rcvd_msat"] >= first.new.rates.fee_base_msat
    second = decided(lender)
    assert second.lent_msat == 2_000_000 * SAT
    assert second.lendable_msat == 2_000_000 * SAT  # max_peer_sat of 4,000,000
    lender.node.advance_by(31 * DAY)
    assert decided(lender).lent_msat == 0


def test_the_plugin_itself_keeps_the_reserve_between_two_runs(lender: Bench) -> None:
    lender.settings["ads"] |= {"max_peer_sat": 100_000_000, "max_total_sat": 100_000_000}
    lender.settings["reserve"] = {"onchain_sat": 1_000_000}
    decided(lender)
    taken = [lender.node.lease(peer(lender), 1_500_000) for _ in range(6)]
    assert 1 <= sum(one is not None for one in taken) < 6
    world = lender.node.world
    free_sat = sum(one.amount_msat for one in world.outputs if one.height and not one.reserved_to_height) // SAT
    assert free_sat >= 1_000_000


def test_the_market_and_absurd_rates(lender: Bench) -> None:
    found = decided(lender)
    (reason,) = (one for one in found.reasons if str(one.code).startswith("ads_market"))
    assert reason.code in {ReasonCode.ADS_MARKET, ReasonCode.ADS_MARKET_CAPPED}
    assert reason.numbers["offer_count"] == 8  # two of ten ask for nothing, or for everything
    assert found.price_msat is not None
    assert found.cost_msat is not None
    assert found.price_msat > found.cost_msat


# ---- withdrawn


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda bench: bench.settings.update(reserve={"onchain_sat": 7_000_000}), ReasonCode.RESERVE_LOW),
        (lambda bench: setattr(bench.node.world, "feerate_perkw", 250_000), ReasonCode.ADS_FEERATE_HIGH),
        (lambda bench: bench.node.set_syncing(), ReasonCode.NODE_SYNCING),
        (lambda bench: bench.settings["ads"].update(max_total_sat=0), ReasonCode.ADS_TOO_LITTLE),
        (lambda bench: bench.node.withdraw(6_000_000), ReasonCode.ADS_TOO_LITTLE),
    ],
    ids=["reserve", "feerate", "syncing", "limit", "wallet"],
)
def test_an_offer_is_withdrawn(lender: Bench, spoil: Any, code: ReasonCode) -> None:
    decided(lender)
    sent(lender)
    lender.node.advance_by(1)  # a feerate is recorded once a moment
    spoil(lender)
    found = decided(lender)
    assert (found.outcome, found.new) == (Outcome.CHANGE, WITHDRAWN)
    assert code in {reason.code for reason in found.reasons}
    (request,) = sent(lender)
    assert (request["policy"], request["policy_mod"], request["lease_fee_basis"]) == ("fixed", 0, 0)
    own = next(one for one in lender.node.handle("listnodes")["nodes"] if one["nodeid"] == lender.node.node_id)
    assert "option_will_fund" not in own
    assert lender.node.lease(peer(lender), 500_000) is None
    sent(lender)
    assert decided(lender).outcome is Outcome.SKIP
    assert sent(lender) == []


def silent(_reader: NodeReader) -> tuple[MarketOffer, ...]:
    raise NodeError("listnodes", "no answer")


def test_a_withdrawal_does_not_wait_for_gossip(
    lender: Bench, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    decided(lender)
    lender.settings["reserve"] = {"onchain_sat": 7_000_000}
    monkeypatch.setattr(NodeReader, "lease_offers", silent)
    found = decided(lender)
    assert (found.outcome, found.new) == (Outcome.CHANGE, WITHDRAWN)
    assert "priced without what others ask for" in caplog.text


def test_without_a_known_return_nothing_is_offered(lender: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    found = decided(lender)
    assert found.new.withdrawn
    assert ReasonCode.ADS_CAPITAL_UNKNOWN in {reason.code for reason in found.reasons}


def bumped(bench: Bench, channel_id: str) -> None:
    """The lessee has raised the opening's feerate: lightningd puts in as much, and charges nothing."""
    channel = bench.node.world.channels[channel_id]
    channel.leased, channel.to_us_msat = False, channel.to_us_msat - channel.pushed_msat
    channel.pushed_msat = 0


def test_who_has_leased_for_nothing_ends_the_offer(lender: Bench, caplog: pytest.LogCaptureFixture) -> None:
    decided(lender)
    lender.node.advance_by(60)
    taken = lender.node.lease(peer(lender), 1_000_000)
    assert taken is not None
    bumped(lender, taken)
    found = decided(lender)
    assert (found.outcome, found.new) == (Outcome.CHANGE, WITHDRAWN)
    (reason,) = (one for one in found.reasons if one.code is ReasonCode.ADS_GIVEN)
    assert reason.numbers["given_sat"] == 1_000_000
    assert reason.sentence in caplog.text
    caplog.clear()
    assert decided(lender).outcome is Outcome.SKIP
    assert "for nothing" not in caplog.text, "cron is told once"
    lender.node.advance_by(31 * DAY)
    assert not decided(lender).new.withdrawn


def test_what_was_given_before_anything_was_offered_ends_nothing(lender: Bench) -> None:
    funder = lender.node.world.funder
    lender.node.handle(
        "funderupdate", {"policy": "match", "policy_mod": 100, "lease_fee_basis": 0, "lease_fee_base_msat": 0}
    )
    given = lender.node.lease(peer(lender), 1_000_000)
    assert given is not None
    bumped(lender, given)
    lender.node.world.funder = funder
    lender.node.advance_by(60)
    assert not decided(lender).new.withdrawn
    assert not decided(lender).new.withdrawn


def test_a_node_that_hides_its_fees_promises_nothing(lender: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(NodeReader, "config_int", lambda *_: None)
    found = decided(lender)
    assert found.new.withdrawn
    assert [one.code for one in found.reasons] == [ReasonCode.ADS_FEES_UNKNOWN, ReasonCode.ADS_IN_FORCE]


def test_who_sets_no_fees_is_told_of_the_promise(lender: Bench) -> None:
    assert ReasonCode.ADS_FEES_ELSEWHERE not in {one.code for one in decided(lender).reasons}
    lender.settings["fees"]["mode"] = "observe"
    assert ReasonCode.ADS_FEES_ELSEWHERE in {one.code for one in decided(lender).reasons}


# ---- what changes nothing


def test_a_node_without_dual_funding_is_told_so(bench: Bench) -> None:
    bench.settings["ads"] = {"mode": "act"}
    bench.node.call_log.clear()
    report = adjust(bench)
    assert report.decision is None
    assert bench.node.call_log.writing_calls() == []
    assert "without experimental-dual-fund" in rendered(page.adjusted(report, dry_run=False))
    assert rows(bench, "SELECT exit_code FROM run WHERE command = 'ads adjust'") == [(0,)]


def test_observing_records_and_sends_nothing(lender: Bench) -> None:
    lender.settings["ads"] = {}
    lender.node.call_log.clear()
    report = adjust(lender)
    assert report.decision is not None
    assert report.decision.outcome is Outcome.DEFER
    assert not report.decision.new.withdrawn
    assert lender.node.call_log.writing_calls() == []
    assert rows(lender, "SELECT outcome FROM decision WHERE command = 'ads adjust'") == [("defer",)]
    assert 'set ads.mode = "act"' in rendered(page.adjusted(report, dry_run=False))


def test_a_dry_run_writes_nothing_and_decides_the_same(lender: Bench) -> None:
    lender.node.call_log.clear()
    dry = adjust(lender, dry_run=True)
    assert lender.node.call_log.writing_calls() == []
    assert rows(lender, "SELECT count(*) FROM decision WHERE command = 'ads adjust'") == [(0,)]
    assert rows(lender, "SELECT count(*) FROM run WHERE command = 'ads adjust'") == [(0,)]
    real = decided(lender)
    assert dry.decision is not None
    assert (dry.decision.new, dry.decision.outcome) == (real.new, real.outcome)
    again = adjust(lender, dry_run=True)
    assert again.decision is not None
    assert again.decision.outcome is Outcome.SKIP
    assert "may still stand" in rendered(page.adjusted(again, dry_run=True))


# ---- records


def test_decisions_are_listed_and_repeats_extend_them(lender: Bench) -> None:
    for _ in range(3):
        decided(lender)
    found = rows(
        lender, "SELECT outcome, repeat_count FROM decision WHERE command = 'ads adjust' ORDER BY decision_key"
    )
    assert found == [("change", 0), ("skip", 1)]
    report = decision_list.run(lender.options, 20, lender.clock)
    listed = [one for one in report.decisions if one.command == "ads adjust"]
    assert [one.channel_id for one in listed] == [None, None]
    assert "liquidity ad" in rendered(decisions_page.decisions(report))
    ((details,),) = rows(
        lender, "SELECT details_json FROM decision WHERE command = 'ads adjust' AND outcome = 'change'"
    )
    assert json.loads(details)["terms"]["policy"] == "match"


def test_the_command_has_a_file_of_its_own(lender: Bench) -> None:
    folder = lender.folder / "prom"
    folder.mkdir()
    lender.settings["metrics"] = {"textfile_dir": str(folder)}
    decided(lender)
    (own,) = (one for one in folder.iterdir() if "ads" in one.name)
    (whole,) = (one for one in folder.iterdir() if one != own)
    assert 'revops_decisions_total{command="ads adjust",node="node",outcome="change"} 1.0' in whole.read_text()
    text = own.read_text()
    assert 'revops_command_last_decisions{command="ads adjust",node="node",outcome="change"} 1.0' in text


def offers(bench: Bench) -> list[tuple[LeaseRates, ...]]:
    with bench.database.read(NODE_KEY) as tx:
        return [(*one.before, *one.rates) for one in store_ads.past_offers(tx)]


def test_what_was_offered_is_on_record_for_ever(lender: Bench) -> None:
    operator = {"policy": "match", "policy_mod": 100, "leases_only": True, "lease_fee_basis": 65}
    lender.node.handle("funderupdate", operator)
    first = decided(lender)
    assert [[one.fee_basis for one in rates] for rates in offers(lender)] == [[65, first.new.rates.fee_basis]]
    later_at = lender.clock() + 400 * DAY
    with lender.database.transaction(NODE_KEY) as tx:
        prune_other(
            tx,
            decisions_before_at=later_at,
            runs_before_at=0.0,
            events_before_at=0.0,
            samples_before_at=0.0,
            moves_before_at=0.0,
        )
    assert len(offers(lender)) == 1
    assert rows(lender, "SELECT count(*) FROM decision WHERE command = 'ads adjust'") == [(0,)]


def test_a_run_whose_call_went_astray_is_closed_by_the_next(lender: Bench) -> None:
    """The second call is the one that sets something: the first asks."""
    lender.fault("funderupdate", FaultKind.REPLY_LOST, after=1)
    with pytest.raises(RevopsError):
        adjust(lender)
    assert rows(lender, "SELECT status FROM action WHERE method = 'funderupdate'") == [("pending",)]
    assert len(offers(lender)) == 1  # it may have been offered
    assert decided(lender).outcome is Outcome.SKIP
    assert rows(lender, "SELECT status FROM action WHERE method = 'funderupdate'") == [("done",)]


def test_a_refusal_changes_nothing_and_is_told(lender: Bench) -> None:
    lender.fault("funderupdate", FaultKind.ERROR, after=1)
    with pytest.raises(RevopsError, match="funderupdate"):
        adjust(lender)
    assert rows(lender, "SELECT status FROM action WHERE method = 'funderupdate'") == [("failed",)]
    assert offers(lender) == [()]
    assert decided(lender).outcome is Outcome.CHANGE


def statuses(bench: Bench) -> list[str]:
    """What became of each change, the oldest first."""
    found = rows(bench, "SELECT status FROM action WHERE method = 'funderupdate' ORDER BY action_key")
    return [status for (status,) in found]


def test_a_reply_that_is_no_echo_is_an_error_and_ends_the_offer(lender: Bench) -> None:
    lender.node.false_reply("funderupdate", {"reserve_tank_msat": 5_000})
    with pytest.raises(DataError, match="something else than it was asked to; nothing is offered now"):
        adjust(lender)
    assert statuses(lender) == ["unknown", "done"]
    assert sent(lender)[-1]["policy"] == "fixed"
    lender.node.false_reply("funderupdate", None)
    assert decided(lender).outcome is Outcome.CHANGE


def test_a_node_that_withdraws_nothing_is_left_to_the_operator(lender: Bench) -> None:
    lender.node.false_reply("funderupdate", {"policy_mod": 7})
    with pytest.raises(DataError, match="and goes on; look at it yourself"):
        adjust(lender)
    assert statuses(lender) == ["unknown", "unknown"]


@pytest.mark.parametrize("changes", [{"policy": "all"}, {"policy_mod": -1}, {"reserve_tank_msat": "much"}])
def test_a_reply_that_makes_no_sense_changes_nothing(lender: Bench, changes: dict[str, Any]) -> None:
    lender.node.false_reply("funderupdate", changes)
    with pytest.raises(RevopsError, match="funderupdate"):
        adjust(lender)
    assert sent(lender) == []


def priced_alone(bench: Bench) -> AdsDecision:
    """An offer at cost, since nobody's price counts."""
    found = decided(bench)
    assert not found.new.withdrawn
    assert found.price_msat is not None
    assert found.cost_msat is not None
    assert found.cost_msat <= found.price_msat <= found.cost_msat + 300 * SAT
    return found


@pytest.mark.parametrize(
    "rates",
    [SimRates(0, 0, 0, 0, 0), SimRates(2**32 - 1, 65_535, 65_535, 2**32 - 1, 65_535), SimRates(0, 0, 65_535, 0, 0)],
    ids=["nothing", "all", "weight"],
)
def test_what_nobody_means_lifts_no_price(lender: Bench, rates: SimRates) -> None:
    nodes = lender.node.world.graph.nodes
    for node_id, node in nodes.items():
        nodes[node_id] = replace(node, will_fund=rates)
    (reason,) = (one for one in priced_alone(lender).reasons if one.code is ReasonCode.ADS_MARKET_THIN)
    assert reason.numbers["offer_count"] == 0


def test_an_announcement_that_cannot_be_read_is_no_market(lender: Bench, caplog: pytest.LogCaptureFixture) -> None:
    nodes = lender.node.world.graph.nodes
    for node_id, node in nodes.items():
        nodes[node_id] = replace(node, will_fund=SimRates(-1, -1, -1, -1, -1))
    priced_alone(lender)
    assert "priced without what others ask for" in caplog.text


def test_estimates_that_are_gone_for_an_hour_withdraw(lender: Bench) -> None:
    decided(lender)
    lender.node.world.knobs.feerates_missing = True
    lender.node.advance_by(1_800)
    assert not decided(lender).new.withdrawn
    lender.node.advance_by(1_900)
    found = decided(lender)
    assert (found.outcome, found.new) == (Outcome.CHANGE, WITHDRAWN)
    assert ReasonCode.ADS_FEERATE_UNKNOWN in {reason.code for reason in found.reasons}


# ---- the last gate

GOOD = AdTerms("match", 100, True, 500_000 * SAT, 10**9, 10**9, 0, 100, LeaseRates(1_000, 20, 444, 0, 3))


@pytest.mark.parametrize(
    "changes",
    [
        {"policy": "available"},
        {"policy": "fixed", "policy_mod": 100_000},
        {"policy_mod": 200},
        {"leases_only": False},
        {"reserve_tank_msat": 99},
        {"per_channel_max_msat": 1},
        {"rates": LeaseRates(0, 20, 444, 0, 3)},
        {"rates": LeaseRates(1_000, 20, 0, 0, 3)},
        {"rates": LeaseRates(1_000, 70_000, 444, 0, 3)},
    ],
)
def test_nothing_is_sent_that_breaks_a_limit(bench: Bench, changes: dict[str, Any]) -> None:
    class Silent(DryRunWriter):
        def offer_leases(self, terms: AdTerms | None) -> AdTerms:
            raise AssertionError("sent")

    keeper = AdsKeeper(bench.database, NODE_KEY, 1, Silent(), bench.clock)
    bad = AdsDecision(bench.clock(), Outcome.CHANGE, GOOD, replace(GOOD, **changes), ())
    with pytest.raises(BugError, match="nothing was sent"):
        keeper.apply(bad, 100_000)
    unasked = AdsDecision(bench.clock(), Outcome.CHANGE, None, GOOD, ())
    with pytest.raises(BugError, match="wasn't asked for"):
        keeper.apply(unasked, 100_000)
    with pytest.raises(ValueError, match="dry run"):
        DryRunWriter().offer_leases(None)


# ---- what was promised binds fees


def test_a_leased_channel_keeps_its_promise(lender: Bench) -> None:
    """Offered while fees went up to 2,000 ppm at most; then the operator lets them go up to 5,000. The base that is
    promised is what a new channel charges.
    """
    lender.settings["fees"] |= {"max_ppm": 2_000, "strategy": "static", "fixed_ppm": 4_000}
    decided(lender)
    lender.node.advance_by(60)
    leased = lender.node.lease(peer(lender), 1_000_000)
    assert leased is not None
    lender.settings["fees"] |= {"max_ppm": 5_000, "base_msat": 3_000}
    plan = lender.fees()
    (decision,) = (one for one in plan.decisions if one.channel_id == leased)
    assert decision.new_ppm <= 2_000
    assert decision.new_base_msat <= 1_000
    lender.node.advance_by(9 * 3_600)
    for _ in range(3):
        lender.fees()
        lender.node.advance_by(13 * 3_600)
    in_force = lender.node.channel(leased).local
    assert in_force.fee_ppm <= 2_000
    assert in_force.fee_base_msat == 1_000
    free = [one.local.fee_ppm for key, one in lender.node.world.channels.items() if key != leased]
    assert max(free) > 2_000
