"""What refills returned, by hand."""

from __future__ import annotations

import pytest

from revops.decide.refill_return import refill_return
from revops.domain.forward import Flow
from revops.domain.measures import RefillReturn
from revops.domain.rebalance import Lot

LOTS = (Lot(1_000_000, 300, 9.0, 1_000_000), Lot(2_000_000, 700, 1.0, 500_001))


def flow(out_msat: int, earned_msat: int) -> Flow:
    return Flow(in_msat=0, out_msat=out_msat, in_count=0, out_count=1, earned_msat=earned_msat, sourced_msat=0)


def test_sales_earn_the_average_of_the_channel_rounded_down() -> None:
    found = refill_return(LOTS, flow(4_000_000, 4_000))
    assert found == RefillReturn(bought_msat=3_000_000, fee_msat=1_000, sold_msat=1_500_001, income_msat=1_500)
    assert found.return_ratio == 0.5


@pytest.mark.parametrize("sales", [None, flow(0, 0)])
def test_without_sales_the_cost_is_lost_as_yet(sales: Flow | None) -> None:
    assert refill_return(LOTS, sales).return_ratio == -1.0


def test_what_cost_nothing_has_no_return() -> None:
    assert refill_return((Lot(5, 0, 1.0, 5),), flow(5, 5)).return_ratio is None
    assert refill_return((), None) == RefillReturn(0, 0, 0, 0)
