"""Decisions as they were taken, skips too. One that repeats the last of its channel extends it: most runs decide the
same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any, Final

from sqlalchemy import BindParameter, Executable, bindparam, func, insert, select, update

from revops.domain.ads import AdsDecision
from revops.domain.decision import FeeDecision, FeePlan, Outcome, RebalanceDecision, RebalancePlan
from revops.domain.instants import AHEAD_SECONDS
from revops.domain.reason import Reason
from revops.domain.record import DecisionRecord
from revops.domain.splice import SpliceDecision, SplicePlan
from revops.domain.units import MSAT_PER_SAT
from revops.store import tally
from revops.store.codec import dump, dump_reasons, load_object, load_reasons
from revops.store.engine import NODE, Tx
from revops.store.keys import channel_keys, next_keys
from revops.store.tables import channel, decision

FEES: Final = "fees adjust"
REBALANCE: Final = "rebalance plan"
SPLICE: Final = "splice plan"
ADS: Final = "ads adjust"
_HTLC_MAX: Final = "new_htlc_max_msat"


@dataclass(frozen=True, slots=True)
class _Taken:
    """A decision of any kind, as a row. `channel_id` is None where it is of the node."""

    channel_id: str | None
    source_channel_id: str | None
    name: str
    outcome: str
    old_ppm: int | None
    new_ppm: int | None
    amount_msat: int | None
    expected_gain_msat: int
    reasons: tuple[Reason, ...]
    details: Mapping[str, object]


def record_fee_plan(tx: Tx, run_key: int, plan: FeePlan) -> None:
    """Given the fee decisions of a run, record each. Raise BugError for a channel that was never recorded."""
    _record(tx, run_key, FEES, plan.taken_at, [_from_fee(item) for item in plan.decisions])


def record_rebalance_plan(tx: Tx, run_key: int, plan: RebalancePlan) -> None:
    """Given the rebalance decisions of a run, record each under its target."""
    _record(tx, run_key, REBALANCE, plan.created_at, [_from_rebalance(item) for item in plan.decisions])


def record_splice_plan(tx: Tx, run_key: int, plan: SplicePlan) -> None:
    """Given the splice decisions of a run, record each under its channel."""
    _record(tx, run_key, SPLICE, plan.created_at, [_from_splice(item) for item in plan.decisions])


def record_ads(tx: Tx, run_key: int, taken: AdsDecision) -> None:
    """Given what was decided on liquidity ads, record it: it is of the node, not of a channel."""
    _record(tx, run_key, ADS, taken.taken_at, [_from_ads(taken)])


def _from_fee(item: FeeDecision) -> _Taken:
    return _Taken(
        channel_id=item.channel_id,
        source_channel_id=None,
        name=item.name,
        outcome=str(item.outcome),
        old_ppm=item.old_ppm,
        new_ppm=item.new_ppm,
        amount_msat=None,
        expected_gain_msat=item.expected_gain_msat,
        reasons=item.reasons,
        details={
            "strategy": item.strategy,
            "proposed_ppm": item.proposed_ppm,
            "min_ppm": item.min_ppm,
            "max_ppm": item.max_ppm,
            "value_ppm": round(item.value_ppm, 1),
            "rules": list(item.rules),
            _HTLC_MAX: item.new_htlc_max_msat,
        },
    )


def _from_rebalance(item: RebalanceDecision) -> _Taken:
    name = item.target_name if item.source_name is None else f"{item.source_name} -> {item.target_name}"
    return _Taken(
        channel_id=item.target_channel_id,
        source_channel_id=item.source_channel_id,
        name=name,
        outcome=str(item.outcome),
        old_ppm=None,
        new_ppm=None,
        amount_msat=item.amount_msat,
        expected_gain_msat=item.expected_gain_msat,
        reasons=item.reasons,
        details={},
    )


def _from_splice(item: SpliceDecision) -> _Taken:
    details: dict[str, object] = {}
    if item.direction is not None:
        details["direction"] = str(item.direction)
    if item.terms is not None:
        details |= asdict(item.terms)
    return _Taken(
        channel_id=item.channel_id,
        source_channel_id=None,
        name=item.name,
        outcome=str(item.outcome),
        old_ppm=None,
        new_ppm=None,
        amount_msat=item.amount_sat * MSAT_PER_SAT,
        expected_gain_msat=item.expected_gain_msat,
        reasons=item.reasons,
        details=details,
    )


def _from_ads(item: AdsDecision) -> _Taken:
    return _Taken(
        channel_id=None,
        source_channel_id=None,
        name="liquidity ad",
        outcome=str(item.outcome),
        old_ppm=None,
        new_ppm=None,
        amount_msat=item.lendable_msat,
        expected_gain_msat=0 if item.price_msat is None else item.price_msat - (item.cost_msat or 0),
        reasons=item.reasons,
        details={
            "terms": asdict(item.new),
            "price_msat": item.price_msat,
            "cost_msat": item.cost_msat,
            "market_msat": item.market_msat,
            "lent_msat": item.lent_msat,
        },
    )


def _record(tx: Tx, run_key: int, command: str, taken_at: float, items: Sequence[_Taken]) -> None:
    if not items:
        return
    keys = channel_keys(tx)
    last = _last_decisions(tx, command, taken_at)
    new: list[dict[str, Any]] = []
    repeated: list[dict[str, Any]] = []
    for item in items:
        row = _row(item, keys, taken_at)
        # Taken out of `last`, so that two decisions of one plan never extend the same row.
        before = last.pop(_identity(row, item.reasons), None)
        if before is None:
            new.append(row)
        else:
            repeated.append({"b_node": tx.node_key, "b_key": before} | {name: row[name] for name in _NEWEST})
    if new:
        first_key = next_keys(tx, "decision", len(new))
        rows = [
            {"node_key": tx.node_key, "decision_key": key, "run_key": run_key, "command": command, **row}
            for key, row in enumerate(new, first_key)
        ]
        tx.connection.execute(insert(decision), rows)
    if repeated:
        tx.connection.execute(_repeat(), repeated)
    tally.add(tx, command, ((item.outcome, (reason.code for reason in item.reasons)) for item in items))


@cache
def _repeat() -> Executable:
    """Sets the columns that the rows name, too."""
    mine = (decision.c.node_key == NODE, decision.c.decision_key == bindparam("b_key"))
    return update(decision).where(*mine).values(repeat_count=decision.c.repeat_count + 1)


#: What a repeat replaces: the numbers, not what the decision was.
_NEWEST: Final = ("name", "amount_msat", "expected_gain_msat", "reasons_json", "details_json", "last_at")


def _row(item: _Taken, keys: Mapping[str, int], taken_at: float) -> dict[str, Any]:
    return {
        "channel_key": None if item.channel_id is None else keys[item.channel_id],
        "source_channel_key": keys[item.source_channel_id] if item.source_channel_id is not None else 0,
        "name": item.name,
        "outcome": item.outcome,
        "old_ppm": item.old_ppm,
        "new_ppm": item.new_ppm,
        "amount_msat": item.amount_msat,
        "expected_gain_msat": item.expected_gain_msat,
        "reasons_json": dump_reasons(item.reasons),
        "details_json": dump(dict(item.details)) if item.details else None,
        "first_at": taken_at,
        "last_at": taken_at,
        "repeat_count": 0,
    }


def _identity(row: Mapping[str, Any], reasons: Sequence[Reason]) -> tuple[Any, ...]:
    """What makes two decisions the same: all but their numbers, other than those that are sent."""
    codes = tuple(reason.code for reason in reasons)
    htlc_max_msat = load_object(row["details_json"]).get(_HTLC_MAX) if row["details_json"] else None
    sent = (row["old_ppm"], row["new_ppm"], htlc_max_msat)
    return (row["channel_key"], row["source_channel_key"], row["outcome"], *sent, codes)


def _last_decisions(tx: Tx, command: str, taken_at: float) -> dict[tuple[Any, ...], int]:
    """The key of each decision that was the last of its channel (a plan may hold several of one), by its identity.

    One that a clock ahead has dated is none: it would stay the last for as long, and each run would add a row.
    """
    given = {"b_command": command, "b_until": taken_at + AHEAD_SECONDS}
    found = [*tx.execute(_latest(), **given).all(), *tx.execute(_latest_of_node(), **given).all()]
    return {_identity(dict(row._mapping), load_reasons(row.reasons_json)): row.decision_key for row in found}


@cache
def _latest() -> Executable:
    command: BindParameter[str] = bindparam("b_command")
    earlier = decision.alias("earlier")
    last_at = (
        select(func.max(earlier.c.last_at))
        .where(
            earlier.c.node_key == channel.c.node_key,
            earlier.c.command == command,
            earlier.c.channel_key == channel.c.channel_key,
            earlier.c.last_at <= bindparam("b_until"),
        )
        .correlate(channel)
        .scalar_subquery()
    )
    return (
        select(decision)
        .join(channel, (channel.c.node_key == decision.c.node_key) & (channel.c.channel_key == decision.c.channel_key))
        .where(channel.c.node_key == NODE, decision.c.command == command, decision.c.last_at == last_at)
    )


@cache
def _latest_of_node() -> Executable:
    """The last decision that is of no channel."""
    mine = (decision.c.node_key == NODE, decision.c.command == bindparam("b_command"), decision.c.channel_key.is_(None))
    newest = (decision.c.last_at.desc(), decision.c.decision_key.desc())
    return select(decision).where(*mine, decision.c.last_at <= bindparam("b_until")).order_by(*newest).limit(1)


def outcomes_in_force(tx: Tx, command: str, now: float) -> dict[str, int]:
    """Given a command and the time, return of how many channels the last decision had which outcome."""
    counts: dict[str, int] = {}
    for row in tx.execute(_latest(), b_command=command, b_until=now + AHEAD_SECONDS).all():
        counts[row.outcome] = counts.get(row.outcome, 0) + 1
    return counts


def recent_decisions(
    tx: Tx,
    limit: int,
    command: str | None = None,
    channel_id: str | None = None,
    *,
    skips: bool | None = None,
) -> tuple[DecisionRecord, ...]:
    """Return at most `limit` decisions, the newest first, of one command or channel if asked for.

    `skips` is True for skips alone, False for all but skips.
    """
    if limit <= 0:
        return ()
    statement = (
        select(decision, channel.c.channel_id)
        .outerjoin(
            channel,
            (channel.c.node_key == decision.c.node_key) & (channel.c.channel_key == decision.c.channel_key),
        )
        .where(decision.c.node_key == tx.node_key)
        .order_by(decision.c.last_at.desc(), decision.c.decision_key.desc())
        .limit(limit)
    )
    if command is not None:
        statement = statement.where(decision.c.command == command)
    if channel_id is not None:
        statement = statement.where(channel.c.channel_id == channel_id)
    if skips is not None:
        is_skip = decision.c.outcome == Outcome.SKIP
        statement = statement.where(is_skip if skips else ~is_skip)
    return tuple(decision_record(row) for row in tx.connection.execute(statement))


def decision_at(tx: Tx, command: str, channel_id: str, at: float) -> DecisionRecord | None:
    """Given a command, a channel and a moment, return what was decided last by then; None where nothing was.

    One that was repeated holds the numbers of its last repeat, which may be later than `at`.
    """
    statement = (
        select(decision, channel.c.channel_id)
        .join(channel, (channel.c.node_key == decision.c.node_key) & (channel.c.channel_key == decision.c.channel_key))
        .where(
            decision.c.node_key == tx.node_key,
            decision.c.command == command,
            channel.c.channel_id == channel_id,
            decision.c.first_at <= at,
        )
        .order_by(decision.c.first_at.desc(), decision.c.decision_key.desc())
        .limit(1)
    )
    row = tx.connection.execute(statement).first()
    return None if row is None else decision_record(row)


def decision_record(row: Any) -> DecisionRecord:
    """Given a row of `decision` with its channel's id, return the decision."""
    return DecisionRecord(
        command=row.command,
        channel_id=row.channel_id,
        name=row.name,
        outcome=row.outcome,
        old_ppm=row.old_ppm,
        new_ppm=row.new_ppm,
        amount_msat=row.amount_msat,
        reasons=load_reasons(row.reasons_json),
        first_at=row.first_at,
        last_at=row.last_at,
        repeat_count=row.repeat_count,
        details=load_object(row.details_json) if row.details_json else {},
    )
