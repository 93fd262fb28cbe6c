"""`splice run` on a simulated node: it costs no more than was reserved, nothing is asked for twice, and wherever a run
ends, the next one goes on from what the node says.
"""

from __future__ import annotations

import contextlib
from typing import Any

import pytest

from revops.cycle import splice_list
from revops.domain.reason import ReasonCode
from revops.errors import DataError, RevopsError
from revops.node.errors import NodeError
from revops.report.splices import splice_list as page
from revops.report.text import block_text
from tests.actuate.bench import HOUR, Killed, killing
from tests.actuate.splice_bench import Splices, codes


def test_a_splice_in_from_plan_to_lock_in(place: Splices) -> None:
    before = place.channel(place.wanted)
    assert len(place.plan().jobs) == 1
    began = place.run()
    assert codes(began) == [ReasonCode.SPLICE_BEGUN]
    [asked] = place.asked()
    [job] = began.jobs
    assert job.start is not None
    assert asked["script_or_json"].startswith(f"wallet -> {job.start.amount_sat} + fee@{job.start.perkw}; ")
    listed = place.channel(place.wanted)
    assert (listed["state"], listed["inflight"][0]["funding_txid"]) == ("CHANNELD_AWAITING_SPLICE", job.txid)
    assert place.ledger_msat() == (0, job.start.worst_msat)
    place.later(HOUR / 10)
    assert codes(place.run()) == [ReasonCode.SPLICE_WAITS]
    place.later()
    done = place.run()
    assert codes(done) == [ReasonCode.SPLICE_LOCKED]
    after = place.channel(place.wanted)
    assert after["total_msat"] - before["total_msat"] == job.start.amount_sat * 1_000
    assert after["short_channel_id"] != before["short_channel_id"]
    [(_, _, cost_msat)] = place.jobs()
    assert place.ledger_msat() == (cost_msat, 0)
    assert cost_msat is not None
    assert 0 < place.booked_msat() == cost_msat <= job.start.worst_msat
    assert codes(place.run()) == []
    assert len(place.asked()) == 1
    rows = splice_list.run(place.bench.options, 5, place.bench.clock)
    [row] = rows.splices
    assert (row.channel, row.status, row.cost_msat, row.reserved_msat) == (
        after["short_channel_id"], "settled", cost_msat, None,
    )  # fmt: skip
    shown = "\n".join(block_text(block, whole=True) for block in page(rows))
    assert "locked in" in shown
    assert str(job.txid) in shown


def test_a_splice_out_mends_the_reserve(place: Splices) -> None:
    wallet_sat = sum(row["amount_msat"] for row in place.bench.node.handle("listfunds")["outputs"]) // 1_000
    place.bench.settings["reserve"]["onchain_sat"] = wallet_sat + 1_000_000
    before = place.channel(place.dead)
    place.plan()
    began = place.run()
    assert codes(began) == [ReasonCode.SPLICE_BEGUN]
    assert ReasonCode.RESERVE_LOW in {one.code for one in began.reasons}
    place.later()
    place.run()
    [(direction, status, cost_msat)] = place.jobs()
    assert (direction, status) == ("out", "settled")
    assert cost_msat is not None
    after = place.channel(place.dead)
    assert before["total_msat"] - after["total_msat"] == began.jobs[0].amount_sat * 1_000 + cost_msat


def test_a_dry_run_asks_and_writes_nothing(place: Splices) -> None:
    place.plan()
    before = len(place.bench.node.call_log.writing_calls())
    assert codes(place.run(dry_run=True)) == [ReasonCode.SPLICE_WOULD]
    assert len(place.bench.node.call_log.writing_calls()) == before
    assert (place.jobs(), place.ledger_msat()) == ([("in", "planned", None)], (0, 0))


@pytest.mark.parametrize(
    ("section", "values", "code"),
    [
        ("splice", {"mode": "observe"}, ReasonCode.OBSERVE_MODE),
        ("splice", {"daily_sat": 0, "weekly_sat": 0}, ReasonCode.BUDGET_EXHAUSTED),
        ("splice", {"daily_sat": 0}, ReasonCode.BUDGET_EXHAUSTED),
        ("splice", {"max_feerate_perkw": 253}, ReasonCode.SPLICE_FEERATE),
        ("splice", {"min_return_ratio": 100.0}, ReasonCode.SPLICE_TOO_DEAR),
        ("reserve", {"onchain_sat": 10**9}, ReasonCode.SPLICE_WALLET_SHORT),
        ("reserve", {"offchain_sat": 10**9}, ReasonCode.RESERVE_LOW),
    ],
)
def test_what_has_changed_since_the_plan_stops_it_and_is_said(
    place: Splices, section: str, values: dict[str, Any], code: ReasonCode
) -> None:
    assert len(place.plan().jobs) == 1
    place.bench.settings[section] |= values
    assert codes(place.run()) == [code]
    assert (place.asked(), place.jobs(), place.ledger_msat()) == ([], [("in", "planned", None)], (0, 0))


