"""A dry run of fees decides what the run would decide, whatever happened before it, and writes nothing."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

import pytest
from sqlalchemy import text

from revops.actuate.fee_findings import METHOD, FeeFinding, given_back, look_back, read_records, record_findings
from revops.cycle import fees
from revops.domain.decision import FeePlan, Outcome
from revops.domain.reason import ReasonCode
from revops.domain.record import FeeChange
from revops.domain.snapshot import FeePin
from revops.errors import NothingToRelease
from revops.node.reader import NodeReader
from revops.node.rpc import Rpc
from revops.store import actions, decisions
from revops.store.engine import Tx
from tests.actuate.bench import DAY, HOUR, NODE_KEY, Bench, open_bench

#: What decisions leave behind: a dry run may sync, and no more.
TABLES: Final = ("run", "action", "decision", "decision_tally", "fee_state", "fee_change", "fee_pin")


def live(bench: Bench) -> list[Any]:
    return [row for row in bench.node.world.channels.values() if row.is_live]


def dump(bench: Bench) -> dict[str, list[Any]]:
    return {table: bench.rows(f"SELECT * FROM {table}") for table in TABLES}


def in_force(bench: Bench) -> Mapping[str, tuple[int, int]]:
    return {row.channel_id: (row.local.fee_base_msat, row.local.fee_ppm) for row in live(bench)}


def set_outside(bench: Bench, channel: Any, dice: random.Random) -> None:
    ppm, base_msat = dice.choice([(3, 0), (channel.local.fee_ppm, 500), (700, 0), (9_000, 1_000)])
    bench.node.set_fee_externally(channel.channel_id, ppm=ppm, base_msat=base_msat)


def leave_open(bench: Bench, channel: Any, dice: random.Random) -> None:
    """A call whose answer was lost, carried out or not; or one that turned the valve alone."""
    request: dict[str, object] = {"feebase": channel.local.fee_base_msat, "feeppm": channel.local.fee_ppm + 7}
    kind = dice.choice(["carried out", "not carried out", "valve", "carried out and changed since"])
    if kind == "valve":
        request |= {"feeppm": channel.local.fee_ppm, "htlcmax": channel.local.htlc_maximum_msat}
    with bench.database.transaction(NODE_KEY) as tx:
        at = bench.clock() - dice.choice([60, 7_200, 30 * HOUR])
        actions.begin_action(tx, 1, METHOD, channel.channel_id, request, at)
    if kind.startswith("carried out"):
        bench.node.set_fee_externally(channel.channel_id, ppm=channel.local.fee_ppm + 7)
    if kind.endswith("since"):
        bench.node.set_fee_externally(channel.channel_id, ppm=44)


def pin(bench: Bench, channel: Any, dice: random.Random) -> None:
    """Some have ended by the time of the next look."""
    span = dice.choice([None, HOUR, 30 * DAY])
    forced = dice.choice([True, False])
    fees.set_fee(bench.options, channel.channel_id, 600, for_seconds=span, force=forced, clock=bench.clock)


def unpin(bench: Bench, channel: Any, _dice: random.Random) -> None:
    with suppress(NothingToRelease):
        fees.unset_fee(bench.options, channel.channel_id, clock=bench.clock)


def make_new(bench: Bench, channel: Any, _dice: random.Random) -> None:
    """The records have never seen it, and it was opened an hour ago."""
    channel.opened_at = int(bench.clock() - HOUR)
    key = f"(SELECT channel_key FROM channel WHERE channel_id = '{channel.channel_id}')"
    with bench.database.transaction(NODE_KEY) as tx:
        for table in ("fee_state", "fee_change", "fee_pin"):
            tx.connection.execute(text(f"DELETE FROM {table} WHERE channel_key = {key}"))


def disconnect(bench: Bench, channel: Any, _dice: random.Random) -> None:
    bench.node.disconnect_peer(channel.peer_id)


def nothing(_bench: Bench, _channel: Any, _dice: random.Random) -> None:
    """As it was."""


EVENTS: Final[tuple[Callable[[Bench, Any, random.Random], None], ...]] = (
    set_outside, leave_open, pin, unpin, make_new, disconnect, nothing,
)  # fmt: skip


def dry(bench: Bench, command: Callable[..., FeePlan], *arguments: Any, **options: Any) -> FeePlan:
    """The plan of a dry run, which leaves nothing behind."""
    before, fees_before, calls = dump(bench), in_force(bench), len(bench.calls(METHOD))
    plan = command(replace(bench.options, dry_run=True), *arguments, clock=bench.clock, **options)
    assert (dump(bench), in_force(bench), len(bench.calls(METHOD))) == (before, fees_before, calls)
    return plan


def recorded(bench: Bench, plan: FeePlan) -> None:
    """What the run decided is what is on record."""
    with bench.database.read(NODE_KEY) as tx:
        for decision in plan.decisions:
            record = decisions.decision_at(tx, decisions.FEES, decision.channel_id, plan.taken_at)
            assert record is not None
            assert record.last_at == plan.taken_at
            assert (record.outcome, record.old_ppm, record.new_ppm) == (
                decision.outcome, decision.old_ppm, decision.new_ppm,
            )  # fmt: skip
            assert record.reasons == decision.reasons


@pytest.mark.parametrize("external", ["learn", "respect", "overwrite"])
@pytest.mark.parametrize("seed", [1, 2])
def test_the_plan_of_a_dry_run_is_the_plan_of_the_run(template: Any, external: str, seed: int) -> None:
    """Rounds of everything that can happen between two runs, on all channels, by a seed."""
    dice = random.Random(seed)
    seen: Counter[ReasonCode] = Counter()
    with open_bench(template) as bench:
        bench.settings["fees"] |= {"external": external, "htlc_max": "valve" if seed == 2 else "keep"}
        make_new(bench, live(bench)[0], dice)
        for round_number in range(6):
            for channel in live(bench) if round_number else ():
                dice.choice(EVENTS)(bench, channel, dice)
            announced = dry(bench, fees.run)
            plan = fees.run(bench.options, clock=bench.clock)
            assert announced == plan
            recorded(bench, plan)
            seen.update(reason.code for decision in plan.decisions for reason in decision.reasons)
            bench.node.advance_by(dice.choice([HOUR / 2, 9 * HOUR, 2 * DAY]))
            for channel in live(bench):
                bench.node.connect_peer(channel.peer_id)
    told = {"learn": "external_change", "respect": "external_respected", "overwrite": "external_overwritten"}
    assert {ReasonCode(told[external]), ReasonCode.PINNED} <= set(seen)


@pytest.mark.parametrize("external", ["learn", "respect", "overwrite"])
@pytest.mark.parametrize("before", [set_outside, leave_open, pin, nothing])
def test_a_dry_run_by_hand_shows_what_follows(bench: Bench, external: str, before: Any) -> None:
    dice = random.Random(external)
    bench.settings["fees"]["external"] = external
    bench.fees()
    bench.node.advance_by(30 * HOUR)
    channel = live(bench)[0]
    before(bench, channel, dice)
    bench.node.advance_by(9 * HOUR)
    commands: list[tuple[Callable[..., FeePlan], tuple[Any, ...], dict[str, Any]]] = [
        (fees.set_fee, (channel.channel_id, 900), {"force": True, "for_seconds": DAY}),
        (fees.unset_fee, (channel.channel_id,), {}),
    ]
    if before is pin:
        commands.reverse()
    for command, arguments, options in commands:
        announced = dry(bench, command, *arguments, **options)
        plan = command(bench.options, *arguments, clock=bench.clock, **options)
        assert announced == plan
        recorded(bench, plan)
        bench.node.advance_by(9 * HOUR)


def test_a_dry_run_respects_a_fee_that_nobody_has_noticed_yet(bench: Bench) -> None:
    bench.settings["fees"]["external"] = "respect"
    bench.fees()
    bench.node.advance_by(9 * HOUR)
    channel = live(bench)[0]
    bench.node.set_fee_externally(channel.channel_id, ppm=777)
    (decision,) = dry(bench, fees.run, (channel.channel_id,)).decisions
    assert [reason.code for reason in decision.reasons] == [ReasonCode.EXTERNAL_RESPECTED]


def test_releasing_a_pin_shows_the_strategy_that_goes_on(bench: Bench) -> None:
    bench.fees()
    channel_id = live(bench)[0].channel_id
    fees.set_fee(bench.options, channel_id, 700, force=True, clock=bench.clock)
    (decision,) = dry(bench, fees.unset_fee, channel_id).decisions
    assert decision.strategy == "demand"
    assert ReasonCode.PINNED not in {reason.code for reason in decision.reasons}
    (still,) = dry(bench, fees.run, (channel_id,)).decisions
    assert (still.strategy, still.outcome) == ("pin", Outcome.SKIP)


def reader(bench: Bench) -> NodeReader:
    return NodeReader(Rpc(bench.folder / "rpc", command="fees adjust", timeout_seconds=5, writes_allowed=False))


def _findings(bench: Bench, tx: Tx, by_hand: FeeFinding | None) -> tuple[FeeFinding, ...]:
    pending = actions.pending_actions(tx, METHOD)
    found = look_back(read_records(tx, bench.clock()), pending, reader(bench).channels(), bench.clock())
    return found if by_hand is None else (*found, by_hand)


@pytest.mark.parametrize("hand", ["nothing", "pinned", "given back"])
@pytest.mark.parametrize("seed", range(4))
def test_the_records_with_what_was_found_are_those_that_are_written(bench: Bench, seed: int, hand: str) -> None:
    dice = random.Random(seed)
    bench.fees()
    bench.node.advance_by(dice.choice([HOUR, 30 * HOUR]))
    pin(bench, dice.choice(live(bench)), dice)  # it looks back, too: first
    for channel in live(bench):
        dice.choice([set_outside, leave_open, make_new, nothing])(bench, channel, dice)
    bench.sync()
    now = bench.clock()
    target = reader(bench).channels()[0]
    by_hand = {
        "nothing": None,
        "pinned": FeeFinding(target.channel_id, pin=FeePin(900, now, None, forced=True)),
        "given back": given_back(target, now),
    }[hand]
    with bench.database.read(NODE_KEY) as tx:
        records = read_records(tx, now)
        findings = _findings(bench, tx, by_hand)
    with bench.database.transaction(NODE_KEY) as tx:
        record_findings(tx, findings, now)
    with bench.database.read(NODE_KEY) as tx:
        assert read_records(tx, now) == records.after(findings, now)
        assert records.after(findings, now) != records
        assert actions.pending_actions(tx, METHOD) == ()


def test_two_lost_answers_of_one_channel_are_told_apart(bench: Bench) -> None:
    """The first was carried out, and the second on top of it: each has the fee before it as the old one."""
    bench.fees()
    channel = live(bench)[0]
    base_msat = channel.local.fee_base_msat
    with bench.database.transaction(NODE_KEY) as tx:
        for ppm in (333, 333):
            request: dict[str, object] = {"feebase": base_msat, "feeppm": ppm}
            actions.begin_action(tx, 1, METHOD, channel.channel_id, request, bench.clock())
    before = channel.local.fee_ppm
    bench.node.set_fee_externally(channel.channel_id, ppm=333)
    with bench.database.read(NODE_KEY) as tx:
        changes = [one.change for one in _findings(bench, tx, None) if one.channel_id == channel.channel_id]
    assert changes == [
        FeeChange(channel.channel_id, bench.clock(), before, 333, "revops", base_msat),
        FeeChange(channel.channel_id, bench.clock(), 333, 333, "revops", base_msat),
    ]
