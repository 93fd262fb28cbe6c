"""What suspends writing: reserves, a node that syncs, a clock that the chain does not confirm."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revops.decide.suspend import (
    BLOCK_SECONDS,
    LEAST_STEP_SECONDS,
    clock_reasons,
    funds_reasons,
    reserve_reasons,
    syncing_reasons,
)
from revops.domain.policy import ReserveConfig
from revops.domain.reason import ReasonCode
from revops.domain.snapshot import ClockMark
from tests.builders import DAY, HOUR, NOW, SAT, make_channel, make_node, make_view, make_wallet

RESERVE = ReserveConfig(onchain_sat=100_000, offchain_sat=1_000_000)
HEIGHT = 900_000


@pytest.mark.parametrize(
    ("wallet_msat", "channels_msat", "short"),
    [
        (100_000_000, 1_000_000_000, []),
        (99_999_999, 1_000_000_000, ["99,999 sat in the wallet, reserve is 100,000: suspended"]),
        (100_000_000, 999_999_999, ["999,999 sat in the channels, reserve is 1,000,000: suspended"]),
        (0, 0, ["0 sat in the wallet", "0 sat in the channels"]),
    ],
)
def test_below_a_floor_everything_is_suspended(wallet_msat: int, channels_msat: int, short: list[str]) -> None:
    reasons = funds_reasons(wallet_msat, channels_msat, RESERVE)
    assert len(reasons) == len(short)
    assert all(reason.sentence.startswith(text) for reason, text in zip(reasons, short, strict=True))


def test_a_view_is_judged_by_its_spendable_funds() -> None:
    rich = make_view(make_channel(1), wallet=make_wallet(100_000 * SAT))
    assert reserve_reasons(rich, RESERVE) == ()
    lost = make_view(make_channel(1, connected=False), wallet=make_wallet(100_000 * SAT))
    assert [reason.numbers["where"] for reason in reserve_reasons(lost, RESERVE)] == ["the channels"]
    poor = make_view(make_channel(1), wallet=make_wallet(99_999 * SAT))
    assert [reason.numbers["have_sat"] for reason in reserve_reasons(poor, RESERVE)] == [99_999]


def test_a_reserve_of_nothing_suspends_nothing() -> None:
    assert funds_reasons(0, 0, ReserveConfig(onchain_sat=0, offchain_sat=0)) == ()


def test_a_node_that_syncs_suspends() -> None:
    assert syncing_reasons(make_view()) == ()
    syncing = make_view(node=make_node(sync_warning="still loading latest blocks from bitcoind."))
    assert [reason.sentence for reason in syncing_reasons(syncing)] == [
        "the node is syncing: still loading latest blocks from bitcoind."
    ]


@pytest.mark.parametrize(
    ("elapsed_seconds", "blocks", "doubted"),
    [
        (0, 0, False),
        (LEAST_STEP_SECONDS - 1, 0, False),
        (LEAST_STEP_SECONDS, 0, True),
        # 24 blocks are expected in four hours, 35 % of them are 8.4.
        (LEAST_STEP_SECONDS, 8, True),
        (LEAST_STEP_SECONDS, 9, False),
        (DAY, 50, True),
        (DAY, 51, False),
        (7 * DAY, 352, True),
        (7 * DAY, 353, False),
        # A mark that lies ahead: the clock went back, by more than a slow hour explains.
        (1 - LEAST_STEP_SECONDS, 0, False),
        (-LEAST_STEP_SECONDS, 0, True),
        (-7 * DAY, 0, True),
        (12 * HOUR, -3, True),
        # More than twice the blocks that the clock allows, and 36: it stood still or went back.
        (0, 36, False),
        (0, 37, True),
        (HOUR, 48, False),
        (HOUR, 49, True),
        (1 - LEAST_STEP_SECONDS, 36, False),
        (1 - LEAST_STEP_SECONDS, 37, True),
        (7 * DAY, 2_052, False),
        (7 * DAY, 2_053, True),
    ],
)
def test_the_chain_confirms_the_clock_or_not(elapsed_seconds: float, blocks: int, doubted: bool) -> None:
    marks = [ClockMark(NOW - elapsed_seconds, HEIGHT - blocks)]
    reasons = clock_reasons(marks, NOW, HEIGHT, "bitcoin")
    assert bool(reasons) is doubted
    assert clock_reasons([], NOW, HEIGHT, "bitcoin") == ()
    assert clock_reasons(marks, NOW, HEIGHT, "regtest") == ()
    if doubted:
        hours = round(elapsed_seconds / 3_600, 1)
        assert reasons[0].sentence == f"clock moved {hours} h, chain {blocks:,} blocks: spending suspended"


@pytest.mark.parametrize(("network", "doubted"), [("bitcoin", True), ("signet", True), ("testnet", False)])
def test_only_where_blocks_keep_a_pace_can_there_be_too_many(network: str, doubted: bool) -> None:
    assert bool(clock_reasons([ClockMark(NOW, HEIGHT - 37)], NOW, HEIGHT, network)) is doubted
    assert clock_reasons([ClockMark(NOW - DAY, HEIGHT)], NOW, HEIGHT, network)


@pytest.mark.parametrize(
    ("elapsed_seconds", "blocks", "doubted"),
    [
        (3 * DAY, 432, False),
        (3 * DAY, 431, True),
        # 432 blocks in the time of 346: the chain was faster than the clock by just less than a quarter, and just more.
        (346 * BLOCK_SECONDS, 432, False),
        (345 * BLOCK_SECONDS, 432, True),
    ],
)
def test_a_clock_that_was_put_right_is_trusted_when_the_chain_vouches_for_it(
    elapsed_seconds: float, blocks: int, doubted: bool
) -> None:
    """By a mark made since: what was right before the step tells nothing."""
    ahead = ClockMark(NOW + 5_000 * DAY, HEIGHT - blocks)
    since = ClockMark(NOW - elapsed_seconds, HEIGHT - blocks)
    before = ClockMark(NOW - elapsed_seconds, HEIGHT - blocks - 1)
    for marks in ([since, ahead], [ahead, since]):
        assert bool(clock_reasons(marks, NOW, HEIGHT, "bitcoin")) is doubted
    assert clock_reasons([before, ahead], NOW, HEIGHT, "bitcoin")
    assert clock_reasons([ahead], NOW, HEIGHT, "bitcoin")


def test_of_marks_older_than_the_windows_the_newest_counts() -> None:
    """A jump by more than a window leaves no mark in it; a node that was off for long is not doubted for ever."""
    long_ago, then = ClockMark(NOW - 100 * DAY, HEIGHT - 99_000), ClockMark(NOW - 30 * DAY, HEIGHT - 4_320)
    jumped = ClockMark(NOW - 30 * DAY, HEIGHT)
    for marks in ([long_ago, then], [then, long_ago]):
        assert clock_reasons(marks, NOW, HEIGHT, "bitcoin") == ()
    for marks in ([long_ago, jumped], [jumped, long_ago]):
        assert clock_reasons(marks, NOW, HEIGHT, "bitcoin")


def chain(seed: int, days: float) -> list[float]:
    """Moments at which blocks were found: independent of each other, ten minutes apart on average."""
    rng = Random(seed)
    found, at = [], NOW
    while at < NOW + days * DAY:
        at += rng.expovariate(1 / BLOCK_SECONDS)
        found.append(at)
    return found


def marks_of(blocks: list[float], every_seconds: float, until: float) -> list[ClockMark]:
    """What runs at an even pace have written down."""
    marks, height, waiting = [], HEIGHT, iter(blocks)
    block = next(waiting)
    for tick in range(int((until - NOW) / every_seconds) + 1):
        now = NOW + tick * every_seconds
        while block <= now:
            height, block = height + 1, next(waiting)
        marks.append(ClockMark(now, height))
    return marks


def test_an_honest_clock_is_rarely_doubted() -> None:
    """Twenty nodes for thirty days, looked at every half an hour, against the marks of eight days."""
    runs = doubts = 0
    for seed in range(20):
        marks = marks_of(chain(seed, 31), 1_800, NOW + 30 * DAY)
        for index in range(16, len(marks)):
            known = marks[max(0, index - 16 * 24) : index]
            runs += 1
            doubts += bool(clock_reasons(known, marks[index].marked_at, marks[index].blockheight, "bitcoin"))
    assert runs > 25_000
    assert doubts <= runs / 1_000


@pytest.mark.parametrize("jump_hours", [12, 13, 24, 7 * 24, 365 * 24])
def test_a_jump_without_blocks_is_always_doubted(jump_hours: float) -> None:
    """Whatever the chain did before, also where runs are hours apart."""
    for seed in range(200):
        for every_seconds in (600, 3_600, 6 * 3_600):
            marks = marks_of(chain(seed, 3), every_seconds, NOW + 2 * DAY)
            last = marks[-1]
            now = last.marked_at + jump_hours * HOUR
            assert clock_reasons(marks, now, last.blockheight, "bitcoin")


@pytest.mark.parametrize("jump_hours", [12, 24, 7 * 24])
def test_a_jump_between_two_runs_is_doubted_whatever_blocks_came_with_the_time_that_did_pass(
    jump_hours: float,
) -> None:
    for seed in range(300):
        marks = marks_of(chain(seed, 3), 1_800, NOW + 2 * DAY)
        before, after = marks[:-1], marks[-1]
        now = after.marked_at + jump_hours * HOUR
        assert clock_reasons(before, now, after.blockheight, "bitcoin")


def marks_until(latest_at: float) -> st.SearchStrategy[list[ClockMark]]:
    """Any marks of the last eight days, and ahead."""
    one = st.builds(ClockMark, st.floats(NOW - 8 * DAY, latest_at), st.integers(HEIGHT - 2_000, HEIGHT))
    return st.lists(one, max_size=8)


@given(marks=marks_until(NOW), data=st.data())
def test_more_marks_of_the_past_never_take_a_doubt_away(marks: list[ClockMark], data: st.DataObject) -> None:
    doubted = bool(clock_reasons(marks, NOW, HEIGHT, "bitcoin"))
    part = marks[: data.draw(st.integers(0, len(marks)))]
    assert doubted or not clock_reasons(part, NOW, HEIGHT, "bitcoin")


@given(marks=marks_until(NOW + 3 * DAY), data=st.data())
def test_a_doubt_does_not_depend_on_the_order_of_the_marks(marks: list[ClockMark], data: st.DataObject) -> None:
    reasons = clock_reasons(marks, NOW, HEIGHT, "bitcoin")
    shuffled = data.draw(st.permutations(marks))
    assert bool(clock_reasons(shuffled, NOW, HEIGHT, "bitcoin")) is bool(reasons)
    assert all(reason.code is ReasonCode.CLOCK_DOUBTFUL and reason.sentence for reason in reasons)
