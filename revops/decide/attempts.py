"""What a failed attempt says, and whether another one is worth it.

Codes are lightningd's (common/jsonrpc_errors.h) and those of BOLT 4, "Failure Messages", as `waitsendpay` repeats them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from revops.domain.channel import Channel
from revops.domain.payment import PaymentFailure
from revops.domain.rebalance import FailureKind, SourceOffer

#: A payment that came back later than this hung on the way: most fail within seconds.
HANG_SECONDS: Final = 120
#: The same of a job that sling executes: an hour it may try (`actuate/sling.py`), and another one for its end to show.
SLING_HANG_SECONDS: Final = 7_200
#: Failures of the way, after which another way may do.
WORTH_ANOTHER: Final = frozenset({FailureKind.LIQUIDITY, FailureKind.UNREACHABLE, FailureKind.TIME_OUT})

_ROUTE_TOO_DEAR: Final = 206
_SEARCH_STOPPED: Final = 210
_TRY_OTHER_ROUTE: Final = 204

_TEMPORARY_CHANNEL_FAILURE: Final = 0x1007
_FEE_INSUFFICIENT: Final = 0x100C
#: A node or channel on the way is gone, or refuses what gossip says that it takes.
_GONE: Final = frozenset(
    {
        0x2002,  # temporary_node_failure
        0x6002,  # permanent_node_failure
        0x6003,  # required_node_feature_missing
        0x4008,  # permanent_channel_failure
        0x4009,  # required_channel_feature_missing
        0x400A,  # unknown_next_peer
        0x100B,  # amount_below_minimum
        0x100D,  # incorrect_cltv_expiry
        0x100E,  # expiry_too_soon
        0x1014,  # channel_disabled
    }
)


def no_route_kind(code: int | None, message: str) -> FailureKind:
    """Given the error of `getroutes`, return which kind of failure it is.

    askrene says 206 of a route that costs more than it may, and of one that takes too many blocks; 210 when its time
    was up, which says nothing of the way. All else means that there is none.
    """
    if code == _SEARCH_STOPPED:
        return FailureKind.OTHER
    return FailureKind.FEE_TOO_LOW if code == _ROUTE_TOO_DEAR and "delay" not in message else FailureKind.NO_ROUTE


def payment_kind(failure: PaymentFailure) -> FailureKind:
    """Given how a payment failed, return which kind of failure it is.

    What came back late hung, whatever the node on the way says of it. `sendpay` itself refuses only where our peer is
    not connected; a channel of ours that can't carry the amount is told by `waitsendpay`, as those of others are.
    """
    if failure.held_seconds is not None and failure.held_seconds > HANG_SECONDS:
        return FailureKind.TIME_OUT
    if failure.code != _TRY_OTHER_ROUTE or failure.failcode is None:
        return FailureKind.OTHER
    if failure.failcode == _TEMPORARY_CHANNEL_FAILURE:
        return FailureKind.UNREACHABLE if failure.at_once else FailureKind.LIQUIDITY
    if failure.failcode == _FEE_INSUFFICIENT:
        return FailureKind.FEE_TOO_LOW
    return FailureKind.UNREACHABLE if failure.failcode in _GONE else FailureKind.OTHER


def counted_in_flight(under_way: Iterable[tuple[str, float | None]], now: float, max_hung: int) -> int:
    """Given who executes each open job and since when (None: that isn't known), the time, and how many may hang beside
    the others, return how many count as under way.

    One that hangs may do so for a day or longer, while nothing of it moves. What can't be told to hang counts.
    """
    ages = [(executor, None if since_at is None else now - since_at) for executor, since_at in under_way]
    hung_count = sum(1 for executor, age in ages if age is not None and age > _hang_seconds(executor))
    return len(ages) - min(hung_count, max_hung)


def _hang_seconds(executor: str) -> int:
    return HANG_SECONDS if executor == "native" else SLING_HANG_SECONDS


def sources_left(
    offers: tuple[SourceOffer, ...],
    source: Channel | None,
    target: Channel | None,
    kind: FailureKind,
    erring_scidd: str | None,
) -> tuple[SourceOffer, ...]:
    """Given the sources of a job that failed, the one that had paid, the target, and what failed where, return the
    sources that may pay for another attempt, in their order; none where another one is not worth it.

    What is told to the router is avoided by the next route, so the source that had paid stays where another channel
    than ours failed. It goes where it failed itself, or where nobody knows what did. All routes end on the target: when
    that fails, nothing is left.
    """
    stale_fee = kind is FailureKind.FEE_TOO_LOW and erring_scidd is not None
    if kind not in WORTH_ANOTHER and not stale_fee:
        return ()
    scid = None if erring_scidd is None else erring_scidd.partition("/")[0]
    if scid is not None and target is not None and scid in names_of(target):
        return ()
    if scid is not None and source is not None and scid not in names_of(source):
        return offers
    return tuple(offer for offer in offers if source is None or offer.channel_id != source.channel_id)


def names_of(channel: Channel) -> frozenset[str]:
    """Given a channel, return all short channel ids that it goes by."""
    names = (channel.scid, channel.alias_local, channel.alias_remote)
    return frozenset(name for name in names if name is not None)
