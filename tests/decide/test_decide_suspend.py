"""What suspends writing: reserves, a node that syncs, a clock that the chain does not confirm."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revops.decide.suspend import (
    BLOCK_SECONDS,
    LEAST_STEP_SECONDS,
    Funds,
    clock_reasons,
    funds_reasons,
    lagging_reasons,
    reserve_reasons,
    reserve_since,
    reserve_standings,
    syncing_reasons,
)
from revops.domain.policy import ReserveConfig
from revops.domain.reason import ReasonCode
from revops.domain.record import ReserveStanding
from revops.domain.snapshot import ClockMark
from tests.builders import DAY, HOUR, NOW, SAT, make_channel, make_node, make_view, make_wallet

RESERVE = ReserveConfig(onchain_sat=100_000, offchain_sat=1_000_000)
HEIGHT = 900_000


@pytest.mark.parametrize(
    ("wallet_msat", "channels_msat", "short"),
    [
        (100_000_000, 1_000_000_000, []),
        (99_999_999, 1_000_000_000, ["99,999 sat in the wallet, reserve is 100,000: suspended until there are 110,0"]),
        (
            100_000_000,
            999_999_999,
            ["999,999 sat in the channels, reserve is 1,000,000: suspended until there are 1,1"],
        ),
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


FULL = Funds(100_000_000, 1_000_000_000)


@pytest.mark.parametrize(
    ("before", "funds", "since"),
    [
        # It falls by the floor itself.
        ({}, FULL, {}),
        ({}, FULL._replace(wallet_msat=99_999_999), {"onchain": NOW}),
        ({}, FULL._replace(channels_msat=0), {"offchain": NOW}),
        ({}, Funds(0, 0), {"onchain": NOW, "offchain": NOW}),
        # It comes back a tenth above it, to the msat, and keeps the moment at which it fell.
        ({"onchain": 5.0}, FULL, {"onchain": 5.0}),
        ({"onchain": 5.0}, FULL._replace(wallet_msat=109_999_999), {"onchain": 5.0}),
        ({"onchain": 5.0}, FULL._replace(wallet_msat=110_000_000), {}),
        ({"onchain": 5.0}, Funds(99_999_999, 0), {"onchain": 5.0, "offchain": NOW}),
        ({"onchain": 5.0, "offchain": 6.0}, Funds(110_000_000, 1_099_999_999), {"offchain": 6.0}),
        # What nobody knows any more is forgotten.
        ({"moon": 5.0}, FULL, {}),
    ],
)
def test_what_was_below_its_reserve_comes_back_well_above_it(
    before: dict[str, float], funds: Funds, since: dict[str, float]
) -> None:
    assert reserve_since(funds, RESERVE, before, NOW) == since


def test_what_recovers_says_what_it_waits_for() -> None:
    reasons = funds_reasons(105_000_000, 1_000_000_000, RESERVE, {"onchain": NOW - DAY})
    assert [(reason.code, reason.sentence) for reason in reasons] == [
        (
            ReasonCode.RESERVE_RECOVERING,
            "105,000 sat in the wallet, above the reserve of 100,000 again: suspended until there are 110,000",
        )
    ]
    assert funds_reasons(105_000_000, 1_000_000_000, RESERVE) == ()
    view = make_view(make_channel(1), wallet=make_wallet(105_000 * SAT))
    assert reserve_reasons(view, RESERVE, {"onchain": 1.0}) == reasons
    (wallet, channels) = reserve_standings(Funds(105_000_000, 1_000_000_000), RESERVE, {"onchain": 1.0})
    assert wallet == ReserveStanding("onchain", 105_000_000, 100_000_000, 110_000_000, 1.0, reasons[0])
    assert channels == ReserveStanding("offchain", 1_000_000_000, 1_000_000_000, 1_100_000_000)


def test_a_reserve_that_is_lifted_frees_what_waited() -> None:
    assert reserve_since(Funds(0, 0), ReserveConfig(onchain_sat=0), {"onchain": 1.0, "offchain": 1.0}, NOW) == {}


@given(
    have=st.integers(0, 2 * 10**18),
    floor=st.integers(0, 2_100_000_000_000_000),
    ratio=st.floats(0, 10),
    suspended=st.booleans(),
)
def test_no_funds_below_the_floor_ever_write_and_more_never_suspend(
    have: int, floor: int, ratio: float, suspended: bool
) -> None:
    reserve = ReserveConfig(onchain_sat=floor, resume_ratio=ratio)
    before = {"onchain": 1.0} if suspended else {}
    since = reserve_since(Funds(have, 0), reserve, before, NOW)
    if have < floor * SAT:
        assert since == {"onchain": 1.0 if suspended else NOW}
    elif not suspended:
        assert since == {}
    if not since:
        assert reserve_since(Funds(have + 1, 0), reserve, before, NOW) == {}
    assert bool(funds_reasons(have, 0, reserve, before)) == bool(since)


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
        # A mark of more than a day of blocks ago isn't asked any more.
        (7 * DAY, 144, True),
        (7 * DAY, 145, False),
        # The clock went back: the ledger waits for the chain anyway.
        (-7 * DAY, 0, False),
        # A mark above the present height.
        (12 * HOUR, -3, False),
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
        assert reasons[0].sentence == f"clock moved {hours} h, chain {blocks:,} blocks: suspended"


def test_a_look_at_a_clock_that_was_behind_is_no_ground_for_doubt() -> None:
    """A machine without a battery starts in 1970, until it has asked somebody."""
    before, behind = ClockMark(NOW - 2 * HOUR, HEIGHT - 12), ClockMark(0.0, HEIGHT - 6)
    for marks in ([before, behind], [behind, before]):
        assert clock_reasons(marks, NOW, HEIGHT, "bitcoin") == ()
        assert clock_reasons(marks, NOW + DAY, HEIGHT, "bitcoin"), "the one before it still counts"
    assert clock_reasons([behind], NOW, HEIGHT, "bitcoin"), "with nothing before it, it can't be told from a jump"


@pytest.mark.parametrize("ahead_days", [0.5, 2, 6, 5_000])
def test_one_look_at_a_clock_that_was_ahead_suspends_nothing_afterwards(ahead_days: float) -> None:
    ahead = ClockMark(NOW + ahead_days * DAY, HEIGHT)
    for hours in range(1, 24 * 30):
        now, height = NOW + hours * HOUR, HEIGHT + 6 * hours
        marks = [ClockMark(NOW + hour * HOUR, HEIGHT + 6 * hour) for hour in range(max(hours - 48, -48), hours)]
        assert clock_reasons([*marks, ahead], now, height, "bitcoin") == ()


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
    """Twenty nodes for thirty days, looked at every half an hour, against the marks of two days."""
    runs = doubts = 0
    for seed in range(20):
        marks = marks_of(chain(seed, 31), 1_800, NOW + 30 * DAY)
        for index in range(16, len(marks)):
            known = marks[max(0, index - 2 * 48) : index]
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
    """Any marks of the last days, and ahead."""
    one = st.builds(ClockMark, st.floats(NOW - 8 * DAY, latest_at), st.integers(HEIGHT - 300, HEIGHT + 10))
    return st.lists(one, max_size=8)


@given(marks=marks_until(NOW + 3 * DAY), data=st.data())
def test_a_doubt_does_not_depend_on_the_order_of_the_marks(marks: list[ClockMark], data: st.DataObject) -> None:
    reasons = clock_reasons(marks, NOW, HEIGHT, "bitcoin")
    shuffled = data.draw(st.permutations(marks))
    assert bool(clock_reasons(shuffled, NOW, HEIGHT, "bitcoin")) is bool(reasons)
    assert all(reason.code is ReasonCode.CLOCK_DOUBTFUL and reason.sentence for reason in reasons)


def hourly(count: int, offset_seconds: float = 0.0) -> list[ClockMark]:
    return [ClockMark(NOW - hours * HOUR + offset_seconds, HEIGHT - hours * 6) for hours in range(count)]


@pytest.mark.parametrize(
    ("marks", "doubted"),
    [
        ([], False),
        (hourly(20), False),
        (hourly(1, 4 * HOUR), True),
        (hourly(20, 5 * DAY), True),
        (hourly(1, 3.9 * HOUR), False),
        # It was ahead for some hours, and is right again; or it has been behind for most of a day.
        (hourly(9, 5 * DAY) + hourly(20)[9:], False),
        (hourly(9) + hourly(20, 5 * DAY)[9:], True),
        # Whatever was marked days ago, or above the present height, tells nothing.
        ([ClockMark(NOW + DAY, HEIGHT - 145), ClockMark(NOW + DAY, HEIGHT + 1)], False),
    ],
)
def test_a_clock_that_went_back(marks: list[ClockMark], doubted: bool) -> None:
    reasons = lagging_reasons(marks, NOW, HEIGHT, "bitcoin")
    assert [reason.code for reason in reasons] == [ReasonCode.CLOCK_DOUBTFUL] * doubted
    assert all("clock moved -" in reason.sentence for reason in reasons)
    assert lagging_reasons(marks, NOW, HEIGHT, "regtest") == ()
