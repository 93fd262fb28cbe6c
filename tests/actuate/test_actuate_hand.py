"""The operator's own hand: fees set, released and explained, and what somebody else's tool does meanwhile."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from revops.cycle import explain, fees, policy
from revops.domain.decision import FeePlan, Outcome
from revops.domain.explanation import Explained, Explanation
from revops.domain.reason import ReasonCode
from revops.errors import ConfigError, NothingToRelease, RevopsError, UnknownChannel
from revops.report.amounts import instant
from revops.report.explanation import explained
from revops.report.text import page
from revops.sim.faults import FaultKind
from tests.actuate.bench import HOUR, Bench

DAY = 24 * HOUR


def pick(bench: Bench, number: int = 0) -> Any:
    """A live channel of the node, the only one to its peer."""
    live = [row for row in bench.node.world.channels.values() if row.is_live]
    peers = Counter(row.peer_id for row in live)
    return [row for row in live if peers[row.peer_id] == 1][number]


def set_fee(bench: Bench, ppm: int, **options: Any) -> FeePlan:
    return fees.set_fee(bench.options, pick(bench).channel_id, ppm, clock=bench.clock, **options)


def explanation(bench: Bench, at: float | None = None) -> Explanation:
    (one,) = explain.run(bench.options, pick(bench).channel_id, at, clock=bench.clock).channels
    return one


def test_a_pin_goes_by_the_rails_and_step_by_step(bench: Bench) -> None:
    channel = pick(bench)
    bench.node.set_fee_externally(channel.channel_id, ppm=100, base_msat=0)
    bench.fees()
    (decision,) = set_fee(bench, 1_000).decisions
    assert decision.channel_id == channel.channel_id
    assert decision.outcome is Outcome.CHANGE
    assert channel.local.fee_ppm == 200
    (decision,) = set_fee(bench, 1_000).decisions
    assert decision.outcome is Outcome.SKIP
    assert decision.reasons[-1].code is ReasonCode.MIN_INTERVAL
    bench.node.advance_by(9 * HOUR)
    bench.fees()
    assert channel.local.fee_ppm == 400


def test_force_goes_there_at_once_and_stays_there(bench: Bench) -> None:
    channel = pick(bench)
    bench.fees()
    (decision,) = set_fee(bench, 1_234, force=True).decisions
    assert decision.outcome is Outcome.CHANGE
    assert decision.strategy == "pin"
    assert channel.local.fee_ppm == 1_234
    sent = len(bench.calls("setchannel"))
    for _ in range(6):
        bench.node.advance_by(DAY)
        bench.fees()
        assert channel.local.fee_ppm == 1_234
    assert all(call["id"] != channel.channel_id for call in bench.calls("setchannel")[sent:])


@pytest.mark.parametrize("ppm", [0, 5_001])
@pytest.mark.parametrize("force", [False, True])
def test_nothing_passes_the_bounds(bench: Bench, ppm: int, force: bool) -> None:
    with pytest.raises(ConfigError, match=r"outside min_ppm = 1 to max_ppm = 5000"):
        set_fee(bench, ppm, force=force)
    assert bench.calls("setchannel") == []
    assert bench.rows("SELECT * FROM fee_pin") == []


def test_a_pin_ends_by_time(bench: Bench) -> None:
    bench.fees()
    set_fee(bench, 700, for_seconds=DAY, force=True)
    bench.node.advance_by(DAY - HOUR)
    assert decided(bench).strategy == "pin"
    bench.node.advance_by(2 * HOUR)
    assert decided(bench).strategy == "demand"


def test_a_pin_ends_when_it_is_released(bench: Bench) -> None:
    bench.fees()
    set_fee(bench, 700, force=True)
    set_fee(bench, 800, force=True)
    bench.node.advance_by(HOUR)
    (decision,) = fees.unset_fee(bench.options, pick(bench).channel_id, clock=bench.clock).decisions
    assert decision.strategy == "demand"
    assert [row.pin_ppm for row in bench.rows("SELECT * FROM fee_pin WHERE released_at IS NULL")] == []


def decided(bench: Bench) -> Any:
    (own,) = [one for one in bench.fees().decisions if one.channel_id == pick(bench).channel_id]
    return own


def test_in_observe_mode_a_pin_is_recorded_and_nothing_is_sent(bench: Bench) -> None:
    bench.settings["fees"]["mode"] = "observe"
    (decision,) = set_fee(bench, 700, force=True).decisions
    assert decision.outcome is Outcome.DEFER
    assert decision.reasons[-1].code is ReasonCode.OBSERVE_MODE
    assert bench.calls("setchannel") == []
    bench.settings["fees"]["mode"] = "act"
    bench.fees()
    assert pick(bench).local.fee_ppm == 700


@pytest.mark.parametrize("command", ["set", "unset"])
def test_a_dry_run_of_either_leaves_nothing(bench: Bench, command: str) -> None:
    options = replace(bench.options, dry_run=True)
    channel_id = pick(bench).channel_id
    if command == "unset":
        bench.fees()
        bench.node.set_fee_externally(channel_id, ppm=777)
    tables = ("fee_pin", "fee_change", "decision", "action", "fee_state")
    before, sent = [bench.rows(f"SELECT * FROM {table}") for table in tables], list(bench.calls("setchannel"))
    if command == "set":
        (decision,) = fees.set_fee(options, channel_id, 700, force=True, clock=bench.clock).decisions
        assert (decision.outcome, decision.new_ppm) == (Outcome.CHANGE, 700)
    else:
        fees.unset_fee(options, channel_id, clock=bench.clock)
    assert bench.calls("setchannel") == sent
    assert [bench.rows(f"SELECT * FROM {table}") for table in tables] == before


def test_where_nobody_holds_the_fee_nothing_is_released_nor_forgotten(bench: Bench) -> None:
    """A mistyped channel must not cost what was learnt of it."""
    for _ in range(3):
        bench.fees()
        bench.node.advance_by(9 * HOUR)
    tables = ("fee_pin", "fee_change", "fee_state")
    before = [bench.rows(f"SELECT * FROM {table}") for table in tables]
    with pytest.raises(NothingToRelease, match="nothing to release"):
        fees.unset_fee(bench.options, pick(bench).channel_id, clock=bench.clock)
    assert [bench.rows(f"SELECT * FROM {table}") for table in tables] == before


def test_a_foreign_fee_is_respected_until_it_is_released(bench: Bench) -> None:
    bench.settings["fees"]["external"] = "respect"
    bench.fees()
    channel = pick(bench)
    bench.node.set_fee_externally(channel.channel_id, ppm=777)
    for _ in range(3):
        bench.node.advance_by(DAY)
        assert decided(bench).reasons[0].code is ReasonCode.EXTERNAL_RESPECTED
    assert channel.local.fee_ppm == 777
    fees.unset_fee(bench.options, channel.channel_id, clock=bench.clock)
    assert decided(bench).reasons[0].code is not ReasonCode.EXTERNAL_RESPECTED


def foreign_base(bench: Bench, external: str) -> Any:
    """A channel that we have priced, on which somebody sets another base fee and leaves the ppm."""
    bench.settings["fees"]["external"] = external
    channel = pick(bench)
    assert channel.local.fee_base_msat > 0  # the node's default is nobody's decision
    bench.fees()
    assert channel.local.fee_base_msat == 0
    bench.node.advance_by(9 * HOUR)
    bench.fees()
    bench.node.set_fee_externally(channel.channel_id, ppm=channel.local.fee_ppm, base_msat=700)
    bench.node.advance_by(HOUR)
    return channel


def test_a_foreign_base_fee_is_respected_until_it_is_released(bench: Bench) -> None:
    channel = foreign_base(bench, "respect")
    for _ in range(3):
        assert decided(bench).reasons[0].code is ReasonCode.EXTERNAL_RESPECTED
        bench.node.advance_by(DAY)
    assert channel.local.fee_base_msat == 700
    rows = bench.rows("SELECT * FROM fee_change WHERE source = 'external' AND old_ppm IS NOT NULL")
    assert [(row.old_ppm, row.base_msat) for row in rows] == [(channel.local.fee_ppm, 700)]
    fees.unset_fee(bench.options, channel.channel_id, clock=bench.clock)
    bench.node.advance_by(9 * HOUR)
    bench.fees()
    assert channel.local.fee_base_msat == 0


@pytest.mark.parametrize("external", ["learn", "overwrite"])
def test_a_foreign_base_fee_is_put_right_like_a_foreign_fee(bench: Bench, external: str) -> None:
    """Not sooner than the interval after it was noticed, and what is learnt begins anew."""
    channel = foreign_base(bench, external)
    noticed = decided(bench)
    assert noticed.outcome is Outcome.SKIP
    assert noticed.reasons[-1].code is ReasonCode.MIN_INTERVAL
    assert noticed.state.open_seconds == 0.0
    bench.node.advance_by(9 * HOUR)
    bench.fees()
    assert channel.local.fee_base_msat == 0
    sources = [row.source for row in bench.rows("SELECT * FROM fee_change WHERE base_msat = 700")]
    assert sources == ["external"]


def test_a_base_fee_that_was_not_recorded_is_nobodys_change(bench: Bench) -> None:
    """Records of an earlier version know the ppm only."""
    channel = foreign_base(bench, "respect")
    with bench.database.transaction(1) as tx:
        tx.connection.exec_driver_sql("UPDATE fee_change SET base_msat = NULL")
    assert decided(bench).reasons[0].code is not ReasonCode.EXTERNAL_RESPECTED
    assert channel.local.fee_base_msat == 0 or decided(bench).reasons[-1].code is ReasonCode.MIN_INTERVAL


def test_a_war_of_two_tools_costs_no_more_gossip_than_peace(bench: Bench) -> None:
    """Another tool sets 9,000 ppm, out of bounds, every half hour for two days."""
    bench.settings["fees"]["external"] = "overwrite"
    bench.fees()
    channel = pick(bench)
    sent = len(bench.calls("setchannel"))
    for _ in range(96):
        bench.node.set_fee_externally(channel.channel_id, ppm=9_000)
        bench.node.advance_by(HOUR / 2)
        bench.fees()
    ours = [call for call in bench.calls("setchannel")[sent:] if call["id"] == channel.channel_id]
    assert 1 <= len(ours) <= 7
    assert all(call["feeppm"] <= 5_000 for call in ours)


def test_a_forced_fee_is_forced_once(bench: Bench) -> None:
    """Another tool changes it again every half hour for two days: that is no reason for more gossip than in peace."""
    bench.fees()
    bench.node.advance_by(DAY)
    channel = pick(bench)
    sent = len(bench.calls("setchannel"))
    set_fee(bench, 600, force=True)
    for _ in range(96):
        bench.node.set_fee_externally(channel.channel_id, ppm=640)
        bench.node.advance_by(HOUR / 2)
        bench.fees()
    ours = [call for call in bench.calls("setchannel")[sent:] if call["id"] == channel.channel_id]
    assert 1 <= len(ours) <= 7
    set_fee(bench, 600, force=True)  # said again, it is forced again
    assert channel.local.fee_ppm == 600


@pytest.mark.parametrize("lost", [True, False])
def test_a_forced_fee_that_did_not_arrive_stays_forced(bench: Bench, lost: bool) -> None:
    """A call that was lost before the node saw it, or a node that refused; one whose reply was lost is in force."""
    bench.fees()
    channel = pick(bench)
    bench.fault("setchannel", FaultKind.DROP_BEFORE) if lost else bench.refuse("setchannel", -1)
    with pytest.raises(RevopsError):
        set_fee(bench, 600, force=True)
    assert channel.local.fee_ppm != 600
    bench.node.advance_by(60)
    bench.fees()
    assert channel.local.fee_ppm == 600


def test_a_forced_fee_whose_reply_was_lost_has_come_into_force(bench: Bench) -> None:
    bench.fees()
    bench.fault("setchannel", FaultKind.REPLY_LOST)
    with pytest.raises(RevopsError):
        set_fee(bench, 600, force=True)
    bench.node.advance_by(60)
    bench.fees()
    bench.node.set_fee_externally(pick(bench).channel_id, ppm=640)
    bench.node.advance_by(60)
    assert decided(bench).outcome is Outcome.SKIP


@pytest.mark.parametrize("hand", ["pinned anew", "given back"])
def test_what_a_hand_does_counts_whatever_the_clock_said(bench: Bench, hand: str) -> None:
    """The clock was two hours ahead when it did it, and is right again."""
    bench.fees()
    channel = pick(bench)
    set_fee(bench, 700, force=True, for_seconds=HOUR if hand == "given back" else None)
    bench.clock_offset = 2 * HOUR
    if hand == "given back":
        fees.unset_fee(bench.options, channel.channel_id, clock=bench.clock)
    else:
        set_fee(bench, 300, force=True)
        assert channel.local.fee_ppm == 300
    bench.clock_offset = 0.0
    bench.node.advance_by(60)
    assert decided(bench).strategy == ("demand" if hand == "given back" else "pin")
    assert channel.local.fee_ppm == (700 if hand == "given back" else 300)


def test_a_skipped_channel_is_explained(bench: Bench) -> None:
    bench.fees()
    text = page(explained(explain.run(bench.options, pick(bench).channel_id, clock=bench.clock)))
    assert "first seen at" in text
    assert "strategy demand proposed" in text
    assert "bounds 1 to 5,000 ppm" in text


def test_every_price_is_explained_with_what_it_brought(bench: Bench) -> None:
    channel = pick(bench)
    bench.node.set_fee_externally(channel.channel_id, ppm=channel.local.fee_ppm, base_msat=0)
    bench.fees()
    first_at = bench.clock()
    first_ppm = pick(bench).local.fee_ppm
    bench.node.advance_by(HOUR)
    set_fee(bench, 900, force=True)
    bench.node.advance_by(HOUR)
    now = explanation(bench)
    assert now.pin is not None
    assert now.decision is not None
    assert [reason.code for reason in now.decision.reasons] == [ReasonCode.PINNED]
    assert now.decision.details["strategy"] == "pin"
    assert now.spells[0].ppm == 900
    assert now.spells[0].until_at is None
    assert now.actions[0].request["feeppm"] == 900
    assert now.actions[0].status == "done"
    then = explanation(bench, first_at + 60)
    assert then.pin is None
    assert then.actions == ()
    assert then.spells[0].ppm == first_ppm
    assert then.spells[0].until_at == now.spells[0].from_at
    assert then.decision is not None
    assert then.decision.reasons[0].code is ReasonCode.FIRST_SEEN
    before = explanation(bench, first_at - DAY)
    assert before.decision is None
    assert "no fee decision is on record" in page(explained(explain.run(bench.options, pick(bench).channel_id, 0.0)))


def told(bench: Bench, at: float | None = None) -> list[str]:
    return page(explained(explain.run(bench.options, pick(bench).channel_id, at, clock=bench.clock))).splitlines()


def test_then_is_kept_apart_from_now(bench: Bench) -> None:
    """Asked about yesterday, nothing of today stands there without saying so."""
    channel = pick(bench)
    bench.node.set_fee_externally(channel.channel_id, ppm=channel.local.fee_ppm, base_msat=0)
    bench.fees()
    bench.node.advance_by(HOUR)
    bench.fees()
    then_ppm, then_at = channel.local.fee_ppm, bench.clock() + 60
    for _ in range(2):
        bench.node.advance_by(HOUR)
        bench.fees()
    set_fee(bench, 1_234, force=True)
    bench.node.advance_by(HOUR)
    bench.node.add_forward(
        in_channel=pick(bench, 1).scid, in_htlc_id=900, in_msat=51_000_000, status="settled", fee_msat=1_000_000,
        received_at=bench.clock() - 60, out_channel=channel.scid, out_htlc_id=900, out_msat=50_000_000,
        resolved_at=bench.clock() - 30,
    )  # fmt: skip
    bench.sync()
    lines = told(bench, then_at)
    assert lines[1].startswith(f"on {instant(then_at)}: {then_ppm:,} ppm in force, as it was found or set outside")
    assert lines[2].startswith(f"now, {instant(bench.clock())}: ")
    assert "1,234 ppm + 0 msat in force" in lines[2]
    assert not any("1,234" in line for line in lines[3:])
    (decided_line,) = [line for line in lines if line.startswith("fees adjust, ")]
    assert f"; the same until {instant(then_at - 60 + 2 * HOUR)}, whose figures follow" in decided_line
    assert "What each price brought, counted on up to now" in lines
    now = told(bench)
    assert "1,234 ppm + 0 msat in force" in now[1]
    earned_sat = explanation(bench).channel_now.lifetime.earned_msat // 1_000
    assert earned_sat >= 1_000
    assert f"earned {earned_sat:,} sat in all" in now[1]
    assert [f"{earned_sat:,} sat" in line for line in lines[:4]] == [False, False, True, False]
    assert not any(line.startswith(("on ", "now, ")) for line in now)
    assert "What each price brought" in now
    assert "Sent to the node" in now
    assert not any(line.startswith("Sent to the node") for line in lines)


def test_a_price_is_counted_up_to_the_last_sync(bench: Bench) -> None:
    """What came since isn't known: those hours aren't hours without income."""
    bench.fees()
    bench.node.advance_by(HOUR)
    bench.sync()

    def prices() -> list[str]:
        lines = told(bench)
        return lines[lines.index("What each price brought") :]

    fresh = prices()
    bench.node.advance_by(5 * HOUR)
    assert prices() == fresh
    bench.sync()
    assert prices() != fresh


def test_a_call_that_was_open_then_is_told_as_open(bench: Bench) -> None:
    bench.fees()
    bench.fault("setchannel", FaultKind.REPLY_LOST)
    with pytest.raises(RevopsError):
        set_fee(bench, 900, force=True)
    bench.node.advance_by(HOUR)
    bench.fees()
    assert explanation(bench).actions[0].status == "done"
    then = explanation(bench, bench.clock() - HOUR / 2).actions[0]
    assert (then.status, then.reply, then.settled_at) == ("pending", None, None)


def test_policy_show_knows_the_pin_that_is_in_force(bench: Bench) -> None:
    bench.fees()
    set_fee(bench, 700, for_seconds=DAY, force=True)
    shown = policy.run(bench.options, clock=bench.clock)
    assert {channel_id: pin.ppm for channel_id, pin in shown.pins.items()} == {pick(bench).channel_id: 700}
    bench.node.advance_by(DAY + HOUR)
    assert policy.run(bench.options, clock=bench.clock).pins == {}


def test_the_decision_behind_the_fee_in_force_is_shown_however_many_came_after(bench: Bench) -> None:
    bench.fees()
    bench.settings["fees"]["min_ppm"] = pick(bench).local.fee_ppm + 400
    for _ in range(3):
        bench.node.advance_by(9 * HOUR)
        bench.fees()
    changed = bench.rows("SELECT * FROM fee_change WHERE source = 'revops'")
    assert changed
    found = explain.run(bench.options, pick(bench).channel_id, clock=bench.clock).channels[0]
    assert found.decision is not None
    assert found.decision.outcome == Outcome.SKIP
    assert found.set_by is not None
    assert (found.set_by.outcome, found.set_by.new_ppm) == (Outcome.CHANGE, pick(bench).local.fee_ppm)
    text = page(explained(Explained((found,))))
    assert "the fee in force comes from:" in text
    assert "back inside" in text
    assert "; synced " in text
    # At the time of the change itself it is the last decision, and is not told twice.
    then = explain.run(bench.options, pick(bench).channel_id, found.spells[0].from_at, clock=bench.clock).channels[0]
    assert then.decision is not None
    assert then.decision.new_ppm == pick(bench).local.fee_ppm
    assert then.set_by is None


def test_a_peer_is_explained_by_its_channels_and_a_stranger_is_an_error(bench: Bench) -> None:
    bench.fees()
    peer_id = pick(bench).peer_id
    shown = explain.run(bench.options, peer_id, clock=bench.clock).channels
    assert {one.channel_now.peer_id for one in shown} == {peer_id}
    with pytest.raises(UnknownChannel, match="no channel or peer 1x1x1"):
        explain.run(bench.options, "1x1x1", clock=bench.clock)


def test_a_channel_that_is_not_there_is_answered_with_what_is_near(bench: Bench) -> None:
    scid = pick(bench).scid
    wrong = scid[:-1] + ("0" if scid[-1] != "0" else "1")
    told = rf"^no such channel: {wrong}; near it: .*\b{scid} \("
    with pytest.raises(UnknownChannel, match=told):
        fees.set_fee(bench.options, wrong, 100, clock=bench.clock)
    with pytest.raises(UnknownChannel, match=told):
        fees.unset_fee(bench.options, wrong, clock=bench.clock)
    with pytest.raises(UnknownChannel, match=told):
        fees.run(bench.options, channels=(wrong,), clock=bench.clock)


def test_every_fee_in_force_can_be_explained_from_the_database_alone(bench: Bench) -> None:
    """Weeks of runs with everything that changes a fee: each price on record has who set it, and why."""
    bench.node.pause_market(False)
    for day in range(8):
        for _ in range(4):
            bench.node.advance_by(6 * HOUR)
            bench.fees()
        bench.node.advance_by(60)
        if day == 2:
            set_fee(bench, 321, for_seconds=2 * DAY, force=True)
        if day == 5:
            bench.node.set_fee_externally(pick(bench, 1).channel_id, ppm=55)
    in_force = {row.channel_id: row.local.fee_ppm for row in bench.node.world.channels.values() if row.is_live}
    for channel_id, ppm in in_force.items():
        (one,) = explain.run(bench.options, channel_id, clock=bench.clock).channels
        assert one.spells[0].ppm == ppm
        for spell in one.spells:
            if spell.source == "revops":
                (told,) = explain.run(bench.options, channel_id, spell.from_at, clock=bench.clock).channels
                assert told.decision is not None
                assert told.decision.new_ppm == spell.ppm
                assert told.decision.outcome == Outcome.CHANGE
                assert told.decision.reasons


def test_our_fee_is_put_back_whole_and_a_released_one_is_not(bench: Bench) -> None:
    bench.settings["fees"]["external"] = "overwrite"
    channel = pick(bench)
    bench.fees()
    bench.node.advance_by(9 * HOUR)
    ours = channel.local.fee_ppm
    bench.node.set_fee_externally(channel.channel_id, ppm=4 * ours)
    bench.node.advance_by(9 * HOUR)
    bench.fees()
    bench.node.advance_by(9 * HOUR)
    bench.fees()
    assert channel.local.fee_ppm <= ours * 1.3
    bench.node.set_fee_externally(channel.channel_id, ppm=4 * ours)
    bench.node.advance_by(9 * HOUR)
    (decision,) = fees.unset_fee(bench.options, channel.channel_id, clock=bench.clock).decisions
    assert ReasonCode.EXTERNAL_OVERWRITTEN not in {reason.code for reason in decision.reasons}
