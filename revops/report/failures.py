"""`revops report failures` as blocks: why forwards failed, and at which exits."""

from __future__ import annotations

from collections.abc import Iterator

from revops.domain.failure import FailureReport, Failures, FailureSum
from revops.domain.forward import ForwardStatus
from revops.domain.text import counted
from revops.report.amounts import age, income, percent
from revops.report.blocks import Block, Line, Table
from revops.report.profit import period_words

_WHO = {ForwardStatus.LOCAL_FAILED: "us", ForwardStatus.FAILED: "beyond us"}


def failures(value: FailureReport) -> Iterator[Block]:
    """Given a report, render its kinds, what they mean, and a row for each exit with its kinds."""
    yield Line(f"{period_words(value.since_at, value.until_at)}; synced {age(value.synced_at, value.taken_at)}")
    total = value.total
    yield Line(
        f"{counted(total.attempt_count, 'payment')} came to an end: {total.settled_count:,} settled, "
        f"{total.refused_count:,} were refused by us, {total.failed_count:,} failed beyond us; "
        f"{income(total.in_msat)} sat were turned away"
    )
    if not total.kinds:
        return
    yield Line("")
    yield Table("Why", _WHY, tuple(_kind_row(kind, total) for kind in total.kinds))
    yield Table("By exit (sat)", _EXITS, tuple(_exit_row(channel) for channel in value.channels))
    yield Line("share: of all payments that wanted to leave there and came to an end; a sender may try one many times")


_WHY = ("by", "why", ">code", ">times", ">share", ">turned away, sat", "what it means (what helps)")
_EXITS = ("channel", "peer", ">payments", ">by us", ">beyond us", ">share", ">turned away", "why, times (share, sat)")


def _kind_row(kind: FailureSum, total: Failures) -> tuple[str, ...]:
    return (
        _WHO[kind.status],
        kind.name,
        f"{kind.failcode}" if kind.failcode else "-",
        f"{kind.failure_count:,}",
        percent(kind.failure_count / total.attempt_count),
        income(kind.in_msat),
        _explained(kind),
    )


def _exit_row(channel: Failures) -> tuple[str, ...]:
    return (
        channel.name or "(no exit was chosen)",
        channel.alias or (channel.peer_id or "")[:12],
        *(f"{count:,}" for count in (channel.attempt_count, channel.refused_count, channel.failed_count)),
        percent(channel.failure_count / channel.attempt_count),
        income(channel.in_msat),
        "; ".join(_kind(kind, channel) for kind in channel.kinds),
    )


def _kind(kind: FailureSum, channel: Failures) -> str:
    part = percent(kind.failure_count / channel.attempt_count)
    return f"{_WHO[kind.status]}: {kind.name} {kind.failure_count:,} ({part}, {income(kind.in_msat)})"


def _explained(kind: FailureSum) -> str:
    return f"{kind.meaning} ({kind.remedy})" if kind.remedy else kind.meaning
