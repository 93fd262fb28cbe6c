"""Rules from the file to the node: what they say is what is sent, and nothing outside their bounds is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from revops.actuate.fees import DryJournal, apply_fees
from revops.config import load
from revops.cycle import policy, rebalance, rebalance_plan
from revops.cycle.policies import channel_policies
from revops.domain.decision import FeePlan
from revops.domain.options import CommonOptions
from revops.domain.policy import FeesConfig
from revops.domain.reason import ReasonCode
from revops.errors import BugError, UnknownChannel
from revops.node.reader import NodeReader
from revops.node.rpc import Rpc
from revops.node.writer import DryRunWriter
from revops.store import scids
from revops.store.keys import channel_keys
from tests.actuate.bench import HOUR, NODE_KEY, Bench
from tests.actuate.test_actuate_fees import decision


def with_rules(bench: Bench, text: str) -> CommonOptions:
    """The bench's options, with rules at the end of its configuration."""
    options = bench.options
    assert options.config_path is not None
    with options.config_path.open("a", encoding="utf-8") as stream:
        stream.write(text)
    return options


def adjust(bench: Bench, text: str) -> FeePlan:
    from revops.cycle import fees

    return fees.run(with_rules(bench, text), clock=bench.clock)


def live(bench: Bench) -> list[Any]:
    return [row for row in bench.node.world.channels.values() if row.is_live]


def test_a_rule_sends_its_own_channels_inside_its_own_bounds(bench: Bench) -> None:
    chosen = live(bench)[0]
    plan = adjust(bench, f'[[rule]]\nname = "cheap"\nmatch = {{ peer = "{chosen.peer_id}" }}\nmax_ppm = 7\n')
    ruled = [one for one in plan.decisions if one.peer_id == chosen.peer_id]
    assert {one.rules for one in ruled} == {("cheap",)}
    for row in live(bench):
        if row.peer_id == chosen.peer_id:
            assert row.local.fee_ppm <= 7
        else:
            assert row.local.fee_ppm > 7
    sent = {call["id"]: call["feeppm"] for call in bench.calls("setchannel")}
    assert all(ppm <= 7 for channel_id, ppm in sent.items() if channel_id in {one.channel_id for one in ruled})


def test_a_plan_outside_a_channel_s_own_bounds_is_not_carried_out(bench: Bench) -> None:
    asked = replace(decision(bench), new_ppm=500, new_base_msat=0)
    own = {asked.channel_id: FeesConfig(max_ppm=400)}
    with pytest.raises(BugError, match="500 ppm is outside the bounds"):
        apply_fees(FeePlan(0.0, (asked,)), FeesConfig(), DryRunWriter(), DryJournal(), own)
    assert apply_fees(FeePlan(0.0, (asked,)), FeesConfig(), DryRunWriter(), DryJournal(), {}).sent_count == 1


def test_a_rule_keeps_channels_out_of_rebalances(bench: Bench) -> None:
    plan = rebalance_plan.run(with_rules(bench, '[[rule]]\nname = "still"\nrebalance = "none"\n'), bench.clock)
    assert plan.jobs == ()
    assert {one.reasons[0].code for one in plan.decisions} == {ReasonCode.NOT_PERMITTED}


@pytest.mark.parametrize(("permission", "forbidden"), [("target", "source"), ("source", "target"), ("none", "source")])
def test_a_rule_made_since_stops_a_job_that_was_planned(bench: Bench, permission: str, forbidden: str) -> None:
    bench.plan()
    job = bench.job()
    channel_id = job.source_channel_id if forbidden == "source" else job.target_channel_id
    text = f'[[rule]]\nmatch = {{ channel_id = "{channel_id}" }}\nrebalance = "{permission}"\n'
    rebalance.run(with_rules(bench, text), bench.clock)
    reason = bench.job().reason
    assert reason is not None
    assert reason.code is ReasonCode.NOT_PERMITTED
    assert bench.calls("sendpay") == []
    assert bench.entries() == []


def test_a_dry_run_says_of_a_job_what_a_run_would_say(bench: Bench) -> None:
    bench.plan()
    text = f'[[rule]]\nmatch = {{ channel_id = "{bench.job().source_channel_id}" }}\nrebalance = "none"\n'
    summary = rebalance.run(replace(with_rules(bench, text), dry_run=True), bench.clock)
    assert [job.reason.code for job in summary.jobs if job.reason is not None] == [ReasonCode.NOT_PERMITTED]
    allowed = rebalance.run(replace(bench.options, dry_run=True), bench.clock)
    assert [job.reason.code for job in allowed.jobs if job.reason is not None] == [ReasonCode.ROUTE_FOUND]


