"""Rules from the file to the node: what they say is what is sent, and nothing outside their bounds is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from revops.actuate.fees import DryJournal, apply_fees
from revops.cycle import policy, rebalance
from revops.domain.decision import FeePlan
from revops.domain.options import CommonOptions
from revops.domain.policy import FeesConfig
from revops.domain.reason import ReasonCode
from revops.errors import BugError, UnknownChannel
from revops.node.writer import DryRunWriter
from tests.actuate.bench import Bench
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
    plan = rebalance.plan(with_rules(bench, '[[rule]]\nname = "still"\nrebalance = "none"\n'), bench.clock)
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


def test_policy_show_knows_every_open_channel_and_says_so_of_strangers(bench: Bench) -> None:
    options = with_rules(bench, '[[rule]]\nname = "r"\nmatch = { max_age_days = 36_500 }\nmin_ppm = 3\n')
    found = policy.run(options, clock=bench.clock)
    assert {one.facts.channel_id for one in found} >= {row.channel_id for row in live(bench)}
    assert all(one.fees.min_ppm == 3 for one in found if one.facts.age_days is not None)
    with pytest.raises(UnknownChannel):
        policy.run(options, "1x1x1", bench.clock)