@pytest.mark.parametrize("perkw", [5_001, 250_000])
def test_a_feerate_that_rose_stops_it(place: Splices, perkw: int) -> None:
    assert len(place.plan().jobs) == 1
    place.bench.node.world.feerate_perkw = perkw
    place.later(1.0)
    assert codes(place.run()) == [ReasonCode.SPLICE_FEERATE]
    assert place.asked() == []


def test_a_feerate_within_the_policy_and_above_the_plans_limit_stops_it(place: Splices) -> None:
    [planned] = place.plan().jobs
    assert planned.terms is not None
    place.bench.node.world.feerate_perkw = planned.terms.max_feerate_perkw + 1
    place.later(1.0)
    assert codes(place.run()) in ([ReasonCode.SPLICE_FEERATE_ROSE], [ReasonCode.SPLICE_TOO_DEAR])
    assert place.asked() == []


def test_an_old_plan_is_no_plan(place: Splices) -> None:
    place.plan()
    place.later(7 * HOUR)
    assert (codes(place.run()), place.asked(), place.jobs()) == ([], [], [("in", "expired", None)])


@pytest.mark.parametrize("trouble", ["vanishes", "hangs"])
def test_a_peer_that_goes_in_the_middle_costs_nothing(place: Splices, trouble: str) -> None:
    place.plan()
    place.bench.node.trouble_splice(trouble)
    if trouble == "vanishes":
        assert codes(place.run()) == [ReasonCode.SPLICE_REFUSED]
        assert (place.jobs(), place.ledger_msat()) == ([("in", "failed", None)], (0, 0))
        return
    with pytest.raises(NodeError):
        place.run()
    [(_, status, _)] = place.jobs()
    reserved_msat = place.ledger_msat()[1]
    assert status == "sending"
    assert reserved_msat > 0
    # Nobody knows yet, so that nothing is freed and nothing asked again, whatever is planned.
    place.later(60.0)
    place.plan()
    assert ReasonCode.SPLICE_UNCLEAR in codes(place.run())
    assert place.ledger_msat()[1] >= reserved_msat
    assert len(place.asked()) == 1, "a channel on which one may be going on gets no other"
    place.later(HOUR)
    place.run()
    place.later(60.0)
    place.run()
    assert place.jobs()[0] == ("in", "failed", None)
    assert [method for method, _ in place.bench.node.call_log.writing_calls()].count("disconnect") == 1


def test_a_splice_that_somebody_else_began_is_left_alone(place: Splices) -> None:
    place.plan()
    place.bench.node.splice_channel(place.wanted, 50_000, lock_in=False)
    assert codes(place.run()) == [ReasonCode.SPLICE_UNDER_WAY]
    assert place.asked() == []


def test_a_node_that_does_something_else_ends_the_run(place: Splices) -> None:
    place.plan()
    place.bench.node.false_reply("dev-splice", {"txid": "ab" * 32})
    with pytest.raises((DataError, NodeError)):
        place.run()
    assert place.jobs() == [("in", "in_flight", None)] or place.jobs() == [("in", "released", None)]


def test_wherever_a_run_dies_the_next_goes_on(place: Splices, monkeypatch: pytest.MonkeyPatch) -> None:
    """The node is asked once for each splice, and the ledger ends where the node's own does."""
    moments = 0
    for at in range(1, 200):
        asked_before, jobs_before = len(place.asked()), len(place.jobs())
        place.plan()
        with killing(monkeypatch, at, start_method="listpeers") as killer, contextlib.suppress(Killed, RevopsError):
            place.run()
        for _ in range(4):
            # A negotiation of which nothing is known is ended after a while; what was made locks in.
            place.run()
            place.later(HOUR)
        place.run()
        assert len(place.asked()) - asked_before <= 1
        assert {status for _, status, _ in place.jobs()[jobs_before:]} <= {"settled", "failed", "released", "expired"}
        settled_msat, reserved_msat = place.ledger_msat()
        assert (settled_msat, reserved_msat) == (place.booked_msat(), 0)
        made = [row for row in place.jobs() if row[1] == "settled"]
        assert len(made) == len(place.asked()), "what the node made is on record, and nothing else"
        if not killer.dead:
            break
        moments += 1
    else:
        pytest.fail("it never came to its end")
    assert moments > 15


def test_the_budget_holds_whatever_happens(place: Splices) -> None:
    place.bench.settings["splice"] |= {"daily_sat": 2_000, "weekly_sat": 2_000}
    said: set[ReasonCode] = set()
    for _ in range(10):
        place.plan()
        said |= set(codes(place.run()))
        settled_msat, reserved_msat = place.ledger_msat()
        assert settled_msat + reserved_msat <= 2_000_000
        place.later(2 * HOUR)
    assert {ReasonCode.SPLICE_BEGUN, ReasonCode.SPLICE_LOCKED, ReasonCode.BUDGET_EXHAUSTED} <= said