def test_run_after_run_each_channel_stays_inside_its_own_bounds_and_arrives(bench: Bench) -> None:
    """A fixed price far from the fees in force, in steps; everybody else keeps to the bounds of [fees]."""
    from revops.cycle import fees

    chosen = live(bench)[0].peer_id
    ruled = {row.channel_id for row in live(bench) if row.peer_id == chosen}
    bench.settings["fees"] |= {"min_ppm": 20, "max_ppm": 1_000}
    options = with_rules(
        bench,
        f'[[rule]]\nname = "dear"\nmatch = {{ peer = "{chosen}" }}\nmin_ppm = 1_500\nmax_ppm = 2_000\n'
        'strategy = "static"\nfixed_ppm = 1_777\n'
        '[[rule]]\nname = "too late"\nmin_ppm = 30\nmax_ppm = 900\n',
    )
    for _ in range(4):
        plan = fees.run(options, clock=bench.clock)
        strategies = {one.channel_id: one.strategy for one in plan.decisions}
        assert all((strategies[channel_id] == "static") is (channel_id in ruled) for channel_id in strategies)
        bench.node.advance_by(9 * HOUR)
    sent = [(call["id"], call["feeppm"]) for call in bench.calls("setchannel")]
    assert {channel_id for channel_id, _ in sent} > ruled
    assert all(1_500 <= ppm <= 2_000 for channel_id, ppm in sent if channel_id in ruled)
    assert all(30 <= ppm <= 900 for channel_id, ppm in sent if channel_id not in ruled)
    assert {row.local.fee_ppm for row in live(bench) if row.channel_id in ruled} == {1_777}


def test_a_rule_that_has_ended_sends_nothing_of_its_own(bench: Bench) -> None:
    chosen = live(bench)[0]
    text = f'[[rule]]\nmatch = {{ peer = "{chosen.peer_id}" }}\nmax_ppm = 7\nuntil = 2020-01-31\n'
    plan = adjust(bench, text)
    assert {one.rules for one in plan.decisions} == {()}
    assert {one.max_ppm for one in plan.decisions} == {5_000}


def test_a_rule_goes_on_by_a_name_of_before_a_splice_and_policy_show_agrees(bench: Bench) -> None:
    from revops.cycle import fees

    bench.sync()
    chosen = live(bench)[0].channel_id
    with bench.database.transaction(NODE_KEY) as tx:
        scids.record_names(tx, [("1x2x3", channel_keys(tx)[chosen])], bench.clock())
    options = with_rules(bench, '[[rule]]\nname = "old"\nmatch = { scid = ["1x2x3"] }\nmin_ppm = 3\n')
    plan = fees.run(replace(options, dry_run=True), clock=bench.clock)
    assert {one.channel_id for one in plan.decisions if one.rules} == {chosen}
    assert {one.facts.channel_id for one in policy.run(options, clock=bench.clock).policies if one.rules} == {chosen}
    (named,) = policy.run(options, "1x2x3", bench.clock).policies
    assert named.facts.channel_id == chosen


def test_policy_show_and_fees_adjust_see_the_same_facts(bench: Bench) -> None:
    """One reads what the sync wrote down, the other the node itself: they must not make two policies of one file."""
    bench.sync()
    options = with_rules(bench, "[[rule]]\nmatch = { min_age_days = 1 }\nmin_ppm = 3\n")
    shown = {one.facts.channel_id: one.facts for one in policy.run(options, clock=bench.clock).policies}
    config = load(options, {})
    rpc = Rpc(config.node.rpc_path, command="sync", timeout_seconds=5, writes_allowed=False)
    channels = NodeReader(rpc).channels()
    with bench.database.read(NODE_KEY) as tx:
        used = channel_policies(tx, config, [one for one in channels if one.live], bench.clock())
    assert used
    assert {channel_id: one.facts for channel_id, one in used.items()} == {
        channel_id: shown[channel_id] for channel_id in used
    }


def test_policy_show_knows_every_open_channel_and_says_so_of_strangers(bench: Bench) -> None:
    options = with_rules(bench, '[[rule]]\nname = "r"\nmatch = { max_age_days = 36_500 }\nmin_ppm = 3\n')
    found = policy.run(options, clock=bench.clock).policies
    assert {one.facts.channel_id for one in found} >= {row.channel_id for row in live(bench)}
    assert all(one.fees.min_ppm == 3 for one in found if one.facts.age_days is not None)
    with pytest.raises(UnknownChannel):
        policy.run(options, "1x1x1", bench.clock)
