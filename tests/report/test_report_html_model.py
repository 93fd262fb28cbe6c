"""What the page says, from figures that can be reckoned by hand; and that its tables add up."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from revops.domain.budget import Category
from revops.domain.period import Span
from revops.domain.price_history import NOTHING, PriceSum
from revops.domain.profit import ProfitLine, SpanProfit, total_of
from revops.domain.profit_class import ClassState, ProfitClass
from revops.domain.reason import ReasonCode, why
from revops.domain.record import Books
from revops.report.amounts import day, income
from revops.report.html import channels, prices, timeline
from revops.report.html.attention import attention
from revops.report.html.channels import earnings, level_of, liquidity
from revops.report.html.charts import date_ticks
from revops.report.html.decisions import decisions
from revops.report.html.headline import tiles
from revops.report.html.names import NAME_LENGTH, cut, name_of
from revops.report.html.prices import bands, grouped
from revops.report.html.refills import refills
from tests.builders import DAY, HOUR, NOW, SAT, channel_id
from tests.report.reviews import (
    DAYS,
    FIRST,
    make_category,
    make_decision,
    make_history,
    make_line,
    make_profit,
    make_profit_row,
    make_record,
    make_review,
    make_run,
    make_standing,
    make_story,
    make_window,
)

# ---- names


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("peer", "peer"),
        ("a" * NAME_LENGTH, "a" * NAME_LENGTH),
        ("a" * 1_000_000, "a" * (NAME_LENGTH - 1) + "…"),
        ("\x1b[2J\u202eevil\n", "\\x1b[2J\\u202eevil\\x0a"),
        ("\u202e" * 1_000_000, ("\\u202e" * 9)[: NAME_LENGTH - 1] + "…"),
        ("</script>", "</script>"),
        ("שָּׁלוֹם กี่ é́́", "שָּׁלוֹם กี่ é́́"),
        ("a" + "\u0301" * 4 + "b\u0301", "a\u0301\u0301\u0301\\u0301b\u0301"),
    ],
)
def test_names_are_printable_and_short(text: str, shown: str) -> None:
    assert cut(text) == shown


def test_a_peer_without_an_alias_goes_by_its_id() -> None:
    assert name_of(make_record(alias=None)).peer == "020000000000"
    assert name_of(make_record(alias="", peer_id=None)).peer == "unknown peer"


# ---- the first screen


def test_the_net_stands_beside_the_days_before() -> None:
    tile = tiles(make_review())[0]
    # In 9.62 days. 1,000.9 + 1.5 earned; 100.1 and 10.5 twice, and 1.2 of the wallet spent.
    assert (tile.value, tile.unit) == ("780", "sat")
    assert tile.trend == "down"
    assert tile.change == "25.5 % less a day"
    covered_days = (NOW - 600 - FIRST * DAY) / DAY
    a_day_msat = (1_000_900 + 1_500 - 2 * 110_600 - 1_200) / covered_days
    assert tile.notes == (
        f"{int(a_day_msat / SAT)} sat a day, {(1_200_000 - 110_600 - 1_200) // 10 // SAT} in the 10 days before",
    )


@pytest.mark.parametrize(
    ("earned_msat", "before_msat", "trend", "change"),
    [
        (500_000, -500_000, "up", "100 sat a day more"),
        (0, 0, "", "as before"),
        (-100_000, 50_000, "down", "300.0 % less a day"),
    ],
)
def test_a_change_is_a_share_only_of_a_gain(earned_msat: int, before_msat: int, trend: str, change: str) -> None:
    whole: dict[str, Any] = {"synced_at": (FIRST + DAYS) * DAY, "taken_at": (FIRST + DAYS) * DAY}
    now, before = (
        replace(make_profit(**whole), total=ProfitLine(earned_msat=msat)) for msat in (earned_msat, before_msat)
    )
    tile = tiles(make_review(profit=now, before=before))[0]
    assert (tile.trend, tile.change) == (trend, change)


@pytest.mark.parametrize(
    ("overrides", "note"),
    [
        ({"recorded_since_at": None}, "no forward on record has settled yet"),
        ({"since_at": 0.0}, "all that is on record"),
        ({"recorded_since_at": FIRST * DAY}, f"no full period before: records begin {day(FIRST)}"),
    ],
)
def test_without_days_before_it_is_said_why(overrides: dict[str, Any], note: str) -> None:
    tile = tiles(make_review(profit=make_profit(**overrides), before=None))[0]
    assert (tile.notes, tile.trend, tile.change) == ((note,), "", "")


def test_a_return_says_of_how_many_days_it_is() -> None:
    """Balances may be on record for fewer days than earnings, whose sum stands beside it."""
    rated = make_profit(rated=Span(FIRST * DAY, (FIRST + 1) * DAY), yearly_return_ratio=0.02)
    (tile,) = [one for one in tiles(make_review(profit=rated)) if one.label == "Return on capital"]
    assert tile.notes[0].startswith("net of 1.0 days, by the year, on ")


def test_what_is_not_known_is_not_nothing() -> None:
    bare = make_profit(make_profit_row(line=make_line(capital_msat=0)))
    assert next(tile for tile in tiles(make_review(profit=bare)) if tile.label == "Return on capital").value == "-"


@pytest.mark.parametrize(
    ("spent_msat", "percent", "tone"), [(0, 0, ""), (79_999, 79, ""), (80_000, 80, "warn"), (150_000, 100, "bad")]
)
def test_the_budget_shows_how_far_it_is_used(spent_msat: int, percent: int, tone: str) -> None:
    category = make_category(day=make_window("day", 100, spent_msat - spent_msat // 2, spent_msat // 2))
    tile = tiles(make_review(categories=(category,)))[-1]
    assert (tile.meters[0].percent, tile.meters[0].tone) == (percent, tone)


def test_splices_have_a_budget_of_their_own() -> None:
    rebalances = make_category()
    splices = replace(rebalances, category=Category.SPLICE, daily=make_window("day", 80, 40_000))
    *_, first, second = tiles(make_review(categories=(rebalances, splices)))
    assert (first.label, second.label, second.value) == ("Budget used", "Budget of splices used", "50 %")
    assert second.notes == ("40 sat left for the next splice",)


def test_a_budget_of_nothing_is_used_up_by_anything() -> None:
    for spent_msat, value in ((0, "0 %"), (1, "100 %")):
        category = make_category(make_window("day", 0, spent_msat), make_window("week", 0, spent_msat))
        assert tiles(make_review(categories=(category,)))[-1].value == value


# ---- what needs attention


def test_nothing_needs_attention() -> None:
    assert attention(make_review()) == ()


def titles(**overrides: Any) -> list[tuple[str, str]]:
    return [(item.tone, item.title) for item in attention(make_review(**overrides))]


def test_age_is_told_by_degrees() -> None:
    for age_seconds, found in (
        (1.9 * HOUR, []),
        (2 * HOUR, [("warn", "The figures are old: synced 2 h ago")]),
        (24 * HOUR, [("bad", "The figures are old: synced 24 h ago")]),
    ):
        assert titles(standing=make_standing(synced_at=NOW - age_seconds)) == found
    assert titles(standing=make_standing(synced_at=None)) == [("bad", "Nothing was ever copied from the node")]


def test_runs_that_failed_died_or_never_came() -> None:
    runs = (
        make_run(
            "rebalance run",
            last_success_at=NOW - 2 * DAY,
            exit_code=69,
            message="listpeerchannels: \x1b[2J" + "x" * 9_999,
        ),
        make_run("fees adjust", exit_code=None, started_at=NOW - 2 * HOUR, last_success_at=None),
        make_run("budget check", exit_code=1),
        make_run("rebalance plan", exit_code=None),
        make_run("rollup", started_at=NOW - 3 * DAY, late=True),
        make_run("reconcile", started_at=NOW - 2 * DAY, late=True),
    )
    found = attention(make_review(commands=runs))
    assert [(item.tone, item.title) for item in found] == [
        ("bad", "rebalance run failed 11 min ago (exit 69)"),
        ("bad", "fees adjust never reported its end"),
        ("warn", "2 commands haven't run for a while"),
    ]
    assert found[0].detail.startswith("listpeerchannels: \\x1b[2Jx")
    assert found[0].detail.endswith("x…; last success 2 d ago")
    assert found[1].detail == "last success never"
    assert found[2].detail == "rollup (3 d ago), reconcile (2 d ago): does cron run?"


def test_what_suspends_stands_first_with_its_reason() -> None:
    low = why(ReasonCode.NEVER_SYNCED)
    standing = make_standing()
    suspended = replace(standing, budget=replace(standing.budget, suspended=(low,)), synced_at=NOW - 3 * HOUR)
    items = attention(make_review(standing=suspended, fees_mode="observe"))
    assert [item.tone for item in items] == ["bad", "warn", "info"]
    assert (items[0].title, items[0].detail) == ("Spending is suspended", low.sentence)
    assert items[2].title == "fees: observe mode"


def test_channels_books_budget_and_capital() -> None:
    standing = make_standing(
        make_record(1, connected=False), make_record(2, nearest_expiry_blockheight=900_003), make_record(3, open=False),
        make_record(4, connected=False, open=False), books=Books(10, 7, 0, NOW),
    )  # fmt: skip
    state = ClassState(ProfitClass.UNDERWATER, NOW, None, None, NOW, ())
    found = titles(
        standing=standing, categories=(make_category(make_window("day", 100, 85_000)),), classes={channel_id(1): state},
        profit=make_profit(ledger_read=False),
    )  # fmt: skip
    assert found == [
        ("bad", "A payment is stuck"), ("warn", "The books differ from the node"), ("warn", "Costs are missing"),
        ("warn", "1 channel offline"), ("warn", "The budget of the day is nearly used up"),
        ("info", "1 channel underwater"),
    ]  # fmt: skip


# ---- days


def spans(count: int, first_day: int = FIRST) -> list[SpanProfit]:
    return [
        SpanProfit((first_day + place) * DAY, (first_day + place + 1) * DAY, ProfitLine(earned_msat=place + 1))
        for place in range(count)
    ]


@pytest.mark.parametrize(("count", "unit"), [(1, "day"), (100, "day"), (101, "week"), (740, "week"), (741, "month")])
def test_long_periods_are_put_together(count: int, unit: str) -> None:
    found = timeline.timeline(spans(count), ())
    assert found.unit == unit
    assert len(found.buckets) <= 108
    assert total_of(one.line for one in found.buckets) == total_of(one.line for one in spans(count))
    assert found.net_msat[-1] == count * (count + 1) // 2
    for one, other in zip(found.buckets, found.buckets[1:], strict=False):
        assert one.end_day == other.first_day
        start = day(other.first_day)
        assert unit != "week" or other.first_day % 7 == 4  # a Monday
        assert unit != "month" or start.endswith("-01")


def test_a_period_without_records_has_no_days() -> None:
    found = timeline.timeline((), ())
    assert (found.buckets, found.net_msat, timeline.rows(found)) == ((), (), ())


@given(first=st.integers(0, 30_000), count=st.integers(1, 8_000), most=st.integers(3, 12))
@example(first=0, count=119, most=3)
@example(first=14_490, count=7_623, most=3)
def test_dates_under_an_axis_are_in_order_and_not_too_many(first: int, count: int, most: int) -> None:
    ticks = date_ticks(first, first + count, most)
    places = [place for place, _ in ticks]
    assert places == sorted(set(places))
    assert all(first <= place <= first + count for place in places)
    assert len(ticks) <= most + 1
    assert ticks or count < 400


# ---- channels


def test_the_table_of_earnings_is_that_of_pnl() -> None:
    found = earnings(make_profit(), {channel_id(2): ClassState(ProfitClass.DEAD, NOW, None, None, NOW, ())})
    first, second = found.rows
    assert (first.earned, first.sourced, first.refills, first.chain, first.net) == (
        "1,000", "500", "-101", "-11", "890",
    )  # fmt: skip
    assert (second.earned, second.net, second.standing) == ("1", "-110", "dead")
    assert found.others is None
    assert found.rest is not None
    assert (found.rest.chain, found.rest.net) == ("-2", "-2")
    assert (found.total.earned, found.total.chain, found.total.net) == ("1,002", "-23", "780")
    assert (first.earned_percent, second.earned_percent) == (100.0, 0.1)


def test_of_many_channels_the_best_and_the_worst_are_named() -> None:
    rows = [make_profit_row(n, line=ProfitLine(earned_msat=1_000_000 - n * SAT)) for n in range(1, 60)]
    rows += [make_profit_row(n, line=ProfitLine(rebalance_msat=n * SAT)) for n in (60, 61)]
    found = earnings(make_profit(*rows), {})
    assert len(found.rows) == channels.BEST_COUNT + channels.WORST_COUNT
    assert [row.net for row in found.rows[-3:]] == [income(1_000_000 - 28 * SAT), "-60", "-61"]
    assert found.others is not None
    assert found.others.name.peer == "all others (31)"
    named = total_of(row.line for row in (*rows[:28], *rows[-2:]))
    assert found.others.net == income(total_of(row.line for row in rows).net_msat - named.net_msat)


def test_the_map_shows_whose_the_liquidity_is_and_what_it_is_worth() -> None:
    records = (
        make_record(1, capacity_msat=2_000_000 * SAT, local_msat=500_000 * SAT, value_ppm=None, connected=False),
        make_record(2, capacity_msat=8_000_000 * SAT, local_msat=8_000_000 * SAT, value_ppm=400.0, private=True),
        make_record(3, open=False, capacity_msat=99_000_000 * SAT),
        make_record(4, capacity_msat=0, local_msat=0, fee_ppm=None, state="CHANNELD_AWAITING_SPLICE"),
    )
    found = liquidity(make_review(standing=make_standing(*records)))
    large, small, none = found.rows
    assert (large.capacity_percent, large.local_percent, large.level, large.flags) == (100.0, 100.0, 4, ("private",))
    assert (small.capacity_percent, small.local_percent, small.value, small.level) == (25.0, 25.0, "-", 0)
    assert (small.local, small.remote, small.local_share, small.flags) == (
        "500,000", "1,500,000", "25 %", ("offline",),
    )  # fmt: skip
    assert (none.fee, none.local_share, none.flags) == ("-", "-", ("splicing",))
    assert (found.more, found.left_out_count) == ((), 0)


def test_of_a_thousand_channels_the_map_says_what_it_leaves_out() -> None:
    many = [make_record(number, capacity_msat=number * SAT) for number in range(1, 1_001)]
    found = liquidity(make_review(standing=make_standing(*many)))
    assert len(found.rows) == channels.OPEN_COUNT
    assert len(found.rows) + len(found.more) + found.left_out_count == 1_000
    assert found.rows[0].capacity == "1,000"


@given(value=st.none() | st.floats(0, 1e6), highest=st.floats(0, 1e6))
def test_levels_are_within_bounds_and_what_is_worth_something_shows(value: float | None, highest: float) -> None:
    level = level_of(value, highest)
    assert 0 <= level <= channels.LEVELS
    assert (level > 0) == (value is not None and value >= 0.5 and highest > 0)


# ---- fees


def test_each_price_has_what_it_earned_by_the_day() -> None:
    sums = {90: PriceSum(2 * DAY, 5, 10_000, 1), 110: PriceSum(DAY, 7, 9_999, 2), 500: PriceSum(60.0, 1, 500, 1)}
    first, second, third = bands(make_history(sums=sums), 110)
    assert (first.fees, first.in_force, first.earned, first.a_day, first.now) == ("90", "2 d", "10", "5", False)
    assert (second.a_day, second.percent, second.now) == ("9", 100.0, True)
    assert (first.percent, third.a_day, third.percent) == (50.0, "-", 0.0)


def test_what_belongs_to_no_price_stands_last() -> None:
    lost = make_history(unknown=PriceSum(DAY, 1, 2_000, 1), mixed=PriceSum(0.0, 1, 3_000, 1))
    assert [(band.fees, band.earned) for band in bands(lost, None)[-2:]] == [
        ("not on record", "2"), ("several within a day", "3"),
    ]  # fmt: skip
    assert [band.fees for band in bands(make_history(sums={}, unknown=PriceSum(DAY)), None)] == ["not on record"]
    assert bands(make_history(sums={}, unknown=NOTHING), 5) == ()


@given(st.lists(st.integers(0, 2**32 - 1), unique=True).map(sorted))
def test_bands_hold_every_price_once_in_order(ppm: list[int]) -> None:
    groups = grouped(ppm)
    assert [one for group in groups for one in group] == ppm
    assert len(groups) <= prices.MOST_BANDS
    assert all(groups)


# ---- rebalances and decisions


def test_refills_stand_beside_what_their_sale_brought() -> None:
    stories = (make_story(1), make_story(2, fee_msat=100_000), make_story(3, target=2, source=1, sold_msat=None))
    found = refills(make_review(refills=stories, refill_count=5))
    first, second = found.targets
    # A million sat for 150, of which half was sold at 1,000.9 / 2,000,000.
    assert (first.job_count, first.bought, first.cost, first.cost_ppm) == ("2", "1,000,000", "150.000", "150")
    assert (first.sold, first.sale_ppm, first.brought, first.pays) == ("50 %", "500", "250", True)
    assert (second.sold, second.brought, second.pays) == ("-", "-", None)
    assert (first.sale_percent, round(first.cost_percent)) == (100.0, 30)
    assert [job.job for job in found.jobs] == ["1", "2", "3"]
    assert (found.left_out_count, found.job_left_out_count) == (2, 0)
    assert found.attempts == "12 attempts ended without a payment and cost nothing: 9 no route, 3 released"


def test_without_rebalances_there_is_nothing_to_show() -> None:
    found = refills(make_review(refills=(), refill_count=0, attempts=()))
    assert (found.targets, found.jobs, found.attempts) == ((), (), "")


def test_a_refill_of_a_channel_that_nobody_knows_any_more_is_one() -> None:
    row = refills(make_review(refills=(make_story(target=9, source=8),))).targets[0]
    assert (row.name.peer, row.sale_ppm, row.brought) == ("unknown channel", "-", "0")


def test_decisions_say_what_decided_and_keep_the_rest() -> None:
    review = make_review(decision_count=12)
    found = decisions(review)
    change, skip = sorted(found.rows, key=lambda row: row.kind)
    assert (change.kind_word, change.area, change.what, change.why) == (
        "change", "fees", "100 → 125 ppm", review.decisions[0].reasons[0].sentence,
    )  # fmt: skip
    assert change.more == (review.decisions[0].reasons[1].sentence,)
    assert (skip.kind_word, skip.what, skip.why) == ("left alone", "100 ppm", review.skips[0].reasons[1].sentence)
    assert found.left_out_count == 11
    assert found.has_changes
    assert not decisions(replace(review, decisions=())).has_changes


def test_a_decision_of_a_channel_that_is_gone_keeps_its_name() -> None:
    gone = make_decision(9, channel_id=None, name="1x1x1", old_ppm=None, new_ppm=None, amount_msat=1_999, reasons=())
    row = decisions(make_review(decisions=(gone,), skips=())).rows[0]
    assert (row.name.channel, row.name.peer, row.what, row.why, row.more) == ("1x1x1", "", "1 sat", "", ())
