"""How a failed attempt is understood, and who may pay for another."""

from __future__ import annotations

from typing import Any

import pytest

from revops.decide.attempts import (
    HANG_SECONDS,
    SLING_HANG_SECONDS,
    counted_in_flight,
    no_route_kind,
    payment_kind,
    sources_left,
)
from revops.domain.payment import PaymentFailure
from revops.domain.rebalance import FailureKind, SourceOffer
from tests.builders import channel_id, make_channel

SOURCE, TARGET = make_channel(1), make_channel(2)
OFFERS = (SourceOffer(channel_id(1), "one", 100), SourceOffer(channel_id(3), "three", 90))
ELSEWHERE = "812345x1x0/1"


def of(code: int | None = 204, failcode: int | None = None, **fields: Any) -> PaymentFailure:
    return PaymentFailure("x", code, failcode, **fields)


@pytest.mark.parametrize(
    ("code", "message", "kind"),
    [
        (205, "getroutes: there is no connection between source and destination", FailureKind.NO_ROUTE),
        (206, "getroutes: Could not find route without excessive cost", FailureKind.FEE_TOO_LOW),
        (206, "getroutes: Could not find route without excessive delays", FailureKind.NO_ROUTE),
        (210, "getroutes: timed out after 10 seconds", FailureKind.OTHER),
        (217, "x", FailureKind.NO_ROUTE),
        (None, "x", FailureKind.NO_ROUTE),
    ],
)
def test_what_getroutes_says(code: int | None, message: str, kind: FailureKind) -> None:
    assert no_route_kind(code, message) is kind


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        (of(failcode=0x1007), FailureKind.LIQUIDITY),
        (of(failcode=0x1007, at_once=True), FailureKind.UNREACHABLE),
        (of(failcode=0x400A, at_once=True), FailureKind.UNREACHABLE),
        (of(failcode=0x400A), FailureKind.UNREACHABLE),
        (of(failcode=0x4008), FailureKind.UNREACHABLE),
        (of(failcode=0x2002), FailureKind.UNREACHABLE),
        (of(failcode=0x1014), FailureKind.UNREACHABLE),
        (of(failcode=0x100C), FailureKind.FEE_TOO_LOW),
        (of(failcode=0x400F), FailureKind.OTHER),
        (of(failcode=2**64 - 1), FailureKind.OTHER),
        (of(failcode=None), FailureKind.OTHER),
        (of(code=203, failcode=0x400F), FailureKind.OTHER),
        (of(code=203, failcode=0x1007), FailureKind.OTHER),
        (of(code=202), FailureKind.OTHER),
        (of(code=208), FailureKind.OTHER),
        (of(code=None), FailureKind.OTHER),
        (of(failcode=0x1007, held_seconds=HANG_SECONDS), FailureKind.LIQUIDITY),
        (of(failcode=0x1007, held_seconds=HANG_SECONDS + 1.0), FailureKind.TIME_OUT),
        (of(code=203, failcode=0x400F, held_seconds=90_000.0), FailureKind.TIME_OUT),
    ],
)
def test_what_a_payment_s_failure_says(failure: PaymentFailure, kind: FailureKind) -> None:
    assert payment_kind(failure) is kind


@pytest.mark.parametrize("kind", [FailureKind.LIQUIDITY, FailureKind.UNREACHABLE, FailureKind.TIME_OUT])
def test_who_may_pay_for_another_attempt(kind: FailureKind) -> None:
    others = OFFERS[1:]
    assert sources_left(OFFERS, SOURCE, TARGET, kind, ELSEWHERE) == OFFERS, "the next route avoids what failed"
    assert sources_left(OFFERS, SOURCE, TARGET, kind, None) == others, "nobody knows what failed"
    for name in (SOURCE.scid, SOURCE.alias_local, SOURCE.alias_remote):
        assert sources_left(OFFERS, SOURCE, TARGET, kind, f"{name}/0") == others
    for name in (TARGET.scid, TARGET.alias_local, TARGET.alias_remote):
        assert sources_left(OFFERS, SOURCE, TARGET, kind, f"{name}/1") == (), "all ways end there"
    assert sources_left(OFFERS[:1], SOURCE, TARGET, kind, None) == ()
    assert sources_left(OFFERS, None, None, kind, ELSEWHERE) == OFFERS


@pytest.mark.parametrize("kind", [FailureKind.NO_ROUTE, FailureKind.OTHER])
@pytest.mark.parametrize("scidd", [None, ELSEWHERE])
def test_what_no_other_way_can_mend_is_not_tried_again(kind: FailureKind, scidd: str | None) -> None:
    assert sources_left(OFFERS, SOURCE, TARGET, kind, scidd) == ()


def test_a_fee_that_gossip_got_wrong_is_avoided_once_it_is_known_where() -> None:
    assert sources_left(OFFERS, SOURCE, TARGET, FailureKind.FEE_TOO_LOW, ELSEWHERE) == OFFERS
    assert sources_left(OFFERS, SOURCE, TARGET, FailureKind.FEE_TOO_LOW, None) == ()


NOW = 1_800_000_000.0


@pytest.mark.parametrize(
    ("under_way", "max_hung", "count"),
    [
        ([], 4, 0),
        ([("native", 0.0), ("native", HANG_SECONDS)], 4, 2),
        ([("native", HANG_SECONDS + 1), ("native", 9e6), ("native", 5.0)], 4, 1),
        ([("native", 9e6)] * 5, 4, 1),
        ([("native", 9e6)] * 5, 0, 5),
        # sling may try for an hour; who has no start, or one in the future, isn't known to hang.
        ([("sling", HANG_SECONDS + 1), ("sling", SLING_HANG_SECONDS)], 4, 2),
        ([("sling", SLING_HANG_SECONDS + 1)], 4, 0),
        ([("native", None), ("native", -9e6)], 4, 2),
    ],
)
def test_how_many_payments_count_as_under_way(
    under_way: list[tuple[str, float | None]], max_hung: int, count: int
) -> None:
    since = [(executor, None if age is None else NOW - age) for executor, age in under_way]
    assert counted_in_flight(since, NOW, max_hung) == count
