"""What a channel earned at each price: by hand, and that nothing of it is lost or counted twice."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from revops.domain.price_history import NOTHING, PriceChange, PriceSum, Sale, price_history

DAY = 86_400.0


def test_sales_belong_to_the_price_in_force_when_they_were_resolved():
    changes = (
        PriceChange(0.0, None),
        PriceChange(0.5 * DAY, 100),
        PriceChange(1.25 * DAY, 200),
        PriceChange(3 * DAY, 100),
    )
    days = {
        0: Sale(0.0, 30, 3, 2),
        1: Sale(DAY, 70, 7, 3),
        2: Sale(2 * DAY, 11, 1),
        3: Sale(3 * DAY, 13, 5),
        4: Sale(4 * DAY, 17, 6),
    }  # fmt: skip
    single = {
        0: (Sale(0.4 * DAY, 10, 1), Sale(0.5 * DAY, 20, 2)),
        1: (Sale(1.2 * DAY, 10, 1), Sale(1.25 * DAY, 20, 2), Sale(1.9 * DAY, 40, 4)),
        4: (Sale(4.1 * DAY, 1, 1),),  # retention has taken the others; the day has one price anyway
    }
    found = price_history("a", changes, 5 * DAY, days, single)
    assert found.sums == {100: PriceSum(2.75 * DAY, 60, 14, 4), 200: PriceSum(1.75 * DAY, 71, 7, 3)}
    assert found.unknown == PriceSum(0.5 * DAY, 10, 1, 1)
    assert found.mixed == NOTHING
    assert found.earned_msat == {0: 3, 1: 7, 2: 1, 3: 5, 4: 6}


def test_a_day_with_several_prices_and_only_its_sum_is_told_apart():
    changes = (PriceChange(0.0, 100), PriceChange(0.5 * DAY, 200))
    for single in ({}, {0: (Sale(0.1 * DAY, 10, 2),)}, {0: (Sale(0.1 * DAY, 30, 3), Sale(0.2 * DAY, 1, 0))}):
        found = price_history("a", changes, DAY, {0: Sale(0.0, 30, 3, 1)}, single)
        assert found.mixed == PriceSum(0.0, 30, 3, 1)
        assert found.sums == {100: PriceSum(0.5 * DAY), 200: PriceSum(0.5 * DAY)}


def test_a_price_that_was_set_anew_is_the_same_price():
    changes = (PriceChange(0.0, 100), PriceChange(0.5 * DAY, 100))
    found = price_history("a", changes, DAY, {0: Sale(0.0, 30, 3, 1)}, {})
    assert found.sums == {100: PriceSum(DAY, 30, 3, 1)}


_prices = st.none() | st.sampled_from([10, 20, 30])
_sales = st.lists(st.tuples(st.integers(0, 4 * 86_400 - 1), st.integers(1, 99), st.integers(0, 9)), max_size=12)


@given(
    later=st.lists(st.tuples(st.floats(0, 4 * DAY), _prices), max_size=6), first=_prices, sales=_sales,
    forgotten=st.sets(st.integers(0, 3)),
)  # fmt: skip
def test_all_prices_together_are_all_that_was_sold(later, first, sales, forgotten):
    changes = [PriceChange(0.0, first), *(PriceChange(*change) for change in sorted(later, key=lambda one: one[0]))]
    days: dict[int, Sale] = {}
    single: dict[int, list[Sale]] = {}
    for at, out_msat, fee_msat in sales:
        day = at // 86_400
        before = days.get(day, Sale(day * DAY, 0, 0, 0))
        days[day] = Sale(day * DAY, before.out_msat + out_msat, before.earned_msat + fee_msat, before.out_count + 1)
        if day not in forgotten:
            single.setdefault(day, []).append(Sale(float(at), out_msat, fee_msat))
    found = price_history("a", changes, 4 * DAY, days, single)
    total = found.total
    assert (total.out_msat, total.earned_msat, total.out_count) == (
        sum(sale[1] for sale in sales), sum(sale[2] for sale in sales), len(sales),
    )  # fmt: skip
    assert abs(total.seconds - 4 * DAY) < 1e-3
    assert not forgotten or found.mixed.out_count <= sum(sale[0] // 86_400 in forgotten for sale in sales)
