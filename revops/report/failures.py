"""`revops report failures` as blocks: why forwards failed, and by which channels they were to leave."""

from __future__ import annotations

from collections.abc import Iterator

from revops.domain.failure import FailureReport, Failures, FailureSum
from revops.domain.forward import ForwardStatus
from revops.domain.text import counted
from revops.report.amounts import age, income, percent
from revops.report.blocks import Block, Legend, Line, Table
from revops.report.profit import period_words

_STATUS = {ForwardStatus.LOCAL_FAILED: "local_failed", ForwardStatus.FAILED: "failed"}
_LEGEND = (
    "local_failed: refused by this node; failed: by a node beyond it. failure, code: name and number of the failure "
    "message of BOLT 4. forwards: those that came to an end; share: of all that wanted to leave there; "
    "a sender may try one many times. amount: what they offered this node, fee included (in_msat)"
)


def failures(value: FailureReport) -> Iterator[Block]:
    """Given a report, render its kinds, what they mean, and a row for each out channel with its kinds."""
    yield Line(f"{period_words(value.since_at, value.until_at)}; synced {age(value.synced_at, value.taken_at)}")
    total = value.total
    yield Line(
        f"{counted(total.attempt_count, 'forward')} came to an end: {total.settled_count:,} settled, "
        f"{total.refused_count:,} local_failed, {total.failed_count:,} failed; "
        f"{income(total.in_msat)} sat weren't forwarded"
    )
    if not total.kinds:
        return
    yield Line("")
    yield Table("Failures (sat)", _KINDS, tuple(_kind_row(kind, total) for kind in total.kinds))
    yield Table("By out channel (sat)", _CHANNELS, tuple(_channel_row(channel) for channel in value.channels))
    yield Legend(_LEGEND)


_KINDS = ("status", "failure", ">code", ">forwards", ">share", ">amount", "what it means (what helps)")
_CHANNELS = (
    "channel", "peer", ">forwards", ">local_failed", ">failed", ">share", ">amount", "which failures (share, amount)"
)  # fmt: skip


def _kind_row(kind: FailureSum, total: Failures) -> tuple[str, ...]:
    return (
        _STATUS[kind.status],
        kind.name,
        f"{kind.failcode}" if kind.failcode else "-",
        f"{kind.failure_count:,}",
        percent(kind.failure_count / total.attempt_count),
        income(kind.in_msat),
        _explained(kind),
    )


def _channel_row(channel: Failures) -> tuple[str, ...]:
    return (
        channel.name or "(no out channel)",
        channel.alias or (channel.peer_id or "")[:12],
        *(f"{count:,}" for count in (channel.attempt_count, channel.refused_count, channel.failed_count)),
        percent(channel.failure_count / channel.attempt_count),
        income(channel.in_msat),
        "; ".join(_kind(kind, channel) for kind in channel.kinds),
    )


def _kind(kind: FailureSum, channel: Failures) -> str:
    part = percent(kind.failure_count / channel.attempt_count)
    return f"{_STATUS[kind.status]}: {kind.name} {kind.failure_count:,} ({part}, {income(kind.in_msat)})"


def _explained(kind: FailureSum) -> str:
    return f"{kind.meaning} ({kind.remedy})" if kind.remedy else kind.meaning
