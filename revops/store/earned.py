"""What each price has earned since it came into force, and how much interest it met: what strategies learn from."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    CTE,
    BigInteger,
    Double,
    Executable,
    Integer,
    Select,
    bindparam,
    case,
    cast,
    column,
    func,
    literal_column,
    null,
    or_,
    select,
    text,
    union_all,
)

from revops.domain.forward import TYPICAL_PAYMENT_MSAT, ForwardStatus
from revops.domain.traffic import FULL_INTEREST_PERMILLE
from revops.store.days import DAY_SECONDS
from revops.store.engine import NODE, Tx
from revops.store.flows import status_literal
from revops.store.keys import channel_keys
from revops.store.tables import forward, forward_day

#: Smaller payments cost their sender nothing: they don't tell that a price earns.
LEAST_EARNING_MSAT: Final = 1_000_000
_ONE: Final = literal_column("1", BigInteger)
_NONE: Final = literal_column("0", BigInteger)


class Earned(NamedTuple):
    """What a channel earned in a window, and what strategies learn from: the sum of its forwards' scores, with its
    standard error (payments come as a compound Poisson process, whose variance is the sum of the squares).
    `interest_count` counts what found liquidity, settled or failed later, as far as it was believed when it became
    final, and one smaller than a typical payment by its part of it; `settled_interest_count` only what settled.
    """

    earned_msat: int
    earned_count: int
    last_at: float | None
    score_msat: float
    score_error_msat: float
    interest_count: float
    settled_interest_count: float


def earned_since(tx: Tx, since_at: Mapping[str, float]) -> dict[str, Earned]:
    """Given the start of each channel_id's price, return what it has earned since, of those that payments wanted.

    A forward counts if it was received since then: one that was accepted before was accepted at another price. Of
    days that were summarised only whole ones count. One that was never scored scores what it earned. `last_at` is of
    the last that was no dust: a free payment of 1 msat must not keep an idle channel's price from falling.
    """
    keys = channel_keys(tx)
    starts = {keys[channel_id]: start for channel_id, start in since_at.items() if channel_id in keys}
    if not starts:
        return {}
    first_at = min(starts.values())
    windows: dict[str, float] = {"b_first_day": int(first_at // DAY_SECONDS)}
    dialect_name = tx.connection.dialect.name
    if dialect_name == _GUESSES:
        windows["b_first"] = first_at
    for place, (key, start_at) in enumerate(sorted(starts.items())):
        windows |= {f"b_key_{place}": key, f"b_since_{place}": start_at}
    ids = {key: channel_id for channel_id, key in keys.items()}
    return {ids[row[0]]: _earned(*row[1:]) for row in tx.execute(_earned_by_key(len(starts), dialect_name), **windows)}


#: Which database has to be told how few rows there are.
_GUESSES: Final = "postgresql"


@lru_cache(maxsize=16)
def _earned_by_key(count: int, dialect_name: str) -> Executable:
    """Of so many windows: each has a key and a start among the parameters.

    PostgreSQL takes a third of all rows for those of the windows, and would read the whole table: the first start of
    all tells it how few they are. SQLite would search by that start instead of by each channel's own.
    """
    prices = _prices(count)
    raw = [_raw_settled(prices), _raw_failed(prices)]
    if dialect_name == _GUESSES:
        raw = [one.where(forward.c.received_at >= bindparam("b_first")) for one in raw]
    both = union_all(*raw, _whole_days(prices)).subquery()
    return select(
        both.c.price_key,
        func.sum(both.c.fee_msat),
        func.sum(both.c.settled_count),
        func.max(both.c.last_at),
        func.sum(both.c.score_msat),
        func.sum(both.c.score_squares),
        func.sum(both.c.settled_permille),
        func.sum(both.c.failed_permille),
    ).group_by(both.c.price_key)


def _earned(
    earned_msat: int,
    earned_count: int,
    last_at: float | None,
    score_msat: float,
    squares: float,
    settled_permille: int,
    failed_permille: int,
) -> Earned:
    return Earned(
        int(earned_msat),
        int(earned_count),
        last_at,
        score_msat,
        math.sqrt(squares),
        (int(settled_permille) + int(failed_permille)) / FULL_INTEREST_PERMILLE,
        int(settled_permille) / FULL_INTEREST_PERMILLE,
    )


def _raw_settled(prices: CTE) -> Select[Any]:
    # Doubles: a sum of squares of msat is beyond every whole number that a database has.
    score = cast(func.coalesce(forward.c.score_msat, forward.c.fee_msat), Double)
    return (
        select(
            prices.c.price_key,
            forward.c.fee_msat,
            case((forward.c.out_msat >= LEAST_EARNING_MSAT, forward.c.counted_at)).label("last_at"),
            _ONE.label("settled_count"),
            score.label("score_msat"),
            (score * score).label("score_squares"),
            func.coalesce(forward.c.interest_permille, size_permille(forward.c.out_msat)).label("settled_permille"),
            _NONE.label("failed_permille"),
        )
        .join(forward, (forward.c.out_channel_key == prices.c.price_key) & (forward.c.received_at >= prices.c.since_at))
        .where(forward.c.node_key == NODE, forward.c.status == status_literal(ForwardStatus.SETTLED))
    )


def _raw_failed(prices: CTE) -> Select[Any]:
    """What failed beyond us found liquidity at this price, though it earned nothing."""
    return (
        select(
            prices.c.price_key, _NONE, null(), _NONE, cast(_NONE, Double), cast(_NONE, Double), _NONE,
            forward.c.interest_permille,
        )
        .join(forward, (forward.c.out_channel_key == prices.c.price_key) & (forward.c.received_at >= prices.c.since_at))
        .where(
            forward.c.node_key == NODE,
            forward.c.status == status_literal(ForwardStatus.FAILED),
            forward.c.interest_permille > _NONE,
        )
    )  # fmt: skip


def _whole_days(prices: CTE) -> Select[Any]:
    """The squares went with the rows. Those of equal payments are the least that they can have been."""
    score = cast(forward_day.c.score_msat, Double)
    count = cast(func.nullif(forward_day.c.settled_count, 0), Double)
    return (
        select(
            prices.c.price_key,
            forward_day.c.fee_msat,
            case((forward_day.c.settled_out_msat >= LEAST_EARNING_MSAT, forward_day.c.last_settled_at)),
            forward_day.c.settled_count,
            score,
            func.coalesce(score * score / count, 0.0),
            forward_day.c.settled_interest_permille,
            forward_day.c.failed_interest_permille,
        )
        .join(
            forward_day,
            (forward_day.c.out_channel_key == prices.c.price_key)
            & (forward_day.c.day * DAY_SECONDS >= prices.c.since_at),
        )
        .where(
            forward_day.c.node_key == NODE,
            forward_day.c.day >= bindparam("b_first_day"),
            or_(forward_day.c.settled_count > 0, forward_day.c.failed_interest_permille > 0),
        )
    )


def size_permille(out_msat: Any) -> Any:
    """Given amounts, return `size_permille` of domain/traffic.py in SQL; in this order nothing overflows."""
    return case(
        (out_msat >= TYPICAL_PAYMENT_MSAT, FULL_INTEREST_PERMILLE),
        else_=out_msat // (TYPICAL_PAYMENT_MSAT // FULL_INTEREST_PERMILLE),
    )


def _prices(count: int) -> CTE:
    """The windows as a table of (channel_key, start), so that one query answers for all channels.

    As text, since SQLAlchemy compiles its own VALUES anew each time, which takes longer than the answer. Both databases
    call the columns of VALUES so.
    """
    rows = ", ".join(
        f"(CAST(:b_key_{place} AS INTEGER), CAST(:b_since_{place} AS DOUBLE PRECISION))" for place in range(count)
    )
    # Nothing but the names of parameters is written into it.
    statement = text(f"SELECT column1 AS price_key, column2 AS since_at FROM (VALUES {rows}) AS given")  # noqa: S608
    return statement.columns(column("price_key", Integer), column("since_at", Double)).cte("price")
